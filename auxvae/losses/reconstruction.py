"""The reconstruction term, -log p(x|z) in nats per image (data.likelihoods), a mean over the batch."""

from __future__ import annotations

from auxvae.losses.inputs import Nats, TermInputs, TermSettings


def reconstruction(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Negative log-likelihood of the images, each or each pixel by the precision of its noise."""
    return fixed.likelihood.nats(inputs.images, inputs.reconstruction, inputs.precision).mean()

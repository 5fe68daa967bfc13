"""What a term of the loss sees: one batch of one run, and what is fixed for the run."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from auxvae.config.latents import Mmd
from auxvae.data.likelihoods import Likelihood
from auxvae.models.autoencoder import Posterior
from auxvae.models.priors import Gaussian, Prior

Images = Float[Tensor, "B C H W"]
Nats = Float[Tensor, ""]


class Draws(NamedTuple):
    """Random numbers of one step, each addressed by (run, step), and the codes of earlier steps.

    noise (B, d_Z) standard normal; drawn (M, d_Z) samples of the prior, zero on the told latents; shuffle (B, d_Z) an
    order of the rows per latent; pairs (2, P) first and second latent; past (Q, d_Z) codes of earlier batches.
    """

    noise: Float[Tensor, "B d"]
    drawn: Float[Tensor, "M d"]
    shuffle: Int[Tensor, "B d"]
    pairs: Int[Tensor, "2 P"]
    past: Float[Tensor, "Q d"]


class TermInputs(NamedTuple):
    """Images (B, C, H, W) on the likelihood's scale, factors, codes and reconstructions of a batch; its draws.

    Column j of u (B, d_Z) is the factor told to latent j, in [0, 1]; it is 0 where told[j], 0 or 1, is 0. prior is
    p(z|u), Gaussian. variance (d_Z,) is that of the prior's samples, expected (d_Z, 2 m) their mean features. progress,
    from 0 to 1, is how much of the training is done.
    """

    images: Images
    u: Float[Tensor, "B d"]
    told: Float[Tensor, " d"]
    prior: Gaussian
    posterior: Posterior
    image: Images
    noise: Float[Tensor, "B d"]
    drawn: Float[Tensor, "M d"]
    shuffle: Int[Tensor, "B d"]
    pairs: Int[Tensor, "2 P"]
    past: Float[Tensor, "Q d"]
    variance: Float[Tensor, " d"]
    expected: Float[Tensor, "d k"]
    progress: Float[Tensor, ""]
    second: nn.Module | None = None

    def second_network(self) -> Any:
        """The network trained beside the model; a term that asks for one belongs to a method that has it."""
        if self.second is None:
            raise LookupError("the method has no second network")
        return self.second


class TermSettings(NamedTuple):
    """What is fixed for a run: likelihood, kernel, capacity (nats), and how dependence is measured.

    density is the prior of the latents that are not told where it is not N(0, 1), which has a closed KL divergence;
    independent says that its latents are independent of each other, so that their covariance needs no samples.
    cooling: times that kl_free counts at first; gated: a latent at rest is not matched with the prior.
    """

    likelihood: Likelihood
    degree: int = 3
    aux_degree: int = 3
    normalise: bool = True
    interactions: bool = False
    dependence: str = "polynomial"
    capacity: float = 25.0
    mmd: Mmd = Mmd()
    density: Prior | None = None
    independent: bool = False
    cooling: float = 1.0
    gated: bool = False

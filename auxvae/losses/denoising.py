r"""The losses of a score-based autoencoder, in nats per image, means over the batch (auxvae.losses.score).

    denoising    w(l) |eps - eps_theta(x_t, l)|^2        of the denoiser alone
    guided       w(l) |eps - eps_hat|^2                  guided by q(z|x_t) at levels up to guided_until; the same as
                                                         denoising until the encoder learns
    kl_floored   r(t) sum_j max(KL_j, free_bits)         KL_j: mean over the batch of latent j's divergence; r(t) rises
                                                         from 0 to 1 over the share warm_up of the training, from where
                                                         the encoder learns

with w(l) = 1 / (2 p(l)) of the levels drawn (auxvae.models.schedules), or the same for all with `weighting: simple`.
By the former denoising is the bound of -log p(x) by diffusion without latents, up to a constant, and guided + KL with
them (Kingma et al., arXiv:2107.00630, eq. 13). A latent can only lower their sum if the denoiser gains more from it
than it costs: with a weight of KL above 1 none does.
"""

from __future__ import annotations

from auxvae.losses.divergences import gaussian_kl
from auxvae.losses.inputs import Denoised, Nats, TermInputs, TermSettings


def denoising(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """The denoiser without guidance."""
    return _denoised(inputs).unguided


def guided(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """The denoiser guided by the latents of each image."""
    return _denoised(inputs).guided


def _denoised(inputs: TermInputs) -> Denoised:
    if inputs.denoised is None:
        raise LookupError("the method has no denoiser")
    return inputs.denoised


def kl_floored(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Divergence of every latent, no less than its free bits, with a weight that rises."""
    diffusion = fixed.settings.diffusion
    posterior = inputs.posterior
    by_latent = gaussian_kl(posterior.mean, posterior.log_variance, inputs.prior).mean(0)
    nats: Nats = by_latent.clamp(min=diffusion.free_bits).sum()
    since = inputs.progress - (diffusion.start if diffusion.learning == "first" else 0)
    return nats * (since / diffusion.warm_up).clamp(0, 1) if diffusion.warm_up else nats

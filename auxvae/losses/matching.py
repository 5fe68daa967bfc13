r"""Terms that match the residual latents with samples of their prior, by MMD (losses.mmd).

    mmd            MMD^2 of all of them at once
    mmd_marginal   sum over the latents of each one's own MMD^2
    mmd_pairs      sum over the pairs of latents of the squared distance of their feature covariances

All are plain numbers, without units: their weights carry the nats. In a run with the term `kl_free`, mmd_marginal and
mmd_pairs weight a latent by 1 - 2 E sigma_j^2, clamped to [0, 1], so that inactive latents (E sigma^2 near 1) are left
out; and both grow linearly with the share of the training that is done, since a strong MMD at the beginning fixes the
latents in their initial, arbitrary rotation.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.losses import mmd
from auxvae.losses.inputs import Nats, TermInputs, TermSettings


def joint_mmd(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """MMD^2 of the residual latents from their prior."""
    residual = 1 - inputs.is_aux
    queue = inputs.queue._replace(codes=inputs.queue.codes * residual)
    z, samples = inputs.posterior.sample * residual, inputs.prior_samples * residual
    return mmd.joint(z, queue, samples, inputs.prior_variance * residual, fixed.mmd)


def mmd_marginal(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """MMD^2 of each residual latent alone, summed."""
    width = inputs.scalars.kernel_width
    by_latent = mmd.marginal(inputs.posterior.sample, inputs.queue, inputs.prior_features, width)
    return _ramp(inputs, fixed) * (_active(inputs, fixed) * by_latent).sum()


def mmd_pairs(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Distance of the feature covariances, summed over the pairs of residual and of residual with auxiliary latents.

    The auxiliary latents are constants here. Where only some pairs are drawn, their mean stands for that of all pairs.
    """
    width, samples = inputs.scalars.kernel_width, None if fixed.prior_independent else inputs.prior_samples
    z = _without_aux_gradient(inputs, inputs.posterior.sample)
    queue = inputs.queue._replace(codes=_without_aux_gradient(inputs, inputs.queue.codes))
    weight = _ramp(inputs, fixed) * _pair_weights(inputs.is_aux, _active(inputs, fixed))
    if fixed.mmd.pairs == "all":
        return (weight * mmd.pairs(z, queue, samples, width)).sum()
    chosen = weight[inputs.pairs[0], inputs.pairs[1]]
    by_pair = mmd.chosen_pairs(z, queue, samples, inputs.pairs, width)
    return (chosen * by_pair).sum() / chosen.sum().clamp(min=1e-9) * weight.sum()


def _pair_weights(is_aux: Float[Tensor, " d"], active: Float[Tensor, " d"]) -> Float[Tensor, "d d"]:
    """Weights of the pairs j < k: both residual and active, or one auxiliary and one active; upper triangle."""
    return torch.triu(active[:, None] * active + is_aux[:, None] * active + is_aux * active[:, None], 1)


def _active(inputs: TermInputs, fixed: TermSettings) -> Float[Tensor, " d"]:
    """Weights (d_Z,): 0 for auxiliary latents; for residual ones 1, in a gated run 1 - 2 E sigma^2 within [0, 1]."""
    residual = 1 - inputs.is_aux
    if not fixed.gated:
        return residual
    mean_variance = inputs.posterior.log_variance.detach().exp().mean(0)
    return residual * (1 - 2 * mean_variance).clamp(0, 1)


def _ramp(inputs: TermInputs, fixed: TermSettings) -> Tensor:
    """The growing weight of marginals and pairs in a gated run, 1 in others."""
    return inputs.progress if fixed.gated else torch.ones_like(inputs.progress)


def _without_aux_gradient(inputs: TermInputs, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Codes whose auxiliary latents are constants of about unit variance: they follow factors in [0, 1]."""
    return (1 - inputs.is_aux) * codes + inputs.is_aux * (codes.detach() - 0.5) * math.sqrt(12)

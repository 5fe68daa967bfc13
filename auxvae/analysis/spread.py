r"""What each latent holds, and how its codes are spread beside its prior: numbers for the figures of single latents.

    nats_j = mean_i KL(N(m_ij, s_ij^2) || N(0, 1))          of a residual latent under a standard normal prior
             1/2 log(1 + var_i m_ij / mean_i s_ij^2)        of any other: its information, were all Gaussian

of the means m_ij and standard deviations s_ij of the posteriors of the test rows i. A latent of less than 0.01 nat is
inactive, as `recon_active` counts it. The KL divergence of an auxiliary latent from N(u_ij, v) would not do: it is 0
where the posterior is as wide as it should be. The spread is that of one sample of each posterior; that of the prior
is of the residual latents' own prior, and of N(u_ij, v) or u_ij itself for auxiliary latents, over the same rows. A
learned prior has no quantiles here.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.analysis.aligned import posterior_samples
from auxvae.analysis.model import TrainedModel
from auxvae.config.run import Run
from auxvae.data.randomness import normal
from auxvae.metrics.posterior import divergence, held_nats

Array = NDArray[np.float64]
Codes = Float[ndarray, "N D"]
QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)
PRIOR = "prior_spread"


def codes_spread(run: Run, codes: xr.Dataset) -> xr.Dataset:
    """`latent_nats (latent)`, `spread (latent, quantile)` and, where it is stored, `prior_spread`, from codes.nc.

    A deterministic encoder has no nats.
    """
    mean, log_variance = (codes[name].values.astype(np.float32) for name in ("mean", "log_variance"))
    stored = {PRIOR: codes[PRIOR].variable} if PRIOR in codes else {}
    nats = latent_nats(run, mean, log_variance)
    return xr.Dataset(
        {
            **({} if nats is None else {"latent_nats": ("latent", nats)}),
            "spread": (("latent", "quantile"), quantiles(posterior_samples(run, mean, log_variance))),
            **stored,
        },
        coords={"quantile": list(QUANTILES)},
    )


def latent_nats(run: Run, mean: Codes, log_variance: Codes) -> Array | None:
    """What the posterior of each latent says, in nats, (d_Z,); None for an encoder without a width."""
    if run.encoder == "deterministic":
        return None
    information = held_nats(mean, log_variance)
    if run.prior.kind != "normal" or run.composition.conditional == "learned":
        return information
    residual = np.arange(mean.shape[1]) >= run.aux_latents
    return np.where(residual, divergence(mean, log_variance).mean(0, dtype=np.float64), information)


def quantiles(samples: Array) -> Array:
    """The quantiles of each latent, (D, 5), from samples (N, D)."""
    return np.quantile(samples, QUANTILES, axis=0).T


def prior_spread(model: TrainedModel) -> Array:
    """Quantiles of the prior of each latent, (D, 5), over the rows of the model; NaN where it is learned."""
    run, residual = model.run, model.sample_prior()
    whole = np.full((run.network.latents, len(QUANTILES)), np.nan)
    if run.aux_latents:
        u = model.rows.aux(run.variables, model.scaling).numpy().astype(np.float64)
        noise = normal(run.seed, "spread of prior", 0, u.shape).numpy()
        width = 0.0 if run.composition.conditional == "copied" else run.prior_variance**0.5
        whole[: u.shape[1]] = quantiles(u + width * noise)
    if residual is not None:
        whole[-residual.shape[1] :] = quantiles(residual.astype(np.float64))
    return whole

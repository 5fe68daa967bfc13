"""Images inverted block by block: the maximum of each posterior, its chains, and what both say of the factors.

Columns of the file, with a row per image; a second source has the same with `second_` before the name:

    FACTOR                       mean of the posterior, in the factor's unit
    FACTOR_low68, FACTOR_high68  its quantiles 0.16 and 0.84; low95 and high95: 0.025 and 0.975
    FACTOR_std, FACTOR_map       its standard deviation; the factor at the maximum
    FACTOR_encoder, ..._low68 .. the encoder's estimate and intervals, as `auxvae measure` has them
    z1, z1_std, ...              mean and standard deviation of each latent
    rhat, ess, accepted          the worst R-hat and the least ESS of the latents; share of trajectories accepted
    converged                    whether both are such that the draws may be used (auxvae.metrics.convergence)
    nats, nats_encoder           -log p(x|z) at the maximum and at the encoder's mean
    gain                         log p(z|x) at the maximum less that at the encoder's mean
    agreeing                     how many of the starts reached the maximum within a nat, of STARTS

A factor follows from its latent by the straight line that `measure` fits to the training rows. Chains begin where the
starts of the ascent ended, so that separate maxima make R-hat large; a start that ended far below takes the best one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auxvae.analysis.ascent import Maximum, factors_at, maximum
from auxvae.analysis.hamiltonian import Chains, Numbers, sampled
from auxvae.analysis.inversion import Target, encoded, first_widths, starts
from auxvae.analysis.measure import Calibration, Encoded
from auxvae.data.randomness import generator
from auxvae.metrics.conformal import LEVELS
from auxvae.metrics.convergence import ESS, RHAT, effective_draws, split_rhat

CHAINS, WARM_UP = 4, 200
STARTS = CHAINS
FAR = 20.0  # nats below the best, from which a start is no beginning of a chain
Array = NDArray[np.float64]
Columns = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Reading:
    """How latents become factors: places of the latents, limits of the training rows, calibration of `measure`."""

    places: Mapping[str, int]
    low: Mapping[str, float]
    high: Mapping[str, float]
    calibration: Calibration

    def factor(self, name: str, z: Array) -> Array:
        """A factor in its unit from latents (..., D) of one source."""
        scaled = self.low[name] + (self.high[name] - self.low[name]) * z[..., self.places[name]]
        return np.asarray(self.calibration.lines[name](scaled.ravel())).reshape(scaled.shape)

    def encoder(self, rows: NDArray[np.intp], mean: Array, std: Array) -> Columns:
        """The encoder's estimates with the intervals of `measure`, from its posteriors (N, D)."""
        span = {name: self.high[name] - self.low[name] for name in self.places}
        means = {name: self.low[name] + span[name] * mean[:, j] for name, j in self.places.items()}
        stds = {name: span[name] * std[:, j] for name, j in self.places.items()}
        columns: Columns = {}
        for name, each in self.calibration.estimates(Encoded(rows, means, stds)).items():
            columns[f"{name}_encoder"] = each.value
            for k, level in enumerate(LEVELS):
                columns[f"{name}_encoder_low{level * 100:.0f}"] = each.value - each.half[:, k]
                columns[f"{name}_encoder_high{level * 100:.0f}"] = each.value + each.half[:, k]
        return columns


def inverted(target: Target, reading: Reading, draws: int, seed: int) -> Columns:
    """The columns of a block of images, (N,) each; draws: of each chain."""
    rows = target.images.model.rows.numbers
    mean, std = encoded(target.images)
    top = maximum(target, starts(target, mean, STARTS - 1, seed), first_widths(std))
    chains = chains_of(target, top, first_widths(std), draws, [generator(seed, "inversion", int(row)) for row in rows])
    columns: Columns = {}
    every = (*_numpy(chains.draws, top.z), mean, std)
    of_sources = zip(*(np.split(each, target.images.sources, -1) for each in every), strict=True)
    for k, (z, best, its_mean, its_std) in enumerate(of_sources):
        named = {**_posterior(reading, z, best), **reading.encoder(rows, its_mean, its_std), **_latents(z)}
        columns |= {f"{'second_' * k}{name}": each for name, each in named.items()}
    return columns | _diagnostics(target, top, chains, mean)


def chains_of(target: Target, top: Maximum, widths: Tensor, draws: int, sources: list[torch.Generator]) -> Chains:
    """Chains of z, sampled in w, from where the starts ended, or of those far below from the best, with some noise."""
    near = top.values > top.value[:, None] - FAR
    ends = target.to_normal(torch.where(near[..., None], top.every, top.z[:, None]))
    factor = factors_at(target.in_normal, target.to_normal(top.z[:, None]), widths)[:, 0]
    noise = torch.stack([torch.randn(ends.shape[1:], generator=source) for source in sources])
    numbers = Numbers.of(sources, WARM_UP + draws, CHAINS, ends.shape[2])
    chains = sampled(target.in_normal, ends + noise @ factor.mT, factor, WARM_UP, numbers)
    return chains._replace(draws=target.of_normal(chains.draws.flatten(1, 2)).view_as(chains.draws))


def _posterior(reading: Reading, z: Array, best: Array) -> Columns:
    """Mean, quantiles and maximum of each factor, from draws (N, C, n, d) and the maximum (N, d) of a source."""
    columns: Columns = {}
    for name in reading.places:
        values = reading.factor(name, z).reshape(len(z), -1)
        columns[name] = values.mean(1)
        for level in LEVELS:
            ends = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=1)
            columns |= {f"{name}_{end}{level * 100:.0f}": each for end, each in zip(("low", "high"), ends, strict=True)}
        columns |= {f"{name}_std": values.std(1), f"{name}_map": reading.factor(name, best)}
    return columns


def _latents(z: Array) -> Columns:
    """Mean and standard deviation of each latent of a source, from draws (N, C, n, d)."""
    columns: Columns = {}
    for j in range(z.shape[-1]):
        columns |= {f"z{j + 1}": z[..., j].mean((1, 2)), f"z{j + 1}_std": z[..., j].std((1, 2))}
    return columns


def _diagnostics(target: Target, top: Maximum, chains: Chains, mean: Array) -> Columns:
    """What says whether the draws and the maximum can be trusted."""
    by_latent = np.moveaxis(chains.draws.numpy().astype(np.float64), -1, 1)
    rhat, ess = split_rhat(by_latent).max(1), effective_draws(by_latent).min(1)
    with torch.no_grad():
        both = torch.stack([top.z, torch.from_numpy(mean).to(top.z.dtype)], 1)
        values, (nats, nats_encoder) = target(both), target.nats(both).double().numpy().T
    return {
        "rhat": rhat,
        "ess": ess,
        "accepted": chains.acceptance.double().numpy(),
        "converged": (rhat <= RHAT) & (ess >= ESS),
        "nats": nats,
        "nats_encoder": nats_encoder,
        "gain": (values[:, 0] - values[:, 1]).double().numpy(),
        "agreeing": top.agreeing.numpy(),
    }


def _numpy(*several: Tensor) -> list[Array]:
    return [each.numpy().astype(np.float64) for each in several]

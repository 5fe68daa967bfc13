"""Row i of the design: the factors of galaxy i, which depend on (seed, design, i) alone.

A design places the rows in the unit cube, u in [0, 1)^F; the inverse distribution function of each factor maps u to
values. With n rows, a random permutation pi_f for each factor and v uniform in [0, 1):

    random           u_f(i) = v_f(i)
    latin_hypercube  u_f(i) = (pi_f(i) + v_f(i)) / n         (McKay, Beckman & Conover 1979)
    sobol            u(i) = point i of a scrambled Sobol sequence (scipy.stats.qmc)
    grid             u_f(i) = (l_f(i) + 1/2) / L_f, with l the digits of i in the mixed radix L, last factor fastest
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from simulations.distributions import Factor
from simulations.parameters import SERSIC_STEP
from simulations.randomness import Floats, key, permuted, uniforms
from simulations.spec import Dataset, Split

SPLITS = ("train", "validation", "test")


def draw_factors(dataset: Dataset, start: int, stop: int) -> dict[str, Floats]:
    """Values of every factor for rows start..stop-1, each of shape (rows,), in its declared unit."""
    cube = unit_cube(dataset, start, stop)
    drawn = {name: quantile(factor, cube[:, k]) for k, (name, factor) in enumerate(dataset.factors.items())}
    if "sersic_index" in drawn:
        drawn["sersic_index"] = np.round(drawn["sersic_index"] / SERSIC_STEP) * SERSIC_STEP
    return drawn


def unit_cube(dataset: Dataset, start: int, stop: int) -> Floats:
    """Rows start..stop-1 of the design, shape (rows, factors), in [0, 1)."""
    if dataset.design == "sobol":
        return _sobol(dataset, start, stop)
    if dataset.design == "grid":
        levels = [factor.levels or 1 for factor in dataset.factors.values()]
        digits = np.stack(np.unravel_index(np.arange(start, stop), levels), axis=1)
        return np.asarray((digits + 0.5) / levels)
    columns = [_column(dataset, name, start, stop) for name in dataset.factors]
    return np.stack(columns, axis=1)


def _column(dataset: Dataset, name: str, start: int, stop: int) -> Floats:
    within = uniforms(dataset.seed, f"factor {name}", start, stop)
    if dataset.design == "random":
        return within
    rows = np.arange(start, stop, dtype=np.uint64)
    return np.asarray((permuted(rows, dataset.galaxies, dataset.seed, f"stratum {name}") + within) / dataset.galaxies)


def _sobol(dataset: Dataset, start: int, stop: int) -> Floats:
    scramble = np.random.default_rng(key(dataset.seed, "sobol").tolist())
    sequence = stats.qmc.Sobol(len(dataset.factors), scramble=True, rng=scramble)
    if start:
        sequence.fast_forward(start)
    return np.asarray(sequence.random(stop - start))


def quantile(factor: Factor, u: Floats) -> Floats:
    """Inverse distribution function of a factor at u in [0, 1), in the factor's unit."""
    match factor:
        case Factor("uniform", low=float(low), high=float(high)):
            return low + u * (high - low)
        case Factor("log_uniform", low=float(low), high=float(high)):
            return np.asarray(low * (high / low) ** u)
        case Factor("normal", mean=float(mean), std=float(std)):
            return np.asarray(mean + std * special.ndtri(np.maximum(u, 2.0**-54)))
        case Factor("truncated_normal", low=float(low), high=float(high), mean=float(mean), std=float(std)):
            return np.asarray(stats.truncnorm.ppf(u, (low - mean) / std, (high - mean) / std, mean, std))
    raise TypeError(f"{factor} has no distribution")


def draw_split(dataset: Dataset, start: int, stop: int) -> NDArray[np.int8]:
    """Part of rows start..stop-1 of a data set, (rows,): 0 train, 1 validation, 2 test."""
    return split_rows(dataset.split, dataset.galaxies, dataset.seed, start, stop)


def split_rows(split: Split, galaxies: int, seed: int, start: int, stop: int) -> NDArray[np.int8]:
    """Part of rows start..stop-1, (rows,), 0 train, 1 validation, 2 test: a random permutation cut at exact counts."""
    position = permuted(np.arange(start, stop, dtype=np.uint64), galaxies, seed, "split")
    train, validation, _ = split.counts(galaxies)
    return ((position >= train).astype(np.int8) + (position >= train + validation)).astype(np.int8)

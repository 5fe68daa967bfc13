"""Row i of the design: the factors of galaxy i, which depend on (seed, design, i) alone.

A design places the rows in the unit cube, u in [0, 1)^F; the inverse distribution function of each factor maps u to
values. With n rows, a random permutation pi_f for each factor and v uniform in [0, 1):

    random           u_f(i) = v_f(i)
    latin_hypercube  u_f(i) = (pi_f(i) + v_f(i)) / n         (McKay, Beckman & Conover 1979)
    sobol            u(i) = point i of a scrambled Sobol sequence (scipy.stats.qmc)
    grid             u_f(i) = (l_f(i) + 1/2) / L_f, with l the digits of i in the mixed radix L, last factor fastest

Between the two, factors that the data set declares as correlated are made so (simulations.correlations), or follow
their causes and the interventions of the row's context (simulations.structure).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from simulations.correlations import correlated, matrix_of, root_of
from simulations.distributions import Factor
from simulations.parameters import SERSIC_STEP
from simulations.randomness import Floats, Indices, key, permuted, uniforms
from simulations.spec import Dataset, Split
from simulations.structure import Intervention, in_order, scatters

SPLITS = ("train", "validation", "test")


def draw_factors(dataset: Dataset, start: int, stop: int) -> dict[str, Floats]:
    """Values of every factor for rows start..stop-1, each of shape (rows,), in its declared unit."""
    cube = with_structure(dataset, with_correlations(dataset, unit_cube(dataset, start, stop)), start)
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


def with_correlations(dataset: Dataset, cube: Floats) -> Floats:
    """The cube (rows, factors) with its correlated columns in place of the independent ones, in [0, 1)."""
    names = correlated(dataset.correlations, dataset.factors)
    if not names:
        return cube
    columns = [list(dataset.factors).index(name) for name in names]
    scores, root = scores_of(cube[:, columns]), root_of(matrix_of(dataset.correlations, names))
    coupled = cube.copy()
    for column, weights in zip(columns, root or (), strict=True):  # term by term: a row's bytes know no other row
        mixed = sum(weight * scores[:, j] for j, weight in enumerate(weights))
        coupled[:, column] = _below_1(special.ndtr(mixed))
    return coupled


def with_structure(dataset: Dataset, cube: Floats, start: int) -> Floats:
    """The cube (rows, factors) of rows `start` on, each column following its causes, or the context's intervention."""
    if not dataset.mechanisms and not dataset.contexts:
        return cube
    context = draw_context(dataset, start, start + len(cube))
    names = list(dataset.factors)
    ordered = in_order(dataset.mechanisms, names) or []
    scatter, scores = scatters(dataset.mechanisms, ordered), dict(zip(names, scores_of(cube.T), strict=True))
    for name in ordered:
        independent, causes = scores[name], dataset.mechanisms.get(name, {})
        scores[name] = sum((weight * scores[cause] for cause, weight in causes.items()), scatter[name] * independent)
        for number, each in enumerate(dataset.contexts.values()):
            if name in each.do:
                rows = context == number
                scores[name][rows] = _intervened(each.do[name], dataset.factors[name], independent[rows])
    return np.stack([_below_1(special.ndtr(scores[name])) for name in names], 1)


def _intervened(intervention: Intervention, factor: Factor, independent: Floats) -> Floats:
    """Normal scores of a factor under an intervention, from independent ones, (rows,)."""
    if intervention.low is None or intervention.high is None:
        return (intervention.mean or 0.0) + (intervention.std or 0.0) * independent
    values = intervention.low + special.ndtr(independent) * (intervention.high - intervention.low)
    return scores_of(share_below(factor, values))


def scores_of(u: Floats) -> Floats:
    """Normal scores of numbers in [0, 1); finite."""
    return np.asarray(special.ndtri(np.clip(u, 2.0**-54, 1 - 2.0**-53)))


def _below_1(u: Floats) -> Floats:
    return np.asarray(np.minimum(u, 1 - 2.0**-53))


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


def share_below(factor: Factor, values: Floats) -> Floats:
    """Distribution function of a factor at values in its unit, in [0, 1]."""
    low, high = factor.support()
    mean, std = factor.mean or 0.0, factor.std or 1.0
    if factor.distribution == "uniform":
        return (values - low) / (high - low)
    if factor.distribution == "log_uniform":
        return np.asarray(np.log(values / low) / np.log(high / low))
    if factor.distribution == "normal":
        return np.asarray(special.ndtr((values - mean) / std))
    return np.asarray(stats.truncnorm.cdf(values, (low - mean) / std, (high - mean) / std, mean, std))


def draw_context(dataset: Dataset, start: int, stop: int) -> NDArray[np.int8]:
    """Context of rows start..stop-1, (rows,), numbered in the order of the data set."""
    edges = np.array([part.first for part in dataset.parts[1:]], dtype=np.uint64)
    return np.asarray(np.searchsorted(edges, position_of(dataset, start, stop), side="right"), dtype=np.int8)


def position_of(dataset: Dataset, start: int, stop: int) -> Indices:
    """Places of rows start..stop-1 in the random permutation that is cut into contexts, or into the parts alone."""
    purpose = "context" if dataset.contexts else "split"
    return permuted(np.arange(start, stop, dtype=np.uint64), dataset.galaxies, dataset.seed, purpose)


def draw_split(dataset: Dataset, start: int, stop: int) -> NDArray[np.int8]:
    """Part of rows start..stop-1 of a data set, (rows,): 0 train, 1 validation, 2 test."""
    if not dataset.contexts:
        return split_rows(dataset.split, dataset.galaxies, dataset.seed, start, stop)
    ends = [(part.first + part.train, part.first + part.train + part.validation) for part in dataset.parts]
    train, validation = np.array(ends, dtype=np.uint64)[draw_context(dataset, start, stop)].T
    position = position_of(dataset, start, stop)
    return np.asarray((position >= train).astype(np.int8) + (position >= validation), dtype=np.int8)


def split_rows(split: Split, galaxies: int, seed: int, start: int, stop: int) -> NDArray[np.int8]:
    """Part of rows start..stop-1, (rows,), 0 train, 1 validation, 2 test: a random permutation cut at exact counts."""
    position = permuted(np.arange(start, stop, dtype=np.uint64), galaxies, seed, "split")
    train, validation, _ = split.counts(galaxies)
    return ((position >= train).astype(np.int8) + (position >= train + validation)).astype(np.int8)

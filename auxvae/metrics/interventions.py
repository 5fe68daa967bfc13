r"""How well a model that learns from interventions does them: its images, their moments, and its concepts' codes.

Images x of the model in a context and y of the data there, N and M rows of D pixels; theta_p, p = 1..P, are unit
vectors addressed by a seed; codes are m blocks of k columns, one for each concept; u are F factors.

    sliced_wasserstein = sqrt(mean_p W_2^2(theta_p x, theta_p y)),   W_2^2 = int_0^1 (F^-1 - G^-1)^2 dt
                         [0, inf) in the unit of a pixel: sets that differ by a vector v are |v| / sqrt(D) apart
                                                    Bonneel et al., JMIV 2015; in use in arXiv:2507.04754
    sliced_floor       = the same between random halves of y, over sqrt(2), since W_2^2 of samples of one distribution
                         falls as 1 / N: the score of a perfect model with as many images as y, around which single
                         ones scatter. Chance: images of other contexts in the place of the model's
    moved              = (mean q(x) - mean q(start)) / (mean q(y) - mean q(start)): the share of the shift of a
                         quantity q that the model's images show. 1 is good, 0 nothing moved (chance), above 1 too far
    block_dci          = DCI with R_jk summed over the columns of block j; [0, 1], 1 is good
                                                    Eastwood & Williams, ICLR 2018, section 3
    consistency        = sqrt(mean (u' - u)^2) / std(u), of images of the same latents in two contexts; [0, inf)
                         0 is good for all factors but those intervened on; chance is sqrt(2): unrelated latents
    identifiability    = R2, on the other half of the rows, of the linear map from block j alone to factor k
                         (-inf, 1]; 1 is good for a concept's factors, 0 for all others where factors are independent;
                         chance is -2 (k + 2) / N              what theorem 3.3 of arXiv:2507.04754 promises
    effects            = area under the ROC curve of |A_ji|, edges i -> j against pairs without one; [0, 1]
                         1 is good, 1/2 is chance

All but the first are additions, as the paper measures sets of images alone.

Means in `moved` are without the lowest and the highest twentieth, with the standard error of the winsorised values
(Tukey & McLaughlin, Sankhya A 1963): a few broken images have moments without bounds, and would decide a plain mean. A
median bounds them, too, but of a model that moves some images fully and others not at all it shows no share: it jumps
from 0 to 1, while the mean of a mixture is its share. Quantities of long tails (flux, size) are taken as logarithms.

Known failures. In random directions what few pixels show hardly counts. A distance of samples is about the root of
true^2 + floor^2. A linear map does not see a factor that its block holds in a curve. Of dependent factors even a
perfect code has `identifiability` beside its diagonal. `effects` of one model scatters around 1/2 by
sqrt((e + o + 1) / (12 e o)) for e edges and o other pairs, and strong entries can be those of the initial weights: read
it beside models of independent factors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.config.kinds import Kind
from auxvae.metrics.importance import dci
from auxvae.metrics.prior_match import jackknife_of_two, marginal_wasserstein
from auxvae.metrics.readout import auc
from auxvae.metrics.score import RESAMPLES, Flags, Rows, Score, Table, within
from auxvae.metrics.standardise import standard_by_first
from foundation.faults import Fault, Refused, Words

Array = NDArray[np.float64]
DIRECTIONS = 200
AT_A_TIME = 1024  # images that are projected together
SPLITS = 10  # of images into halves
TRIM = 0.05  # share left out at either end of a mean
FEWEST = 16  # values that a mean is taken of
CLEAR = 5.0  # standard errors of a shift, of which there are no shares below
PURPOSES = ("directions", "halves of images", "halves of codes")  # of random numbers, each from a stream of its own
SMALL = 1e-6  # singular values of a block below this share of the largest are rounding


def unit_directions(columns: int, seed: int, count: int = DIRECTIONS) -> Float[ndarray, "P D"]:
    """Random directions (count, columns), uniform on the sphere."""
    rows = _source(seed, "directions").standard_normal((count, columns))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def projected(images: Float[ndarray, "N ..."], directions: Float[ndarray, "P D"]) -> Float[ndarray, "N P"]:
    """Images of D numbers each, projected on every direction, in double whatever the images are in."""
    flat = images.reshape(len(images), directions.shape[1])
    parts = [flat[start : start + AT_A_TIME] for start in range(0, len(flat), AT_A_TIME)]
    return np.concatenate([np.asarray(part, dtype=np.float64) @ directions.T for part in parts])


def sliced_wasserstein(
    one: Float[ndarray, "N ..."], other: Float[ndarray, "M ..."], directions: Float[ndarray, "P D"]
) -> float:
    """The sliced 2-Wasserstein distance of two sets of images of any two sizes: [0, inf), the floor is good.

    Not the `set_distance` of reconstructions, which is the mean of W_1. Equal to POT's in the same directions (tested).
    """
    return projected_distance(projected(one, directions), projected(other, directions))


def projected_distance(one: Float[ndarray, "N P"], other: Float[ndarray, "M P"]) -> float:
    """The sliced 2-Wasserstein distance of images that are projected already."""
    return math.sqrt(marginal_wasserstein(one, other, 2))


def distance_score(one: Float[ndarray, "N P"], other: Float[ndarray, "M P"]) -> Score:
    """`projected_distance` with the interval of deleting a block of each set at a time; too wide near the floor."""

    def measure(rows: Rows, drawn: Rows) -> float:
        return projected_distance(one[rows], other[drawn])

    return jackknife_of_two(measure, len(one), len(other))


def sliced_floor(images: Float[ndarray, "N P"], seed: int) -> float:
    """The distance of two sets of N images of one distribution, from random halves of N projected ones."""
    half = len(images) // 2
    source = _source(seed, "halves of images")
    orders = [source.permutation(len(images)) for _ in range(SPLITS)]
    squares = [marginal_wasserstein(images[each[:half]], images[each[half : 2 * half]], 2) for each in orders]
    return math.sqrt(np.mean(squares) / 2)


def _source(seed: int, purpose: str) -> np.random.Generator:
    """The random numbers of a seed for one purpose."""
    return np.random.Generator(np.random.Philox(key=(seed, PURPOSES.index(purpose))))


class Mean(NamedTuple):
    """A mean without its tails, its standard error, and how many values it is of."""

    value: float
    se: float
    n: int


def trimmed_mean(values: Float[ndarray, " N"], trim: float = TRIM) -> Mean:
    """The mean without that share of the values at either end; those that are no finite numbers are left out before."""
    values = np.sort(values[np.isfinite(values)])
    n, cut = len(values), int(trim * len(values))
    if n < FEWEST:
        return Mean(math.nan, math.nan, n)
    kept = values[cut : n - cut]
    spread = float(np.clip(values, kept[0], kept[-1]).std(ddof=1))
    return Mean(float(kept.mean()), spread * math.sqrt(n) / len(kept), n)


def moved(
    model: Float[ndarray, " N"], start: Float[ndarray, " M"], end: Float[ndarray, " L"], trim: float = TRIM
) -> Score:
    """The share of a quantity's shift from `start` to `end` that the model's images show: 1 is good, 0 is chance.

    Its standard error is by the delta method, for three independent sets. NaN where the shift is smaller than CLEAR of
    its standard errors: there is nothing to show a share of. `trim` 0 takes plain means.
    """
    m, a, b = (trimmed_mean(each, trim) for each in (model, start, end))
    shift = b.value - a.value
    if not abs(shift) > CLEAR * math.hypot(a.se, b.se):
        return Score(math.nan, math.nan, math.nan, m.n)
    share = (m.value - a.value) / shift
    error = math.sqrt(m.se**2 + ((1 - share) * a.se) ** 2 + (share * b.se) ** 2) / abs(shift)
    return within(share, error, m.n, None, -math.inf, math.inf)


def block_dci(
    codes: Table,
    factors: Table,
    discrete: Flags,
    codes_test: Table,
    factors_test: Table,
    concepts: int,
    resamples: int = RESAMPLES,
    kinds: Sequence[Kind] = (),
) -> dict[str, Score]:
    """DCI of codes (N, m k), where a concept's block is one code, as block_dci_disentanglement, ...; R is (m, F).

    In [0, 1] (informativeness may be below 0), 1 is good; chance is that of codes in another order of rows.
    Eastwood & Williams, ICLR 2018, section 3; arguments and intervals as in auxvae.metrics.importance.
    """
    size = _size_of_block(np.asarray(codes).shape[1], concepts)
    rows = (codes, factors, discrete, codes_test, factors_test)
    scores = dci(*rows, resamples=resamples, kinds=kinds, block=size)
    return {f"block_{name}": score for name, score in scores.items()}


def _size_of_block(columns: int, concepts: int) -> int:
    if concepts < 1 or columns % concepts:
        value, text = Words(f"{columns} columns"), f"each of {concepts} concepts has as many"
        raise Refused(Fault("codes", value, text, "give the codes of all concepts, one block after the other"))
    return columns // concepts


def consistency(before: Float[ndarray, "N V"], after: Float[ndarray, "N V"]) -> float:
    """How far a factor changes from one context to another with the latents kept, in its own standard deviations.

    before, after: the factor's variables (a circular one has two) in images of the same N latents in two contexts.
    [0, inf): 0 is good for a factor that the intervention does not cause, sqrt(2) is chance. NaN where it does not vary
    in the first context.
    """
    varied = float(before.var(0).sum())
    return math.sqrt(float(np.mean((after - before) ** 2, 0).sum()) / varied) if varied > 0 else math.nan


def identifiability(
    codes: Float[ndarray, "N D"], factors: Float[ndarray, "N F"], concepts: int, seed: int
) -> Float[ndarray, "m F"]:
    """R2 of each factor by least squares on each block of codes (N, m k): learned on one half, scored on the other.

    (-inf, 1]: near 1 where a block is of the factor's concept, near 0 elsewhere if factors are independent; chance is
    -2 (k + 2) / N. NaN for a factor that is constant in either half.
    """
    _size_of_block(codes.shape[1], concepts)
    order = _source(seed, "halves of codes").permutation(len(codes))
    fit, test = np.sort(order[: len(codes) // 2]), np.sort(order[len(codes) // 2 :])
    z, z_test = standard_by_first(codes[fit], codes[test])
    u, u_test = standard_by_first(factors[fit], factors[test])
    blocks = zip(*(np.split(each, concepts, 1) for each in (z, z_test)), strict=True)
    return np.stack([_explained(of_fit, u, of_test, u_test) for of_fit, of_test in blocks])


def _explained(z: Array, u: Array, z_test: Array, u_test: Array) -> Array:
    """R2 of the test rows, (F,), by least squares on the others, whose columns have mean 0."""
    weights = np.linalg.lstsq(z, u, rcond=SMALL)[0]
    missed, varied = (np.sum(each**2, 0) for each in (u_test - z_test @ weights, u_test - u_test.mean(0)))
    return np.asarray(1 - np.divide(missed, varied, out=np.full(len(varied), np.nan), where=varied > 0))


def effects(strengths: Float[ndarray, "m m"], structure: Float[ndarray, "m m"]) -> float:
    """How well strengths rank the edges of a structure over pairs without one: AUC in [0, 1], 1/2 is chance.

    Both (effect, cause), as auxvae.models.context_module.pooled has them: entry (j, i) is how i acts on j, and an edge
    is an entry of the structure that is not 0. Ties count half; the diagonal is left out. NaN without edges, or
    without other pairs.
    """
    beside = ~np.eye(len(strengths), dtype=bool)
    edges = structure[beside] != 0
    if edges.all() or not edges.any():
        return math.nan
    return float(auc(np.abs(strengths[beside]), edges, 0)[0])

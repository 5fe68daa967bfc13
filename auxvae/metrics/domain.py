r"""Whether an image is one of those that a model was trained on, by three statistics with a stated false-alarm rate.

    excess        -log p(x | decoder at the posterior mean), less what the noise alone costs          nats
    distance      from its posterior mean to the nearest one among the rows fitted to, in active latents, whitened
    log variance  mean of the log variances of the posterior over active latents

Reference rows, like those that the model was trained on but unknown to it, are halved. The first half fits: median and
quartiles of excess and log variance, both of which may be too small as well as too large, so that |t - median| in units
of the quartile's distance on that side is what counts; and the whitening and the neighbours of the distance. The second
half calibrates, of m rows with statistics t_i,

    p_k = (1 + #{i : t_i >= t}) / (m + 1)          P(p_k <= a) <= a for an image of the same distribution
    p   = min(1, 3 min_k p_k)                      Bonferroni; outside if p <= the false-alarm rate

(Vovk et al. 2005, section 2.2; Bates et al., Annals of Statistics 51, 149, 2023, for outliers). It needs m >= 3 / rate
- 1. Ranks are coarse: with m = 500 and a rate of 0.01 an image is outside if it exceeds all calibration rows in one of
the statistics, and 0.006 of the images are by chance, at most.

The promise is on the average over calibrations. Of n images that are all inside, the mean of p_k is 1/2 to about
sqrt((1/n + 1/m) / 12); it tells of a whole store that is shifted though no image is strange by itself.

The nearest neighbour, and not Mahalanobis' distance: codes of factors that fill a box are no ellipsoid, and an image
just outside a face of the box is no farther from the middle than its corners (docs/measure.md has both measured).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import beta, binomtest

from auxvae.metrics.posterior import ACTIVE, held_nats

STATISTICS = ("excess", "distance", "log_variance")
LEAST = 1e-12  # of the largest variance of a direction: directions in which codes do not vary are left out
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reconstructed:
    """What a model makes of images: posterior means and log variances (N, D), nats and those of the noise (N,)."""

    mean: Array
    log_variance: Array
    nats: Array
    noise: Array

    def take(self, rows: slice) -> Reconstructed:
        """Some of the images."""
        return Reconstructed(self.mean[rows], self.log_variance[rows], self.nats[rows], self.noise[rows])


@dataclass(frozen=True)
class Folded:
    """How far a value lies from the middle of others, in units of the quartile's distance on that side."""

    middle: float
    below: float
    above: float

    @classmethod
    def of(cls, values: Float[ndarray, " N"]) -> Folded:
        """By median and quartiles; where these coincide, in the unit of the values."""
        low, middle, high = map(float, np.quantile(values, [0.25, 0.5, 0.75]))
        return cls(middle, (middle - low) or 1.0, (high - middle) or 1.0)

    def __call__(self, values: Float[ndarray, " N"]) -> Float[ndarray, " N"]:
        """Distances of values, at least 0."""
        offset = values - self.middle
        return np.where(offset < 0, -offset / self.below, offset / self.above)


@dataclass(frozen=True)
class Neighbours:
    """Posterior means of the rows fitted to, whitened, in a tree; `active` (D,) are the latents that say something."""

    active: NDArray[np.bool_]
    middle: Array
    directions: Array
    tree: cKDTree

    @classmethod
    def of(cls, mean: Float[ndarray, "N D"], log_variance: Float[ndarray, "N D"]) -> Neighbours:
        """Whitened by the covariance of the means; all latents, where none is active."""
        active = held_nats(mean, log_variance) > ACTIVE
        active = active if active.any() else np.ones_like(active)
        middle = mean[:, active].mean(0)
        variances, vectors = np.linalg.eigh(np.atleast_2d(np.cov(mean[:, active].T)))
        varying = variances > LEAST * variances.max()
        directions = vectors[:, varying] / np.sqrt(variances[varying]) if varying.any() else vectors
        return cls(active, middle, directions, cKDTree((mean[:, active] - middle) @ directions))

    def __call__(self, mean: Float[ndarray, "N D"]) -> Float[ndarray, " N"]:
        """The distance of each posterior mean from the nearest of the tree."""
        return np.asarray(self.tree.query((mean[:, self.active] - self.middle) @ self.directions)[0])


@dataclass(frozen=True)
class Domain:
    """The fitted statistics, and those of the calibration rows (m,), by name and in rising order."""

    excess: Folded
    neighbours: Neighbours
    log_variance: Folded
    calibration: dict[str, Array]

    @classmethod
    def of(cls, reference: Reconstructed) -> Domain:
        """From reference rows, every second of which calibrates."""
        fit, others = reference.take(slice(0, None, 2)), reference.take(slice(1, None, 2))
        neighbours = Neighbours.of(fit.mean, fit.log_variance)
        width = Folded.of(fit.log_variance[:, neighbours.active].mean(1))
        excess = Folded.of(fit.nats - fit.noise)
        sizes = cls(excess, neighbours, width, {}).sizes(others)
        return cls(excess, neighbours, width, {name: np.sort(values) for name, values in sizes.items()})

    @property
    def rows(self) -> int:
        """m, the number of calibration rows."""
        return len(self.calibration["excess"])

    @property
    def constant(self) -> list[str]:
        """Statistics that are the same in all calibration rows: the log variance of an encoder without a width."""
        return [name for name, sizes in self.calibration.items() if sizes[0] == sizes[-1]]

    def values(self, images: Reconstructed) -> dict[str, Array]:
        """The statistics of images (N,) as they are read."""
        return {
            "excess": images.nats - images.noise,
            "distance": self.neighbours(images.mean),
            "log_variance": images.log_variance[:, self.neighbours.active].mean(1),
        }

    def sizes(self, images: Reconstructed) -> dict[str, Array]:
        """The statistics of images (N,) such that large ones are suspect."""
        values = self.values(images)
        folded = {"excess": self.excess(values["excess"]), "log_variance": self.log_variance(values["log_variance"])}
        return {name: folded.get(name, values[name]) for name in STATISTICS}

    def p_values(self, images: Reconstructed) -> dict[str, Array]:
        """p_k of images (N,) by statistic."""
        sizes = self.sizes(images)
        larger = {name: self.rows - np.searchsorted(self.calibration[name], sizes[name]) for name in STATISTICS}
        return {name: (1 + count) / (self.rows + 1) for name, count in larger.items()}


def combined(p_values: Mapping[str, Array]) -> Array:
    """The p of all three statistics of images, (N,)."""
    least = np.min([p_values[name] for name in STATISTICS], axis=0)
    return np.asarray(np.minimum(1.0, len(STATISTICS) * least))


def rows_needed(rate: float) -> int:
    """Calibration rows without which no image can have p <= rate."""
    return math.ceil(len(STATISTICS) / rate - 1 - 1e-9)


@dataclass(frozen=True)
class Share:
    """Images outside of how many, the share's 95 % interval, and the most that false alarms are likely to make."""

    outside: int
    images: int
    low: float
    high: float
    alarms: float

    @property
    def verdict(self) -> str:
        """inside, partly outside or outside."""
        if self.low > 0.5:
            return "outside"
        return "partly outside" if self.low > self.alarms else "inside"


def share_outside(outside: NDArray[np.bool_], rate: float, rows: int) -> Share:
    """The share of images (N,) that are outside, by Clopper and Pearson's interval.

    alarms: among images that are all inside the share is at most a = 3 k / (m + 1) on the average over calibrations of
    m rows, k = floor(rate (m + 1) / 3), and varies about like the 3 k-th smallest of m uniform numbers: the larger of
    the rate and the 97.5 % quantile of that.
    """
    count, n = int(outside.sum()), len(outside)
    ends = binomtest(count, n).proportion_ci(0.95, method="exact")
    allowed = len(STATISTICS) * math.floor(rate * (rows + 1) / len(STATISTICS) + 1e-9)
    alarms = float(beta.ppf(0.975, allowed, rows + 1 - allowed))
    return Share(count, n, float(ends.low), float(ends.high), max(alarms, rate))


def mean_error(images: int, rows: int) -> float:
    """Standard error of the mean of p_k over so many images, of the distribution of so many calibration rows."""
    return math.sqrt((1 / images + 1 / rows) / 12)

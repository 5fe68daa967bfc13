r"""The swap test: what is measured in an image when one block of its code is another galaxy's.

For flux, size and ellipticity by adaptive moments (metrics.shapes), y of the image decoded from a galaxy's whole code
and y' of the image decoded after a block was exchanged, over galaxies where both converge,

    y' = slope y + offset + scatter         y = ln flux, ln size, or e1 and e2 together
    slope    least squares                  bias    mean of y' - y            scatter   standard deviation of y' - y

With z_recon exchanged (swap_recon_...) a slope of 1, no bias and no scatter say that the quantity stands in z_aux
alone, 0 that it stands in z_recon. With z_aux exchanged (swap_aux_...) it is the other way round: a slope of 0 is good
for what the model was given. An astronomer can trust this where regressions of codes might miss something, since the
images themselves are measured. Intervals: the slope's and the bias's by their standard errors over galaxies, the
scatter's by deleting a block.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.metrics.score import Rows, Score, jackknife, mean_score, within
from auxvae.metrics.shapes import Shapes

Array = NDArray[np.float64]
LEAST = 20  # galaxies that must converge


def swap_scores(name: str, whole: Shapes, swapped: Shapes) -> dict[str, Score]:
    """`name`_flux_slope, _bias, _scatter and those of size and shape, from moments (N,) of the same galaxies."""
    both = np.isfinite(whole.size) & np.isfinite(swapped.size)
    if both.sum() < LEAST:
        return {}
    scores: dict[str, Score] = {}
    for quantity, (y, changed) in _quantities(whole, swapped, both).items():
        difference = changed - y
        scores |= {
            f"{name}_{quantity}_slope": slope(y, changed),
            f"{name}_{quantity}_bias": mean_score(difference),
            f"{name}_{quantity}_scatter": jackknife(partial(_scatter, difference), len(difference)),
        }
    return scores


def _quantities(whole: Shapes, swapped: Shapes, both: NDArray[np.bool_]) -> dict[str, tuple[Array, Array]]:
    """What is compared, before and after, over the galaxies that converge."""
    one, two = (Shapes(*(column[both] for column in each)) for each in (whole, swapped))
    ellipticities = [np.stack([each.e1, each.e2], 1).ravel() for each in (one, two)]
    return {
        "flux": (np.log(one.flux), np.log(two.flux)),
        "size": (np.log(one.size), np.log(two.size)),
        "shape": (ellipticities[0], ellipticities[1]),
    }


def slope(x: Float[ndarray, " N"], y: Float[ndarray, " N"]) -> Score:
    """Slope of the least-squares line of y on x, with the standard error that allows for unequal variances (White)."""
    x, y = x - x.mean(), y - y.mean()
    squares = float(x @ x)
    if not squares:
        return Score(np.nan, np.nan, np.nan, len(x))
    value = float(x @ y) / squares
    error = float(np.sqrt(np.sum((x * (y - value * x)) ** 2))) / squares
    return within(value, error, len(x), least=-np.inf, most=np.inf)


def _scatter(values: Array, rows: Rows) -> float:
    return float(values[rows].std(ddof=1))

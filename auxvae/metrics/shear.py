r"""Bias of a shear estimator, multiplicative m and additive c, for each component.

    <g_measured> = (1 + m) g_true + c          Heymans et al., MNRAS 2006; Huterer et al., MNRAS 2006, eq. 10

by least squares over galaxies, 0 is good; standard errors by bootstrap over rows (auxvae.metrics.score).

An estimator that is a posterior mean is shrunk towards the mean of its prior, so that m < 0 whatever it has learned:
of a factor of variance V and an error of variance e, m is about -e / V. A latent that is trained to be correlated with
a shear has no scale of its own, and m of either sign. `corrected` undoes both by the line of others,

    g_corrected = (g_measured - c') / (1 + m')

with m', c' of training rows (labelled rows, each predicted without itself, where few are labelled), whose errors are
part of its own; a line of less slope than FLATTEST corrects nothing, and gives no score. What is left is
what does not carry over to new galaxies. Neither sees a bias that all galaxies share with those that calibrate.

The scenes here have a round PSF: there is no ellipticity of the PSF against which c could be regressed.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.metrics.score import Score, group_of_rows, group_weights, interval, within
from auxvae.metrics.shapes import shapes

Array = NDArray[np.float64]
COMPONENTS = ("g1", "g2")
FEWEST = 16  # galaxies that a line is fitted to
FLATTEST = 0.05  # slope; codes that say nothing have -1 / (n - 1), since the mean of the others falls as a row rises


def shear_bias(measured: Float[ndarray, " N"], true: Float[ndarray, " N"], resamples: int) -> dict[str, Score]:
    """The scores `m` and `c` of an estimate of one component; without galaxies, or shear that varies, none."""
    present = np.isfinite(measured)
    measured, true = measured[present], true[present]
    if len(true) < FEWEST or not np.ptp(true) > 0:
        return {}
    group, weights = group_of_rows(len(true)), group_weights(len(true), resamples)
    columns = (np.ones_like(true), true, measured, true**2, true * measured)
    n, x, y, xx, xy = (weights @ np.bincount(group, column) for column in columns)
    slope = (n * xy - x * y) / (n * xx - x * x)
    return {
        "m": interval(slope - 1, len(true), None, -np.inf, np.inf),
        "c": interval((y - slope * x) / n, len(true), None, -np.inf, np.inf),
    }


def corrected_bias(
    measured: Float[ndarray, " N"],
    true: Float[ndarray, " N"],
    of_others: dict[str, Score],
    resamples: int,
) -> dict[str, Score]:
    """`m` and `c` after correction by the bias of others; none where there is no line, or a flat one."""
    if not of_others or of_others["m"].value + 1 < FLATTEST:
        return {}
    slope = of_others["m"].value + 1
    bias = shear_bias((measured - of_others["c"].value) / slope, true, resamples)
    errors = {name: math.hypot(score.se, of_others[name].se / slope) for name, score in bias.items()}
    return {name: within(score.value, errors[name], score.n, None, -math.inf, math.inf) for name, score in bias.items()}


def bias_scores(
    name: str,
    component: str,
    test: tuple[Float[ndarray, " N"], Float[ndarray, " N"]],
    others: tuple[Float[ndarray, " L"], Float[ndarray, " L"]],
    resamples: int,
) -> dict[str, Score]:
    """Scores NAME_m_COMPONENT, NAME_c_... as measured, and NAME_corrected_...; pairs of measured and true shear."""
    kinds = {
        name: shear_bias(*test, resamples),
        f"{name}_corrected": corrected_bias(*test, shear_bias(*others, resamples), resamples),
    }
    return {f"{kind}_{each}_{component}": score for kind, bias in kinds.items() for each, score in bias.items()}


def moments_shear(images: Float[ndarray, "N H W"]) -> dict[str, Array]:
    """Shear of round galaxies from adaptive moments, by component, (N,); NaN where these do not converge.

    e = 2 g / (1 + |g|^2) of a sheared circle, and so g = e / (1 + sqrt(1 - |e|^2)); the PSF makes it smaller.
    """
    measured = shapes(images)
    factor = 1 / (1 + np.sqrt((1 - measured.e1**2 - measured.e2**2).clip(0)))
    return {"g1": measured.e1 * factor, "g2": measured.e2 * factor}

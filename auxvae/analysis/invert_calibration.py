r"""Intervals that hold although the decoder is not exact: posterior widths times what validation rows ask for.

    R = |u - y| / s                       y, s: mean and standard deviation of a validation row's posterior, u the truth
    y -+ q_p s                            q_p: the ceil((n + 1) p)-th smallest of the n scores R

with as many of its pixels hidden, or sources blended, as in the images that are inverted: split conformal intervals as
in auxvae.metrics.conformal, of one bin. q_p is 1 and 2 where the posterior itself is right. The promise is that of
`measure`: on the average, over images like the run's own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.invert import Columns
from auxvae.metrics.conformal import FEWEST, LEVELS, quantiles
from foundation.faults import Fault, Refused, Words

Array = NDArray[np.float64]
CALIBRATED = "_calibrated"


def refuse_few(rows: int) -> None:
    """Refuse rows that are too few to calibrate on."""
    if rows < FEWEST:
        value, text = Words(f"{rows} validation rows"), f"a calibration needs {FEWEST}"
        raise Refused(Fault("--calibrate", value, text, f"write {FEWEST} or more, or 0 for none"))


def factors_of(columns: Columns, true: Mapping[str, Array]) -> dict[str, tuple[float, ...]]:
    """q_p of each factor, from validation rows whose chains converged; infinite where those are too few."""
    used = np.asarray(columns["converged"], dtype=bool)
    several = {}
    for name, truth in true.items():
        value, std = (np.asarray(columns[each], dtype=np.float64) for each in (name, f"{name}_std"))
        several[name] = quantiles((np.abs(truth - value) / std)[used])
    return several


def calibrated_columns(columns: Columns, factors: Mapping[str, tuple[float, ...]]) -> Columns:
    """The estimates again, NAME_calibrated, with the ends of their intervals."""
    added: Columns = {}
    for name, several in factors.items():
        value, std = (np.asarray(columns[each], dtype=np.float64) for each in (name, f"{name}_std"))
        added[f"{name}{CALIBRATED}"] = value
        for level, q in zip(LEVELS, several, strict=True):
            added[f"{name}{CALIBRATED}_low{level * 100:.0f}"] = value - q * std
            added[f"{name}{CALIBRATED}_high{level * 100:.0f}"] = value + q * std
    return added

"""Numbers that stand for missing ones, undeclared: -99, -9999, SExtractor's -1e30, netCDF's 9.97e36.

A number is taken for such a mark if it is the least or the greatest value and

    it is a customary mark, and farther from the next value than all others are from each other (three times as far for
    a positive one that counts and magnitudes reach, 99 to 99999)
    it is a customary negative mark that occurs twice or more, below values that are not all whole
    or it occurs twice or more, a thousand times farther from the next value than all others are from each other

so that black and white pixels, saturated ones and classes in rising order are none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NINES = (99.0, 999.0, 9999.0, 99999.0)
WORDS = (float(2**15), float(2**31), float(2**63))  # least integers
HUGE = (1e20, 1e30, 9.969209968386869e36, float(np.finfo(np.float32).max), float(np.finfo(np.float64).max))
NEGATIVE = tuple(-each for each in (*NINES, *WORDS, *HUGE, 1 - 2.0**15, 1 - 2.0**31))
FAR, FARTHER = 3.0, 1000.0


class Sentinel(NamedTuple):
    """A mark of missing values, how often it occurs, and the least and the greatest of the others."""

    value: float
    times: int
    low: float
    high: float

    def __str__(self) -> str:
        """What a fault says of it."""
        return f"{self.times} times {self.value:g} among values from {self.low:g} to {self.high:g}"


def sentinel(values: NDArray[Any], positive: bool = True) -> Sentinel | None:
    """The mark of missing values among finite numbers, any shape, if there is one.

    positive: whether 99 to 99999 may be marks, which pixels and counts reach.
    """
    ends = values.min(), values.max()
    inner = values[(values != ends[0]) & (values != ends[1])]
    spread = float(inner.max()) - float(inner.min()) if inner.size else 0.0
    whole = bool((inner == np.rint(inner)).all())
    for end in dict.fromkeys(ends):
        others = values[values != end]
        if others.size:
            low, high = float(others.min()), float(others.max())
            mark = Sentinel(float(end), int(values.size - others.size), low, high)
            if _stands_apart(mark, spread or high - low, whole, positive):
                return mark
    return None


def _stands_apart(mark: Sentinel, spread: float, whole: bool, positive: bool) -> bool:
    gap = max(mark.low - mark.value, mark.value - mark.high)
    if _among(mark.value, (*NEGATIVE, *HUGE)) and (gap > spread or (mark.value < 0 and mark.times > 1 and not whole)):
        return True
    if positive and _among(mark.value, NINES) and gap > FAR * spread:
        return True
    return mark.times > 1 and gap > FARTHER * spread > 0


def _among(value: float, marks: tuple[float, ...]) -> bool:
    """Whether it is one of these, in single precision or in double."""
    return any(abs(value - mark) <= 1e-7 * abs(mark) for mark in marks)

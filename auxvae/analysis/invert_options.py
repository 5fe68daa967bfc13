"""What `auxvae invert` is asked for: which rows, which pixels are hidden, where a second source is.

rows    START:STOP among the rows that are judged: all, or the test rows of the run's own store; the first 64 by default
mask    the share of the columns of every stamp, from the left, that is hidden beside what the store masks
calibrate  of so many validation rows (auxvae.analysis.invert_calibration); none for 0
blend   whether sources are blended in here (auxvae.analysis.invert_sample)
second  DOWN,RIGHT in whole pixels from the centre of the stamp, the same in all images; or the names of two variables
        of the store that have them, in pixels, a value for each image
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from auxvae.data.store import Store
from foundation.faults import Fault, Refused, Words, listed

MOST = 64  # rows, where none are named
Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class Wanted:
    """The options as they were written; draws: of each chain; limits: whether the least scatter is computed."""

    rows: str = ""
    mask: float = 0.0
    second: str = ""
    blend: bool = False
    calibrate: int = 128
    draws: int = 300
    seed: int = 0
    limits: bool = True


def hidden_columns(width: int, share: float) -> int:
    """How many columns of a stamp a mask of this share hides; one that would leave none is refused."""
    count = math.floor(share * width + 0.5)
    if not 0 <= count < width:
        value = Words(f"{share:g}, {count} of {width} columns")
        raise Refused(Fault("--mask", value, "an image needs a pixel that counts", "hide fewer"))
    return count


def good_pixels(shape: tuple[int, int, int], share: float) -> Float[Tensor, "H W"] | None:
    """1 for the pixels of a stamp that the mask leaves; None where it hides none."""
    count = hidden_columns(shape[2], share)
    if count == 0:
        return None
    good = torch.ones(shape[1:])
    good[:, :count] = 0
    return good


def chosen_rows(text: str, judged: Numbers) -> slice:
    """Which of the judged rows are inverted."""
    count = len(judged)
    if not text:
        return slice(0, min(MOST, count))
    start, colon, stop = text.partition(":")
    if not (colon and start.isascii() and start.isdigit() and stop.isascii() and stop.isdigit()):
        raise Refused(Fault("--rows", text, "rows are START:STOP, counted from 0", f"write 0:{min(MOST, count)}"))
    chosen = slice(int(start), int(stop))
    if not chosen.start < chosen.stop <= count:
        text_of = f"START is below STOP, and there are {count:,} rows to choose from (test rows of the run's own store)"
        raise Refused(Fault("--rows", text, text_of, f"stay within 0:{count}"))
    return chosen


def offsets_of(text: str, store: Store, rows: Numbers) -> Int[Tensor, "N 2"] | None:
    """Offsets (down, right) of the second sources of these rows in pixels; None without any."""
    if not text:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2:
        raise Refused(Fault("--second", text, "an offset is DOWN,RIGHT", "write 6,4 or the names of two variables"))
    values = np.stack([_values(part, store, rows) for part in parts], 1)
    _refuse_between_pixels(values)
    _refuse_elsewhere(values, store)
    return torch.from_numpy(values.astype(np.int64))


def _values(part: str, store: Store, rows: Numbers) -> NDArray[np.float64]:
    """A number, or a variable of the store, for every row."""
    try:
        return np.full(len(rows), float(part))
    except ValueError:
        pass
    able = [str(name) for name, each in store.dataset.variables.items() if each.dims == store.dataset["split"].dims]
    if part not in able:
        allowed = f"it is a number of pixels or a variable of the store: {listed(able)}"
        raise Refused(Fault("--second", part, allowed, "write DOWN,RIGHT"))
    return np.asarray(store.dataset[part].values, dtype=np.float64)[rows]


def _refuse_between_pixels(values: NDArray[np.float64]) -> None:
    wrong = ~(np.isfinite(values) & (values == np.round(values)))
    if wrong.any():
        value, text = float(values[wrong][0]), "a source is moved by whole pixels, without interpolation"
        raise Refused(Fault("--second", value, text, "round it, or cut the stamps so that it is whole"))


def _refuse_elsewhere(values: NDArray[np.float64], store: Store) -> None:
    """Refuse a second source where the first one is, or beyond the stamp."""
    reach = np.array(store.image_shape[1:]) // 2
    if (values == 0).all(1).any():
        text = "two sources at one place cannot be told apart"
        raise Refused(Fault("--second", Words("an offset of 0,0"), text, "name the place of the second one"))
    if (beyond := (np.abs(values) > reach).any(1)).any():
        value = Words("an offset of {:g},{:g}".format(*values[beyond][0]))
        text = f"the stamp ends {reach[0]} pixels above and {reach[1]} beside its centre"
        raise Refused(Fault("--second", value, text, "take larger stamps, or invert one source"))

"""Images that lie one by one, in files or HDUs, as one column; all have one shape, or are cropped to one.

    shapes[i]   (y, x) or (channel, y, x), from the header of image i, before any pixel is read
    crop        side of the square in the middle that is kept where the shapes differ

Where they are one, the cut is left to what follows (simulations.sources.arranging).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words
from simulations.sources.column import Column, Origin, readable
from simulations.sources.encoded import other_shape

Shape = tuple[int, ...]
AXES = {2: "NHW", 3: "NCHW"}


def gallery(
    where: str,
    labels: Sequence[str],
    shapes: Sequence[Shape],
    read: Callable[[int], NDArray[Any]],
    crop: int,
    origin: Origin | None = None,
) -> Column:
    """The column of images; labels name each in faults."""
    if not len(shapes):
        raise Refused(Fault(where, Words("no images"), "one at least is needed", "check the path"))
    _refuse_others(labels, shapes, crop)
    first = shapes[0]
    cut = len(set(shapes)) > 1
    shape = (*first[:-2], crop, crop) if cut else first

    def block(rows: slice) -> NDArray[Any]:
        return np.stack([one(i) for i in range(*rows.indices(len(shapes)))])

    def one(i: int) -> NDArray[Any]:
        with readable(labels[i]):
            image = read(i)
        return middle(image, crop) if cut else image

    return Column(where, (len(shapes), *shape), one(0).dtype, block, axes=AXES.get(len(first), ""), origin=origin)


def _refuse_others(labels: Sequence[str], shapes: Sequence[Shape], crop: int) -> None:
    """Refuse images of another shape than the first; with a crop, those of other channels or too small for it."""
    first = shapes[0]
    for label, shape in zip(labels, shapes, strict=True):
        refuse_other(label, shape, first, crop)


def refuse_other(label: str, shape: Shape, first: Shape, crop: int) -> None:
    """Refuse an image of another shape than the first; with a crop, one of other channels or too small for it."""
    if crop and len(shape) == len(first) and shape[:-2] == first[:-2]:
        if min(shape[-2:]) < crop:
            raise Refused(Fault(label, shape, f"--crop {crop} keeps so many pixels per side", "crop to fewer"))
    elif shape != first:
        raise Refused(other_shape(label, shape, first))


def middle(images: NDArray[Any], crop: int) -> NDArray[Any]:
    """The square of crop x crop pixels in the middle of images (..., y, x); or half a pixel off."""
    top, left = ((side - crop) // 2 for side in images.shape[-2:])
    return images[..., top : top + crop, left : left + crop]

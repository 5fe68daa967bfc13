"""Images as a store has them: flat lists shaped, channels first, bands chosen, the middle cut out, pixels binned.

    shape, axes, bands, crop, bin       in this order, slice by slice

Binning by b adds b x b pixels, which conserves photons. Where the variance of each is 1/w, that of the sum is the sum:

    w_bin = 1 / sum_i (1 / w_i),   0 if any w_i is 0         a binned pixel is good if all of its pixels are

A cut keeps the same centre where the sides before and after are both even or both odd; else it lies half a pixel
towards the origin.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words
from simulations.sources.column import Column
from simulations.sources.gallery import middle
from simulations.sources.options import Options

Reduction = Callable[[NDArray[Any]], NDArray[Any]]  # of the axes -3 and -1 of (..., y, b, x, b)


def summed(pixels: NDArray[Any]) -> NDArray[Any]:
    """Photons of binned pixels."""
    return np.asarray(np.sum(pixels, axis=(-3, -1), dtype=np.float64))


def combined(weights: NDArray[Any]) -> NDArray[Any]:
    """Inverse variances of binned pixels; one below 0, which is no inverse variance, stays below 0."""
    weights = np.asarray(weights, dtype=np.float64)
    least = weights.min(axis=(-3, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        together = 1 / (1 / weights).sum(axis=(-3, -1))
    return np.asarray(np.where(least > 0, together, least))


def all_good(mask: NDArray[Any]) -> NDArray[Any]:
    """1 where all pixels are good."""
    return np.asarray(mask.min(axis=(-3, -1)))


@dataclass(frozen=True)
class Plan:
    """What is done with the images of a source; bands: the numbers of the channels that are kept, None for all."""

    axes: str
    bands: tuple[int, ...] | None
    crop: int
    bin: int

    def arranged(self, column: Column, reduction: Reduction = summed, cut: bool = True) -> Column:
        """A column of images, or of what has their axes, in this arrangement; cut: whether it is cropped."""
        crop = self.crop if cut else 0
        shape = self._shape(column, crop, cut)
        if shape == column.shape and self.bands is None and self.axes != "NHWC":
            return column

        def read(rows: slice) -> NDArray[Any]:
            return self._images(column[rows], crop, reduction)

        dtype = np.dtype(np.float64) if self.bin > 1 and column.dtype.kind != "b" else column.dtype
        return replace(column, shape=shape, dtype=dtype, read=read)

    def _images(self, images: NDArray[Any], crop: int, reduction: Reduction) -> NDArray[Any]:
        if images.ndim == 4:
            images = np.moveaxis(images, -1, 1) if self.axes == "NHWC" else images
            images = images[:, list(self.bands)] if self.bands is not None else images
        images = middle(images, crop) if crop else images
        if self.bin == 1:
            return images
        *first, y, x = images.shape
        return reduction(images.reshape(*first, y // self.bin, self.bin, x // self.bin, self.bin))

    def _shape(self, column: Column, crop: int, cut: bool) -> tuple[int, ...]:
        """The shape after it, from that before; what cannot be cut or binned so is refused."""
        rows, *channels, y, x = _first_channels(column.shape, self.axes)
        if crop and min(y, x) < crop:
            text = f"--crop {crop} keeps so many pixels per side"
            raise Refused(Fault(column.where, (y, x), text, "crop to fewer"))
        y, x = (crop, crop) if crop else (y, x)
        if y % self.bin or x % self.bin:
            text = f"--bin {self.bin} needs sides that it divides"
            remedy = f"cut to a multiple of {self.bin} with --crop" if cut else "leave --psf out, or do not bin"
            raise Refused(Fault(column.where, (y, x), text, remedy))
        channels = [len(self.bands)] if channels and self.bands is not None else channels
        return (rows, *channels, y // self.bin, x // self.bin)


def _first_channels(shape: tuple[int, ...], axes: str) -> tuple[int, ...]:
    return (shape[0], shape[3], shape[1], shape[2]) if axes == "NHWC" and len(shape) == 4 else shape


def shaped(column: Column, options: Options) -> Column:
    """Flat lists, (N, numbers), as images of the stated shape."""
    if not options.shape:
        return column
    if len(column.shape) != 2 or math.prod(options.shape) != column.shape[1]:
        needed = f"--shape {options.shape} is for lists of {math.prod(options.shape):,} numbers"
        value = Words(f"{column.shape[1]:,} numbers" if len(column.shape) == 2 else f"the shape {column.shape}")
        raise Refused(Fault(column.where, value, needed, "correct the shape, or leave --shape out"))

    def read(rows: slice) -> NDArray[Any]:
        values = column[rows]
        return values.reshape(len(values), *options.shape)

    return replace(column, shape=(column.shape[0], *options.shape), read=read, axes="")


def axes_of(column: Column, options: Options, customary: str) -> str:
    """The axes of images: as stated, as the layout fixes them, as their shape implies, as is customary in the layout.

    Images of other than three or four axes are left to the checks of columns.
    """
    shape, axes = column.shape, options.axes
    if len(shape) not in (3, 4):
        return "NHW"
    if axes and len(axes) != len(shape):
        text = f"--axes {axes} is for images of {len(axes)} axes"
        raise Refused(Fault(column.where, shape, text, "correct it, or leave it out"))
    if axes or len(shape) == 3:
        return axes or "NHW"
    first, last = shape[2] == shape[3], shape[1] == shape[2]
    if column.axes or first != last:
        return column.axes or ("NCHW" if first else "NHWC")
    if customary:
        return customary
    text = "images have one axis of channels, and these do not show which it is"
    raise Refused(Fault(column.where, shape, text, "state --axes NCHW or --axes NHWC"))

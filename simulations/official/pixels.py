"""Pixels of official images: bytes to [0, 1], and resampling to fewer pixels by area.

    x = b / 255                       b a byte
    y = W x W^T,    W_ij = fraction of output pixel i that overlaps input pixel j, each row of W adding up to 1

so that an output pixel is the mean brightness of the area that it covers; 128 to 64 is the mean of 2 x 2 pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def brightness(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Bytes of any shape as numbers from 0 to 1."""
    return np.asarray(pixels, dtype=np.float32) / np.float32(255)


def channels_first(pixels: NDArray[Any]) -> NDArray[Any]:
    """(n, y, x, channel) as (n, channel, y, x)."""
    return np.moveaxis(pixels, -1, 1)


def by_area(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Square images (..., y, x) resampled to (..., side, side); a pixel is the mean over its area."""
    weights = area_weights(pixels.shape[-1], side)
    return np.asarray(weights @ pixels @ weights.T)


def area_weights(before: int, after: int) -> NDArray[np.float32]:
    """The matrix W above, (after, before)."""
    edges = np.arange(after + 1) * before / after
    left = np.maximum(edges[:-1, None], np.arange(before))
    right = np.minimum(edges[1:, None], np.arange(before) + 1)
    return np.asarray(np.maximum(right - left, 0) * after / before, dtype=np.float32)

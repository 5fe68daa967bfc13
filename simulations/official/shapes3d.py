"""3D Shapes (Burgess & Kim 2018): a coloured solid in a coloured room, 64 x 64, RGB, six factors.

    images    (N, 64, 64, 3)  uint8      N = 480,000 = 10 x 10 x 10 x 8 x 4 x 15 officially; fewer are accepted
    labels    (N, 6)          float64    hue of floor, of wall, of object, 0 to 0.9; scale, 0.75 to 1.25;
                                         shape 0 to 3; orientation -30 to 30 degrees

Both are data sets of one HDF5 file, 3dshapes.h5.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from foundation.faults import Words
from simulations.collection import Collection, Rows, picked
from simulations.official.layout import Layout, Unlike
from simulations.official.pixels import brightness, channels_first

HUES = ("floor_hue", "wall_hue", "object_hue")
NAMES = (*HUES, "scale", "shape", "orientation")


def _opened(source: Path, stack: ExitStack) -> Collection:
    file = stack.enter_context(h5py.File(source, "r"))
    images, labels = _data(file, "images"), _data(file, "labels")
    rows = images.shape[0] if images.shape else 0
    if images.shape[1:] != (64, 64, 3) or not rows or images.dtype != np.uint8:
        raise Unlike("images", Words(f"{images.shape} of {images.dtype}"))
    if labels.shape != (rows, 6) or labels.dtype.kind not in "iuf":
        raise Unlike("labels", Words(f"{labels.shape} of {labels.dtype}"))
    values = np.asarray(labels[:], np.float64)
    if not np.isfinite(values).all():
        raise Unlike("labels", Words("values that are not finite numbers"))
    factors = dict(zip(NAMES, values.T, strict=True))
    kinds: dict[str, Any] = {"circular": dict.fromkeys(HUES, 1.0), "categorical": ("shape",)}
    return Collection(str(source), rows, (3, 64, 64), partial(_read, images), factors, {"orientation": "deg"}, **kinds)


def _data(file: h5py.File, name: str) -> Any:
    array = file.get(name)
    if not isinstance(array, h5py.Dataset):
        raise Unlike(name, Words("nothing"))
    return array


def _read(images: Any, rows: Rows) -> NDArray[np.float32]:
    return brightness(channels_first(picked(images, rows)))


SHAPES3D = Layout("3D Shapes is an HDF5 file with images of (N, 64, 64, 3), uint8, and labels of (N, 6)", _opened)

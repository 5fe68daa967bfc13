"""Cars3D (Reed, Zhang, Zhang & Lee 2015): drawings of 183 cars from 24 directions and 4 heights, RGB.

    <car>_mesh.mat: im    (128, 128, 3, 24, 4)  uint8    y, x, channel, azimuth, elevation

One file per car, in a folder `cars`; the cars are numbered in the order of the file names. Row 96 o + 4 a + e shows car
o from azimuth a and elevation e, all three counted from 0. Images are reduced to 64 x 64 by averaging 2 x 2 pixels.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import io

from foundation.console import log
from foundation.faults import Words, reason
from simulations.collection import Collection, Rows
from simulations.official.layout import Layout, Unlike
from simulations.official.pixels import brightness, by_area

SHAPE = (128, 128, 3, 24, 4)
OFFICIAL_CARS, VIEWS, ELEVATIONS = 183, 96, 4


def _opened(source: Path, stack: ExitStack) -> Collection:
    folder = source / "cars" if (source / "cars").is_dir() else source
    files = sorted(folder.glob("*_mesh.mat"))
    if not files:
        raise Unlike("*_mesh.mat", Words("no file"))
    for file in files:
        _refuse_other_shapes(file)
    if len(files) != OFFICIAL_CARS:
        log.info(f"{source}: {len(files)} of the {OFFICIAL_CARS} cars in the official folder")
    row = np.arange(VIEWS * len(files))
    views = {"elevation": row % ELEVATIONS, "azimuth": row % VIEWS // ELEVATIONS, "object": row // VIEWS}
    factors = {name: values.astype(np.float64) for name, values in views.items()}
    kinds: dict[str, Any] = {"circular": {"azimuth": VIEWS / ELEVATIONS}, "categorical": ("object",)}
    return Collection(str(source), row.size, (3, 64, 64), partial(_read, files), factors, {}, **kinds)


def _refuse_other_shapes(file: Path) -> None:
    """Check shape and type in the header of a file; its pixels are read later, when they are stored."""
    shapes = {name: (shape, kind) for name, shape, kind in _parsed(file, partial(io.whosmat, file))}
    if shapes.get("im") != (SHAPE, "uint8"):
        raise Unlike(f"{file.name}: im", shapes.get("im", Words("nothing")))


def _parsed(file: Path, read: Any) -> Any:
    """The result of `read`, a function of scipy without arguments; any error becomes `Unlike`."""
    try:
        return read()
    except Exception as error:  # scipy raises a dozen kinds of errors, even TypeError, on a broken file
        raise Unlike(file.name, Words(f"data that cannot be read ({reason(error)})")) from None


def _read(files: list[Path], rows: Rows) -> NDArray[np.float32]:
    """Images of the rows, (n, 3, 64, 64); the file of a car is read once for all its rows."""
    cars = np.split(rows, np.flatnonzero(np.diff(rows // VIEWS)) + 1)
    return np.concatenate([_views(files[int(car[0]) // VIEWS])[car % VIEWS] for car in cars])


def _views(file: Path) -> NDArray[np.float32]:
    """All images of a car, (96, 3, 64, 64)."""
    image = _parsed(file, partial(io.loadmat, file, variable_names=["im"]))["im"]
    if image.shape != SHAPE or image.dtype != np.uint8:
        raise Unlike(f"{file.name}: im", (image.shape, str(image.dtype)))
    return by_area(brightness(image.transpose(3, 4, 2, 0, 1).reshape(VIEWS, 3, 128, 128)), 64)


CARS3D = Layout(
    "Cars3D is a folder (cars) of *_mesh.mat, 183 officially, each with im of (128, 128, 3, 24, 4), uint8", _opened
)

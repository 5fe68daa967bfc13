"""dSprites (Matthey, Higgins, Hassabis & Lerchner 2017): white shapes on black, 64 x 64, five factors.

    imgs             (N, 64, 64)          uint8    0 or 1
    latents_values   (N, 6) or (N, 5)     float64  color (1 throughout), shape, scale, orientation, posX, posY
    latents_classes  likewise             int64    the index of each value

N is 737,280 officially; subsets are accepted too, and so are copies without the column of the constant colour, which
is not a factor of the store. `metadata` is a pickle and is never read. The images are streamed from the zip, so that
they need not fit into memory.
"""

from __future__ import annotations

import zipfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from foundation.faults import Words
from simulations.collection import Collection, Rows, picked
from simulations.official.layout import Layout, Unlike
from simulations.official.stream import Stream

NAMES = ("shape", "scale", "orientation", "pos_x", "pos_y")


def _opened(source: Path, stack: ExitStack) -> Collection:
    archive = stack.enter_context(zipfile.ZipFile(source))
    images = _images(stack.enter_context(_member(archive, "imgs")))
    values, classes = (_numbers(archive, name) for name in ("latents_values", "latents_classes"))
    rows = images.shape[0]
    for name, table in {"latents_values": values, "latents_classes": classes}.items():
        if table.ndim != 2 or table.shape[0] != rows or table.shape[1] not in (5, 6):
            raise Unlike(name, table.shape)
    if not np.isfinite(values).all():
        raise Unlike("latents_values", Words("values that are not finite numbers"))
    factors = dict(zip(NAMES, values[:, -5:].T.astype(np.float64), strict=True))
    kinds: dict[str, Any] = {"circular": {"orientation": 2 * np.pi}, "categorical": ("shape",)}
    return Collection(str(source), rows, (64, 64), partial(_read, images), factors, {"orientation": "rad"}, **kinds)


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    if f"{name}.npy" not in archive.namelist():
        raise Unlike(name, Words("nothing"))
    return archive.open(f"{name}.npy")


def _images(file: IO[bytes]) -> Stream:
    """The array of images in an npy file, left in the file."""
    reader = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
    shape, fortran, kind = reader(file)
    if shape[1:] != (64, 64) or not shape[0] or kind not in (np.uint8, np.bool_) or fortran:
        raise Unlike("imgs", Words(f"{shape} of {kind}"))
    return Stream("imgs", file, file.tell(), shape)


def _numbers(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with _member(archive, name) as file:
        table = npy.read_array(file, allow_pickle=False)
    if table.dtype.kind not in "iuf":
        raise Unlike(name, str(table.dtype))
    return table


def _read(images: Stream, rows: Rows) -> NDArray[np.float32]:
    block = picked(images, rows)
    if block.max() > 1:
        raise Unlike("imgs", Words(f"a pixel with the value {block.max()}"))
    return block.astype(np.float32)


DSPRITES = Layout(
    "dSprites is an npz with imgs of (N, 64, 64), uint8 0 or 1, and latents_values and latents_classes of (N, 6), "
    "or (N, 5) without the colour",
    _opened,
)

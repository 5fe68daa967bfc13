"""MNIST (LeCun, Cortes & Burges 1998): handwritten digits, 28 x 28, in the IDX format.

    magic     int32, big-endian: 2051 for images, 2049 for labels (0x08 for uint8, then the number of dimensions)
    sizes     int32 each, big-endian: N, 28, 28 or N
    data      uint8, last index fastest

If both the training pair (train-...) and the test pair (t10k-...) exist they are joined, and t10k is the test part.
Each file may be plain or .gz.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Words
from simulations.collection import Collection, Rows, official_parts, picked
from simulations.official.layout import Layout, Unlike
from simulations.official.pixels import brightness
from simulations.official.stream import Stream, exactly, exists, plain_or_gzip

MAGIC = {3: 2051, 1: 2049}


def _opened(source: Path, stack: ExitStack) -> Collection:
    pairs = {part: source / f"{part}-images-idx3-ubyte" for part in ("train", "t10k")}
    if not any(exists(images) for images in pairs.values()):
        raise Unlike("images", Words("neither train-images-idx3-ubyte nor t10k-images-idx3-ubyte"))
    training, test = (_pair(source, part, stack) if exists(path) else None for part, path in pairs.items())
    return official_parts(training, test)


def _pair(source: Path, part: str, stack: ExitStack) -> Collection:
    images = _idx(source / f"{part}-images-idx3-ubyte", 3, stack)
    labels = _idx(source / f"{part}-labels-idx1-ubyte", 1, stack)
    rows = images.shape[0]
    if images.shape[1:] != (28, 28) or not rows:
        raise Unlike(images.name, images.shape)
    values = labels[0 : labels.shape[0]].astype(np.float64)
    if labels.shape != (rows,) or values.max() > 9:
        raise Unlike(labels.name, Words(f"{labels.shape[0]} labels up to {values.max(initial=0):g} for {rows} images"))
    return Collection(
        str(source), rows, (28, 28), partial(_read, images), {"label": values}, {}, categorical=("label",)
    )


def _idx(path: Path, dimensions: int, stack: ExitStack) -> Stream:
    """The array in an IDX file with that many dimensions, left in the file."""
    file = stack.enter_context(plain_or_gzip(path))
    magic, *shape = np.frombuffer(exactly(path.name, file, 4 * (1 + dimensions)), ">i4").tolist()
    if magic != MAGIC[dimensions]:
        raise Unlike(path.name, Words(f"magic number {magic}"))
    return Stream(path.name, file, file.tell(), tuple(shape))


def _read(images: Stream, rows: Rows) -> NDArray[np.float32]:
    return brightness(picked(images, rows))


MNIST = Layout(
    "MNIST is a folder with the pair train-images-idx3-ubyte (magic 2051, N x 28 x 28 bytes) and "
    "train-labels-idx1-ubyte (magic 2049, N bytes of 0 to 9), the pair t10k-..., or both, each plain or .gz",
    _opened,
)

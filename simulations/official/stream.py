"""Rows of bytes in a file that is read forwards, compressed or not: an array that is read in slices.

    row i    bytes offset + i n ... offset + (i + 1) n - 1,    n = number of pixels of an image

The file may be plain, gzip or a member of a zip. It is read once to its end when it is opened, so that its length and
the checksum of its compression are known to be right before the first image is stored.
"""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Words
from simulations.official.layout import Unlike

PIECE = 1 << 20


class Stream:
    """Images (rows, *shape) of uint8 from `offset` to the end of a file."""

    def __init__(self, name: str, file: IO[bytes], offset: int, shape: tuple[int, ...]) -> None:
        """`name` is for sentences; shape is that of all images, rows first."""
        self.name, self.file, self.offset, self.shape = name, file, offset, shape
        self.size = math.prod(shape[1:])
        expected, found = offset + shape[0] * self.size, length(file)
        if found != expected:
            raise Unlike(name, Words(f"{found:,} bytes where {shape} of uint8 need {expected:,}"))

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        """Images of rows start..stop-1."""
        self.file.seek(self.offset + rows.start * self.size)
        read = self.file.read((rows.stop - rows.start) * self.size)
        return np.frombuffer(read, np.uint8).reshape(-1, *self.shape[1:])


def length(file: IO[bytes]) -> int:
    """Bytes of a file, every one of them read; a checksum that is wrong raises the error of its kind."""
    file.seek(0)
    return sum(len(piece) for piece in iter(lambda: file.read(PIECE), b""))


def plain_or_gzip(path: Path) -> IO[bytes]:
    """The file at `path`, or the same name with .gz where only that is there."""
    packed = path.with_name(path.name + ".gz")
    if path.exists() or not packed.exists():
        return open(path, "rb")
    return cast(IO[bytes], gzip.GzipFile(packed))


def is_there(path: Path) -> bool:
    """Whether the file or its gzip is there."""
    return path.exists() or path.with_name(path.name + ".gz").exists()


def exactly(name: str, file: IO[bytes], size: int) -> bytes:
    """The next `size` bytes; fewer are told."""
    read = file.read(size)
    if len(read) < size:
        raise Unlike(name, Words(f"{len(read)} bytes where {size} more were due"))
    return read

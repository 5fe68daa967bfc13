"""Rows of bytes in a plain or compressed file that is read sequentially: an array that is read in slices.

    row i    bytes offset + i n ... offset + (i + 1) n - 1,    n = number of pixels of an image

The file may be plain, gzip or a member of a zip. It is read once to its end when it is opened, which verifies its
length and the checksum of its compression before the first image is stored.
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

PIECE = 1 << 20  # bytes read at a time


class Stream:
    """Images (rows, *shape) of uint8 from `offset` to the end of a file."""

    def __init__(self, name: str, file: IO[bytes], offset: int, shape: tuple[int, ...]) -> None:
        """`name` names the file in faults; shape is (rows, ...), that of all images."""
        self.name, self.file, self.offset, self.shape = name, file, offset, shape
        self.size = math.prod(shape[1:])
        expected, actual = offset + shape[0] * self.size, length(file)
        if actual != expected:
            raise Unlike(name, Words(f"{actual:,} bytes where {shape} of uint8 need {expected:,}"))

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        """Images of rows start..stop-1."""
        self.file.seek(self.offset + rows.start * self.size)
        read = self.file.read((rows.stop - rows.start) * self.size)
        return np.frombuffer(read, np.uint8).reshape(-1, *self.shape[1:])


def length(file: IO[bytes]) -> int:
    """Number of bytes of a file, counted by reading it to its end; a wrong checksum raises the library's error."""
    file.seek(0)
    return sum(len(piece) for piece in iter(lambda: file.read(PIECE), b""))


def plain_or_gzip(path: Path) -> IO[bytes]:
    """The file at `path`, or the one with .gz appended to its name if only that exists."""
    packed = path.with_name(path.name + ".gz")
    if path.exists() or not packed.exists():
        return open(path, "rb")
    return cast(IO[bytes], gzip.GzipFile(packed))


def exists(path: Path) -> bool:
    """Whether the file exists, plain or with .gz appended to its name."""
    return path.exists() or path.with_name(path.name + ".gz").exists()


def exactly(name: str, file: IO[bytes], size: int) -> bytes:
    """The next `size` bytes; raises `Unlike` if there are fewer."""
    read = file.read(size)
    if len(read) < size:
        raise Unlike(name, Words(f"{len(read)} bytes where {size} more are expected"))
    return read

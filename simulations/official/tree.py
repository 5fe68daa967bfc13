"""Image files in a folder or a zip, by name; a zip is never unpacked to disk and its names are never used as paths.

An entry is the name of a file with / between folders; its pixels are (3, y, x), a grey image repeated in each channel.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foundation.faults import Words, reason
from simulations.collection import Rows
from simulations.official.layout import Unlike
from simulations.official.pixels import brightness, channels_first

ENDINGS = (".png", ".jpg", ".jpeg")
LONGEST_SIDE = 4096  # pixels of an image of any size
LARGEST = 10_000_000  # bytes of one file; official ones have a few thousand, a larger one may be a zip bomb


@dataclass(frozen=True)
class Tree:
    """Names of files, sorted, and a function that reads one by its name."""

    names: tuple[str, ...]
    read: Callable[[str], bytes]

    def images(self) -> list[PurePosixPath]:
        """The image files, sorted by name."""
        return [PurePosixPath(name) for name in self.names if name.lower().endswith(ENDINGS)]


def opened(source: Path, stack: ExitStack) -> Tree:
    """The files of a folder, or of a zip."""
    return _folder(source) if source.is_dir() else _archive(stack.enter_context(zipfile.ZipFile(source)))


def _folder(source: Path) -> Tree:
    paths = [Path(folder, name).relative_to(source) for folder, _, names in os.walk(source) for name in names]

    def read(name: str) -> bytes:
        return _limited(name, (source / name).stat().st_size, (source / name).read_bytes)

    return Tree(tuple(sorted(path.as_posix() for path in paths)), read)


def _archive(archive: zipfile.ZipFile) -> Tree:
    names = sorted(entry.filename for entry in archive.infolist() if not entry.is_dir())

    def read(name: str) -> bytes:
        return _limited(name, archive.getinfo(name).file_size, lambda: archive.read(name))

    return Tree(tuple(names), read)


def _limited(name: str, size: int, read: Callable[[], bytes]) -> bytes:
    if size > LARGEST:
        raise Unlike(name, Words(f"{size:,} bytes"))
    return read()


def rgb(tree: Tree, entries: Sequence[PurePosixPath], side: int, rows: Rows) -> NDArray[np.float32]:
    """The images `entries[row]` of n rows, (n, 3, side, side), from 0 to 1."""
    return brightness(channels_first(np.stack([decoded(tree, str(entries[row]), side) for row in rows])))


def decoded(tree: Tree, name: str, side: int = 0) -> NDArray[np.uint8]:
    """An image (y, x, 3), of that side if one is given; another size is refused before its pixels are unpacked."""
    try:
        with Image.open(io.BytesIO(tree.read(name)), formats=("PNG", "JPEG")) as image:
            if (side and image.size != (side, side)) or max(image.size) > LONGEST_SIDE:
                raise Unlike(name, Words(f"{image.size[0]} x {image.size[1]} pixels"))
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unlike(name, Words(f"an image that cannot be read ({reason(error)})")) from None

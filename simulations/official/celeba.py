"""CelebA (Liu et al., ICCV 2015) and folders like it: aligned faces with attributes that are there or not, as RGB.

    img_align_celeba/*.jpg      faces of one size, 178 x 218 in the official folder; or a folder `images`
    list_attr_celeba.txt        a count, the names of the attributes, then for each image its name and 1 or -1 of each
    list_eval_partition.txt     the part of each image: 2 test; 0 and 1, training and validation, are divided by seed

in a folder or zip, directly or below one folder. Attributes become factors, 0 or 1. The square of CROP
of the shorter side in the middle is resampled to SIDE x SIDE pixels by area (simulations.official.pixels): 148 of 178
pixels, as is usual.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Words
from simulations.collection import Collection, Rows
from simulations.official import tree
from simulations.official.layout import Layout, Unlike
from simulations.official.pixels import brightness, by_area, channels_first

FOLDERS = ("img_align_celeba", "images")
ATTRIBUTES, PARTITION = "list_attr_celeba.txt", "list_eval_partition.txt"
SIDE, CROP = 64, 148 / 178
PARTS = {"0", "1", "2"}
VALUES = {"1": 1.0, "-1": 0.0, "0": 0.0}


def _opened(source: Path, stack: ExitStack) -> Collection:
    files = tree.opened(source, stack)
    attributes = next((name for name in files.names if PurePosixPath(name).name == ATTRIBUTES), "")
    if not attributes:
        raise Unlike(ATTRIBUTES, Words("no file"))
    top = PurePosixPath(attributes).parent
    entries = {each.name: each for each in files.images() if each.parent in {top / folder for folder in FOLDERS}}
    if not entries:
        raise Unlike(FOLDERS[0], Words("no image in it"))
    names, values = _attributes(files, attributes, entries)
    parts = _partition(files, str(top / PARTITION), entries)
    read = partial(_faces, files, [entries[name] for name in sorted(entries)])
    factors = {name: values[:, k] for k, name in enumerate(names)}
    return Collection(str(source), len(entries), (3, SIDE, SIDE), read, factors, {}, parts)


def _lines(files: tree.Tree, name: str) -> list[list[str]]:
    return [words for line in files.read(name).decode("utf-8").splitlines() if (words := line.split())]


def _attributes(
    files: tree.Tree, name: str, entries: dict[str, PurePosixPath]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The names of the attributes, and 0 or 1 of each for the images in the order of their names."""
    lines = _lines(files, name)
    if len(lines) > 1 and len(lines[0]) == 1 and lines[0][0].isdigit():
        lines = lines[1:]  # the count of images
    if not lines:
        raise Unlike(name, Words("an empty file"))
    names, rows = tuple(lines[0]), {words[0]: words[1:] for words in lines[1:]}
    for image in entries:
        if image not in rows:
            raise Unlike(name, Words(f"no line for the image {image}"))
        if len(rows[image]) != len(names) or not {*rows[image]} <= VALUES.keys():
            raise Unlike(name, Words(f"a line for {image} that is not 1 or -1 for each of {len(names)} attributes"))
    return names, np.array([[VALUES[word] for word in rows[image]] for image in sorted(entries)])


def _partition(files: tree.Tree, name: str, entries: dict[str, PurePosixPath]) -> NDArray[np.int8] | None:
    """2 for each test image, else 0, in the order of their names; None without the file."""
    if name not in files.names:
        return None
    parts = {words[0]: words[1] for words in _lines(files, name) if len(words) > 1}
    for image in entries:
        if parts.get(image) not in PARTS:
            raise Unlike(name, Words(f"no part 0, 1 or 2 of the image {image}"))
    return np.array([2 * (parts[image] == "2") for image in sorted(entries)], dtype=np.int8)


def _faces(files: tree.Tree, entries: list[PurePosixPath], rows: Rows) -> NDArray[np.float32]:
    """The images `entries[row]` of n rows, (n, 3, SIDE, SIDE), from 0 to 1."""
    return np.stack([by_area(_cropped(files, str(entries[row])), SIDE) for row in rows]).astype(np.float32)


def _cropped(files: tree.Tree, name: str) -> NDArray[np.float32]:
    """The square in the middle of an image, (3, y, x), from 0 to 1."""
    pixels = brightness(channels_first(tree.decoded(files, name)[None]))[0]
    side = max(1, round(CROP * min(pixels.shape[1:])))
    top, left = ((each - side) // 2 for each in pixels.shape[1:])
    return np.asarray(pixels[:, top : top + side, left : left + side])


CELEBA = Layout(
    f"CelebA is a folder or zip with images in {FOLDERS[0]} or {FOLDERS[1]}, {ATTRIBUTES}, whose lines are the names "
    f"of the attributes and for each image its name and 1 or -1 of each, and on wish {PARTITION}",
    _opened,
)

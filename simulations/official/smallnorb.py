"""Small NORB (LeCun, Huang & Bottou 2004): grey photographs of 50 toys by two cameras, 96 x 96.

    smallnorb-5x46789x9x18x6x2x96x96-training-{dat,cat,info}.mat    and    smallnorb-5x01235x...-testing-...

Each is a matrix in the format of this data set, little-endian, plain or .gz:

    magic        int32    0x1E3D4C55 for uint8, 0x1E3D4C54 for int32
    dimensions   int32    D
    sizes        int32    max(D, 3) of them; those beyond D are 1
    data

    dat    (N, 2, 96, 96)  uint8    left and right camera; the left image, resampled to 64 x 64
    cat    (N,)            int32    category: 0 animal, 1 human, 2 airplane, 3 truck, 4 car
    info   (N, 4)          int32    instance 0 to 9; elevation 0 to 8, which is 30 + 5 i degrees; azimuth 0, 2 to 34,
                                    which is 10 i degrees; lighting 0 to 5

N is 24,300 in each part; if both exist they are joined, and the testing rows are the test part.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Words
from simulations.collection import Collection, Rows, official_parts, picked
from simulations.official.layout import Layout, Unlike
from simulations.official.pixels import brightness, by_area
from simulations.official.stream import Stream, exactly, exists, plain_or_gzip

NAMES = {"training": "smallnorb-5x46789x9x18x6x2x96x96-training", "testing": "smallnorb-5x01235x9x18x6x2x96x96-testing"}
BYTES, INTEGERS = 0x1E3D4C55, 0x1E3D4C54
HIGHEST = {"category": 4, "instance": 9, "elevation": 8, "azimuth": 34, "lighting": 5}


def _opened(source: Path, stack: ExitStack) -> Collection:
    present = {part: exists(source / f"{name}-dat.mat") for part, name in NAMES.items()}
    if not any(present.values()):
        raise Unlike("images", Words(f"neither {NAMES['training']}-dat.mat nor {NAMES['testing']}-dat.mat"))
    training, test = (_part(source, NAMES[part], stack) if present[part] else None for part in NAMES)
    return official_parts(training, test)


def _part(source: Path, name: str, stack: ExitStack) -> Collection:
    images = _bytes(source / f"{name}-dat.mat", stack)
    rows = images.shape[0]
    if images.shape[1:] != (2, 96, 96) or not rows:
        raise Unlike(images.name, images.shape)
    factors = _factors(source, name, rows)
    units = {"elevation": "deg", "azimuth": "deg"}
    kinds: dict[str, Any] = {"circular": {"azimuth": 360.0}, "categorical": ("category",)}
    return Collection(str(source), rows, (64, 64), partial(_read, images), factors, units, **kinds)


def _factors(source: Path, name: str, rows: int) -> dict[str, NDArray[np.float64]]:
    category = _integers(source / f"{name}-cat.mat", (rows,))
    instance, elevation, azimuth, lighting = _integers(source / f"{name}-info.mat", (rows, 4)).T
    codes = dict(zip(HIGHEST, (category, instance, elevation, azimuth, lighting), strict=True))
    for factor, values in codes.items():
        if values.min() < 0 or values.max() > HIGHEST[factor]:
            raise Unlike(f"{name}: {factor}", Words(f"values from {values.min()} to {values.max()}"))
    factors = {factor: values.astype(np.float64) for factor, values in codes.items()}
    return factors | {"elevation": 30 + 5 * factors["elevation"], "azimuth": 10 * factors["azimuth"]}


def _bytes(path: Path, stack: ExitStack) -> Stream:
    file = stack.enter_context(plain_or_gzip(path))
    shape = _shape(path.name, file, BYTES)
    return Stream(path.name, file, file.tell(), shape)


def _integers(path: Path, expected: tuple[int, ...]) -> NDArray[np.int32]:
    with plain_or_gzip(path) as file:
        shape = _shape(path.name, file, INTEGERS)
        if shape != expected:
            raise Unlike(path.name, Words(f"{shape} where the images need {expected}"))
        values = np.frombuffer(exactly(path.name, file, 4 * int(np.prod(shape))), "<i4")
    return values.reshape(shape).astype(np.int32)


def _shape(name: str, file: IO[bytes], magic: int) -> tuple[int, ...]:
    """The shape in the header of a file, which must begin with the magic number; the data follow."""
    number, dimensions = np.frombuffer(exactly(name, file, 8), "<i4").tolist()
    if number != magic or not 1 <= dimensions <= 4:
        raise Unlike(name, Words(f"magic number {number:#x} and {dimensions} dimensions"))
    sizes = np.frombuffer(exactly(name, file, 4 * max(dimensions, 3)), "<i4").tolist()
    return tuple(sizes[:dimensions])


def _read(images: Stream, rows: Rows) -> NDArray[np.float32]:
    return by_area(brightness(picked(images, rows)[:, 0]), 64)


SMALLNORB = Layout(
    "small NORB is a folder with the training files, the testing files, or both, each -dat.mat (magic 0x1e3d4c55, "
    "N x 2 x 96 x 96 bytes), -cat.mat (0x1e3d4c54, N) and -info.mat (0x1e3d4c54, N x 4), plain or .gz",
    _opened,
)

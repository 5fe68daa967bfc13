"""Images in the HDUs of FITS files beside a catalogue that names the file and the HDU of each.

HDUs are counted from 0, as GalSim and astropy do; compressed ones count as they lie in the file. The header of every
image is read first; of the files, the one that was read last stays open.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words
from simulations.sources.catalogue import files_named, texts_of
from simulations.sources.column import Column, readable
from simulations.sources.gallery import Shape, gallery
from simulations.sources.options import Options


class LastFile:
    """FITS files by path, of which the one that was read last stays open."""

    def __init__(self, stack: ExitStack) -> None:
        """No file is open yet; the last one is closed with the stack."""
        self._path, self._stack = Path(), stack.enter_context(ExitStack())
        self._file: Any = None

    def unit(self, path: Path, number: int) -> Any:
        """An HDU with an image; refused where there is none."""
        where = f"{path}: HDU {number}"
        with readable(where):
            if self._file is None or path != self._path:
                self._stack.close()
                self._path, self._file = path, self._stack.enter_context(fits.open(path, memmap=True))
            try:
                unit = self._file[number] if number >= 0 else None
            except IndexError:
                unit = None
            if unit is None or not unit.is_image or len(unit.shape) not in (2, 3):
                value = Words("no such HDU" if unit is None else "an HDU without an image")
                text = "the catalogue names HDUs with images, counted from 0"
                raise Refused(Fault(where, value, text, "correct the catalogue, or name its columns with --hdu-column"))
            return unit


def hdu_gallery(path: Path, stack: ExitStack, names: Column, numbers: Column, options: Options) -> Column:
    """The images that the columns of a catalogue at `path` name."""
    texts = texts_of(names)
    files = files_named(names.where, path.parent, texts)
    hdus = [int(each) for each in np.asarray(numbers[:])]
    last, labels = LastFile(stack), [f"{file}: HDU {number}" for file, number in zip(files, hdus, strict=True)]
    shapes = _shapes(last, files, hdus)

    def origin(rows: slice) -> tuple[list[str], NDArray[np.int64]]:
        return texts[rows], np.asarray(hdus[rows], dtype=np.int64)

    def image(i: int) -> NDArray[Any]:
        unit = last.unit(files[i], hdus[i])
        return np.array(unit.section[(slice(None),) * len(unit.shape)])

    return gallery(str(path), labels, shapes, image, options.crop, origin)


def _shapes(last: LastFile, files: list[Path], hdus: list[int]) -> list[Shape]:
    """The shape of every image; the headers of one file are read together."""
    shapes: list[Shape] = [()] * len(files)
    for i in sorted(range(len(files)), key=lambda i: str(files[i])):
        shapes[i] = tuple(last.unit(files[i], hdus[i]).shape)
    return shapes

"""A FITS file as columns: its table, and its images where these are no column of the table.

The first of these that a file has becomes the column `image`:

    a table that names the file and the HDU of each image, GAL_FILENAME and GAL_HDU or as stated (GalSim's catalogues)
    an HDU with an image cube (N, y, x) or (N, channel, y, x), plain or compressed (.fits.fz, Rice and others)
    image HDUs (y, x), two at least, one for each row

A compressed HDU is unpacked tile by tile. A file that is compressed as a whole (.fits.gz) is unpacked into memory.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, listed, suggest
from simulations.sources.column import Column
from simulations.sources.fits_hdus import hdu_gallery
from simulations.sources.fits_table import columns_of, refuse_damaged, table_of
from simulations.sources.gallery import gallery
from simulations.sources.options import Options

FILE, HDU = "GAL_FILENAME", "GAL_HDU"
CUBES = {3: "NHW", 4: ""}


def fits_columns(path: Path, stack: ExitStack, options: Options) -> dict[str, Column]:
    """The columns of the table, and the images."""
    file = stack.enter_context(fits.open(path, memmap=True))
    table = table_of(file)
    columns = columns_of(path, table) if table is not None else {}
    if "image" in columns:
        return columns
    name, number = options.file_column or FILE, options.hdu_column or HDU
    if {name, number} <= columns.keys():
        images = hdu_gallery(path, stack, columns.pop(name), columns.pop(number), options)
        return columns | {"image": images}
    _refuse_unnamed(path, columns, options)
    image = _images(path, file, options)
    if image is None and table is None:
        raise ValueError("no table in it, and no images")
    return columns | ({} if image is None else {"image": image})


def _refuse_unnamed(path: Path, columns: dict[str, Column], options: Options) -> None:
    """Columns of files and HDUs that were stated and are not there."""
    for option, name in (("--file-column", options.file_column), ("--hdu-column", options.hdu_column)):
        if name and name not in columns:
            remedy = suggest(name, columns, "name one of them")
            raise Refused(Fault(option, name, f"the columns of {path} are {listed(columns)}", remedy))


def _images(path: Path, file: Any, options: Options) -> Column | None:
    """The cube, or the images of several HDUs."""
    units = [unit for unit in file if unit.is_image and len(unit.shape) >= 2 and 0 not in unit.shape]
    _refuse_damaged(path, units)
    cube = next((unit for unit in units if len(unit.shape) in CUBES), None)
    if cube is not None:
        return _cube(path, cube)
    flat = [unit for unit in units if len(unit.shape) == 2]
    if len(flat) < 2:
        return None
    labels = [f"{path}: HDU {unit.name or k}" for k, unit in enumerate(flat)]
    return gallery(str(path), labels, [unit.shape for unit in flat], lambda i: flat[i].section[:, :], options.crop)


def _refuse_damaged(path: Path, units: list[Any]) -> None:
    """Raise if images are cut or disagree with their checksums; compressed ones lie in tables that have them."""
    for unit in units:
        if not isinstance(unit, fits.CompImageHDU):
            refuse_damaged(path, unit)
    if any(isinstance(unit, fits.CompImageHDU) for unit in units):
        with fits.open(path, memmap=True, disable_image_compression=True) as raw:
            for table in raw[1:]:
                refuse_damaged(path, table)


def _cube(path: Path, unit: Any) -> Column:
    first = _rows(unit, slice(0, 1))
    where = f"{path}: {unit.name or 'the primary HDU'}"
    axes = CUBES[len(unit.shape)]
    return Column(where, unit.shape, first.dtype, partial(_rows, unit), unit.header.get("BUNIT", ""), axes=axes)


def _rows(unit: Any, rows: slice) -> NDArray[Any]:
    """Some images of a cube."""
    start, stop, _ = rows.indices(unit.shape[0])
    if stop <= start:
        return np.empty((0, *unit.shape[1:]), np.float32)
    return np.asarray(unit.section[start:stop])

"""A folder of image files, PNG, JPEG, TIFF or FITS, with a catalogue that names the file of each image.

The catalogue is the one of --catalogue, else the only CSV in the folder; its column of names is that of --file-column,
or file_name, filename, file, path or image. The rows are those of the catalogue; files that it does not name are left.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words
from simulations.sources import encoded
from simulations.sources.catalogue import catalogue_columns, file_column, files_named, texts_of
from simulations.sources.column import Column
from simulations.sources.gallery import Shape, gallery
from simulations.sources.options import Options

FITS_ENDINGS = (".fits", ".fit", ".fits.fz", ".fits.gz")
SHARDS = (".hdf5", ".h5", ".nc", ".npz", ".parquet", ".zarr")  # beside which pictures illustrate


def is_image_folder(path: Path, options: Options) -> bool:
    """Whether a folder holds image files, encoded or FITS with a catalogue that names them, and no other shards."""
    names = [each.name.lower() for each in path.rglob("*")]
    if any(name.endswith(SHARDS) for name in names):
        return False
    if any(name.endswith(encoded.ENDINGS) for name in names):
        return True
    has_catalogue = options.catalogue is not None or any(each.suffix.lower() == ".csv" for each in path.glob("*"))
    return has_catalogue and any(name.endswith(FITS_ENDINGS) for name in names) and _names_files(path, options)


def _names_files(path: Path, options: Options) -> bool:
    """Whether the catalogue names files: otherwise the FITS files are shards with a catalogue of all rows."""
    if options.file_column:
        return True
    with ExitStack() as stack:
        columns = catalogue_columns(_catalogue(path, options), stack)
        try:
            file_column("", columns, options)
        except Refused:
            return False
        return True


def image_folder_columns(path: Path, stack: ExitStack, options: Options) -> dict[str, Column]:
    """The images as the column `image`, and the columns of the catalogue but for the names of files."""
    catalogue = _catalogue(path, options)
    columns = catalogue_columns(catalogue, stack)
    name = file_column(str(catalogue), columns, options)
    names = texts_of(columns.pop(name))
    files = files_named(f"{catalogue}: {name}", path, names)
    shapes = [_shape(file) for file in files]

    def origin(rows: slice) -> tuple[list[str], NDArray[np.int64]]:
        return names[rows], np.zeros(len(names[rows]), np.int64)

    images = gallery(str(path), list(map(str, files)), shapes, lambda i: _pixels(files[i]), options.crop, origin)
    return columns | {"image": images}


def _catalogue(path: Path, options: Options) -> Path:
    """The catalogue that is stated, else the only CSV in the folder."""
    if options.catalogue is not None:
        return options.catalogue
    tables = sorted(each for each in path.glob("[!.]*") if each.suffix.lower() == ".csv")
    if len(tables) != 1:
        value = Words(f"{len(tables)} CSV files" if tables else "images without a catalogue")
        text = "one CSV in the folder names the file and the factors of each image"
        raise Refused(Fault(str(path), value, text, "state it with --catalogue FILE"))
    return tables[0]


def _shape(file: Path) -> Shape:
    if not file.name.lower().endswith(FITS_ENDINGS):
        return encoded.shape_of(str(file), file)
    with fits.open(file) as opened:
        return tuple(_first_image(file, opened).shape)


def _pixels(file: Path) -> NDArray[Any]:
    if not file.name.lower().endswith(FITS_ENDINGS):
        return encoded.pixels_of(str(file), file)
    with fits.open(file, memmap=False) as opened:
        return np.array(_first_image(file, opened).data)


def _first_image(file: Path, opened: Any) -> Any:
    """The first HDU that has an image, (y, x) or (channel, y, x)."""
    for unit in opened:
        if unit.is_image and len(unit.shape) in (2, 3):
            return unit
    raise Refused(Fault(str(file), Words("no image"), "an HDU holds (y, x) or (channel, y, x)", "leave the file out"))

"""Any source of images opened as named columns: a file, a glob or folder of shards, HATS, or a folder of images.

Each layout has its module; they are tried in the order of `opened`. Units are those of the FITS keyword TUNITn or of
the attribute `units` of HDF5 and Zarr arrays; other files have none. A column (N, 1) is one number for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from glob import has_magic
from pathlib import Path

from foundation.console import log
from foundation.faults import Fault, Refused, Words, listed
from simulations.sources.catalogue import catalogue_columns
from simulations.sources.column import Column, readable, with_gaps
from simulations.sources.fits_file import fits_columns
from simulations.sources.hats import is_hats, leaves, refuse_collection, with_partitions
from simulations.sources.hdf5 import hdf5_columns
from simulations.sources.image_folder import image_folder_columns, is_image_folder
from simulations.sources.npz import npz_columns
from simulations.sources.options import Options
from simulations.sources.parquet import parquet_columns
from simulations.sources.shards import joined_columns
from simulations.sources.zarr_group import zarr_columns

Columns = dict[str, Column]
READERS: dict[str, Callable[[Path, ExitStack, Options], Columns]] = {
    ".npz": npz_columns,
    ".h5": hdf5_columns,
    ".hdf5": hdf5_columns,
    ".nc": hdf5_columns,
    ".fits": fits_columns,
    ".fit": fits_columns,
    ".zarr": zarr_columns,
    ".parquet": parquet_columns,
}
FITS = (".fits", ".fit")
PACKED = {".gz": FITS, ".fz": FITS}  # compressed forms of these formats


@contextmanager
def opened(path: Path, options: Options | None = None) -> Iterator[Columns]:
    """The columns of the source at `path`, which is closed after the block; unreadable ones are refused."""
    options = options or Options()
    with ExitStack() as stack:
        columns = _columns(path, stack, options)
        yield {name: column.flat() for name, column in _with_gaps(columns, options).items()}


def _with_gaps(columns: Columns, options: Options) -> Columns:
    """The columns, those in which values may be missing with NaN there."""
    lacking = {name: with_gaps(columns[name]) for name in options.incomplete & columns.keys()}
    return columns | {name: column for name, column in lacking.items() if not columns[name].is_text}


def _columns(path: Path, stack: ExitStack, options: Options) -> Columns:
    if path.is_dir() and _kind(path) not in READERS and not is_hats(path) and is_image_folder(path, options):
        _refuse_unused(path, hdu_column=options.hdu_column)
        return image_folder_columns(path, stack, options)
    files, base = files_of(path)
    if _kind(files[0]) not in FITS:
        _refuse_unused(path, file_column=options.file_column, hdu_column=options.hdu_column)
    columns = _joined(files, base, stack, options)
    if path.is_dir() and is_hats(path):
        columns = with_partitions(columns, files)
    if options.catalogue is not None:
        columns = columns | _beside(options.catalogue, columns, stack)
    return columns


def _refuse_unused(path: Path, **options: str) -> None:
    """Options that the layout of a source cannot use."""
    for option, name in options.items():
        if name:
            value = Words(f"--{option.replace('_', '-')} {name}")
            text = "files are named by a FITS table or by the catalogue of a folder of images"
            raise Refused(Fault(str(path), value, text, "leave that option out"))


def files_of(path: Path) -> tuple[list[Path], Path]:
    """The files of a source, sorted by name, and the folder from which their names are counted."""
    if not path.exists() and has_magic(str(path)):
        fixed = next(part for part in path.parents if not has_magic(str(part)))
        return _some(path, sorted(fixed.glob(str(path.relative_to(fixed))))), fixed
    if path.is_dir() and _kind(path) not in READERS:
        refuse_collection(path)
        every = leaves(path) if is_hats(path) else [each for each in path.rglob("*") if _is_shard(path, each)]
        return _some(path, sorted(every)), path
    return [path], path.parent


def _is_shard(folder: Path, file: Path) -> bool:
    """Whether a file in a folder is one of its shards: of a format, not hidden, not within a Zarr group."""
    inner = file.relative_to(folder)
    within = any(part.suffix == ".zarr" for part in inner.parents)
    return _kind(file) in READERS and not within and inner.name[:1] not in (".", "_")


def _some(path: Path, files: list[Path]) -> list[Path]:
    if not files:
        value = Words("no files of images")
        raise Refused(Fault(str(path), value, f"the formats are {listed(READERS)}", "check the path or the pattern"))
    return files


def _kind(path: Path) -> str:
    """The ending of a format, in lower case: .fits of x.fits.gz."""
    kind, inner = path.suffix.lower(), Path(path.stem).suffix.lower()
    return inner if inner in PACKED.get(kind, ()) else kind


def _joined(files: list[Path], base: Path, stack: ExitStack, options: Options) -> Columns:
    if len(files) == 1:
        return _of_file(files[0], stack, options)
    kinds = sorted({_kind(file) for file in files})
    if len(kinds) > 1:
        value = Words(f"files of the formats {listed(kinds)}")
        raise Refused(Fault(str(base), value, "all shards have one format", "name those of one: 'FOLDER/*.hdf5'"))
    log.info(f"{base}: {len(files):,} files, {files[0].relative_to(base)} to {files[-1].relative_to(base)}")
    return joined_columns(files, base, lambda file, inner: _of_file(file, inner, options), stack)


def _of_file(path: Path, stack: ExitStack, options: Options) -> Columns:
    kind = _kind(path)
    if kind not in READERS:
        raise Refused(Fault(str(path), path.suffix, f"the formats are {listed(READERS)}", "convert it to one of them"))
    if not path.exists():
        raise Refused(Fault(str(path), Words("no file"), "the images are read from it", "check the path"))
    with readable(str(path)):
        return _with_gaps(READERS[kind](path, stack, options), options)


def _beside(path: Path, columns: Columns, stack: ExitStack) -> Columns:
    """The columns of a catalogue with a row for each image; names that the images' file has too are refused."""
    beside = catalogue_columns(path, stack)
    twice = beside.keys() & columns.keys()
    if twice:
        text = "a column of the catalogue has another name than those of the images' file"
        raise Refused(Fault(str(path), Words(f"the columns {listed(sorted(twice))}"), text, "rename them"))
    return beside

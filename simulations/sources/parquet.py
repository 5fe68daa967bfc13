"""A Parquet file as columns: numbers, texts, nested or flat lists, encoded images as Hugging Face stores them.

    struct {bytes, path}      an encoded image: PNG, JPEG or TIFF (simulations.sources.encoded)
    binary                    likewise, where the first value begins as an image does; else bytes as text
    struct, list of structs   a column `name_field` for each field, with the list as an axis
    lists                     arrays (rows, ...), all lists of a level of one length; `--shape` for flat ones
    text, number, truth       one for each row

Batches of rows of one column are read in order, so that memory does not grow with the file or with its row groups.
Missing values are those that Parquet marks. Where pages have a CRC-32, it is verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words
from simulations.sources import encoded
from simulations.sources.column import Column, Masked
from simulations.sources.gallery import AXES, middle, refuse_other
from simulations.sources.options import Options

BATCH = 256  # rows of a batch
BUFFER = 1 << 20  # bytes that are read at a time
Field = Callable[[Any], Any]  # from the array of a top-level column to that of a field in it


def parquet_columns(path: Path, stack: ExitStack, options: Options) -> dict[str, Column]:
    """The columns of the file."""
    file = stack.enter_context(
        pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=True)
    )
    rows = file.metadata.num_rows
    if not rows:
        raise Refused(Fault(str(path), Words("no rows"), "a file has a row for each image", "leave it out"))
    columns: dict[str, Column] = {}
    for field in file.schema_arrow:
        for name, kind, leaves, select in _fields(path, file, field):
            where, batches = f"{path}: {name}", Batches(file, leaves)
            is_image = _is_image(kind) or (_is_binary(kind) and _begins_encoded(batches))
            columns[name] = (
                _encoded_column(where, rows, batches, options.crop)
                if is_image
                else _column(where, rows, kind, batches, select)
            )
    return columns


class Batches:
    """Rows of some leaves of one column, read forwards; a step backwards starts again at a row group."""

    def __init__(self, file: Any, leaves: list[str]) -> None:
        """Nothing is read yet."""
        self.file, self.leaves = file, leaves
        groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        self.starts = np.cumsum([0, *groups])
        self._batches: Iterator[Any] = iter(())
        self._kept: list[tuple[int, Any]] = []  # first row and array of batches
        self._next = -1  # the row after the last batch; -1 before the first

    def array(self, start: int, stop: int) -> Any:
        """The rows from start to stop as one Arrow array."""
        if self._next < 0 or start < (self._kept[0][0] if self._kept else self._next):
            self._restart(start)
        self._kept = [(first, each) for first, each in self._kept if first + len(each) > start]
        while self._next < stop:
            batch = next(self._batches).column(0)
            if self._next + len(batch) > start:
                self._kept.append((self._next, batch))
            self._next += len(batch)
        parts = [each.slice(max(start - first, 0), stop - max(start, first)) for first, each in self._kept]
        return pa.concat_arrays(parts)

    def _restart(self, row: int) -> None:
        group = max(0, int(np.searchsorted(self.starts, row, "right")) - 1)
        groups = list(range(group, self.file.metadata.num_row_groups))
        self._batches = self.file.iter_batches(BATCH, row_groups=groups, columns=self.leaves, use_threads=False)
        self._kept, self._next = [], int(self.starts[group])


def _fields(path: Path, file: Any, field: Any) -> Iterator[tuple[str, Any, list[str], Field]]:
    """Name, type, leaves and selection of every column that a top-level field is."""
    kind = field.type
    of_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    inner = kind.value_type if of_list else kind
    if not pa.types.is_struct(inner) or (not of_list and _is_image(kind)):
        yield field.name, kind, [field.name], lambda array: array
        return
    for child in inner:
        prefix = f"{field.name}.list.element.{child.name}" if of_list else f"{field.name}.{child.name}"
        paths = [file.schema.column(i).path for i in range(len(file.schema.names))]
        leaves = [each for each in paths if f"{each}.".startswith(f"{prefix}.")] or [field.name]
        select = partial(_of_structs if of_list else _of_struct, f"{path}: {field.name}", child.name)
        yield f"{field.name}_{child.name}", pa.list_(child.type) if of_list else child.type, leaves, select


def _of_struct(where: str, name: str, array: Any) -> Any:
    _refuse_missing(where, array)
    return array.field(name)


def _of_structs(where: str, name: str, array: Any) -> Any:
    """The field of a list of structs as a list of the field's values."""
    _refuse_missing(where, array)
    offsets = array.offsets
    values = array.flatten().field(name)
    return pa.ListArray.from_arrays(pa.array(np.asarray(offsets) - offsets[0].as_py(), pa.int32()), values)


def _refuse_missing(where: str, array: Any) -> None:
    """Refuse lists and structs that are missing."""
    if array.null_count:
        value, remedy = Words(f"{array.null_count} missing values"), "drop those rows, or put in what was measured"
        raise Refused(Fault(where, value, "every value must be there", remedy))


def _is_image(kind: Any) -> bool:
    """Whether a type is that of encoded images on Hugging Face: a struct with bytes."""
    names = {each.name: each.type for each in kind} if pa.types.is_struct(kind) else {}
    return "bytes" in names and _is_binary(names["bytes"])


def _is_binary(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _column(where: str, rows: int, kind: Any, batches: Batches, select: Field) -> Column:
    """The column of one field; without a shape where it is neither numbers nor texts."""
    if not _is_dense(kind):
        return Column(where, (), np.dtype(object), lambda slice_: np.empty(0, object))
    first = np.asarray(_dense(where, select(batches.array(0, 1)), (), 0))

    def read(part: slice) -> NDArray[Any] | Masked:
        start, stop, _ = part.indices(rows)
        if stop <= start:
            return first[:0]
        return _dense(where, select(batches.array(start, stop)), first.shape[1:], start)

    return Column(where, (rows, *first.shape[1:]), first.dtype, read)


def _is_dense(kind: Any) -> bool:
    while (inner := _inner(kind)) is not None:
        kind = inner
    types = pa.types
    is_text = types.is_string(kind) or types.is_large_string(kind) or _is_binary(kind)
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    return bool(is_text or is_number or types.is_dictionary(kind))


def _inner(kind: Any) -> Any:
    """The type of the values of a list; None of what is no list."""
    if isinstance(kind, pa.BaseExtensionType):
        return kind.storage_type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return kind.value_type if is_list else None


def _dense(where: str, array: Any, shape: tuple[int, ...], start: int) -> NDArray[Any] | Masked:
    """Lists of one length on each level as an array (rows, ...), masked where values are missing.

    shape: of a row, () before it is known. start: the number of the first row, for faults.
    """
    sizes = [len(array)]
    if isinstance(array, pa.ExtensionArray):
        tensor = tuple(getattr(array.type, "shape", ()))
        values = _dense(where, array.storage, (), start)
        return values.reshape(len(values), *tensor) if tensor else values
    while _inner(array.type) is not None:
        _refuse_missing(f"{where} from row {start} on", array)
        sizes.append(_length(where, array, shape[len(sizes) - 1 : len(sizes)], start))
        array = array.flatten()
    values = _plain(array)
    return values.reshape(sizes)


def _length(where: str, array: Any, expected: tuple[int, ...], start: int) -> int:
    """The one length of the lists of an array."""
    if pa.types.is_fixed_size_list(array.type):
        return int(array.type.list_size)
    lengths = np.asarray(array.value_lengths())
    length = expected[0] if expected else int(lengths[0]) if len(lengths) else 0
    if (lengths != length).any():
        value = Words(f"a list of {lengths[lengths != length][0]:,} from row {start} on")
        text = f"the first list has {length:,}, and all are as long"
        raise Refused(Fault(where, value, text, "drop those rows, or write arrays of one shape"))
    return length


def _plain(array: Any) -> NDArray[Any] | Masked:
    """Numbers or texts, masked where they are missing."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    missing = np.asarray(array.is_null())
    if missing.any():
        is_text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
        fill = "" if is_text else b"" if _is_binary(array.type) else pa.scalar(0).cast(array.type)
        array = array.fill_null(fill)
    values = array.to_numpy(zero_copy_only=False)
    return np.ma.MaskedArray(values, missing) if missing.any() else values


def _begins_encoded(batches: Batches) -> bool:
    return encoded.is_encoded(batches.array(0, 1)[0].as_py())


def _encoded_column(where: str, rows: int, batches: Batches, crop: int) -> Column:
    """Encoded images; each must have the shape of the first, or is cut to the square in its middle."""
    whole = encoded.shape_of(f"{where}[0]", _content(where, batches.array(0, 1)[0], 0))

    def one(scalar: Any, row: int) -> NDArray[Any]:
        label = f"{where}[{row}]"
        refuse = partial(refuse_other, label, first=whole, crop=crop)
        image = encoded.pixels_of(label, _content(where, scalar, row), refuse)
        return middle(image, crop) if crop else image

    first = one(batches.array(0, 1)[0], 0)

    def read(part: slice) -> NDArray[Any]:
        start, stop, _ = part.indices(rows)
        contents = batches.array(start, stop) if stop > start else []
        images = [one(each, i) for i, each in enumerate(contents, start)]
        return np.stack(images) if images else first[None][:0]

    return Column(where, (rows, *first.shape), first.dtype, read, axes=AXES[first.ndim])


def _content(where: str, scalar: Any, row: int) -> bytes:
    """The bytes of one encoded image."""
    value = scalar.as_py()
    content = value.get("bytes") if isinstance(value, dict) else value
    if not content:
        value = Words("an image without bytes" if value is None else "the path of an image without its bytes")
        remedy = "write the images into the file, or convert the folder of images with a catalogue"
        raise Refused(Fault(f"{where}[{row}]", value, "the bytes of every image lie in the file", remedy))
    return bytes(content)

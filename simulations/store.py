"""The store: one Zarr v3 group, opened by `xarray.open_zarr(path)`, complete only once its seal exists.

    image       (galaxy, y, x) or (galaxy, channel, y, x)  float32  photons per pixel; 0 to 1 of quads, official data
    image_true  as image                                   float32  without noise, if the data set asks for it
    <factor>    (galaxy,)                                  float64  in its declared unit
    split       (galaxy,)                                  int8     0 train, 1 validation, 2 test
    context     (galaxy,)                                  int8     the context of the row, if there are any
    noise_std   (galaxy,)                                  float64  standard deviation per pixel, if noise is Gaussian
    source      (galaxy,)                                  int64    which galaxy of a catalogue, if there is one; its
    source_id                                                       identifier there
    rotation    (galaxy,)                                  float64  and the angle at which it is shown
    hsm_g1 ...  (galaxy,)                                  float64  measurements, if the data set asks for them, each
    ..._error                                                       with its standard error; NaN where it fails

Images are uncompressed, in shards of about 40 MB; a shard consists of chunks of 64 to 256 rows, each with a CRC-32C
checksum that every read verifies. `seal.json` is written last: the facts, the versions of the packages, a hash of the
code, and the size and SHA-256 of every file.
"""

from __future__ import annotations

import math
import os
import shutil
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from foundation.files import digest_file, full_disk_as_fault, write_json
from foundation.provenance import code_hash, versions

SHARD_BYTES = 40e6
CHUNK_BYTES = 0.5e6
WHOLE = ("source", "source_id")  # columns of whole numbers
Columns = Mapping[str, NDArray[Any]]
Manifest = dict[str, dict[str, Any]]  # bytes and sha256 of files, by path relative to the store


def chunk_rows(row_bytes: int) -> int:
    """Rows per chunk, a power of 2 from 64 to 256, near half a megabyte."""
    return int(min(256, max(64, 2 ** round(math.log2(CHUNK_BYTES / row_bytes)))))


def shard_rows(row_bytes: int, rows: int) -> int:
    """Rows per shard: whole chunks of about 40 MB together, and no more chunks than all rows fill."""
    chunk = chunk_rows(row_bytes)
    return chunk * max(1, min(round(SHARD_BYTES / row_bytes / chunk), math.ceil(rows / chunk)))


Attributes = Mapping[str, Any]
PHOTONS: Attributes = {"units": "ph", "long_name": "photons per pixel"}


def create(
    path: Path | MemoryStore,
    rows: int,
    image_shape: tuple[int, ...],
    columns: Mapping[str, dict[str, Any]],
    image: Attributes = PHOTONS,
) -> zarr.Group:
    """An empty store for `rows` rows: `image` and the columns, each with its attributes.

    image_shape is (y, x) or (channel, y, x); a column named image_true has that shape, any other is a number per row.
    """
    row_bytes = 4 * math.prod(image_shape)
    shard, chunk = shard_rows(row_bytes, rows), chunk_rows(row_bytes)
    group = zarr.create_group(path, overwrite=True)
    image_names = ("galaxy", "channel", "y", "x")[-len(image_shape) :]
    described: dict[str, dict[str, Any]] = {"image": dict(image), **columns}
    for name, attributes in described.items():
        is_image = name in ("image", "image_true")
        shape = image_shape if is_image else ()
        group.create_array(
            name,
            shape=(rows, *shape),
            shards=(shard, *shape),
            chunks=(chunk, *shape) if is_image else (shard,),
            dtype=_dtype(name, attributes),
            compressors=[Crc32cCodec()],
            dimension_names=("galaxy", *(image_names if is_image else ())),
            attributes=attributes,
        )
    return group


def _dtype(name: str, attributes: Attributes) -> str:
    """The numbers of a column."""
    if name in ("image", "image_true"):
        return "float32"
    return "int8" if "flag_meanings" in attributes else "int64" if name in WHOLE else "float64"


def lay_out(
    path: Path,
    rows: int,
    image_shape: tuple[int, ...],
    columns: Mapping[str, dict[str, Any]],
    image: Attributes = PHOTONS,
) -> zarr.Group:
    """The same store where there may be one already: several processes may lay it out at once and write into it.

    Only metadata that are absent or differ are written, and columns of another spec are removed. Shards stay.
    """
    files: dict[str, Buffer] = {}
    create(MemoryStore(files), rows, image_shape, columns, image)
    for column in path.glob("*/zarr.json"):
        if str(column.relative_to(path)) not in files:
            shutil.rmtree(column.parent, ignore_errors=True)  # another process may be doing the same
    with full_disk_as_fault(path):
        for name, content in files.items():
            _replace(path / name, content.to_bytes())
    return zarr.open_group(path, mode="r+")


def _replace(file: Path, content: bytes) -> None:
    """Write a file unless it has this content; by a hidden file of this process's own, since others do the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.is_file() or file.read_bytes() != content:
        new = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
        new.write_bytes(content)
        os.replace(new, file)


IMAGE_TRUE: dict[str, dict[str, Any]] = {"image_true": {"units": "ph", "long_name": "photons per pixel without noise"}}
NOISE_STD: dict[str, dict[str, Any]] = {
    "noise_std": {"units": "ph", "long_name": "standard deviation of the noise per pixel"}
}
SPLIT: dict[str, dict[str, Any]] = {
    "split": {"long_name": "part of the row", "flag_values": [0, 1, 2], "flag_meanings": "train validation test"}
}


def context_column(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The column `context` of a store with these contexts, numbered from 0."""
    meanings = list(names)
    flags = {"flag_values": list(range(len(meanings))), "flag_meanings": " ".join(meanings)}
    return {"context": {"long_name": "context of the row", **flags}}


def write_rows(path: Path, group: zarr.Group, start: int, columns: Columns) -> None:
    """Write the rows of `columns` from row `start` on; blocks of whole shards are written as whole files."""
    with full_disk_as_fault(path):
        for name, values in columns.items():
            group[name][start : start + len(values)] = values  # type: ignore[index]


def write_shard(path: Path, group: zarr.Group, start: int, columns: Columns) -> Manifest:
    """Write the shard whose first row is `start`, and tell its files; Zarr writes none for a column of zeros.

    Zarr would read files that lie there already, to write into them: damaged ones, or those of another spec.
    """
    names = sorted(_shard_files(group, start))
    for name in names:
        (path / name).unlink(missing_ok=True)
    write_rows(path, group, start, columns)
    return {name: entry(path / name) for name in names if (path / name).is_file()}


def _shard_files(group: zarr.Group, start: int) -> Iterator[str]:
    for name, array in group.arrays():
        rows = (array.shards or array.chunks)[0]
        yield f"{name}/{array.metadata.encode_chunk_key((start // rows, *(0,) * (array.ndim - 1)))}"


def seal(
    path: Path,
    group: zarr.Group,
    attributes: Attributes,
    facts: Attributes,
    module: str = "simulations.draw",
    verified: Manifest | None = None,
) -> None:
    """Complete the store: attributes, consolidated metadata and last the seal with a checksum of every file.

    The attributes `symmetries`, `kinds`, `contexts` and `measurements` are the facts': simulations.symmetries, .kinds,
    .structure, .measured.
    The hash of the code of `module`, which made the store, is kept in its attributes and in the seal.
    verified: the files of the shards, where they were read just now; any other files but metadata are removed.
    """
    origin: dict[str, Any] = {"versions": versions("galsim", "numpy", "zarr"), "code": code_hash(module)}
    with full_disk_as_fault(path):
        declared = {name: facts[name] for name in ("symmetries", "kinds")}
        declared |= {name: facts[name] for name in ("contexts", "measurements") if facts.get(name)}
        group.attrs.update({**attributes, **origin, **declared})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Consolidated metadata")
            zarr.consolidate_metadata(group.store)
    listed = manifest(path) if verified is None else {**verified, **_metadata(path, group, verified)}
    write_json(path / "seal.json", {"facts": dict(facts), **origin, "files": listed})


def _metadata(path: Path, group: zarr.Group, shards: Manifest) -> Manifest:
    """The files of metadata; what is neither one nor of a shard was left by another spec or by a kill, and goes."""
    names = {"zarr.json", *(f"{name}/zarr.json" for name, _ in group.arrays())}
    for file in sorted(files(path)):
        if str(file.relative_to(path)) not in names | shards.keys():
            file.unlink()
    return {name: entry(path / name) for name in names}


def manifest(path: Path) -> Manifest:
    """The entry of every file of a store except its seal, by path relative to the store."""
    return {str(file.relative_to(path)): entry(file) for file in sorted(files(path))}


def entry(file: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    return {"bytes": file.stat().st_size, "sha256": digest_file(file)}


def files(path: Path) -> Iterable[Path]:
    """The files of a store, without its seal and without hidden files, which other programs leave there."""
    return (f for f in path.rglob("*") if f.is_file() and f.name[:1] != "." and f != path / "seal.json")


def as_column(values: Iterable[float]) -> NDArray[np.float64]:
    """Numbers as a column of the store, (rows,)."""
    return np.fromiter(values, dtype=np.float64)

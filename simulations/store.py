"""The store: one Zarr v3 group, opened by `xarray.open_zarr(path)`, complete only once its seal exists.

    image       (galaxy, y, x) or (galaxy, channel, y, x)  float32  photons per pixel; 0 to 1 in official data sets
    image_true  as image                                   float32  without noise, if the data set asks for it
    <factor>    (galaxy,)                                  float64  in its declared unit
    split       (galaxy,)                                  int8     0 train, 1 validation, 2 test
    noise_std   (galaxy,)                                  float64  standard deviation per pixel, if noise is Gaussian

Images are uncompressed, in shards of about 40 MB; a shard consists of chunks of 64 to 256 rows, each with a CRC-32C
checksum that every read verifies. `seal.json` is written last: the facts, the versions of the packages, a hash of the
code, and the size and SHA-256 of every file.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec

from foundation.files import digest_file, full_disk_as_fault, write_json
from foundation.provenance import code_hash, versions

SHARD_BYTES = 40e6
CHUNK_BYTES = 0.5e6
Columns = Mapping[str, NDArray[Any]]


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
    path: Path,
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
            dtype={"image": "float32", "image_true": "float32", "split": "int8"}.get(name, "float64"),
            compressors=[Crc32cCodec()],
            dimension_names=("galaxy", *(image_names if is_image else ())),
            attributes=attributes,
        )
    return group


IMAGE_TRUE: dict[str, dict[str, Any]] = {"image_true": {"units": "ph", "long_name": "photons per pixel without noise"}}
NOISE_STD: dict[str, dict[str, Any]] = {
    "noise_std": {"units": "ph", "long_name": "standard deviation of the noise per pixel"}
}
SPLIT: dict[str, dict[str, Any]] = {
    "split": {"long_name": "part of the row", "flag_values": [0, 1, 2], "flag_meanings": "train validation test"}
}


def write_rows(path: Path, group: zarr.Group, start: int, columns: Columns) -> None:
    """Write the rows of `columns` from row `start` on; blocks of whole shards are written as whole files."""
    with full_disk_as_fault(path):
        for name, values in columns.items():
            group[name][start : start + len(values)] = values  # type: ignore[index]


def seal(
    path: Path, group: zarr.Group, attributes: Attributes, facts: Attributes, module: str = "simulations.draw"
) -> None:
    """Complete the store: attributes, consolidated metadata and last the seal with a checksum of every file.

    The attributes `symmetries` and `kinds` are those of the facts: simulations.symmetries and kinds.
    The hash of the code of `module`, which made the store, is kept in its attributes and in the seal.
    """
    origin: dict[str, Any] = {"versions": versions("galsim", "numpy", "zarr"), "code": code_hash(module)}
    with full_disk_as_fault(path):
        declared = {name: facts[name] for name in ("symmetries", "kinds")}
        group.attrs.update({**attributes, **origin, **declared})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Consolidated metadata")
            zarr.consolidate_metadata(group.store)
    write_json(path / "seal.json", {"facts": dict(facts), **origin, "files": manifest(path)})


def manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file of a store except its seal, by path relative to the store."""
    return {
        str(file.relative_to(path)): {"bytes": file.stat().st_size, "sha256": digest_file(file)}
        for file in sorted(files(path))
    }


def files(path: Path) -> Iterable[Path]:
    """The files of a store, without its seal and without hidden files, which other programs leave there."""
    return (f for f in path.rglob("*") if f.is_file() and f.name[:1] != "." and f != path / "seal.json")


def as_column(values: Iterable[float]) -> NDArray[np.float64]:
    """Numbers as a column of the store, (rows,)."""
    return np.fromiter(values, dtype=np.float64)

"""A collection into a sealed store: checked, written shard by shard under a temporary name, renamed when complete.

The store has the row order of the collection, `image` as float32, every factor as float64, and the layers. The noise of
the images is stated by the caller, since pixels alone do not reveal it; Gaussian noise is stored as `noise_std`.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec

from foundation.console import counted, log
from foundation.faults import Fault, Refused, Words, listed
from foundation.files import digest_of
from simulations import store
from simulations.collection import Collection, Rows, parts_of
from simulations.declaration import kinds_of
from simulations.facts import COLUMNS, WEIGHTS, Facts
from simulations.kinds import Kind
from simulations.layers import Layer, layer_fault
from simulations.pixels import Pixels


@dataclass(frozen=True)
class Intake:
    """How a collection is stored.

    noise       kind and parameters, as in the `noise` section of a data set
    seed        of the random split
    module      the Python module that makes the store; the hash of its code goes into the seal
    image       attributes of `image`: unit and long name of a pixel
    attributes  further attributes of the store
    """

    noise: dict[str, Any]
    seed: int
    module: str
    image: store.Attributes = field(default_factory=lambda: store.PHOTONS)
    attributes: dict[str, Any] = field(default_factory=dict)


def refuse_existing(path: Path) -> None:
    """Refuse a path at which there is a file or a folder that is not empty."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise Refused(Fault(str(path), Words("existing files"), "they are never overwritten", "name a new path"))


def write(collection: Collection, path: Path, intake: Intake) -> None:
    """Write the collection as a sealed store at `path`, which must be new."""
    refuse_existing(path)
    split = parts_of(collection, intake.seed)
    _refuse_empty_part(collection.where, split)
    _refuse_too_large(collection, path)
    kinds = kinds_of(collection, split)
    with _renamed(path) as part, counted(path.name, collection.rows, "images") as progress:
        group = _created(part, collection, intake, kinds)
        size = store.shard_rows(_row_bytes(collection), collection.rows)
        pixels = Pixels(collection.where, intake.noise, collection.rows)
        for start in range(0, collection.rows, size):
            rows = np.arange(start, min(start + size, collection.rows))
            columns = _columns(collection, rows, intake.noise) | {"split": split[start : rows[-1] + 1]}
            images = pixels.checked(blank(np.asarray(collection.read(rows)), collection, rows), start)
            store.write_rows(part, group, start, {"image": images, **columns})
            del images  # before a layer of the same size is read
            _write_layers(part, group, collection, rows)
            progress.advance(len(rows))
        _seal(part, path.stem, group, collection, intake, split, kinds)
    needed = f"{collection.rows * _row_bytes(collection) / 1e9:.3g} GB"
    contents = f"{collection.rows:,} images of {collection.shape}, {needed}, {listed(collection.factors)}"
    log.info(f"{path}: sealed, {contents}; use it in a study with 'store: {path}'")


def blank(images: NDArray[Any], collection: Collection, rows: Rows) -> NDArray[Any]:
    """The images with 0 in place of NaN in pixels that count nothing: masked, or of an inverse variance of 0."""
    if images.dtype.kind != "f" or np.isfinite(images).all():
        return images
    for name in WEIGHTS:
        if name in collection.layers:
            values = _by_channel(np.asarray(collection.layers[name].read(rows)), collection)
            images = np.where((values == 0) & ~np.isfinite(images), images.dtype.type(0), images)
    return images


def _by_channel(values: NDArray[Any], collection: Collection) -> NDArray[Any]:
    """Values of pixels with the axes of the images; of all channels together, with one of length 1."""
    return values if values.ndim == 1 + len(collection.shape) else values[:, None]


def _write_layers(path: Path, group: zarr.Group, collection: Collection, rows: Rows) -> None:
    """Write some rows of every layer, one after the other; refused where a layer cannot be what it is for."""
    counting: NDArray[Any] = np.ones((len(rows), *[1] * len(collection.shape)), bool)
    for name, layer in collection.layers.items():
        values = np.asarray(layer.read(rows))
        if fault := layer_fault(f"{collection.where}: {name}", name, values, int(rows[0])):
            raise Refused(fault)
        store.write_rows(path, group, int(rows[0]), {name: values})
        if name in WEIGHTS:
            counting = counting & (_by_channel(values, collection) > 0)
    if empty := int((~counting.reshape(len(rows), -1).any(1)).sum()):
        value = Words(f"{empty} images without a good pixel in rows {rows[0]} to {rows[-1]}")
        raise Refused(Fault(collection.where, value, "such images say nothing", "drop those images"))


def _refuse_empty_part(where: str, split: NDArray[np.int8]) -> None:
    if len(np.unique(split)) < 3:
        raise Refused(Fault(where, Words(f"{len(split)} images"), "each part of the split needs one", "use 8 or more"))


def _refuse_too_large(collection: Collection, path: Path) -> None:
    """Refuse images that exceed the free space on the disk."""
    needed = collection.rows * (_row_bytes(collection) + _layer_bytes(collection))
    existing = next(folder for folder in path.absolute().parents if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        text = f"the images need {needed / 1e9:.3g} GB"
        raise Refused(Fault(str(path), Words(f"{free / 1e9:.3g} GB free"), text, "free some space or take fewer rows"))


def _row_bytes(collection: Collection) -> int:
    return 4 * math.prod(collection.shape)


def _layer_bytes(collection: Collection) -> int:
    """Bytes of a row of all layers of numbers."""
    sized = (each for each in collection.layers.values() if each.dtype != "str")
    return sum(np.dtype(each.dtype).itemsize * math.prod(each.shape) for each in sized)


@contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`: renamed to it if the block succeeds, deleted if it fails."""
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _created(path: Path, collection: Collection, intake: Intake, kinds: Sequence[Kind]) -> zarr.Group:
    units, declared = collection.units, {kind.factor: kind.attributes for kind in kinds}
    described = {n: {"units": units.get(n, ""), "long_name": n, **declared.get(n, {})} for n in collection.factors}
    extra = store.NOISE_STD if intake.noise["kind"] == "gaussian" else {}
    columns = {**described, **store.SPLIT, **extra}
    group = store.create(path, collection.rows, collection.shape, columns, intake.image)
    for name, layer in collection.layers.items():
        _create_layer(group, name, collection, layer)
    return group


def _create_layer(group: zarr.Group, name: str, collection: Collection, layer: Layer) -> None:
    """The array of a layer, whose shards hold the same rows as those of the images."""
    size = _row_bytes(collection)
    shard = store.shard_rows(size, collection.rows)
    group.create_array(
        name,
        shape=(collection.rows, *layer.shape),
        shards=(shard, *layer.shape),
        chunks=(store.chunk_rows(size) if layer.shape else shard, *layer.shape),
        dtype=layer.dtype,
        compressors=[Crc32cCodec()],
        dimension_names=layer.dims,
        attributes=dict(layer.attributes),
    )


def _columns(collection: Collection, rows: Rows, noise: dict[str, Any]) -> dict[str, NDArray[Any]]:
    start, stop = int(rows[0]), int(rows[-1]) + 1
    columns: dict[str, NDArray[Any]] = {name: values[start:stop] for name, values in collection.factors.items()}
    if noise["kind"] == "gaussian":
        columns["noise_std"] = np.full(len(rows), noise["sigma"])
    return columns


def _seal(
    path: Path,
    name: str,
    group: zarr.Group,
    collection: Collection,
    intake: Intake,
    split: NDArray[np.int8],
    kinds: Sequence[Kind],
) -> None:
    identity = digest_of({"files": store.manifest(path), "seed": intake.seed})
    facts = Facts(
        name=name,
        digest=identity,
        factors=tuple(collection.factors),
        galaxies=collection.rows,
        train=int((split == 0).sum()),
        test=int((split == 2).sum()),
        stamp=collection.shape[-1],
        channels=collection.shape[0] if len(collection.shape) == 3 else 1,
        noise=intake.noise["kind"],
        image_true=False,
        sky=intake.noise.get("sky"),
        image_bytes=collection.rows * _row_bytes(collection),
        kinds=tuple(kinds),
        weights=tuple(name for name in WEIGHTS if name in collection.layers),
        columns=tuple(name for name in COLUMNS if name in collection.layers),
        measurements=collection.measurements,
    )
    attributes = {"factors": list(collection.factors), "noise": intake.noise, "spec_digest": identity}
    store.seal(path, group, attributes | intake.attributes, asdict(facts), intake.module)

"""CIFAR-10 (Krizhevsky 2009): photographs of ten classes, 32 x 32, RGB.

Three forms of the images are accepted:

    cifar-10-batches-py, or its tar.gz    data_batch_1 ... data_batch_5 and test_batch, each a pickle of
                                          data (n, 3072) uint8, the planes R, G, B row by row, and labels (n)
    a folder or a zip of images           <split>/<class>/<number>.png or .jpg, or <class>/<number>
                                          under the official names of the classes; <split> is train or test

A pickle can execute arbitrary code, so the batches are read by an unpickler that accepts only the parts of a numpy
array. The label is 0 to 9 in the order of the class names, as in the official files. JPEG copies are lossy: their
pixels differ from the official ones.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Words, reason
from simulations.collection import Collection, official_parts, picked
from simulations.official import tree
from simulations.official.layout import Layout, Unlike
from simulations.official.pixels import brightness

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAINING, TEST = tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",)
LARGEST = 100_000_000  # bytes of one batch; an official one has 31 million
RECONSTRUCT = np.zeros(0).__reduce__()[0]  # its module has another name in other versions of numpy
PERMITTED = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): RECONSTRUCT for core in ("core", "_core")},
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def _opened(source: Path, stack: ExitStack) -> Collection:
    inner = source / "cifar-10-batches-py"
    folder = inner if inner.is_dir() else source
    if batches := _from_folder(folder):
        return _batches(source, batches)
    if source.is_file() and tarfile.is_tarfile(source):
        return _batches(source, _from_tar(source))
    return _images(source, tree.opened(source, stack))


def _from_folder(folder: Path) -> dict[str, bytes]:
    paths = [folder / name for name in TRAINING + TEST if (folder / name).exists()]
    for path in paths:
        _refuse_large(path.name, path.stat().st_size)
    return {path.name: path.read_bytes() for path in paths}


def _from_tar(source: Path) -> dict[str, bytes]:
    """The batches of an archive, read in the order of the archive without unpacking it to disk."""
    batches = {}
    with tarfile.open(source) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if name in TRAINING + TEST and (file := archive.extractfile(member)) is not None:
                _refuse_large(name, member.size)
                batches[name] = file.read()
    return batches


def _refuse_large(name: str, size: int) -> None:
    if size > LARGEST:
        raise Unlike(name, Words(f"{size:,} bytes"))


def _batches(source: Path, raw: dict[str, bytes]) -> Collection:
    missing = [name for name in TRAINING + TEST if name not in raw]
    if missing:
        raise Unlike(missing[0], Words("no file"))
    training, test = (_part(source, {name: raw[name] for name in names}) for names in (TRAINING, TEST))
    return official_parts(training, test)


def _part(source: Path, raw: dict[str, bytes]) -> Collection:
    batches = [_batch(name, pickled) for name, pickled in raw.items()]
    pixels = np.concatenate([data for data, _ in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([labels for _, labels in batches])
    read, factors = (lambda rows: brightness(picked(pixels, rows))), {"label": labels}
    return Collection(str(source), len(pixels), (3, 32, 32), read, factors, {}, categorical=("label",))


class _Unpickler(pickle.Unpickler):
    """Accepts the parts of a numpy array and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in PERMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return PERMITTED[module, name]


def _batch(name: str, pickled: bytes) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Pixels (n, 3072) and labels (n,) of one batch."""
    try:
        batch = _Unpickler(io.BytesIO(pickled), encoding="bytes").load()
    except Exception as error:  # a hostile or broken pickle may raise anything
        raise Unlike(name, Words(f"a pickle that is not accepted ({reason(error)})")) from None
    if not isinstance(batch, dict) or not {b"data", b"labels"} <= batch.keys():
        raise Unlike(name, Words("a pickle without data and labels"))
    data, labels = batch[b"data"], batch[b"labels"]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3072,):
        raise Unlike(f"{name}: data", Words(f"{getattr(data, 'shape', type(data).__name__)}"))
    valid = isinstance(labels, list) and all(type(label) is int and 0 <= label <= 9 for label in labels)
    if not valid or len(labels) != len(data):
        raise Unlike(f"{name}: labels", Words(f"something else than {len(data)} integers from 0 to 9"))
    return data, np.array(labels, np.float64)


def _images(source: Path, files: tree.Tree) -> Collection:
    entries = files.images()
    if not entries:
        raise Unlike("images", Words("neither batches nor images"))
    for entry in entries:
        if entry.parent.name not in CLASSES:
            raise Unlike(str(entry), Words(f"an image of the class {entry.parent.name!r}"))
    parts = {part: [e for e in entries if e.parent.parent.name == part] for part in ("train", "test")}
    if not any(parts.values()):
        return _labelled(source, files, entries)
    if sum(map(len, parts.values())) < len(entries):
        raise Unlike("images", Words("some in train or test, some in neither"))
    training, test = (_labelled(source, files, part) if part else None for part in parts.values())
    return official_parts(training, test)


def _labelled(source: Path, files: tree.Tree, entries: list[PurePosixPath]) -> Collection:
    labels = np.array([CLASSES.index(entry.parent.name) for entry in entries], np.float64)
    read = partial(tree.rgb, files, entries, 32)
    return Collection(str(source), len(entries), (3, 32, 32), read, {"label": labels}, {}, categorical=("label",))


CIFAR10 = Layout(
    "CIFAR-10 is cifar-10-batches-py or its tar.gz (data_batch_1 to data_batch_5 and test_batch, pickles of data "
    "(n, 3072) uint8 and n labels of 0 to 9), or a folder or zip of RGB images of 32 x 32 in train/<class> and "
    "test/<class>, or in <class> alone, the classes being " + ", ".join(CLASSES),
    _opened,
)

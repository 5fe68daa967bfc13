"""Small files in the layout of every official data set, and what a store made of them must contain.

Each writer makes its source inside a folder and returns an `Example`; the expected images are computed from the pixels
independently of the code under test.
"""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import scipy.io
from PIL import Image

CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
NORB = {"training": "smallnorb-5x46789x9x18x6x2x96x96-training", "testing": "smallnorb-5x01235x9x18x6x2x96x96-testing"}


@dataclass
class Example:
    """A source, its main file (to be truncated), and the expected images 0 to 1, factors and official test rows."""

    source: Path
    main: Path
    images: np.ndarray
    factors: dict[str, np.ndarray]
    test: np.ndarray | None = None
    tolerance: float = 1e-6


def rng():
    return np.random.default_rng(5)


class Hostile:
    """An object whose unpickling writes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def dsprites(folder, columns=6, rows=40, **changes):
    """The colour is the first of six columns; the metadata are a pickle that must never be read."""
    random = rng()
    images = random.integers(0, 2, (rows, 64, 64), dtype=np.uint8)
    values = np.column_stack([np.ones(rows), random.integers(1, 4, rows), random.random((rows, 4))])[:, -columns:]
    arrays = {
        "metadata": np.array([Hostile(folder / "executed")], dtype=object),
        "imgs": images,
        "latents_values": values,
        "latents_classes": values.astype(np.int64),
    }
    arrays |= changes
    path = folder / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
    np.savez_compressed(path, **{name: each for name, each in arrays.items() if each is not None})
    factors = dict(zip(("shape", "scale", "orientation", "pos_x", "pos_y"), values[:, -5:].T, strict=True))
    return Example(path, path, images, factors)


def cars3d(folder, key="im", shape=(128, 128, 3, 24, 4)):
    pixels = rng().integers(0, 256, shape, dtype=np.uint8)
    path = folder / "data" / "cars" / "car_001_mesh.mat"
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, {key: pixels})
    images, factors = [], {"elevation": [], "azimuth": [], "object": []}
    for azimuth in range(24):
        for elevation in range(4):
            image = pixels[..., min(azimuth, shape[3] - 1), elevation].astype(float)
            quarter = (image[0::2, 0::2] + image[0::2, 1::2] + image[1::2, 0::2] + image[1::2, 1::2]) / 4
            images.append(quarter.transpose(2, 0, 1) / 255)
            for name, value in {"elevation": elevation, "azimuth": azimuth, "object": 0}.items():
                factors[name].append(value)
    return Example(folder / "data", path, np.array(images), factors)


def shapes3d(folder, **changes):
    rows, random = 40, rng()
    images = random.integers(0, 256, (rows, 64, 64, 3), dtype=np.uint8)
    labels = random.random((rows, 6))
    path = folder / "3dshapes.h5"
    with h5py.File(path, "w") as file:
        for name, values in ({"images": images, "labels": labels} | changes).items():
            if values is not None:
                file.create_dataset(name, data=values, chunks=(7, *values.shape[1:]), compression="gzip")
    names = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
    return Example(path, path, images.transpose(0, 3, 1, 2) / 255, dict(zip(names, labels.T, strict=True)))


def norb_matrix(path, values, magic=None):
    """A matrix in the small NORB format: at least three sizes, of which those beyond its dimensions are 1."""
    magic = magic or {"uint8": 0x1E3D4C55, "int32": 0x1E3D4C54}[str(values.dtype)]
    sizes = [*values.shape, 1, 1][: max(3, values.ndim)]
    raw = struct.pack(f"<ii{len(sizes)}i", magic, values.ndim, *sizes) + values.tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def smallnorb(folder, magic=None, categories=None, side=96, ending=""):
    random, images, codes = rng(), [], []
    for part, rows in {"training": 28, "testing": 12}.items():
        pixels = random.integers(0, 256, (rows, 2, side, side), dtype=np.uint8)
        highest = [5, 10, 9, 18, 6]
        code = np.column_stack([random.integers(0, high, rows) for high in highest]).astype(np.int32)
        code[:, 3] *= 2  # azimuths are 0, 2, ... 34
        norb_matrix(folder / f"{NORB[part]}-dat.mat{ending}", pixels, magic)
        norb_matrix(folder / f"{NORB[part]}-cat.mat{ending}", code[: categories or rows, 0].copy())
        norb_matrix(folder / f"{NORB[part]}-info.mat{ending}", code[:, 1:].copy())
        doubled = pixels[:, 0].repeat(2, axis=1).repeat(2, axis=2) / 255  # 96 to 192 to 64: exact areas
        images.append(doubled.reshape(rows, 2 * side // 3, 3, 2 * side // 3, 3).mean(axis=(2, 4)))
        codes.append(code)
    code = np.concatenate(codes).astype(float)
    factors = {"category": code[:, 0], "instance": code[:, 1], "elevation": 30 + 5 * code[:, 2]}
    factors |= {"azimuth": 10 * code[:, 3], "lighting": code[:, 4]}
    main = folder / f"{NORB['training']}-dat.mat{ending}"
    return Example(folder, main, np.concatenate(images), factors, np.arange(28, 40))


class Python2(pickle._Pickler):
    """Pickles as Python 2 did for the official batches: protocol 2, every string a byte string."""

    def save_bytes(self, value):
        self.write(b"T" + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    def save_str(self, value):
        self.save_bytes(value.encode())

    dispatch: ClassVar = {**pickle._Pickler.dispatch, bytes: save_bytes, str: save_str}


def pickled(batch):
    stream = io.BytesIO()
    Python2(stream, 2).dump(batch)
    raw = stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    return raw.replace(b"\x89\x88\x87", b"K\x00K\x01\x87", 1)  # the type's flags, 0 and 1, come before its data


def cifar10(folder, data=None, packed=False, rows=8):
    """Six batches of a few images; `data` replaces that of the test batch."""
    random, home = rng(), folder / "cifar-10-batches-py"
    home.mkdir()
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    planes = random.integers(0, 256, (6, rows, 3072), dtype=np.uint8)
    labels = random.integers(0, 10, (6, rows))
    for name, plane, label in zip(names, planes, labels, strict=True):
        content = data if data is not None and name == "test_batch" else plane
        batch = {b"batch_label": name.encode(), b"labels": label.tolist(), b"data": content, b"filenames": [b"a.png"]}
        (home / name).write_bytes(pickled(batch))
    images = planes.reshape(-1, 3, 32, 32) / 255
    source = folder / "cifar-10-python.tar.gz" if packed else home
    if packed:
        with tarfile.open(source, "w:gz") as archive:
            archive.add(home, "cifar-10-batches-py")
    main = source if packed else home / "data_batch_3"
    return Example(source, main, images, {"label": labels.ravel()}, np.arange(5 * rows, 6 * rows))


def encoded(pixels, kind="PNG"):
    stream = io.BytesIO()
    exact = {"quality": 100, "subsampling": 0} if kind == "JPEG" and pixels.ndim == 3 else {}
    Image.fromarray(pixels).save(stream, kind, **exact)
    return stream.getvalue()


def cifar10_images(folder, splits=("test", "train"), classes=tuple(CIFAR_CLASSES), side=32, zipped=True):
    """<split>/<class>/<number>.png in a zip, or in a folder; the rows come in the order of the names."""
    random, files, images, labels, parts = rng(), {}, [], [], []
    for split in splits:
        for label, name in enumerate(classes):
            for number in range(3 if split == "train" else 2):
                pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
                files[f"{split}/{name}/{number:04}.png".lstrip("/")] = encoded(pixels)
                images.append(pixels.transpose(2, 0, 1) / 255)
                labels.append(label)
                parts.append(split)
    source = written(folder, files, zipped)
    order = np.argsort([part == "test" for part in parts], kind="stable")  # training rows come first
    test = np.flatnonzero(np.array(parts)[order] == "test") if len(splits) > 1 else None
    return Example(source, source, np.array(images)[order], {"label": np.array(labels)[order]}, test)


def written(folder, files, zipped):
    source = folder / ("images.zip" if zipped else "images")
    if zipped:
        with zipfile.ZipFile(source, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return source
    for name, content in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return source


def tiny_imagenet(folder, side=64, annotated=True, zipped=True):
    """Blocks of 8 x 8 pixels, which JPEG preserves except for the rounding of colours; every fifth image is grey."""
    random, wnids = rng(), ["n02", "n01", "n03"]
    files, images, labels = {}, [], []

    def image(name, label):
        blocks = random.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
        pixels = blocks.repeat(8, axis=0).repeat(8, axis=1)
        grey = len(images) % 5 == 0
        files[f"tiny-imagenet-200/{name}"] = encoded(pixels[..., 0] if grey else pixels, "JPEG")
        images.append((pixels[..., [0, 0, 0]] if grey else pixels).transpose(2, 0, 1) / 255)
        labels.append(label)

    for wnid in sorted(wnids):
        for number in range(7):
            image(f"train/{wnid}/images/{wnid}_{number}.JPEG", wnids.index(wnid))
    lines = []
    for number in range(6):
        image(f"val/images/val_{number}.JPEG", number % 3)
        lines.append(f"val_{number}.JPEG\t{wnids[number % 3]}\t0\t0\t62\t62")
    files["tiny-imagenet-200/test/images/test_0.JPEG"] = encoded(np.zeros((side, side, 3), np.uint8), "JPEG")
    files["tiny-imagenet-200/wnids.txt"] = "\n".join(wnids).encode()
    files["tiny-imagenet-200/val/val_annotations.txt"] = "\n".join(lines[: None if annotated else 3]).encode()
    source = written(folder, files, zipped)
    main = source if zipped else source / "tiny-imagenet-200/train/n02/images/n02_3.JPEG"
    return Example(source, main, np.array(images), {"label": labels}, np.arange(21, 27), 3 / 255)


def celeba(folder, parts=("0", "1", "2"), line="{} 1 -1", count=True, zipped=True, rows=24, wide=0):
    """PNGs of 154 x 180 pixels, whose middle of 128 x 128 becomes means of 2 x 2; the last third are test images."""
    random, files, images, lines, partition = rng(), {}, [], [], []
    for number in range(rows):
        name = f"{number:06d}.png"
        pixels = random.integers(0, 256, (180, 154, 3), dtype=np.uint8)
        files[f"faces/images/{name}"] = encoded(np.zeros((2, wide, 3), np.uint8) if wide else pixels, "PNG")
        middle = pixels[26:154, 13:141].reshape(64, 2, 64, 2, 3).mean((1, 3))
        images.append(middle.transpose(2, 0, 1) / 255)
        lines.append(f"{name} {'1' if number % 3 else '-1'} -1" if line == "{} 1 -1" else line.format(name))
        partition.append(f"{name} {parts[3 * number // rows]}")
    head = [str(rows)] if count else []
    files["faces/list_attr_celeba.txt"] = "\n".join([*head, "Smiling Bald", *lines]).encode()
    if parts[0]:
        files["faces/list_eval_partition.txt"] = "\n".join(partition).encode()
    source = written(folder, files, zipped)
    main = source if zipped else source / "faces/images/000003.png"
    smiling = np.arange(rows) % 3 > 0
    test = np.arange(2 * rows // 3, rows) if parts[0] else None
    return Example(source, main, np.array(images), {"Smiling": smiling * 1.0, "Bald": np.zeros(rows)}, test)


def idx(path, values, magic=None):
    magic = magic or {3: 2051, 1: 2049}[values.ndim]
    raw = struct.pack(f">i{values.ndim}i", magic, *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def mnist(folder, parts=("train", "t10k"), magic=None, side=28, extra=0, ending=".gz"):
    random, images, labels = rng(), [], []
    for part in parts:
        rows = 28 if part == "train" else 24 // len(parts)
        images.append(random.integers(0, 256, (rows, side, side), dtype=np.uint8))
        labels.append(random.integers(0, 10, rows, dtype=np.uint8))
        idx(folder / f"{part}-images-idx3-ubyte{ending}", images[-1], magic)
        idx(folder / f"{part}-labels-idx1-ubyte{ending}", np.append(labels[-1], np.zeros(extra, np.uint8)))
    main = folder / f"{parts[0]}-images-idx3-ubyte{ending}"
    test = np.arange(28, 40) if len(parts) == 2 else None
    return Example(folder, main, np.concatenate(images) / 255, {"label": np.concatenate(labels)}, test)

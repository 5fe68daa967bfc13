"""Tiny ImageNet (Stanford CS231N 2015): photographs of 200 classes, 64 x 64, RGB; a few are grey and become RGB.

    train/<wnid>/images/*.JPEG          500 of each class
    val/images/*.JPEG                   10,000; val/val_annotations.txt lists their classes: name, wnid, box
    wnids.txt                           the classes; the label is the line number, from 0

in a folder or zip, directly or below tiny-imagenet-200. Without wnids.txt the label is the place among the sorted
wnids. The labels of test/images were never published: those images are left out, and the val images are the test part.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from foundation.faults import Words
from simulations.collection import Collection, official_parts
from simulations.official import tree
from simulations.official.layout import Layout, Unlike

TOP = "tiny-imagenet-200/"


def _opened(source: Path, stack: ExitStack) -> Collection:
    files = tree.opened(source, stack)
    top = PurePosixPath(TOP) if any(name.startswith(TOP) for name in files.names) else PurePosixPath()
    within = [(entry, entry.relative_to(top).parts) for entry in files.images() if entry.is_relative_to(top)]
    training = {e: parts[1] for e, parts in within if len(parts) == 4 and (parts[0], parts[2]) == ("train", "images")}
    if not training:
        raise Unlike("train", Words("no image in train/<wnid>/images"))
    validation = _annotated(files, top, [entry for entry, parts in within if parts[0] == "val"])
    labels = _labels(files, top, set(training.values()))
    train, test = (_labelled(source, files, part, labels) if part else None for part in (training, validation))
    return official_parts(train, test)


def _text(files: tree.Tree, name: str) -> list[list[str]]:
    """The lines of a text file, in words."""
    if name not in files.names:
        raise Unlike(name, Words("no file"))
    return [line.split() for line in files.read(name).decode("utf-8").splitlines() if line.strip()]


def _labels(files: tree.Tree, top: PurePosixPath, training_wnids: set[str]) -> dict[str, int]:
    """The label of each wnid."""
    name = str(top / "wnids.txt")
    wnids = [words[0] for words in _text(files, name)] if name in files.names else sorted(training_wnids)
    return {wnid: i for i, wnid in enumerate(wnids)}


def _annotated(files: tree.Tree, top: PurePosixPath, entries: list[PurePosixPath]) -> dict[PurePosixPath, str]:
    """The wnid of each val image, from its annotations."""
    if not entries:
        return {}
    name = str(top / "val" / "val_annotations.txt")
    wnids = {words[0]: words[1] for words in _text(files, name) if len(words) > 1}
    for entry in entries:
        if entry.parent != top / "val" / "images" or entry.name not in wnids:
            raise Unlike(str(entry), Words("an image that val_annotations.txt does not list"))
    return {entry: wnids[entry.name] for entry in entries}


def _labelled(source: Path, files: tree.Tree, classes: dict[PurePosixPath, str], labels: dict[str, int]) -> Collection:
    for entry, wnid in classes.items():
        if wnid not in labels:
            raise Unlike(str(entry), Words(f"an image of the unknown class {wnid!r}"))
    values = np.array([labels[wnid] for wnid in classes.values()], np.float64)
    read = partial(tree.rgb, files, list(classes), 64)
    return Collection(str(source), len(classes), (3, 64, 64), read, {"label": values}, {}, categorical=("label",))


TINY_IMAGENET = Layout(
    "Tiny ImageNet is a folder or zip with images of 64 x 64 in train/<wnid>/images, and in val/images with "
    "val/val_annotations.txt naming the wnid of each",
    _opened,
)

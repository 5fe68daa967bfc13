"""The official files of public data sets into a store: one module per data set, and the table of all.

    python -m simulations official dsprites dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz dsprites.zarr --most 50000

Every loader returns a `Collection` of images from 0 to 1 with named factors. The noise of such images is unknown: the
store states "none", and the runs of a study set their likelihood, bernoulli or gaussian with a sigma.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from foundation.faults import Fault, Refused, listed, suggest
from simulations.collection import Collection, Rows, at_most
from simulations.intake import Intake, refuse_existing, write
from simulations.official.cars3d import CARS3D
from simulations.official.celeba import CELEBA
from simulations.official.cifar10 import CIFAR10
from simulations.official.dsprites import DSPRITES
from simulations.official.layout import Layout, errors_as_fault
from simulations.official.mnist import MNIST
from simulations.official.shapes3d import SHAPES3D
from simulations.official.smallnorb import SMALLNORB
from simulations.official.tiny_imagenet import TINY_IMAGENET

OFFICIAL: dict[str, Layout] = {
    "dsprites": DSPRITES,
    "cars3d": CARS3D,
    "shapes3d": SHAPES3D,
    "smallnorb": SMALLNORB,
    "cifar10": CIFAR10,
    "tiny_imagenet": TINY_IMAGENET,
    "mnist": MNIST,
    "celeba": CELEBA,
}
IMAGE = {"units": "1", "long_name": "brightness of a pixel, 0 to 1"}


@contextmanager
def opened(name: str, source: Path) -> Iterator[Collection]:
    """The collection in an official source; any error of opening it, or of reading it later, becomes a fault."""
    layout = OFFICIAL[name]
    with ExitStack() as stack:
        with errors_as_fault(source, layout.expected):
            if not source.exists():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
            collection = layout.opened(source, stack)

        def read(rows: Rows) -> NDArray[Any]:
            with errors_as_fault(source, layout.expected):
                return collection.read(rows)

        yield replace(collection, read=read)


def import_official(name: str, source: Path, path: Path, most: int | None, seed: int) -> None:
    """Write an official source, or a random `most` of its rows, as a sealed store at `path`, which must be new."""
    if name not in OFFICIAL:
        remedy = suggest(name, OFFICIAL, "name one of them, or use 'convert' for other images")
        raise Refused(Fault("the data set", name, f"the official ones are {listed(OFFICIAL)}", remedy))
    refuse_existing(path)
    origin = {"official": name, "source": source.name, "seed": seed, "most": most}
    with opened(name, source) as collection:
        intake = Intake({"kind": "none"}, seed, "simulations.official", IMAGE, origin)
        write(at_most(collection, most, seed), path, intake)

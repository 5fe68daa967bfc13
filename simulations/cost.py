"""What the drawing of a data set takes of time and memory, known before anything is drawn.

Neither GalSim nor numpy is imported here, because this module also runs inside the Snakefile.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from simulations.extent import largest_transform, with_typical_profiles
from simulations.parameters import PAINTINGS, PARAMETERS
from simulations.spec import Dataset
from simulations.transform import WORKER_BYTES, size

SAMPLE = 256  # galaxies that stand for all
MEASURED_SECONDS = 0.003  # of the measurements of an image
REAL_SECONDS, REAL_PIXEL_SECONDS = 0.02, 6e-6  # of an image of a catalogue, and per pixel of its stamp


def core_seconds(dataset: Dataset) -> float:
    """Time on one core, in seconds, to about a factor of 2."""
    if dataset.scene.kind:
        return dataset.galaxies * PAINTINGS[dataset.scene.kind].seconds
    measuring = MEASURED_SECONDS if dataset.measurements else 0.0
    if dataset.scene.is_real:
        return dataset.galaxies * (_real_seconds(dataset) + measuring)
    drawn = with_typical_profiles(dataset)
    return dataset.galaxies * (measuring + fmean(size(drawn.scene, values).seconds for values in _sampled(drawn)))


def _real_seconds(dataset: Dataset) -> float:
    """Time of a core for one image of a catalogue: its deconvolution, and noise around it and over the stamp."""
    return REAL_SECONDS + REAL_PIXEL_SECONDS * dataset.scene.stamp**2


def worker_bytes(dataset: Dataset) -> float:
    """Memory of one worker while it draws the galaxy that takes most."""
    return WORKER_BYTES if dataset.scene.kind else largest_transform(dataset).bytes


def _sampled(dataset: Dataset) -> Iterator[dict[str, float]]:
    """Parameters of galaxies that fill the factors evenly: an additive recurrence of low discrepancy (Roberts 2018)."""
    constants = {name: dataset.constant(name) for name in dataset.scene.takes()}
    count = len(dataset.factors)
    steps = [_plastic(count) ** -(i + 1) for i in range(count)]
    for row in range(SAMPLE):
        values = {}
        for step, (name, factor) in zip(steps, dataset.factors.items(), strict=True):
            u = (0.5 + (row + 1) * step) % 1
            values[name] = factor.at(min(max(u, 1e-6), 1 - 1e-6)) * PARAMETERS[name].units[factor.unit]
        yield constants | values


def _plastic(dimensions: int) -> float:
    """The root above 1 of x^(d + 1) = x + 1, the golden ratio for d = 1."""
    x = 2.0
    for _ in range(60):
        x = (1 + x) ** (1 / (dimensions + 1))
    return x

r"""Films: images of one row whose factors move, a frame a step, without noise.

    python -m simulations films STORE FILMS.npz --line disk_x,disk_y --arc disk_x,disk_y

    line    u(t) = a + t (b - a)                           a, b uniform in the unit cube of the factors that move
    arc     u(t) = c + r (cos w(t), sin w(t))              half a circle in the unit square: w(t) = w_0 + pi t,
                                                           r uniform in [LEAST, 1/2], c so that all of it is inside

with t from 0 to 1 in equal steps. u is the place in a factor's distribution, so that a line is straight in a uniform
factor and in the logarithm of a log-uniform one. The other factors stay where they are, uniform in u, whatever they are
related to. Film i depends on the data set, its path, the factors that move and i alone.

FILMS.npz holds `image` (film, frame, *image) float32 in the unit of the store, `path` (film,), each factor (film,
frame) in its unit, the factors `along_line` and `along_arc` that move, and the digest of the data set. There is no
noise: steps of a noisy film turn at random, and how often says how noisy it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words, listed, suggest
from foundation.files import atomic_write
from simulations.factors import quantile
from simulations.randomness import generator
from simulations.render import dataset_of, stamps_of
from simulations.spec import Dataset

LEAST = 0.15  # radius of an arc, in shares of the distributions
FEWEST = 3  # frames: a turn is made of two steps
Floats = NDArray[np.float64]


def films(store: Path, out: Path, paths: Mapping[str, Sequence[str]], count: int, frames: int) -> None:
    """Write so many films of each path ("line", "arc") along its factors, in the scene of a simulated store."""
    dataset = dataset_of(store)
    if faults := _faults(dataset, paths, frames):
        raise Refused(faults)
    moved = {path: [_places(dataset, path, along, i, frames) for i in range(count)] for path, along in paths.items()}
    places = np.stack([film for each in moved.values() for film in each])  # (film, frame, factor)
    columns = {name: quantile(factor, places[..., k]) for k, (name, factor) in enumerate(dataset.factors.items())}
    images = stamps_of(dataset, {name: each.ravel() for name, each in columns.items()})
    image = images.reshape(places.shape[:2] + images.shape[1:])
    with atomic_write(out) as part, open(part, "wb") as stream:
        facts = {f"along_{path}": np.array(along) for path, along in paths.items()} | {
            "digest": np.array(dataset.digest)
        }
        np.savez(stream, image=image, path=np.repeat([*moved], count), **facts, **columns)  # type: ignore[arg-type]


def _places(dataset: Dataset, path: str, along: Sequence[str], i: int, frames: int) -> Floats:
    """Where every factor is in each frame of a film, (frames, factors), in [0, 1)."""
    source = generator(dataset.seed, f"film {path}", i)
    names = [*dataset.factors]
    places = np.tile(source.random(len(names)), (frames, 1))
    places[:, [names.index(name) for name in along]] = PATHS[path](source, len(along), frames)
    return np.asarray(places.clip(0, 1 - 2.0**-53))


def _line(source: np.random.Generator, factors: int, frames: int) -> Floats:
    start, end = source.random((2, factors))
    return np.asarray(start + np.linspace(0, 1, frames)[:, None] * (end - start))


def _arc(source: np.random.Generator, factors: int, frames: int) -> Floats:
    radius, first = source.uniform(LEAST, 0.5), source.uniform(0, 2 * np.pi)
    centre = source.uniform(radius, 1 - radius, 2)
    angles = first + np.pi * np.linspace(0, 1, frames)
    return centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)


PATHS: Mapping[str, Callable[[np.random.Generator, int, int], Floats]] = {"line": _line, "arc": _arc}


def _faults(dataset: Dataset, paths: Mapping[str, Sequence[str]], frames: int) -> list[Fault]:
    """Films too short to turn, or of a catalogue; factors that the store has not, and an arc of other than two."""
    faults = []
    if dataset.scene.is_catalogued:
        text = "a film shows one galaxy whose factors move, and those of a catalogue differ by more than their factors"
        faults.append(Fault("STORE", Words(f"{dataset.scene.galaxy} galaxies"), text, "take a store of other galaxies"))
    if frames < FEWEST:
        text = f"a film turns between two steps, and has {FEWEST} frames or more"
        faults.append(Fault("--frames", frames, text, "raise it"))
    if not paths:
        faults.append(Fault("--line, --arc", Words("neither"), "a film has a path", "name the factors that move"))
    for path, along in paths.items():
        for name in (name for name in along if name not in dataset.factors):
            text = f"the factors of the store are {listed(dataset.factors)}"
            faults.append(Fault(f"--{path}", name, text, suggest(name, dataset.factors, "name some of these")))
        if path == "arc" and len({*along}) != 2:
            faults.append(Fault("--arc", Words(listed(along)), "an arc is that of two factors", "name two"))
    return faults

"""Draw a data set into its store with worker processes; the bytes do not depend on their number.

Workers draw blocks of rows; this process collects them and writes whole shards. A journal beside the store lists the
finished shards with their checksums, so that an interrupted simulation resumes after them, unless the spec or the code
has changed. Large data sets are drawn in parts, by processes that know nothing of each other (simulations.journal).
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr

from foundation.console import counted, log
from foundation.faults import Fault, Refused, Words
from foundation.files import locked, read_json
from foundation.provenance import code_hash
from simulations import store
from simulations.factors import draw_context, draw_factors, draw_split
from simulations.facts import Facts
from simulations.galaxy import Values, parameters
from simulations.journal import Journal, Part
from simulations.measured import measured_columns
from simulations.noise import add_noise, noise_std
from simulations.parameters import PAINTINGS, PARAMETERS, SHOWN
from simulations.photometry import measure_images
from simulations.population import COLUMNS, draw_shown
from simulations.real_noise import observe, refuse_noisier
from simulations.scenes import draw
from simulations.spec import Dataset, to_json
from simulations.store import Manifest

BLOCK = 128  # rows that a worker draws per call, in about 50 ms
Columns = dict[str, Any]


def draw_rows(dataset: Dataset, start: int, stop: int) -> Columns:
    """All columns of rows start..stop-1: images (rows, *image), every other column (rows,)."""
    factors = draw_factors(dataset, start, stop)
    shown = draw_shown(dataset, start, stop) if dataset.scene.is_catalogued else {}
    placed: Columns = factors | {name: shown[name] for name in SHOWN if name in shown}
    rows = [dict(zip(placed, values, strict=True)) for values in zip(*placed.values(), strict=True)]
    images = _observed if dataset.scene.is_real else _imaged
    drawn: Columns = {"split": draw_split(dataset, start, stop), **factors, **shown}
    values = [parameters(dataset, row) for row in rows]
    drawn |= images(dataset, values, start)
    if dataset.measurements:
        drawn |= measure_images(dataset, values, drawn["image"], drawn.get("noise_std"))
    if dataset.contexts:
        drawn["context"] = draw_context(dataset, start, stop)
    return drawn


def _imaged(dataset: Dataset, rows: Sequence[Values], start: int) -> Columns:
    """The images of rows from `start` on, with noise on drawings that have none."""
    stamps = [draw(dataset.scene, row) for row in rows]
    noisy = [add_noise(dataset.noise, m, dataset.seed, start + i) for i, m in enumerate(stamps)]
    drawn: Columns = {"image": np.stack(noisy)}
    if dataset.noise.kind == "gaussian":
        drawn["noise_std"] = store.as_column(noise_std(dataset.noise, stamp) for stamp in stamps)
    if dataset.image_true:
        drawn["image_true"] = np.stack(stamps)
    return drawn


def _observed(dataset: Dataset, rows: Sequence[Values], start: int) -> Columns:
    """The images of rows from `start` on, of galaxies whose images have noise already."""
    observed = [observe(dataset, row, start + i) for i, row in enumerate(rows)]
    drawn: Columns = {"image": np.stack([each.image for each in observed])}
    if dataset.noise.kind == "gaussian":
        drawn["noise_std"] = store.as_column(each.sigma for each in observed)
    return drawn


def simulate(dataset: Dataset, facts: Facts, path: Path, workers: int = 1, part: Part | None = None) -> None:
    """Make the store at `path`, or finish an unfinished one; a sealed store of the same spec is drawn again.

    With `part`, only that share of the shards is drawn. Processes of several parts may run at once, on any machines
    that share the disk; a call without `part` verifies all shards, draws those that are absent or damaged, and seals.
    """
    lock = path.with_name(f"{path.name}{f'.{part}' if part else ''}.lock")
    with locked(lock, f"{facts.name}, part {part}" if part else facts.name):
        _simulate(dataset, facts, path, workers, part)
    lock.unlink(missing_ok=True)


def _simulate(dataset: Dataset, facts: Facts, path: Path, workers: int, part: Part | None) -> None:
    _refuse_others(path, facts)
    if dataset.scene.is_real:
        refuse_noisier(dataset)
    (path / "seal.json").unlink(missing_ok=True)
    starts = range(0, dataset.galaxies, _shard_rows(dataset))
    journal = Journal(path, {"spec": dataset.digest, "code": code_hash("simulations.draw")}, part)
    shards = journal.read(verify=part is None)
    group = _lay_out(dataset, path)
    wanted = part.of(starts) if part else starts
    shards = {start: files for start, files in shards.items() if start in wanted}
    for start, files in _drawn(dataset, path, group, [start for start in wanted if start not in shards], workers):
        shards[start] = files
        journal.write(shards)
    if part is None:
        attributes = {"spec": to_json(dataset), "spec_digest": dataset.digest, "noise": asdict(dataset.noise)}
        verified = {name: entry for files in shards.values() for name, entry in files.items()}
        store.seal(path, group, {**attributes, "factors": list(dataset.factors)}, asdict(facts), verified=verified)
        journal.remove()
        log.info(f"{facts.name}: sealed {path}")


def _shard_rows(dataset: Dataset) -> int:
    return store.shard_rows(4 * math.prod(dataset.scene.image_shape), dataset.galaxies)


def _refuse_others(path: Path, facts: Facts) -> None:
    """Refuse to overwrite a finished store of another data set, or files that are not a store."""
    if (path / "seal.json").is_file():
        sealed = read_json(path / "seal.json", "the seal of a store")
        if sealed.get("facts", {}).get("digest") != facts.digest:
            value = Words("a finished store of another data set")
            raise Refused(Fault(str(path), value, "it is never overwritten", "remove it or name another path"))
    elif path.exists() and (not path.is_dir() or (any(path.iterdir()) and not (path / "zarr.json").is_file())):
        value = Words("files that are not a store")
        raise Refused(Fault(str(path), value, "they are never overwritten", "name another path"))


def _lay_out(dataset: Dataset, path: Path) -> zarr.Group:
    """The data set's store as it stands before it is sealed, with what shards there may be."""
    factors = {
        name: {"units": factor.unit, "long_name": PARAMETERS[name].long_name}
        for name, factor in dataset.factors.items()
    }
    columns = {**factors, **store.SPLIT}
    columns |= store.context_column(dataset.contexts) if dataset.contexts else {}
    columns |= COLUMNS if dataset.scene.is_catalogued else {}
    columns |= measured_columns(dataset)
    columns |= store.NOISE_STD if dataset.noise.kind == "gaussian" else {}
    columns |= store.IMAGE_TRUE if dataset.image_true else {}
    kind = dataset.scene.kind
    image = {"units": "", "long_name": PAINTINGS[kind].pixel} if kind else store.PHOTONS
    return store.lay_out(path, dataset.galaxies, dataset.scene.image_shape, columns, image)


class Pool(Protocol):
    """The part of `multiprocessing.pool.Pool` that is used here."""

    def imap(self, function: Any, calls: Any, /) -> Iterator[Columns]:
        """Results of the calls, in the order of the calls."""


class _SerialPool:
    """A pool without worker processes: every call runs in this process."""

    def imap(self, function: Any, calls: Any, /) -> Iterator[Columns]:
        return map(function, calls)


@contextmanager
def _pool(workers: int) -> Iterator[Pool]:
    if workers < 2:
        yield _SerialPool()
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield pool


def _drawn(
    dataset: Dataset, path: Path, group: zarr.Group, starts: list[int], workers: int
) -> Iterator[tuple[int, Manifest]]:
    """Draw the shards that begin at these rows, one after the other; the first row and the files of each."""
    size = _shard_rows(dataset)
    stops = {start: min(start + size, dataset.galaxies) for start in starts}
    rows = sum(stop - start for start, stop in stops.items())
    with counted(path.stem, rows, "galaxies") as progress, _pool(min(workers, -(-rows // BLOCK))) as pool:
        for start, stop in stops.items():
            edges = [(first, min(first + BLOCK, stop)) for first in range(start, stop, BLOCK)]
            blocks = []
            for block in pool.imap(partial(_draw_block, dataset), edges):
                blocks.append(block)
                progress.advance(len(block["split"]))
            columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
            yield start, store.write_shard(path, group, start, columns)


def _draw_block(dataset: Dataset, edges: tuple[int, int]) -> Columns:
    return draw_rows(dataset, *edges)

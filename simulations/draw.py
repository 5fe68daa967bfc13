"""Draw a data set into its store with worker processes; the bytes do not depend on their number.

Workers draw blocks of rows; this process collects them and writes whole shards. A journal beside the store lists the
finished shards, so that an interrupted simulation resumes after them, unless the spec or the code has changed.
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr

from foundation.console import Progress, log
from foundation.faults import Fault, Refused, Words
from foundation.files import locked, read_json, write_json
from foundation.provenance import code_hash
from simulations import store
from simulations.factors import draw_factors, draw_split
from simulations.facts import Facts
from simulations.galaxy import draw, parameters
from simulations.noise import add_noise, noise_std
from simulations.parameters import PARAMETERS
from simulations.spec import Dataset, to_json

BLOCK = 128  # rows that a worker draws per call, in about 50 ms
Columns = dict[str, Any]


def draw_rows(dataset: Dataset, start: int, stop: int) -> Columns:
    """All columns of rows start..stop-1: images (rows, y, x) in ph per pixel, every other column (rows,)."""
    factors = draw_factors(dataset, start, stop)
    rows = [dict(zip(factors, values, strict=True)) for values in zip(*factors.values(), strict=True)]
    stamps = [draw(dataset.scene, parameters(dataset, row)) for row in rows]
    noisy = [add_noise(dataset.noise, m, dataset.seed, start + i) for i, m in enumerate(stamps)]
    drawn: Columns = {"image": np.stack(noisy), "split": draw_split(dataset, start, stop), **factors}
    if dataset.noise.kind == "gaussian":
        drawn["noise_std"] = store.as_column(noise_std(dataset.noise, stamp) for stamp in stamps)
    if dataset.image_true:
        drawn["image_true"] = np.stack(stamps)
    return drawn


def simulate(dataset: Dataset, facts: Facts, path: Path, workers: int = 1) -> None:
    """Make the store at `path`, or finish an unfinished one; a sealed store of the same spec is drawn again."""
    with locked(path.with_name(path.name + ".lock"), facts.name):
        _simulate(dataset, facts, path, workers)
    path.with_name(path.name + ".lock").unlink(missing_ok=True)


def _simulate(dataset: Dataset, facts: Facts, path: Path, workers: int) -> None:
    journal = path.with_name(path.name + ".journal.json")
    _refuse_others(path, facts)
    shard = store.shard_rows(4 * dataset.scene.stamp**2, dataset.galaxies)
    identity = {"spec": dataset.digest, "code": code_hash("simulations.draw")}
    done = _shards_done(path, journal, identity)
    group = zarr.open_group(path, mode="r+") if done else _begin(dataset, path)
    progress = Progress(facts.name, dataset.galaxies, "galaxies", done=min(len(done) * shard, dataset.galaxies))
    with _pool(min(workers, -(-dataset.galaxies // BLOCK))) as pool:
        for start in range(0, dataset.galaxies, shard):
            if start not in done:
                _write_shard(dataset, path, group, start, pool, progress)
                done.append(start)
                write_json(journal, {**identity, "shards": done})
    attributes = {"spec": to_json(dataset), "spec_digest": dataset.digest, "noise": asdict(dataset.noise)}
    store.seal(path, group, {**attributes, "factors": list(dataset.factors)}, asdict(facts))
    journal.unlink(missing_ok=True)
    log.info(f"{facts.name}: sealed {path}")


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


def _shards_done(path: Path, journal: Path, identity: dict[str, str]) -> list[int]:
    """First rows of the shards that an earlier start finished with the same spec and code; breaks the seal."""
    (path / "seal.json").unlink(missing_ok=True)
    if not journal.exists() or not (path / "zarr.json").exists():
        return []
    record = read_json(journal, "the journal of an unfinished store")
    return list(record["shards"]) if all(record.get(key) == value for key, value in identity.items()) else []


def _begin(dataset: Dataset, path: Path) -> zarr.Group:
    """An empty store for the data set; whatever part of a store was at `path` is deleted."""
    shutil.rmtree(path, ignore_errors=True)
    factors = {
        name: {"units": factor.unit, "long_name": PARAMETERS[name].long_name}
        for name, factor in dataset.factors.items()
    }
    columns = {**factors, **store.SPLIT}
    columns |= store.NOISE_STD if dataset.noise.kind == "gaussian" else {}
    columns |= store.IMAGE_TRUE if dataset.image_true else {}
    return store.create(path, dataset.galaxies, (dataset.scene.stamp,) * 2, columns)


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


def _write_shard(dataset: Dataset, path: Path, group: zarr.Group, start: int, pool: Pool, progress: Progress) -> None:
    stop = min(start + store.shard_rows(4 * dataset.scene.stamp**2, dataset.galaxies), dataset.galaxies)
    edges = [(first, min(first + BLOCK, stop)) for first in range(start, stop, BLOCK)]
    blocks = []
    for block in pool.imap(partial(_draw_block, dataset), edges):
        blocks.append(block)
        progress.advance(len(block["split"]))
    store.write_rows(path, group, start, {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]})


def _draw_block(dataset: Dataset, edges: tuple[int, int]) -> Columns:
    return draw_rows(dataset, *edges)

"""A store is read whole or not at all: another, a broken or an unsealed one is a sentence, never wrong numbers."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from auxvae.data.preparation import prepare
from auxvae.data.store import Store
from foundation.faults import Refused


@pytest.fixture
def copy(tiny_store, tmp_path):
    return Path(shutil.copytree(tiny_store, tmp_path / "s.zarr"))


@pytest.fixture
def run(tiny):
    return tiny.runs[1]


def shard(path, name):
    return next(file for file in sorted((path / name / "c").rglob("*")) if file.is_file())


def flip(path, name):
    data = bytearray(shard(path, name).read_bytes())
    data[len(data) // 3] ^= 1
    shard(path, name).write_bytes(data)


DAMAGED = {
    "a flipped bit in the images": (lambda p: flip(p, "image"), "every chunk must match its checksum"),
    "a flipped bit in a factor": (lambda p: flip(p, "flux"), "not the sealed ones"),
    "a truncated shard": (lambda p: shard(p, "image").write_bytes(b"short"), "not the sealed ones"),
    "a missing shard": (lambda p: shard(p, "image").unlink(), "found no file"),
    "a missing column": (lambda p: shutil.rmtree(p / "g1"), "found no file"),
    "no seal": (lambda p: (p / "seal.json").unlink(), "an unfinished store is not read"),
    "changed attributes": (lambda p: (p / "zarr.json").write_text("{}"), "not the sealed ones"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_store_is_refused(copy, run, case, monkeypatch):
    spoil, expected = DAMAGED[case]
    monkeypatch.setattr("auxvae.data.sealed.SMALL", 100_000)  # the tiny store's image shard is below a megabyte
    spoil(copy)
    with pytest.raises(Refused, match=expected):
        Store(copy, run.dataset).read("train")


def test_a_store_of_another_study_is_refused(tiny_store, run):
    with pytest.raises(Refused, match="the run was declared for"):
        Store(tiny_store, replace(run.dataset, digest="0" * 64))


def test_constants_come_from_the_training_rows_alone(tiny_store, run):
    store = Store(tiny_store, run.dataset)
    train = store.read("train")
    constants, _, _ = prepare(run, store)
    whole = xr.open_zarr(tiny_store)
    rows = whole["split"].values == 0
    assert constants.factor_low["flux"] == whole["flux"].values[rows].min()
    assert constants.count_high == whole["image"].values[rows].max()
    aux = train.aux(run.aux, constants)
    assert float(aux.min()) == 0 and float(aux.max()) == 1
    test = store.read("test").aux(run.aux, constants)
    expected = (whole["radius"].values[whole["split"].values == 2] - constants.factor_low["radius"]) / (
        constants.factor_high["radius"] - constants.factor_low["radius"]
    )
    np.testing.assert_allclose(test[:, 0], expected, atol=1e-6)

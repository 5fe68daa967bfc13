"""A store has the same bytes for any number of workers and after any interruption, and states its names and units."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import xarray as xr

from foundation.faults import Refused
from simulations import store
from simulations.draw import simulate
from simulations.facts import read_declared
from tests.conftest import ROOT

CASES = {
    "paper": {"preset": "paper", "galaxies": 300, "image_true": True},
    "gaussian sersic sobol": {
        "galaxies": 256,
        "design": "sobol",
        "scene": {"galaxy": "sersic", "psf": "moffat", "stamp": 40, "constants": {"psf_fwhm": 0.6}},
        "noise": {"kind": "gaussian", "snr": 50},
        "factors": {
            "flux": {"unit": "ph", "distribution": "log_uniform", "low": 1e3, "high": 1e5},
            "radius": {"unit": "arcsec", "distribution": "uniform", "low": 0.3, "high": 0.8},
            "sersic_index": {"distribution": "uniform", "low": 0.5, "high": 2},
        },
    },
}


def declared(case):
    faults = []
    datasets = read_declared({"datasets": {"d": CASES[case]}}, faults)
    assert not faults
    return datasets.simulated["d"], datasets.facts["d"]


def sums(path):
    return {name: each["sha256"] for name, each in store.manifest(path).items()}


@pytest.mark.parametrize("case", CASES)
def test_bytes_do_not_depend_on_the_number_of_workers(case, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHARD_BYTES", 5e5)
    dataset, facts = declared(case)
    for workers in (1, 2):
        simulate(dataset, facts, tmp_path / f"{workers}.zarr", workers)
    assert sums(tmp_path / "1.zarr") == sums(tmp_path / "2.zarr")
    assert sum("image/c" in name for name in sums(tmp_path / "1.zarr")) > 1


@pytest.mark.parametrize("case", CASES)
def test_a_store_opens_with_names_units_and_no_warning(case, tmp_path):
    dataset, facts = declared(case)
    simulate(dataset, facts, tmp_path / "d.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = xr.open_zarr(tmp_path / "d.zarr")
    assert opened["image"].dims == ("galaxy", "y", "x")
    assert opened["image"].dtype == np.float32
    assert {n: opened[n].attrs["units"] for n in dataset.factors} == {n: f.unit for n, f in dataset.factors.items()}
    assert ("noise_std" in opened) == (dataset.noise.kind == "gaussian")
    assert np.bincount(opened["split"].values).tolist() == list(dataset.split.counts(dataset.galaxies))
    assert opened.attrs["spec_digest"] == dataset.digest == facts.digest


def test_a_sealed_store_holds_a_checksum_of_every_file(tmp_path):
    dataset, facts = declared("paper")
    simulate(dataset, facts, tmp_path / "d.zarr")
    sealed = json.loads((tmp_path / "d.zarr" / "seal.json").read_text())["files"]
    assert {n: f["sha256"] for n, f in sealed.items()} == sums(tmp_path / "d.zarr")


PROGRAM = """
import sys; from pathlib import Path
from simulations import store; store.SHARD_BYTES = 1e5
from simulations.draw import simulate
from tests.simulations.test_draw import declared
if __name__ == "__main__":
    simulate(*declared("paper"), Path(sys.argv[1]), int(sys.argv[2]))
"""


def start(path, workers):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(path), str(workers)], env=environment)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_started_again_it_ends_in_the_same_bytes(tmp_path, workers, monkeypatch):
    if workers == 2:
        (tmp_path / "program.py").write_text(PROGRAM)  # a spawned worker imports the main module from a file
    killed = start(tmp_path / "d.zarr", 1)
    journal = tmp_path / "d.zarr.journal.json"
    until = time.monotonic() + 60
    while not journal.exists() and time.monotonic() < until:
        time.sleep(0.002)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    done = json.loads(journal.read_text())["shards"]
    assert done and not (tmp_path / "d.zarr" / "seal.json").exists()
    monkeypatch.setattr(store, "SHARD_BYTES", 1e5)
    dataset, facts = declared("paper")
    simulate(dataset, facts, tmp_path / "d.zarr", workers)
    simulate(dataset, facts, tmp_path / "whole.zarr")
    assert sums(tmp_path / "d.zarr") == sums(tmp_path / "whole.zarr")
    assert not journal.exists()


def test_existing_files_are_never_overwritten(tmp_path):
    dataset, facts = declared("paper")
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(Refused, match="files that are not a store, but they are never overwritten"):
        simulate(dataset, facts, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"
    simulate(dataset, facts, tmp_path / "d.zarr")
    with pytest.raises(Refused, match="a finished store of another data set"):
        simulate(*declared("gaussian sersic sobol"), tmp_path / "d.zarr")


def test_another_spec_starts_from_the_first_shard(tmp_path):
    dataset, facts = declared("paper")
    path = tmp_path / "d.zarr"
    simulate(dataset, facts, path)
    (tmp_path / "d.zarr.journal.json").write_text(json.dumps({"spec": "another", "code": "x", "shards": [0]}))
    simulate(dataset, facts, path)
    simulate(dataset, facts, tmp_path / "whole.zarr")
    assert sums(path) == sums(tmp_path / "whole.zarr")

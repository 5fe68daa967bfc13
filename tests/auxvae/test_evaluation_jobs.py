"""The jobs of an evaluation: how many at a time, on runs that no other process holds, with what made them recorded."""

import shutil
from dataclasses import replace

import pytest
import torch

from auxvae.analysis import analyse as analyse_module
from auxvae.analysis.analyse import analyse_fleet
from auxvae.analysis.origins import versions_of
from auxvae.config.run import Fleet
from auxvae.data.run_folder import claimed
from auxvae.training import fleet
from foundation.faults import Refused
from foundation.files import read_json, write_json
from foundation.provenance import versions

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pair(tiny):
    """Two runs of the tiny study, as a fleet."""
    return Fleet(tiny.runs[:2])


@pytest.fixture(scope="module")
def results(tiny, pair, tiny_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    fleet.train(pair, tiny_store, folder, CPU, workers=1)
    analyse_fleet(pair, tiny.config.analyses, "cpu", tiny_store, folder, workers=1)
    return folder


@pytest.mark.parametrize("free, workers, expected", [(80e9, 16, 16), (12e9, 16, 4), (1e9, 16, 1), (80e9, 2, 2)])
def test_processes_share_a_gpu_while_its_memory_lasts(free, workers, expected, monkeypatch):
    monkeypatch.setattr(analyse_module, "free_memory", lambda device: free)
    assert analyse_module.processes(torch.device("cuda"), workers) == expected
    assert analyse_module.processes(torch.device("cpu"), workers) == workers


def test_versions_are_those_that_made_the_numbers(tiny, results, tmp_path):
    """Of the runs and of their data set; whatever the environment holds that reads them."""
    folder = results / "runs" / tiny.runs[0].id
    assert versions_of([folder]) == versions("torch", "numpy", "xarray", "zarr", "galsim")
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    spec = read_json(other / "spec.json", "a spec")
    write_json(other / "spec.json", spec | {"versions": spec["versions"] | {"torch": "2.0"}})
    assert versions_of([folder, other])["torch"] == f"2.0 and {torch.__version__}"


def test_a_run_that_another_process_holds_is_not_evaluated(tiny, pair, tiny_store, results):
    held, analyses = tiny.runs[0], replace(tiny.config.analyses, bootstrap=21)
    with claimed(held, results), pytest.raises(Refused, match="another process is writing it") as refused:
        analyse_fleet(pair, analyses, "cpu", tiny_store, results, workers=1)
    assert [held.id in fault.where for fault in refused.value.faults] == [True]
    assert not list((results / "work").iterdir())

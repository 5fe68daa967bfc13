"""What many tests share: a tiny real store, a tiny study on it, and the device and number type they run on."""

from __future__ import annotations

import copy
import os
import sys
from pathlib import Path

import pytest
import torch

from auxvae.config.study import read_study
from foundation.faults import Refused
from simulations.draw import simulate
from simulations.facts import read_declared

ROOT = Path(__file__).resolve().parent.parent

TINY = {
    "study": "tiny",
    "datasets": {"galaxies": {"preset": "paper", "galaxies": 256, "image_true": True}},
    "coverages": {"full": ["radius", "g1", "g2", "flux", "psf_fwhm"], "two": ["g1", "g2"]},
    "training": {"epochs": 2, "batch": 32},
    "runs": [{"method": "beta_vae"}, {"method": "aux_vae", "coverages": ["full", "two"]}],
    "analyses": {"sensitivity": {"images": 16}, "bootstrap": 20, "traversal": {"steps": 3}},
}


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="torch device of the tests of terms and networks")
    parser.addoption("--dtype", default="float32", help="their number type")


def pytest_configure(config):
    """Register a device without kernels, before autograd starts its threads, one for each device that it knows.

    Beside a CUDA GPU autograd would keep its threads for either, and gradients on the GPU fail.
    """
    if not torch.cuda.is_available():
        torch.utils.backend_registration._setup_privateuseone_for_python_backend("pretend")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """With `-n auto` one worker more than cores, since the tests of a cluster mostly wait for it."""
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def pytest_collection_modifyitems(items):
    """The longest files first, so that with several workers the suite does not end in waiting for one of them."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)


@pytest.fixture(scope="session")
def pretend():
    """A device that computes nothing, where there is no GPU; where there is one, the GPU's own tests do more."""
    if torch.cuda.is_available():
        pytest.skip("the machine has a CUDA GPU")
    return torch.device("pretend")


@pytest.fixture(scope="session")
def device(request):
    return torch.device(request.config.getoption("--device"))


@pytest.fixture(scope="session")
def dtype(request):
    return getattr(torch, request.config.getoption("--dtype"))


@pytest.fixture(autouse=True)
def no_open_figures():
    """Tests draw figures and leave them: pyplot holds each until it is closed, and warns of more than twenty."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def study_of(config):
    """The study of a config given as a mapping, its data sets read by the simulations."""
    faults = []
    declared = read_declared(config, faults)
    return declared, read_study(config, declared.to_json(), faults)


def refusal(config):
    """The sentences with which a config is refused."""
    with pytest.raises(Refused) as refused:
        study_of(config)
    return [str(fault) for fault in refused.value.faults]


@pytest.fixture
def config():
    """A tiny valid config that a test may spoil."""
    return copy.deepcopy(TINY)


@pytest.fixture(scope="session")
def tiny():
    """The tiny study."""
    return study_of(copy.deepcopy(TINY))[1]


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory):
    """The tiny study's store; tests that spoil it copy it first."""
    declared, _ = study_of(copy.deepcopy(TINY))
    path = tmp_path_factory.mktemp("stores") / "galaxies.zarr"
    simulate(declared.simulated["galaxies"], declared.facts["galaxies"], path)
    return path

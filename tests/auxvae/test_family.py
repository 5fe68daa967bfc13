"""A family that is no autoencoder goes the whole way: trained, killed, resumed, scored where it can be, reported."""

import copy
import json

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file

from auxvae.analysis.analyse import analyse_fleet
from auxvae.analysis.collect import collect
from auxvae.report.page import draw, page, tabulate
from auxvae.training import fleet
from foundation.files import read_json
from tests.auxvae import linear
from tests.auxvae.models import CPU, through
from tests.auxvae.test_train import killed_and_whole
from tests.conftest import TINY, study_of


@pytest.fixture(scope="module")
def study():
    """Two runs, one of each family, on the tiny data."""
    linear.register()
    config = copy.deepcopy(TINY)
    config["network"] = {"name": "mlp", "latents": 5, "width": 8}
    config["training"] = {"epochs": 3, "batch": 32, "learning_rate": 1.0e-2, "schedule": "constant"}
    config["runs"] = [{"method": "linear", "coverages": ["full", "two"]}, {"method": "vae"}]
    yield study_of(config)[1]
    linear.unregister()


@pytest.fixture(scope="module")
def results(study, tiny_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    fleet.train(study.fleets[0], tiny_store, folder, CPU, workers=1)
    analyse_fleet(study.fleets[0], study.config.analyses, "cpu", tiny_store, folder, workers=1)
    collect(study.runs, folder)
    return folder


def test_its_loss_falls_and_its_hook_ran(study, results):
    run = study.runs[0]
    weights = load_file(results / "runs" / run.id / "model.safetensors")
    torch.testing.assert_close(weights["rows"].norm(dim=1), torch.ones(5))
    assert not torch.allclose(weights["average"], weights["rows"])


def test_killed_and_resumed_it_ends_in_the_same_bytes(study, tiny_store, tmp_path):
    registers = "from tests.auxvae import linear; linear.register()"
    killed, whole = killed_and_whole(study.runs[:1], tiny_store, tmp_path, preparation=registers)
    assert killed == whole


def test_it_is_scored_where_it_can_be(study, results):
    folder = results / "runs" / study.runs[0].id
    scores = read_json(folder / "scores.json", "scores")
    assert {"lds", "sap", "mig", "rho_flux"} <= scores.keys()
    assert not {"nats", "mse", "ssim", "ssim_asinh", "kl", "set_distance"} & scores.keys()
    assert all(np.isfinite(score["value"]) for score in scores.values())
    with xr.open_dataset(folder / "sensitivity.nc") as drops, xr.open_dataset(folder / "pictures.nc") as pictures:
        assert "drop" not in drops and "image" not in pictures


def test_the_report_shows_it(study, results):
    tabulate(study, results)
    draw(study, results)
    page(study, results)
    text = (results / "report.html").read_text()
    assert text.count("linear full") >= 2
    images = (results / "tables" / "images.csv").read_text()
    assert "linear" not in images and "vae" in images


def test_a_study_in_which_nothing_decodes_has_a_report(study, tiny_store, tmp_path):
    config = json.loads(json.dumps(TINY))
    config["runs"] = [{"method": "linear", "coverages": ["two"], "training": {"epochs": 1}}]
    alone = study_of(config)[1]
    through(alone, tiny_store, tmp_path)
    assert (tmp_path / "report.html").stat().st_size > 10_000

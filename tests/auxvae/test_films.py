"""The straightness of films: what is measured of a run, beside what, and which configs ask for it in vain."""

import copy
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from auxvae.analysis.films import _active, film_scores, films_of
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.true_images import can_be_drawn
from auxvae.config.analyses import Analyses, Films
from auxvae.data.store import Store
from auxvae.training import fleet
from foundation.faults import Refused
from simulations.draw import simulate
from simulations.films import films
from tests.auxvae.models import CPU
from tests.conftest import TINY, refusal, study_of
from tests.simulations.catalogues import config_of, write_catalogue

WANTED = Films(line=("g1",), arc=("g1", "g2"), count=6, frames=9)


@pytest.fixture(scope="module")
def trained(tiny_store, tmp_path_factory):
    """A run beside the test rows of its own copy of the store, with films; the folder of results."""
    results = tmp_path_factory.mktemp("results")
    store = results / "galaxies.zarr"
    shutil.copytree(tiny_store, store)
    config = {**copy.deepcopy(TINY), "runs": [{"method": "vae"}]}
    run = study_of(config)[1].runs[0]
    fleet.train(fleet_of(config), store, results, CPU, workers=1)
    films(store, films_of(store), WANTED.paths, WANTED.count, WANTED.frames)
    opened = Store(store, run.dataset)
    return TrainedModel(results / "runs" / run.id, run, opened, opened.read("test"), CPU), opened, results


def fleet_of(config):
    return study_of(config)[1].fleets[0]


def scores(trained, wanted=WANTED):
    model, store, results = trained
    return film_scores(model, store, results, Analyses(films=wanted))


def test_factors_on_a_line_are_straight_and_on_half_a_circle_turn_evenly(trained):
    measured = scores(trained)
    assert measured["straightness_line_factors"].value == pytest.approx(1)
    assert measured["straightness_arc_factors"].value == pytest.approx(np.cos(np.pi / 8), abs=0.05)
    assert {name.rpartition("_")[2] for name in measured} == {"line", "arc", "pixels", "untrained", "factors"}
    assert all(score.low <= score.value <= score.high for score in measured.values())


def test_latents_that_say_nothing_do_not_count():
    source = np.random.default_rng(0)
    mean = source.normal(size=(500, 3)) * [1.0, 1e-3, 0.5]
    assert _active(mean, np.zeros((500, 3))) == [0, 2]
    assert _active(mean, np.full((500, 3), -30.0)) == [0, 1, 2]  # a deterministic encoder


def test_an_untrained_encoder_is_that_of_the_seed(trained):
    model = trained[0]
    initial = model.with_initial_weights()
    assert not np.allclose(initial.encode()[0], model.encode()[0])
    np.testing.assert_array_equal(initial.encode()[0], model.with_initial_weights().encode()[0])
    for name, weight in model.model.network.state_dict().items():
        torch.testing.assert_close(weight, model.trained.weights[name], rtol=0, atol=0)


def test_without_films_there_are_none_and_a_file_that_is_not_there_is_said(trained, tmp_path):
    assert scores(trained, None) == {}
    model, store, results = trained
    elsewhere = copy.copy(store)
    elsewhere.path = tmp_path / "other.zarr"
    with pytest.raises(Refused, match="simulations films"):
        film_scores(model, elsewhere, results, Analyses(films=WANTED))


@pytest.mark.parametrize("other", [{"count": 5}, {"frames": 8}, {"line": ("g2",)}, {"arc": ()}])
def test_films_of_other_settings_are_refused(trained, other):
    with pytest.raises(Refused, match="films of other settings"):
        scores(trained, replace(WANTED, **other))


def test_films_of_another_data_set_are_refused(trained):
    model, store, results = trained
    elsewhere = copy.copy(model)
    elsewhere.run = replace(model.run, dataset=replace(model.run.dataset, digest="0" * 64))
    with pytest.raises(Refused, match="films of another data set"):
        film_scores(elsewhere, store, results, Analyses(films=WANTED))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"line": ["g1"], "frames": 1}, "3 frames or more"),
        ({}, "neither line nor arc"),
        ({"arc": ["g1"]}, "an arc is that of two factors"),
        ({"line": ["g1", "radios"]}, "did you mean"),
    ],
)
def test_films_that_cannot_be_are_refused_before_the_first_job(written, expected):
    assert expected in " ".join(refusal({**copy.deepcopy(TINY), "analyses": {"films": written}}))


def test_films_of_images_that_exist_already_are_refused(tiny_store):
    config = {**copy.deepcopy(TINY), "datasets": {"galaxies": {"store": str(tiny_store)}}}
    assert "a simulated data set" in " ".join(refusal({**config, "analyses": {"films": {"line": ["g1"]}}}))


@pytest.mark.parametrize("galaxy", ["real", "cosmos"])
def test_films_and_true_images_of_a_catalogue_are_absent(galaxy, tmp_path):
    dataset = config_of(write_catalogue(tmp_path / "catalogue"), galaxy)
    runs = [{"method": "aux_vae", "coverages": ["two"]}]
    config = {**copy.deepcopy(TINY), "datasets": {"d": dataset}, "coverages": {"two": ["g1", "g2"]}, "runs": runs}
    config["analyses"] = {"sensitivity": {"images": 4}, "bootstrap": 20}
    refused = " ".join(refusal({**config, "analyses": {"films": {"line": ["g1"]}}}))
    assert f"the data set d, of {galaxy} galaxies" in refused
    declared, study = study_of(config)
    simulate(declared.simulated["d"], declared.facts["d"], tmp_path / "d.zarr")
    store = Store(tmp_path / "d.zarr", study.runs[0].dataset)
    assert store.population == galaxy and not can_be_drawn(store) and not store.is_noiseless
    assert {*store.read("test").factors} == {*dataset["factors"]}

"""A run whose loss is not finite does not sink its study: the others are scored, and the report says so."""

import copy
import json
from dataclasses import replace

import pandas as pd
import pytest

from auxvae.analysis.analyse import analyse_fleet
from auxvae.analysis.collect import collect
from auxvae.analysis.selection import decided, shown_runs
from auxvae.config.choices import Choice
from auxvae.config.run import Fleet
from auxvae.data.failures import FOLDER, failures, refuse_all_failed
from auxvae.report import page
from auxvae.training.fleet import train_all
from foundation.faults import Refused
from tests.conftest import TINY, study_of

BROKEN = {"reconstruction": 3e38}  # a weight beyond those of a config, so that the loss is not finite


@pytest.fixture(scope="module")
def study():
    config = copy.deepcopy(TINY) | {"network": {"name": "mlp", "width": 4, "latents": 6}}
    config |= {"training": {"epochs": 1, "batch": 32}, "coverages": {"two": ["g1", "g2"]}}
    config["runs"] = [
        {"method": "aux_vae", "coverages": "two", "seeds": [0, 1]},
        {"method": "beta_vae", "seeds": [0, 1]},
    ]
    study = study_of(config)[1]
    broken = tuple(replace(run, weights={**run.weights, **BROKEN}) for run in study.runs[2:])
    return replace(study, runs=study.runs[:2] + broken)


@pytest.fixture(scope="module")
def results(study, tiny_store, tmp_path_factory):
    """A study of which two runs failed, in fleets of a sound and a broken run each, trained and scored."""
    results = tmp_path_factory.mktemp("failures") / "results"
    for number in (0, 1):
        fleet = Fleet((study.runs[number], study.runs[2 + number]))
        train_all(fleet, tiny_store, results, "cpu", 1)
        absent = failures(fleet.runs, results).keys()
        analyse_fleet(fleet, study.config.analyses, "cpu", tiny_store, results, 1, absent)
        manifest = json.loads((results / "fleets" / f"{fleet.id}.json").read_text())
        assert manifest["failed"] == [study.runs[2 + number].id]
    return results


def test_the_reason_is_kept_and_the_others_are_shown(study, results):
    failed = failures(study.runs, results)
    assert failed.keys() == {run.id for run in study.runs[2:]}
    assert all("every term must be finite" in str(fault) and run in str(fault) for run, fault in failed.items())
    assert shown_runs(study, results) == study.runs[:2]


def test_the_report_says_what_is_missing(study, results):
    collect(shown_runs(study, results), results)
    scores = pd.read_parquet(results / "scores.parquet")
    assert set(scores.loc[scores["method"] != "control", "run"]) == {run.id for run in study.runs[:2]}
    page.tabulate(study, results)
    page.draw(study, results)
    page.page(study, results)
    text = (results / "report.html").read_text()
    assert "2 of 4 runs could not be trained" in text and study.runs[2].id in text
    assert (results / "figures" / f"traversal-{study.runs[2].id}.pdf").is_file()


def test_a_second_start_does_not_train_it_again_but_other_code_does(study, results, tiny_store, monkeypatch):
    fleet = Fleet((study.runs[0], study.runs[2]))
    file = results / FOLDER / f"{study.runs[2].id}.json"
    before = file.stat().st_mtime_ns
    train_all(fleet, tiny_store, results, "cpu", 1)
    assert file.stat().st_mtime_ns == before
    monkeypatch.setattr("auxvae.data.failures.training_code", lambda run: "another")
    assert not failures(fleet.runs, results)


def test_a_fleet_of_which_all_failed_does_not_sink_the_study_unless_it_is_all_of_it(study, tiny_store, tmp_path):
    broken, sound = study.runs[2], study.runs[0]
    for _ in range(2):  # nor does a second start find anything to do
        train_all(Fleet((broken,)), tiny_store, tmp_path, "cpu", 1)
        refuse_all_failed((broken, sound), tmp_path)
        with pytest.raises(Refused, match="every term must be finite"):
            refuse_all_failed((broken,), tmp_path)


def test_a_setting_with_a_failed_seed_is_not_chosen(study, results):
    choice = Choice("runs[0]", "bound", ((study.runs[2],), (study.runs[0],)))
    candidates = decided(choice, results)["candidates"]
    assert [each["chosen"] for each in candidates] == [False, True] and candidates[0]["values"] == [None]

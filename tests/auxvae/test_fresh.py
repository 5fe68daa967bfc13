"""The chosen setting is trained again with seeds that had no part in the choice; those runs alone reach test rows."""

import copy
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from typer.testing import CliRunner

from auxvae.__main__ import app
from auxvae.analysis.fresh import fresh_values, place_of
from auxvae.analysis.selection import read_selection, select, settled, shown_runs, trained_runs, with_first_weights
from auxvae.config.rules import RULES
from auxvae.data import failures
from auxvae.report.archive import archive
from auxvae.report.tables import read
from foundation.faults import Fault, Refused, Words
from foundation.files import read_json, write_json
from tests.conftest import TINY, refusal, study_of

GRID = {"kl": [1, 4], "explicitness": [500, 2000], "inter": [0, 100]}
AGAIN = {"rule": "mse_lds", "fresh_seeds": [10, 11]}
GROUP = {"method": "aux_vae", "coverages": ["two"], "preset": "penalty", "weights": GRID, "select": AGAIN}
PLAIN = {"method": "vae"}


def config_of(*groups, **more):
    network = {"name": "mlp", "width": 4, "latents": 6}
    return copy.deepcopy({**TINY, "network": network, "runs": list(groups), **more})


def study_with(*groups, **more):
    return study_of(config_of(*groups, **more))[1]


@pytest.fixture(scope="module")
def study():
    return study_with(GROUP, PLAIN)


def choose(study, results, number):
    """Validation scores by which the candidate of that number is chosen at every choice."""
    for choice in study.choices:
        for i, runs in enumerate(choice.candidates):
            for run in runs:
                scores = {name: {"value": 0.1 + abs(i - number) / 100} for name in RULES[choice.rule].reads}
                scores |= {"mse": {"value": 1 + abs(i - number)}}
                write_json(results / "runs" / run.id / "validation.json", {"scores": scores})
    select(study.choices, results)


def test_without_fresh_seeds_nothing_changes():
    plain = study_with({**GROUP, "select": "mse_lds"})
    again = study_with(GROUP)
    assert again.runs == plain.runs and again.fleets[: len(plain.fleets)] == plain.fleets
    assert plain.scored_fleets == plain.fleets and not plain.retrained
    assert all(set(fleet.to_json()) == {"runs"} for fleet in plain.fleets)


@pytest.mark.parametrize("number", range(8))
def test_the_chosen_setting_is_trained_again_with_the_fresh_seeds(study, tmp_path, number):
    """All that its runs differ in from those that were chosen is the seed; the fleet's id is the same for all."""
    choose(study, tmp_path, number)
    [stand_ins] = [fleet for fleet in study.fleets if fleet.name]
    fleet, chosen = settled(study, stand_ins, tmp_path), study.choices[0].candidates[number][0]
    assert fleet.id == stand_ins.id and [run.seed for run in fleet.runs] == [10, 11]
    assert {run.id.rpartition("-s")[0] for run in fleet.runs} == {chosen.id.rpartition("-s")[0]}
    for run in fleet.runs:
        assert {**run.identity, "seed": chosen.seed} == chosen.identity
    assert settled(study, study.fleets[0], tmp_path) is study.fleets[0]
    assert trained_runs(study, tmp_path) == (*study.runs, *fleet.runs)
    assert shown_runs(study, tmp_path) == (study.runs[-1], *fleet.runs)


def test_nothing_is_trained_again_before_the_choice(study, tmp_path):
    [stand_ins] = [fleet for fleet in study.fleets if fleet.name]
    with pytest.raises(Refused, match=r"selection.json: found no file, but settings are chosen before"):
        settled(study, stand_ins, tmp_path)


def test_the_jobs_are_named_by_everything_that_may_be_chosen(study):
    names = {fleet.name for fleet in study.fleets} - {""}
    assert all(name.startswith("galaxies-mlp-6-fresh-") for name in names) and len(names) == 1
    for changed in (
        {"weights": {**GRID, "inter": [0, 200]}},
        {"seeds": [0, 1]},
        {"select": {**AGAIN, "fresh_seeds": [10, 12]}},
    ):
        other = study_with({**GROUP, **changed}, PLAIN)
        assert names.isdisjoint(fleet.name for fleet in other.fleets), changed


def test_choices_of_one_shape_share_fleets_of_bounded_size():
    groups = ({**GROUP, "coverages": ["full", "two"]}, PLAIN)
    sizes = [len(fleet.runs) for fleet in study_with(*groups).fleets if fleet.name]
    assert sizes == [4]
    assert [len(fleet.runs) for fleet in study_with(*groups, runs_per_fleet=3).fleets if fleet.name] == [3, 1]


def test_the_cost_counts_them(study):
    plain = study_with({**GROUP, "select": "mse_lds"}, PLAIN)
    assert study.estimate().startswith("11 runs in 2 fleets,") and plain.estimate().startswith("9 runs in 1 fleet,")
    assert study.core_hours() == pytest.approx(plain.core_hours() * 11 / 9)


def test_a_fleet_whose_settings_are_all_trained_again_is_not_evaluated(study):
    assert study.scored_fleets == study.fleets  # vae shares a fleet with the candidates
    alone = study_with(GROUP)
    assert [bool(fleet.name) for fleet in alone.scored_fleets] == [True]


def test_coverages_are_compared_whatever_weights_were_chosen(study, tmp_path):
    choose(study, tmp_path, 5)
    first = study.choices[0].candidates[0][0].weights
    runs = with_first_weights(shown_runs(study, tmp_path), study.choices)
    assert [run.weights == first for run in runs] == [False, True, True]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"seeds": [9, 10]},
            "runs[0].select.fresh_seeds: found 10, but the choice is made with 9 and 10, and fresh seeds have no part "
            "in it; take another seed",
        ),
        (
            {"select": {**AGAIN, "fresh_seeds": [7, 7]}},
            "runs[0].select.fresh_seeds: found 7, but every run stands once, and this is here 2 times; keep it once",
        ),
        ({"select": {**AGAIN, "fresh_seeds": [-1]}}, "runs[0].select.fresh_seeds[0]: found -1"),
        ({"select": {"rule": "mig", "fresh_seeds": 10}}, "the choices are mse_lds, leakage, bound"),
        ({"weights": {**GRID, "capacity": [1, 2]}}, "runs[0].weights.capacity: found 'capacity', but aux_vae has the"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_job(changed, expected):
    sentences = refusal(config_of({**GROUP, **changed}))
    assert any(expected in each for each in sentences), sentences


@pytest.mark.parametrize("own", [{"seeds": 10, "select": None}, {"seeds": 3}])
def test_a_run_that_another_group_has_is_refused(own):
    """A plain run with a fresh seed and weights that may be chosen; another choice with the same fresh seeds."""
    weights = {"kl": [1, 4]} if own["seeds"] == 3 else {"kl": 4}
    other = {**GROUP, "weights": {**weights, "explicitness": 500, "inter": 0}, **own}
    sentences = refusal(config_of(GROUP, other))
    assert any("every run stands once, and another group has it too; take another seed" in each for each in sentences)


def test_too_many_runs_count_the_fresh_ones(config):
    seeds = list(range(1, 5000))
    group = {"method": "vae", "weights": {"kl": [1, 2]}, "seeds": seeds}
    config["runs"] = [group | {"select": {"rule": "bound", "fresh_seeds": list(range(5000, 5003))}}]
    assert any("10,001 runs" in each for each in refusal(config))


def test_the_value_of_fresh_seeds_is_that_of_their_validation_scores(study, tmp_path):
    choose(study, tmp_path, 3)
    fresh = shown_runs(study, tmp_path)[1:]
    numbers = {run.id: (0.02 + 0.01 * i, 0.5 + 0.1 * i) for i, run in enumerate(fresh)}
    for run, (mse, lds) in numbers.items():
        scores = {"mse": {"value": mse}, "lds_sampled": {"value": lds}}
        write_json(tmp_path / "runs" / run / "validation.json", {"scores": scores})
    measured = fresh_values(study.choices, tmp_path)["fresh"].sel(choice=place_of("runs[0]", "two"))
    values = [mse * (1 - lds) for mse, lds in numbers.values()]
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert list(measured.sel(bound=["mean", "low", "high"]).values) == pytest.approx([np.mean(values), *interval])
    assert not fresh_values(study_with({**GROUP, "select": "mse_lds"}).choices, tmp_path)


def test_a_fresh_run_that_fails_is_left_out(study, tmp_path):
    choose(study, tmp_path, 0)
    first, second = shown_runs(study, tmp_path)[1:]
    for run in (first, second):
        scores = {"mse": {"value": 0.1}, "lds_sampled": {"value": 0.5}}
        write_json(tmp_path / "runs" / run.id / "validation.json", {"scores": scores})
    reason = Fault(first.id, Words("kl = nan"), "every term must be finite", "lower the learning rate")
    failures.keep(first, tmp_path, reason)
    assert shown_runs(study, tmp_path) == (study.runs[-1], second)
    measured = fresh_values(study.choices, tmp_path)
    assert int(measured["fresh_seeds"][0]) == 1 and float(measured["fresh"].sel(bound="mean")[0]) == pytest.approx(0.05)
    alone = study_with(GROUP)
    failures.keep(second, tmp_path, reason)
    with pytest.raises(Refused, match="every term must be finite"):
        shown_runs(alone, tmp_path)


@pytest.fixture(scope="module")
def whole(tiny_store, tmp_path_factory):
    """A study that chooses, by its commands; the config of a study on the tiny store, and its results."""
    folder = tmp_path_factory.mktemp("fresh")
    small = {"kl": [1, 4], "explicitness": [500, 2000]}
    config = config_of({**GROUP, "weights": small})
    declared, study = study_of(config)
    spec, results = folder / "study.json", folder / "results"
    write_json(spec, {"config": config, "facts": declared.to_json()})
    shutil.copytree(tiny_store, results / "data" / "galaxies.zarr")

    def run(command, *more):
        store = [str(tiny_store)] if command in ("train", "evaluate") else []
        ended = CliRunner().invoke(app, [command, str(spec), *store, str(results), *more], catch_exceptions=False)
        assert ended.exit_code == 0, ended.output

    [candidates, fresh] = study.fleets
    run("train", "--fleet", candidates.id)
    run("evaluate", "--fleet", candidates.id, "--validation")
    run("select")
    run("train", "--fleet", fresh.id)
    run("evaluate", "--fleet", fresh.id)
    run("collect")
    run("report")
    return study, results, run


def test_the_fresh_runs_and_only_they_are_scored_on_test_rows(whole):
    study, results, _ = whole
    shown = shown_runs(study, results)
    assert [run.seed for run in shown] == [10, 11]
    scored = {path.parent.name for path in (results / "runs").glob("*/scores.json")}
    assert scored == {run.id for run in shown}
    table = pd.read_parquet(results / "scores.parquet")
    assert set(table.loc[table["method"] != "control", "run"]) == scored
    manifest = read_json(results / "fleets" / f"{study.fleets[1].id}-scores.json", "")
    assert set(manifest["runs"]) == scored


def test_the_table_sets_their_value_beside_that_by_which_the_setting_won(whole):
    study, results, _ = whole
    table = read(results / "tables" / "selection.csv")
    [record] = read_selection(results)
    files = [results / "runs" / run.id / "validation.json" for run in shown_runs(study, results)]
    scores = [read_json(file, "")["scores"] for file in files]
    values = [each["mse"]["value"] * (1 - each["lds_sampled"]["value"]) for each in scores]
    [chosen] = table.index[table["chosen"] == "yes"]
    assert float(table.loc[chosen, "with fresh seeds"]) == pytest.approx(np.mean(values), rel=1e-3)
    assert set(table.loc[table["chosen"] != "yes", "with fresh seeds"]) == {""}
    assert [each["chosen"] for each in record["candidates"]] == list(table["chosen"] == "yes")


def test_nothing_is_trained_twice_and_another_choice_trains_other_runs(whole, tmp_path):
    study, results, run = whole
    fresh = study.fleets[1]
    before = {path: path.stat().st_mtime_ns for path in (results / "runs").glob("*/spec.json")}
    run("train", "--fleet", fresh.id)
    assert {path: path.stat().st_mtime_ns for path in (results / "runs").glob("*/spec.json")} == before
    other = tmp_path / "other"
    shutil.copytree(results, other)
    record = read_json(other / "selection.json", "")
    chosen = [each["chosen"] for each in record["choices"][0]["candidates"]]
    for each, flag in zip(record["choices"][0]["candidates"], [*chosen[1:], chosen[0]], strict=True):
        each["chosen"] = flag
    write_json(other / "selection.json", record)
    assert {each.id for each in settled(study, fresh, other).runs}.isdisjoint(path.parent.name for path in before)


def test_the_archive_holds_what_the_report_needs(whole, tmp_path):
    study, results, _ = whole
    spec = read_json(results.parent / "study.json", "")
    archive(study, spec["config"], results, tmp_path / "a.zip")
    ended = CliRunner().invoke(app, ["unpack", str(tmp_path / "a.zip"), str(tmp_path / "u")], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    for name in ("tables/selection.csv", "tables/alignment.csv"):
        assert (tmp_path / "u" / name).read_bytes() == (results / name).read_bytes()
    with xr.open_dataset(results / "analysis.nc") as analysis:
        assert list(analysis["choice"].values) == ["runs[0] two"]
    text = (results / "report.html").read_text()
    assert all(run.id in text for run in trained_runs(study, results))

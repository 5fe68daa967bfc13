"""Settings are chosen on validation rows by the least mean of a rule, and nothing else of them reaches test rows."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from scipy import stats
from torch.distributions import Normal, kl_divergence

from auxvae.analysis import analyse as analyse_module
from auxvae.analysis.analyse import analyse_fleet, validate_fleet
from auxvae.analysis.bound import bound_scores
from auxvae.analysis.collect import collect
from auxvae.analysis.leakage import leakage
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.reconstructions import fidelity_scores, image_scores
from auxvae.analysis.selection import decided, left_out, read_selection, select, shown_runs
from auxvae.analysis.validation import validation_scores
from auxvae.config.choices import candidate_ids
from auxvae.config.labels import labels
from auxvae.config.rules import RULES
from auxvae.data.store import Store
from auxvae.report.page import draw, page, tabulate
from auxvae.report.tables import read, selection_table
from auxvae.training import fleet
from foundation.faults import Refused
from foundation.files import read_json, write_json
from tests.conftest import TINY, study_of

CPU = torch.device("cpu")
RUNS = [
    {"method": "beta_vae", "weights": {"kl": [1, 4]}, "seeds": [0, 1], "select": "bound"},
    {"method": "aux_vae", "coverages": ["full", "two"], "weights": {"intra": [0, 20]}, "select": "mse_lds"},
    {"method": "vae"},
]


def selecting_study(runs=RUNS):
    network = {"name": "mlp", "width": 4, "latents": 6}
    return study_of(copy.deepcopy({**TINY, "network": network, "runs": runs}))[1]


@pytest.fixture(scope="module")
def study():
    return selecting_study()


def write_values(study, results, values):
    """Validation scores by hand: for each candidate of a choice the values of its seeds, whatever the rule reads."""
    for choice, by_candidate in zip(study.choices, values, strict=True):
        for runs, by_seed in zip(choice.candidates, by_candidate, strict=True):
            for run, value in zip(runs, by_seed, strict=True):
                scores = {name: {"value": value} for name in RULES[choice.rule].reads}
                write_json(results / "runs" / run.id / "validation.json", {"scores": scores})


def one_choice(tmp_path, values, rule="bound"):
    """What is decided among as many weights as there are lists of values, one value for each seed."""
    weights, seeds = list(range(1, len(values) + 1)), list(range(len(values[0])))
    group = {"method": "vae", "weights": {"kl": weights}, "seeds": seeds, "select": rule}
    study = selecting_study([group])
    write_values(study, tmp_path, [values])
    return decided(study.choices[0], tmp_path)


def chosen(choice):
    return [i for i, each in enumerate(choice["candidates"]) if each["chosen"]]


def test_the_least_mean_over_the_seeds_is_chosen(tmp_path):
    g = np.random.default_rng(0)
    for trial in range(5):
        values = g.normal(size=(4, 3))
        choice = one_choice(tmp_path / str(trial), values.tolist())
        assert chosen(choice) == [np.argmin(values.mean(1))]
        assert [each["value"] for each in choice["candidates"]] == pytest.approx(list(values.mean(1)))


def test_of_equals_the_first_is_chosen(tmp_path):
    assert chosen(one_choice(tmp_path, [[3.0], [1.0], [1.0]])) == [1]


def test_a_setting_without_a_number_is_not_chosen(tmp_path):
    choice = one_choice(tmp_path, [[None, 0.0], [5.0, 5.0], [6.0, 6.0]])
    assert chosen(choice) == [1]
    assert (choice["candidates"][0]["value"], choice["candidates"][0]["values"]) == (None, [None, 0.0])
    with pytest.raises(Refused, match=r"runs\[0\].select: found no number for any setting of vae"):
        one_choice(tmp_path / "none", [[None], [None]])


def test_intervals_are_those_of_student_over_the_seeds(tmp_path):
    seeds = [1.0, 2.0, 4.0]
    [first, _] = one_choice(tmp_path, [seeds, seeds])["candidates"]
    assert (first["low"], first["high"]) == pytest.approx(stats.ttest_1samp(seeds, 0).confidence_interval(0.95))
    [alone, _] = one_choice(tmp_path / "one", [[1.0], [2.0]])["candidates"]
    assert (alone["low"], alone["high"]) == (None, None)


def test_the_table_says_why_there_is_no_interval(tmp_path):
    choice = one_choice(tmp_path, [[1.0], [2.0]])
    names = {each["runs"][0]: f"vae {i}" for i, each in enumerate(choice["candidates"])}
    table = selection_table([choice], names, xr.Dataset())
    assert list(table["interval over seeds"]) == ["none: one seed"] * 2
    assert list(table["chosen"]) == ["yes", ""]


def test_the_rules_are_their_formulas():
    scores = {"mse": 0.02, "lds_sampled": 0.75, "leakage": 0.3, "bound": 401.0}
    values = {name: rule.value({key: scores[key] for key in rule.reads}) for name, rule in RULES.items()}
    assert values == pytest.approx({"mse_lds": 0.005, "leakage": 0.3, "bound": 401.0})


def test_a_score_that_is_not_there_is_a_sentence(study, tmp_path):
    choice = study.choices[0]
    with pytest.raises(Refused, match=r"validation.json: found no file"):
        select((choice,), tmp_path)
    for run in choice.runs:
        write_json(tmp_path / "runs" / run.id / "validation.json", {"scores": {"mse": {"value": 1.0}}})
    with pytest.raises(Refused, match="found no score bound, but bound reads it; take another rule"):
        select((choice,), tmp_path)
    with pytest.raises(Refused, match="found no group with a `select`"):
        select((), tmp_path)


def test_no_run_is_scored_on_test_rows_before_the_choice(study, tmp_path):
    candidates = candidate_ids(study.choices)
    assert left_out([], tmp_path) == frozenset()
    with pytest.raises(Refused, match=r"selection.json: found no file, but settings are chosen before"):
        left_out(candidates, tmp_path)
    write_values(study, tmp_path, [[[1, 1], [0, 0]], [[0.1], [0.4]], [[0.4], [0.1]]])
    select(study.choices, tmp_path)
    kept = candidates - left_out(candidates, tmp_path)
    assert kept == {run.id for c, i in zip(study.choices, (1, 0, 1), strict=True) for run in c.candidates[i]}
    with pytest.raises(Refused, match=r"found nothing on galaxies-else, but it must be the choice of this study"):
        left_out([*candidates, "galaxies-else"], tmp_path)


@pytest.fixture(scope="module")
def trained(study, tiny_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    fleet.train(study.fleets[0], tiny_store, folder, CPU, workers=1)
    return folder


@pytest.fixture(scope="module")
def results(study, trained, tiny_store):
    """The whole way of a study that chooses."""
    [all_runs], analyses = study.fleets, study.config.analyses
    candidates = candidate_ids(study.choices)
    validate_fleet(all_runs, candidates, analyses, "cpu", tiny_store, trained, workers=1)
    select(study.choices, trained)
    analyse_fleet(all_runs, analyses, "cpu", tiny_store, trained, 1, left_out(candidates, trained))
    collect(shown_runs(study, trained), trained, study.choices)
    for step in (tabulate, draw, page):
        step(study, trained)
    return trained


def has(results, run, file):
    return (results / "runs" / run.id / file).is_file()


def test_only_what_was_chosen_is_scored_on_test_rows(study, results):
    shown = shown_runs(study, results)
    assert len(study.runs) == 9 and len(shown) == 5  # two seeds, one of each coverage, and a run without a choice
    for run in study.runs:
        assert has(results, run, "validation.json")
        assert has(results, run, "scores.json") is has(results, run, "codes.nc") is (run in shown)
    table = pd.read_parquet(results / "scores.parquet")
    assert set(table.loc[table["method"] != "control", "run"]) == {run.id for run in shown}
    by_run = table[table["method"] != "control"].groupby("run")["split"].agg(set)
    assert all(splits == {"validation", "test"} for splits in by_run)


def test_the_choice_is_that_of_the_validation_scores(study, results):
    """Recomputed from the files of the runs by the formulas of the rules."""
    for choice, record in zip(study.choices, read_selection(results), strict=True):
        means = []
        for runs in choice.candidates:
            files = [read_json(results / "runs" / run.id / "validation.json", "")["scores"] for run in runs]
            of = {name: np.array([file[name]["value"] for file in files]) for name in ("mse", "lds_sampled", "bound")}
            means.append((of["mse"] * (1 - of["lds_sampled"]) if choice.rule == "mse_lds" else of["bound"]).mean())
        assert chosen(record) == [np.argmin(means)]


def test_the_report_shows_every_setting_in_one_table_and_the_chosen_ones_in_the_others(study, results):
    selection = read(results / "tables" / "selection.csv")
    assert list(selection.index) == list(dict.fromkeys(labels(study.runs[:8]).values()))
    assert list(selection["chosen"]).count("yes") == len(study.choices)
    assert r"mse\_lds" in (results / "tables" / "selection.tex").read_text()
    shown = set(labels(shown_runs(study, results)).values())
    assert {row for row in read(results / "tables" / "alignment.csv").index if "control" not in row} == shown
    text = (results / "report.html").read_text()
    assert "Which settings were chosen" in text and "none: one seed" in text
    drawn = {path.stem for path in (results / "figures").glob("traversal-*.png")}
    assert drawn <= {f"traversal-{run.id}" for run in shown_runs(study, results)} and len(drawn) == 4


def test_tables_show_test_rows(study, results):
    run = next(run for run in shown_runs(study, results) if run.method == "vae")
    value = read_json(results / "runs" / run.id / "scores.json", "")["lds"]["value"]
    table = read(results / "tables" / "alignment.csv")
    assert float(table.loc["vae", "lds"].split()[0]) == pytest.approx(value, abs=0.01)


def test_coverages_are_contrasted_whatever_weights_were_chosen(study, results, tmp_path):
    import shutil

    copied = shutil.copytree(results, tmp_path / "r")
    [_, full, two] = study.choices
    runs = (full.candidates[0][0], two.candidates[1][0])  # other weights at each coverage
    for run, by in zip(runs, (results, results), strict=True):
        scored = next(each for each in shown_runs(study, by) if each.coverage == run.coverage)
        for name in ("scores.json", "codes.nc", "sensitivity.nc", "pictures.nc"):
            source, target = (copied / "runs" / each.id / name for each in (scored, run))
            if source != target:
                shutil.copy(source, target)
    collect(runs, copied, study.choices)
    with xr.open_dataset(copied / "analysis.nc") as analysis:
        assert list(analysis["pair"].values) == ["galaxies aux_vae: two - full"]
        found = float(analysis["contrast"].isel(pair=0).sel(metric="nats", bound="mean"))
    of_full, of_two = (read_json(copied / "runs" / run.id / "scores.json", "")["nats"]["value"] for run in runs)
    assert found == pytest.approx(of_two - of_full)  # of test rows


def test_nothing_is_scored_twice(study, results, tiny_store, tmp_path, monkeypatch):
    """The evaluation takes up what the choice has scored; other settings of the analyses, and it is scored again."""
    scored, bare = [], analyse_module.validate
    monkeypatch.setattr(analyse_module, "validate", lambda run, *more: scored.append(run.id) or bare(run, *more))
    analyses, candidates = study.config.analyses, candidate_ids(study.choices)

    def again(changed=analyses):
        scored.clear()
        validate_fleet(study.fleets[0], candidates, changed, "cpu", tiny_store, results, 1)
        return scored

    assert again() == []
    broken = results / "runs" / study.runs[3].id / "validation.json"
    before = broken.read_bytes()
    broken.unlink()
    assert again() == [study.runs[3].id] and broken.read_bytes() == before
    assert len(again(replace(analyses, bootstrap=21))) == 8
    assert len(again()) == 8


@pytest.fixture(params=[0, 4, 8], ids=["beta_vae", "aux_vae", "vae"])
def model(request, study, trained, tiny_store):
    run = study.runs[request.param]
    store = Store(tiny_store, run.dataset)
    rows = (store.read("validation", truth=True), store.read("train"))
    return store, *(TrainedModel(trained / "runs" / run.id, run, store, each, CPU) for each in rows)


def test_the_file_holds_the_scores_of_the_validation_rows(results, model):
    _, trained, train = model
    file = read_json(results / "runs" / trained.run.id / "validation.json", "")["scores"]
    for name, score in validation_scores(trained.run, trained, train, TINY["analyses"]["bootstrap"]).items():
        assert file[name]["value"] == pytest.approx(score.value), name


def test_validation_scores_are_those_of_validation_rows(study, model):
    """Images, codes and factors of those rows, scored as test rows are."""
    store, trained, train = model
    mean, _ = trained.encode()
    scores = validation_scores(trained.run, trained, train, 20)
    span = trained.scaling.count_high - trained.scaling.count_low
    error = (trained.decode_counts(mean) - store.read("validation").images.numpy()).astype(np.float64) / span
    assert scores["mse"].value == pytest.approx((error**2).mean(), rel=1e-5)
    factor = store.read("validation").factors["flux"]
    assert scores["rho_flux"].value == pytest.approx(max(abs(np.corrcoef(z, factor)[0, 1]) for z in mean.T))
    whole = image_scores(store, trained, mean)
    for name, score in fidelity_scores(trained, mean).items():
        assert score[:4] == whole[name][:4], name
    assert ("leakage" in scores) is bool(trained.run.aux)
    if trained.run.aux:
        assert scores["leakage"][:4] == leakage(train, trained, 20)["leakage"][:4]
    wanted = {
        "nats",
        "bound",
        "mse",
        "ssim",
        "ssim_asinh",
        "lds",
        "lds_corrected",
        "lds_all_corrected",
        "kl",
        "lds_sampled",
        "lds_sampled_corrected",
    }
    assert scores.keys() >= wanted | {f"rho_{name}" for name in trained.run.dataset.factors}


def test_the_bound_is_reconstruction_and_divergence_from_the_models_own_prior(model):
    """By torch.distributions, for the sample of the posterior that the term draws, whatever the weights."""
    _, trained, _ = model
    run, rows = trained.run, trained.rows
    mean, log_variance = (torch.from_numpy(each) for each in trained.encode())
    noise = trained.model.draw(run.seed, "terms", 0, 1, len(mean)).noise[0]
    images = trained.likelihood.to_scale(rows.images)
    z = mean + noise * (log_variance / 2).exp()
    nats = 0.5 * (images - trained.decode(z.numpy())).square().sum((1, 2, 3))
    u = rows.aux(run.aux, trained.scaling)
    centre, width = torch.zeros_like(mean), torch.ones_like(mean)
    centre[:, : u.shape[1]], width[:, : u.shape[1]] = u, run.dataset.train**-0.5
    kl = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(centre, width)).sum(1)
    [score] = bound_scores(trained).values()
    assert score.value == pytest.approx(float((nats + kl).mean()), rel=1e-4)
    assert score.n == len(mean)

"""Runs of a study on other data sets: the command's numbers, intervals over clusters of rows, faults of the config."""

import copy

import numpy as np
import pandas as pd
import pytest

from auxvae.__main__ import measurements as measurements_command
from auxvae.analysis.domain import reconstructed
from auxvae.analysis.measure import calibrated, encoded, measured_factors
from auxvae.analysis.measurements import corrected, gather, line
from auxvae.analysis.surveyed import read_trained
from auxvae.data.device import choose_device
from auxvae.data.survey import sealed_store
from auxvae.metrics.clusters import Clusters, clustered
from auxvae.metrics.domain import Domain, combined
from auxvae.metrics.measurement import quality
from auxvae.metrics.score import Score
from auxvae.metrics.shear import corrected_bias, shear_bias
from auxvae.report.measurements import measurements_figure, measurements_table
from auxvae.training.fleet import train
from foundation.files import write_json
from simulations.draw import simulate
from simulations.hsm import shapes
from tests.conftest import TINY, refusal, study_of


def dataset(**changes):
    split = {"train": 0.3, "validation": 0.6, "test": 0.1}
    return {"preset": "paper", "galaxies": 1000, "split": split, "scene": {"stamp": 21}, **changes}


STUDY = {
    **copy.deepcopy(TINY),
    "datasets": {"near": dataset(), "far": dataset(seed=8, galaxies=300)},
    "coverages": {"two": ["g1", "g2"]},
    "network": {"name": "components", "latents": 4},
    "runs": [{"dataset": "near", "method": "aux_vae", "coverages": "two", "seeds": [0, 1]},
             {"dataset": "near", "method": "beta_vae"}],
    "analyses": {"measure": {"near": ["near", "far"]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The study, its folder of results and its measurements."""
    results = tmp_path_factory.mktemp("results")
    declared, study = study_of(copy.deepcopy(STUDY))
    for name, each in declared.simulated.items():
        simulate(each, declared.facts[name], results / "data" / f"{name}.zarr")
    shapes(results / "data" / "far.zarr", results / "data" / "far-shapes.npz")
    train(study.fleets[0], results / "data" / "near.zarr", results, choose_device("cpu"), workers=1)
    write_json(results / "study.json", {"config": STUDY, "facts": declared.to_json()})
    measurements_command(results / "study.json", results, "near")
    return study, results, gather(study, results)


def values_of(table, run, measured):
    chosen = table[(table["run"] == run) & (table["measured"] == measured)]
    return {(row.factor, row.metric): row.value for row in chosen.itertuples()}


@pytest.mark.parametrize("name", ["near", "far"])
def test_values_are_those_of_the_command(whole, name):
    study, results, table = whole
    run = study.runs[0]
    trained = read_trained(results / "runs" / run.id, None)
    store = trained.store if name == "near" else sealed_store(results / "data" / f"{name}.zarr")
    numbers, factors = store.numbers("test"), measured_factors(trained)
    estimates = calibrated(trained, factors, None, store).estimates(encoded(trained, store, numbers, factors))
    values = values_of(table, run.id, name)
    for factor in factors:
        true = store.dataset[factor].values[numbers]
        each, bias = quality(estimates[factor], true), shear_bias(estimates[factor].value, true, 4)
        expected = {"bias": each.bias, "scatter": each.scatter, "coverage_68": each.coverage[0],
                    "half_95": each.half[1], "m": bias["m"].value, "c": bias["c"].value}  # fmt: skip
        assert {metric: values[factor, metric] for metric in expected} == pytest.approx(expected)
    fitted = Domain.of(reconstructed(trained, trained.store, trained.store.numbers("validation")))
    outside = combined(fitted.p_values(reconstructed(trained, store, numbers))) <= 0.01
    assert values["", "outside"] == pytest.approx(outside.mean())


def test_the_table_holds_every_measurable_run_on_every_data_set_and_hsm(whole):
    study, results, table = whole
    of_runs = table[table["method"] != "hsm"]
    assert {*of_runs["run"]} == {run.id for run in study.runs if run.method == "aux_vae"}
    assert {*of_runs["measured"]} == {"near", "far"} and {*table["method"]} == {"aux_vae", "hsm"}
    assert {*of_runs.loc[of_runs["metric"] == "outside", "verdict"]} <= {"inside", "partly outside", "outside"}
    pd.testing.assert_frame_equal(pd.read_parquet(results / "measurements.parquet"), table)
    shown = measurements_table(results, {run.id: run.method for run in study.runs})
    assert {"aux_vae: g1 of near", "aux_vae: images of far", "HSM: g1 of far"} <= {*shown.index}
    assert len(measurements_figure(results, {run.id: run.method for run in study.runs}).axes) == 3


def test_images_of_one_galaxy_count_once():
    """Copies of rows, each with its original in a cluster, leave the interval as it is; as rows they narrow it."""
    values = np.random.default_rng(0).normal(size=60)
    copied, names = np.repeat(values, 20), np.repeat(np.arange(60), 20)

    def mean(of):
        return lambda rows: {"mean": float(of[rows].mean())}

    alone = clustered(mean(values), Clusters.of(np.arange(60), 60), 60, 2000)["mean"]
    together = clustered(mean(copied), Clusters.of(names, 1200), 1200, 2000)["mean"]
    as_rows = clustered(mean(copied), Clusters.of(None, 1200), 1200, 2000)["mean"]
    for name in ("value", "low", "high", "se"):
        assert getattr(together, name) == pytest.approx(getattr(alone, name), rel=1e-6)
    assert alone.se == pytest.approx(values.std(ddof=1) / np.sqrt(60), rel=0.06)
    assert as_rows.se < 0.4 * together.se


def test_intervals_over_few_clusters_hold_as_often_as_they_say():
    source, hits = np.random.default_rng(1), 0
    for _ in range(300):
        shift = source.normal(size=8)
        values = np.repeat(shift, 5) + 0.3 * source.normal(size=40)
        score = clustered(
            lambda rows, v=values: {"mean": v[rows].mean()}, Clusters.of(np.repeat(range(8), 5), 40), 40, 99
        )
        hits += score["mean"].low <= 0 <= score["mean"].high
    assert 0.91 < hits / 300 < 0.98


def test_one_cluster_has_no_interval():
    score = clustered(lambda rows: {"mean": 1.0}, Clusters.of(np.zeros(9), 9), 9, 10)["mean"]
    assert score.value == 1 and np.isnan(score.low) and np.isnan(score.high)


def test_correction_is_that_of_shear_bias():
    source = np.random.default_rng(2)
    true, others = source.uniform(-0.3, 0.3, (2, 4000))
    measured, of_others = (0.4 * each + 0.01 + 0.1 * source.normal(size=4000) for each in (true, others))
    scores, lines = (
        {name: Score(value, value - 0.1, value + 0.1, 4000) for name, value in line(*each).items()}
        for each in ((measured, true), (of_others, others))
    )
    bias = corrected_bias(measured, true, shear_bias(of_others, others, 50), 50)
    expected = {f"{name}_corrected": score.value for name, score in bias.items()}
    assert {name: score.value for name, score in corrected(scores, lines).items()} == pytest.approx(expected)
    assert corrected(scores, {"m": Score(-0.99, -1, -0.98, 9), "c": lines["c"]}) == {}


def spoilt(measure, **changes):
    config = copy.deepcopy(STUDY)
    config["analyses"]["measure"] = measure
    config["datasets"]["far"] = {**config["datasets"]["far"], **changes.pop("far", {})}
    return {**config, **changes}


GROUP = {"dataset": "near", "method": "aux_vae", "coverages": "two"}
SERSIC = {"factors": {"flux": {"unit": "ph", "distribution": "uniform", "low": 1e4, "high": 1e5},
                      "radius": {"unit": "arcsec", "distribution": "uniform", "low": 0.3, "high": 0.6},
                      "psf_fwhm": {"unit": "arcsec", "distribution": "uniform", "low": 0.3, "high": 0.5}}}  # fmt: skip
BAD = {
    "an unknown data set of runs": (spoilt({"neer": ["far"]}), "analyses.measure.neer", "did you mean 'near'?"),
    "an unknown measured data set": (spoilt({"near": ["fra"]}), "analyses.measure.near", "did you mean 'far'?"),
    "an empty list": (spoilt({"near": []}), "analyses.measure.near", "write [near]"),
    "a data set twice": (spoilt({"near": ["far", "far"]}), "analyses.measure.near", "stands once"),
    "no run of a data set": (spoilt({"far": ["far"]}), "analyses.measure.far", "none is trained on far"),
    "no run that measures": (
        spoilt({"near": ["far"]}, runs=[{"dataset": "near", "method": "beta_vae"}]),
        "analyses.measure.near",
        "factors are measured by runs of",
    ),
    "another stamp": (spoilt({"near": ["far"]}, far={"scene": {"stamp": 25}}), "far with 25 pixels", "has 21 pixels"),
    "another pixel scale": (
        spoilt({"near": ["far"]}, far={"scene": {"stamp": 21, "pixel_scale": 0.25}}),
        "far with pixels of 0.25 arcsec",
        "pixels of 0.2 arcsec",
    ),
    "another noise": (
        spoilt({"near": ["far"]}, far={"noise": {"kind": "gaussian", "sigma": 5}}),
        "far with gaussian noise",
        "has poisson noise",
    ),
    "another sky": (spoilt({"near": ["far"]}, far={"noise": {"sky": 10}}), "far with a sky of 10", "a sky of 0"),
    "no factor in common": (
        spoilt({"near": ["far"]}, far=SERSIC),
        "coverage two of g1, g2",
        "compared with true factors",
    ),
    "few validation rows": (
        spoilt({"near": ["near"]}, datasets={"near": dataset(galaxies=100), "far": dataset(seed=8)}),
        "60 validation rows of near",
        "a calibration needs 100",
    ),
}


@pytest.mark.parametrize("config, where, what", BAD.values(), ids=BAD)
def test_a_fault_is_one_sentence_before_the_first_job(config, where, what):
    about = [sentence for sentence in refusal(config) if sentence.startswith("analyses.measure")]
    assert len(about) == 1 and where in about[0] and what in about[0]


def test_without_the_key_no_evaluation_is_due_again():
    _, with_key = study_of(copy.deepcopy(STUDY))
    _, without = study_of({**copy.deepcopy(STUDY), "analyses": {}})
    assert with_key.config.analyses.of_a_run == without.config.analyses.of_a_run
    assert "measure" not in without.config.analyses.of_a_run

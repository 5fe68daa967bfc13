"""Downstream: perfect, noisy and empty codes from few labels, bias of constructed estimators, the study's files."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from auxvae.analysis.analyse import analyse_fleet, is_analysed
from auxvae.analysis.baselines import moments_scores
from auxvae.analysis.collect import collect
from auxvae.analysis.downstream import Truth, labelled_order, of_codes
from auxvae.config.analyses import Downstream
from auxvae.config.kinds import Kind
from auxvae.data.store import Store
from auxvae.metrics import kernel_ridge as ridge_module
from auxvae.metrics import network_regression as network_module
from auxvae.metrics.few_labels import explained, few_labels, targets_of
from auxvae.metrics.kernel_ridge import kernel_ridge
from auxvae.metrics.network_regression import network_regression
from auxvae.metrics.shear import bias_scores, moments_shear, shear_bias
from auxvae.report.page import draw, page, tabulate
from auxvae.training import fleet
from foundation.files import read_json
from tests.conftest import refusal, study_of

G = np.random.default_rng(0)
N, D = 1200, 6
FACTORS = {"radius": G.random(N), "flux": 1e4 * G.random(N), "g1": G.uniform(-0.5, 0.5, N)}
U = np.stack([each / np.ptp(each) for each in FACTORS.values()], 1)
NOISE = G.standard_normal((N, D))
TRAIN, TEST = slice(0, 800), slice(800, N)
WANTED = Downstream(labels=(16, 300), draws=3)


STATE = G.bit_generator.state


@pytest.fixture(autouse=True)
def equal_numbers():
    """Every test draws the same numbers, whichever ran before it."""
    G.bit_generator.state = STATE


def split(values):
    return {name: each[TRAIN] for name, each in values.items()}, {name: each[TEST] for name, each in values.items()}


def measured(codes, factors=None, kinds=(), wanted=WANTED, **more):
    truth = Truth(*split(factors or FACTORS), kinds, True)
    return of_codes(codes[TRAIN], codes[TEST], truth, wanted, 0, 20, **more)


@pytest.fixture
def short(monkeypatch):
    """Networks that are trained for a fifteenth of the steps."""
    monkeypatch.setattr(network_module, "STEPS", 150)


@pytest.mark.parametrize("predict", [kernel_ridge, network_regression], ids=["ridge", "network"])
def test_codes_of_noise_never_look_good_by_chance(predict, short):
    """At every number of labels: the chance level is 0, and only a mean that misleads lies below it."""
    curve = measured(NOISE, predict=predict).curves["downstream"]
    assert float(curve.sel(bound="mean").max()) < 0.03


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_codes_that_are_the_factors_are_told_from_any_number_of_labels(scale):
    """In any unit, turned, and beside latents that say nothing."""
    turn = np.linalg.qr(G.standard_normal((3, 3)))[0]
    for codes in (scale * U, scale * U @ turn, np.hstack([U, 1e-3 * NOISE[:, :2]])):
        assert float(measured(codes).curves["downstream"].sel(bound="mean").min()) > 0.999


def test_curved_codes_need_more_labels_and_no_other_code():
    curve = measured(np.exp(3 * U)).curves["downstream"].sel(bound="mean")
    assert float(curve.sel(labels=16).min()) < 0.95 < 0.97 < float(curve.sel(labels=300).min())


def test_the_network_learns_what_is_there_to_learn(short):
    codes = np.hstack([np.exp(2 * U), 0.1 * NOISE])
    curve = measured(codes, predict=network_regression).curves["downstream"].sel(bound="mean")
    assert float(curve.sel(labels=16).min()) < float(curve.sel(labels=300).min())
    assert float(curve.sel(labels=300).min()) > 0.9


def test_left_out_predictions_are_those_of_refitting_without_the_row(monkeypatch):
    """The shortcut against scikit-learn, which fits ridge anew without each row, at one penalty and one kernel."""
    monkeypatch.setattr(ridge_module, "KERNELS", ("linear",))
    monkeypatch.setattr(ridge_module, "PENALTIES", np.array([1e-2]))
    x, y = NOISE[:40], NOISE[:40] @ G.standard_normal((D, 1)) + 0.1 * G.standard_normal((40, 1))
    left_out = kernel_ridge(x, y, x, [slice(0, 1)]).left_out
    errors = []
    for inputs in ((x - x.mean(0)) / np.sqrt(x.var(0).sum()), (x - x.mean(0)) / x.std(0) / np.sqrt(D)):
        penalty = 1e-2 * np.linalg.eigvalsh(inputs.T @ inputs).max()
        anew = cross_val_predict(Ridge(penalty), inputs, y, cv=LeaveOneOut()).reshape(y.shape)
        errors.append(float(abs(anew - left_out).max()))
    assert min(errors) < 1e-8


def test_test_rows_choose_nothing():
    """Other test rows beside a row change its prediction by nothing."""
    x, y = NOISE[:50], U[:50]
    columns = [slice(k, k + 1) for k in range(3)]
    few, many = (kernel_ridge(x, y, NOISE[50:stop], columns).test for stop in (60, 400))
    np.testing.assert_allclose(few, many[:10], rtol=1e-9)


def test_many_rows_by_landmarks_are_close_to_all_rows(monkeypatch):
    x, y, columns = np.exp(U[:600]), U[:600, :1] ** 2, [slice(0, 1)]
    exact = kernel_ridge(x, y, np.exp(U[600:]), columns).test
    monkeypatch.setattr(ridge_module, "LANDMARKS", 150)
    np.testing.assert_allclose(kernel_ridge(x, y, np.exp(U[600:]), columns).test, exact, atol=2e-3)


def test_constant_codes_and_constant_factors_predict_the_mean():
    curve = measured(np.zeros((N, 2)), {"radius": FACTORS["radius"], "fixed": np.ones(N)}).curves["downstream"]
    assert float(curve.sel(factor="radius", bound="mean").max()) <= 0
    assert curve.sel(factor="fixed").isnull().all()


def test_classes_are_scored_by_accuracy_and_angles_by_both_their_variables():
    classes, angle = G.integers(0, 4, N).astype(float), G.uniform(0, 360, N)
    kinds = (Kind("shape", classes=(0.0, 1.0, 2.0, 3.0)), Kind("angle", period=360.0))
    radians = np.deg2rad(angle)
    codes = np.stack([classes == 0, classes == 1, classes == 2, np.cos(radians), np.sin(radians)], 1).astype(float)
    factors = {"shape": classes, "angle": angle}
    curve = measured(codes, factors, kinds).curves["downstream"].sel(bound="mean")
    assert float(curve.sel(labels=300).min()) > 0.99  # among 16 rows a class may be absent
    noise = measured(NOISE, factors, kinds).curves["downstream"].sel(bound="mean")
    assert float(noise.sel(factor="shape").max()) < 0.36  # the share of the largest class is a quarter
    assert float(noise.sel(factor="angle").max()) < 0.03
    targets = targets_of(factors, kinds)
    assert explained(targets, targets.values).tolist() == [1.0, 1.0]


def test_labelled_rows_are_addressed_and_larger_sets_hold_the_smaller():
    one, again, other = (labelled_order(3, draw, 100) for draw in (0, 0, 1))
    assert (one == again).all() and not (one == other).all() and sorted(one) == list(range(100))
    whole = measured(np.exp(U)).curves["downstream"]
    part = measured(np.exp(U), wanted=replace(WANTED, labels=(300, 16))).curves["downstream"]
    np.testing.assert_array_equal(part, whole.sel(labels=[16, 300]))  # of other numbers and their order


def test_the_headline_scores_are_the_ends_of_the_curve_with_intervals_over_draws():
    both = measured(np.exp(3 * U))
    values, _ = few_labels(np.exp(3 * U[TRAIN]), np.exp(3 * U[TEST]), *map(targets_of, split(FACTORS)),
                           [labelled_order(0, draw, 800)[:16] for draw in range(3)])  # fmt: skip
    score = both.scores["few_labels_flux"]
    assert score.value == pytest.approx(values[:, 1].mean()) and score.n == 400
    assert score.high - score.value == pytest.approx(4.3027 * values[:, 1].std(ddof=1) / np.sqrt(3), rel=1e-4)
    assert both.scores["many_labels_flux"].value == float(both.curves["downstream"].sel(factor="flux")[-1, 0])


@pytest.mark.parametrize(("m", "c"), [(0.02, 0.003), (-0.3, 0.0), (0.0, -0.01)])
def test_the_bias_of_a_constructed_estimator_is_recovered_within_its_error(m, c):
    """In 300 repetitions the 95 % intervals hold it as often as they say."""
    held = []
    for _ in range(300):
        g = G.uniform(-0.5, 0.5, 500)
        bias = shear_bias((1 + m) * g + c + 0.05 * G.standard_normal(500), g, 100)
        held.append([bias["m"].low < m < bias["m"].high, bias["c"].low < c < bias["c"].high])
    assert (abs(np.mean(held, 0) - 0.95) < 0.05).all()


def test_a_posterior_mean_is_shrunk_and_other_rows_correct_it():
    """m is -e / (V + e), as of a Gaussian; the corrected estimate has none."""
    g = G.normal(0, 0.2, 20000)
    shrunk = (g + 0.1 * G.standard_normal(20000)) * 0.2**2 / (0.2**2 + 0.1**2) + 0.003
    scores = bias_scores("shear", "g1", (shrunk[:10000], g[:10000]), (shrunk[10000:], g[10000:]), 100)
    assert scores["shear_m_g1"].value == pytest.approx(-0.2, abs=0.01)
    assert scores["shear_c_g1"].value == pytest.approx(0.003, abs=0.004)
    assert abs(scores["shear_corrected_m_g1"].value) < 5 * scores["shear_corrected_m_g1"].se < 0.05
    assert scores.keys() == {f"shear{kind}_{bias}_g1" for kind in ("", "_corrected") for bias in ("m", "c")}


def test_galaxies_without_a_measurement_are_left_out_and_a_flat_line_corrects_nothing():
    g = G.uniform(-0.5, 0.5, 100)
    half = np.where(np.arange(100) % 2, g, np.nan)
    assert shear_bias(half, g, 10)["m"].n == 50
    assert shear_bias(np.full(100, np.nan), g, 10) == {} == shear_bias(g, np.zeros(100), 10)
    assert bias_scores("s", "g1", (g, g), (np.zeros(100), g), 10).keys() == {"s_m_g1", "s_c_g1"}


def test_codes_that_say_nothing_are_not_corrected():
    """The mean of the others falls where a row rises: a line of slope -1 / (n - 1), which would divide by nothing."""
    scores = measured(NOISE).scores
    assert "labels_shear_m_g1" in scores and "labels_shear_corrected_m_g1" not in scores


def test_corrected_intervals_hold_the_error_of_the_line_that_corrects():
    """In 200 repetitions with few rows to correct by, 95 % of the intervals hold 0."""
    held = []
    for _ in range(200):
        g, noisy = G.uniform(-0.5, 0.5, 600), 0.1 * G.standard_normal(600)
        estimate = 0.8 * g + 0.01 + noisy
        scores = bias_scores("s", "g1", (estimate[200:], g[200:]), (estimate[:200], g[:200]), 100)
        held += [scores[f"s_corrected_{name}_g1"].low < 0 < scores[f"s_corrected_{name}_g1"].high for name in "mc"]
    assert abs(np.mean(held) - 0.95) < 0.04


def test_moments_of_sheared_gaussians_are_their_shear():
    """Drawn by hand: a circle of 3 pixels under the shear matrix."""
    y, x = np.mgrid[-24:25, -24:25]
    shear = np.array([[0.0, 0.0], [0.2, 0.0], [0.0, -0.3], [0.1, 0.25]])
    images = []
    for g1, g2 in shear:
        matrix = np.array([[1 + g1, g2], [g2, 1 - g1]]) / np.sqrt(1 - g1**2 - g2**2)
        inverse = np.linalg.inv(9 * matrix @ matrix.T)
        images.append(np.exp(-0.5 * (inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2)))
    estimate = moments_shear(np.stack(images))
    np.testing.assert_allclose(np.stack([estimate["g1"], estimate["g2"]], 1), shear, atol=2e-3)


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"labels": [16, 5000]}, "analyses.downstream.labels: found 5000, but galaxies has 192 training rows"),
        ({"labels": [16, 16]}, "a number stands once"),
        ({"labels": []}, "a number of labelled rows is needed"),
        ({"labels": [2]}, "analyses.downstream.labels"),
        ({"labels": [16], "draws": 1}, "analyses.downstream.draws"),
        ({"labels": [16], "draw": 3}, "did you mean"),
    ],
)
def test_what_cannot_be_computed_is_a_sentence_before_the_first_job(config, section, sentence):
    config["analyses"]["downstream"] = section
    faults = refusal(config)
    assert len(faults) == 1 and sentence in faults[0], faults


@pytest.fixture(scope="module")
def study():
    config = {
        "study": "down",
        "datasets": {"galaxies": {"preset": "paper", "galaxies": 256, "image_true": True}},
        "coverages": {"two": ["g1", "flux"]},
        "network": {"name": "components", "latents": 4},
        "training": {"epochs": 2, "batch": 32},
        "runs": [{"method": "aux_vae", "coverages": "two"}, {"method": "cvae", "coverages": "two"}],
        "analyses": {"sensitivity": {"images": 8}, "bootstrap": 20, "downstream": {"labels": [16, 64], "draws": 2}},
    }
    return study_of(config)[1]


@pytest.fixture(scope="module")
def results(study, tiny_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("downstream")
    fleet.train(study.fleets[0], tiny_store, folder, torch.device("cpu"), workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_module, "STEPS", 50)
        analyse_fleet(study.fleets[0], study.config.analyses, "cpu", tiny_store, folder, workers=1)
    collect(study.runs, folder)
    return folder


def test_a_study_holds_curves_of_runs_and_baselines_on_equal_axes(study, results):
    aux, cvae = study.runs
    with xr.open_dataset(results / "analysis.nc") as analysis:
        curves = analysis["downstream"].transpose("run", "labels", "factor", "bound").load()
    wanted = {aux.id, *(f"control-{name}" for name in ("pixels", "pca", "network", "noise"))}
    assert {str(run) for run in curves["run"].values if curves.sel(run=run).notnull().any()} == wanted
    assert curves["labels"].values.tolist() == [16, 64]
    table = pd.read_parquet(results / "scores.parquet").set_index(["run", "metric"])["value"]
    assert table[aux.id, "many_labels_g1"] == float(curves.sel(run=aux.id, labels=64, factor="g1", bound="mean"))
    assert ("control-moments", "shear_corrected_m_g1") in table.index
    assert {"shear_m_g1", "labels_shear_corrected_c_g2"} <= set(table[aux.id].index)
    assert "shear_m_g2" not in table[aux.id].index  # not among the factors that it was given
    of_cvae = set(table[cvae.id].index)  # its encoder is handed the factors at test time
    assert not {name for name in of_cvae if "labels_" in name or name.startswith("shear_")}


def test_the_report_shows_them(study, results):
    tabulate(study, results)
    draw(study, results)
    page(study, results)
    rows = pd.read_csv(results / "tables" / "downstream.csv", index_col=0)
    assert "raw pixels (control: pixels)" in rows.index and "few_labels_g1" in rows.columns
    assert (results / "figures" / "downstream.png").stat().st_size > 20_000
    assert "What a few labels make of the codes" in (results / "report.html").read_text()


def test_without_the_section_nothing_of_it_is_left(study, results, tiny_store, tmp_path):
    shutil.copytree(results, tmp_path / "r")
    without = replace(study.config.analyses, downstream=None)
    run = study.runs[0]
    assert is_analysed(tmp_path / "r" / "runs" / run.id, run, study.config.analyses)
    analyse_fleet(study.fleets[0], without, "cpu", tiny_store, tmp_path / "r", workers=1)
    assert not [*(tmp_path / "r").rglob("*downstream*.nc"), *(tmp_path / "r").rglob("*downstream.json")]
    scores = read_json(tmp_path / "r" / "runs" / run.id / "scores.json", "scores")
    assert not {name for name in scores if "labels_" in name or "shear_" in name}


def test_moments_of_noisy_galaxies_are_diluted_by_the_psf_and_calibrated_on_training_rows(study, tiny_store):
    train, test = Store(tiny_store, study.runs[0].dataset).read_splits("train", "test")
    scores = moments_scores(train, test, Truth(train.factors, test.factors, (), True), 50)
    assert scores["shear_m_g1"].value < -0.05
    assert abs(scores["shear_corrected_m_g1"].value) < 4 * scores["shear_corrected_m_g1"].se

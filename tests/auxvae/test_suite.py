"""Laws of every metric: scores of perfect codes, noise, duplicates and rotations, invariances, intervals, limits."""

import json
import warnings

import numpy as np
import pytest
import torch
import xarray as xr

from auxvae.metrics import importance
from auxvae.metrics import suite as suite_module
from auxvae.metrics.closed import closed_forms, factor_columns
from auxvae.metrics.columns import column, expanded
from auxvae.metrics.information import mig
from auxvae.metrics.representation import representation
from auxvae.metrics.score import Score
from auxvae.metrics.suite import measured, study_scores, suite
from auxvae.metrics.table import METRICS

G = np.random.default_rng(0)
N, F = 3000, 4
CONTINUOUS = G.random((N, F))
DISCRETE = np.floor(CONTINUOUS * 4)
NOISE = G.standard_normal((N, F))
ROTATION = np.linalg.qr(G.standard_normal((F, F)))[0]
QUICK = [name for name, metric in measured().items() if not metric.boosted and metric.needs not in ("prior", "films")]
CASES = {"continuous": CONTINUOUS, "discrete": DISCRETE / 3}


@pytest.fixture(scope="module")
def scores():
    """The suite of known codes, for continuous and for discrete factors."""
    result = {}
    for case, u in CASES.items():
        noisy = u + 1e-3 * NOISE
        codes = {
            "perfect": noisy,
            "noise": NOISE,
            "copies": np.hstack([noisy, -noisy]),
            "rotated": noisy @ ROTATION,
            "moved": 3 * noisy[:, ::-1] * [1, -1, 1, -1] + 5,
        }
        result |= {(case, name): suite(representation(z, u), QUICK) for name, z in codes.items()}
    return result


every_case = pytest.mark.parametrize("case", CASES)
GOOD_IS_ONE = (
    "lds_corrected", "explicitness", "sap", "modularity", "explicitness_auc", "dci_disentanglement", "dci_completeness",
    "dci_informativeness", "beta_vae", "factor_vae", "covariance_ratio",
)  # fmt: skip


@every_case
def test_a_perfect_code_scores_the_most(scores, case):
    result = scores[case, "perfect"]
    for name in GOOD_IS_ONE:
        assert result[name].value > 0.95, name
    assert result["mig"].value > (0.75 if case == "continuous" else 0.95)  # quantiles beside bins of equal width
    assert result["lds"].value > result["lds_ceiling"].value - 0.04


@every_case
def test_noise_scores_the_floor(scores, case):
    result = scores[case, "noise"]
    for name in ("sap", "mig", "dci_disentanglement", "dci_completeness"):
        assert result[name].value < 0.1, name
    assert result["explicitness"].value < 0.06
    assert result["explicitness_auc"].value == pytest.approx(0.5, abs=0.03)
    for name in ("beta_vae", "factor_vae"):
        assert result[name].value == pytest.approx(1 / F, abs=0.03), name


CHANCE = {"0": 0.0, "1/2": 0.5, "1/factors": 1 / F}


@every_case
def test_noise_scores_what_the_table_calls_chance(scores, case):
    expected = {name: CHANCE[column(name).chance] for name in scores[case, "noise"] if column(name).chance in CHANCE}
    assert expected.keys() >= {"sap", "explicitness_auc", "beta_vae", "factor_vae"}
    for name, value in expected.items():
        assert scores[case, "noise"][name].value == pytest.approx(value, abs=0.03), name


@every_case
def test_a_code_that_says_everything_twice_has_no_gap(scores, case):
    result = scores[case, "copies"]
    for name in ("sap", "mig"):
        assert result[name].value < 0.02, name
    assert result["dci_disentanglement"].value > 0.95
    assert result["dci_completeness"].value < 0.9
    assert result["lds_corrected"].value == pytest.approx(0.5, abs=0.02)
    assert result["lps"].value > 0.95
    assert result["lps_ridge"].value > 0.99


@every_case
def test_a_rotation_keeps_the_information_and_no_axis(scores, case):
    one, two = scores[case, "perfect"], scores[case, "rotated"]
    assert two["explicitness_auc"].value == pytest.approx(one["explicitness_auc"].value, abs=0.02)
    for name in ("lds_corrected", "sap", "mig", "dci_disentanglement", "explicitness"):
        assert two[name].value < one[name].value - 0.2, name


@every_case
def test_order_sign_scale_and_place_of_the_latents_do_not_matter(scores, case):
    one, two = scores[case, "perfect"], scores[case, "moved"]
    free = {"wasserstein_correlation", "sap_discrete"}  # in the codes' own unit, and with a penalty in that unit
    fitted = {"pair_dependence_floor", "lps", "beta_vae", "factor_vae"}
    fitted |= {"dci_disentanglement", "dci_completeness", "dci_informativeness"}
    for name in one.keys() - free:
        assert two[name].value == pytest.approx(one[name].value, abs=0.02 if name in fitted else 1e-3), name


UNDEFINED = {"continuous": {"sap_discrete", "tad"}, "discrete": {"tad"}}  # they need discrete, binary factors
FACTORS = [f"u{k + 1}" for k in range(F)]
ROTATED, NEAREST, LINEAR = ([f"{name}_{each}" for each in FACTORS] for name in ("rotated", "nearest", "linear"))
TESTED = (
    "sap_discrete",
    "explicitness_auc",
    "dci_informativeness",
    *NEAREST,
    *LINEAR,
)  # on a third of the rows, the others train
THOUSAND = ("pair_dependence", "pair_dependence_floor")  # by definition on at most so many rows
ROWS = {
    **dict.fromkeys(("dci_disentanglement", "dci_completeness"), 2 * N // 3),
    **dict.fromkeys(TESTED, N // 3),
    **dict.fromkeys(THOUSAND, 1000),
}
EXPECTED = {"lds_ceiling", "pair_dependence_floor"}  # without sampling error
PERFECT = {"continuous": {"beta_vae"}, "discrete": {"beta_vae", "factor_vae", "explicitness_auc"}}
BETWEEN_LATENTS = {"total_correlation", "wasserstein_correlation", "covariance_ratio", "pair_dependence"}
VALUE_ONLY = {"lds_ceiling", "pair_dependence_floor", "explicitness_auc", "beta_vae", *ROTATED, *NEAREST, *LINEAR}


@every_case
def test_every_metric_has_its_interval_its_rows_and_its_matrix(scores, case):
    """Of a rotated code, whose scores lie inside their ranges but for those named as perfect, which are 1."""
    result = scores[case, "rotated"]
    wanted = {each for name in QUICK for score in METRICS[name].columns for each in expanded(score, FACTORS)}
    assert result.keys() == (wanted | {"lds_ceiling"}) - UNDEFINED[case]
    for key, score in result.items():
        assert score.n == ROWS.get(key, N), key
        assert score.low <= score.value <= score.high, key
        assert (score.low < score.high) is (key not in EXPECTED | PERFECT[case]), key
        second = {"other": F} if key in BETWEEN_LATENTS else {} if key in ("lps", "lps_ridge") else {"factor": F}
        assert (score.matrix is None) is (key in VALUE_ONLY), key
        assert score.matrix is None or score.matrix.sizes == {"latent": F, **second}, key


def test_a_score_travels_through_json():
    matrix = xr.DataArray([[0.5, np.nan]], {"latent": ["z1"], "factor": ["flux", "g1"]}, ["latent", "factor"])
    stored = json.loads(json.dumps(Score(0.4, 0.1, np.inf, 9, matrix, 0.2).to_json()))
    labels = {"dims": ["latent", "factor"], "latent": ["z1"], "factor": ["flux", "g1"]}
    plain = {"value": 0.4, "low": 0.1, "high": None, "se": 0.2, "n": 9}
    assert stored == {**plain, "matrix": {**labels, "values": [[0.5, None]]}}
    assert Score(0.4, 0.1, 0.7, 9).to_json() == {"value": 0.4, "low": 0.1, "high": 0.7, "se": None, "n": 9}


DATA_SETS = {
    **dict.fromkeys(("lds", "explicitness", "sap", "covariance_ratio", "lps_ridge"), 300),
    **dict.fromkeys(("total_correlation", "wasserstein_correlation"), 300),
    "modularity": 60,
    **dict.fromkeys(("mig", "irs", "tad", "sap_discrete", "explicitness_auc"), 100),  # the slow ones
}
TOO_WIDE = {"irs": 1.2}  # the jackknife of an extreme overestimates its variance


def mixed(seed, rows=800):
    """Four noisy codes of a continuous factor, one of four values, and one of two."""
    g = np.random.default_rng(seed)
    u = np.column_stack([g.random(rows), g.integers(4, size=rows), g.integers(2, size=rows)])
    mixing = np.array([[1, 0.5, 0, 0], [0, 1 / 3, 0, 0], [0, 0, 1, 0.5]])
    return u @ mixing + g.standard_normal((rows, 4)) * [0.3, 0.3, 0.7, 1], u


@pytest.mark.parametrize("name", DATA_SETS)
def test_intervals_are_as_wide_as_scores_scatter_over_fresh_data(name):
    """The standard error is the standard deviation of the score over data sets, known to 4 % of 300, 7 % of 100."""
    drawn = [suite(representation(*mixed(seed)), [name], resamples=20)[name] for seed in range(DATA_SETS[name])]
    error = np.sqrt(np.mean([each.se**2 for each in drawn]))
    spread = np.std([each.value for each in drawn], ddof=1)
    assert error / spread == pytest.approx(TOO_WIDE.get(name, 1), abs=0.15)


@pytest.mark.parametrize(("name", "rows"), [("mig", 800), ("pair_dependence", 400)])
def test_intervals_of_codes_with_independent_latents_are_not_too_wide(name, rows):
    """Chance is a good part of the score there: the bootstrap counts it three times, the jackknife twice (1.7, 1.4)."""
    drawn = []
    for seed in range(60):
        g = np.random.default_rng(seed)
        u = g.random((rows, 2))
        codes = np.hstack([u + 0.05 * g.standard_normal((rows, 2)), g.standard_normal((rows, 2))])
        drawn.append(suite(representation(codes, u), [name])[name])
    error = np.sqrt(np.mean([each.se**2 for each in drawn]))
    assert error / np.std([each.value for each in drawn], ddof=1) == pytest.approx(1, abs=0.25)


def test_names_travel_into_the_matrix():
    factors = xr.DataArray(CONTINUOUS, {"factor": list("abcd")}, ["row", "factor"])
    assert mig(NOISE, factors, [False] * F).matrix["factor"].values.tolist() == list("abcd")


@every_case
@pytest.mark.parametrize("rows", [N, 50])
def test_what_training_is_followed_by_is_the_suite(case, rows):
    u = CASES[case][:rows]
    columns = factor_columns({f"f{k}": column for k, column in enumerate(u.T)}, torch.device("cpu"))
    codes = np.stack([u @ ROTATION, NOISE[:rows]])
    together = closed_forms(torch.from_numpy(codes), columns, 5)
    for run, z in enumerate(codes):
        alone = suite(representation(z, u), together, resamples=5)
        for name, drawn in together.items():
            assert float(drawn[run, 0]) == pytest.approx(alone[name].value, abs=1e-9), name
            if name == "mig":  # the suite weights its resamples otherwise: half samples in place of the bootstrap
                continue
            half = 1.96 * float(drawn[run, 1:].std())
            most = np.inf if name == "total_correlation" else 1
            bounds = max(0, alone[name].value - half), min(most, alone[name].value + half)
            assert (alone[name].low, alone[name].high) == pytest.approx(bounds, abs=1e-6), name


def test_constant_and_few_latents_have_their_limits():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dead = suite(representation(np.hstack([DISCRETE, np.zeros((N, 1))]), DISCRETE), QUICK)
        single = suite(representation(DISCRETE[:, :1], DISCRETE), QUICK)
        nothing = suite(representation(np.zeros((N, 2)), DISCRETE), QUICK)
    for name in ("lds_corrected", "sap", "mig", "dci_disentanglement", "factor_vae"):
        assert dead[name].value > 0.95, name
    assert single["mig"].value == pytest.approx(1 / F, abs=0.01)
    for name in ("lds", "sap", "mig", "modularity", "irs", "dci_disentanglement", "total_correlation", "lps"):
        assert nothing[name].value == 0, name


def test_an_odd_number_of_prior_samples_is_enough():
    result = suite(representation(NOISE, prior=G.standard_normal((1001, F))), ["prior_ks", "prior_distance"])
    assert result.keys() == {"prior_ks", "prior_distance"}
    assert result["prior_ks"].value < 0.06


def test_forests_of_many_latents_have_no_interval_but_a_value(monkeypatch):
    monkeypatch.setattr(importance, "WIDEST", F - 1)
    inputs = representation(CONTINUOUS + 1e-3 * NOISE, CONTINUOUS)
    scores = suite(inputs, ["dci"], resamples=5)
    assert scores["dci_disentanglement"].value > 0.9 and np.isnan(scores["dci_disentanglement"].se)
    assert scores["dci_informativeness"].low < scores["dci_informativeness"].high


def test_a_study_scores_so_many_rows_at_most(monkeypatch):
    monkeypatch.setattr(suite_module, "MOST", 500)
    factors = {f"u{k}": column for k, column in enumerate(CONTINUOUS.T)}
    scores = study_scores(CONTINUOUS, CONTINUOUS, factors, 5)
    assert scores["covariance_ratio"].n == scores["sap"].n == 500
    monkeypatch.setattr(suite_module, "MOST", N)
    assert study_scores(CONTINUOUS, CONTINUOUS, factors, 5)["sap"].n == N

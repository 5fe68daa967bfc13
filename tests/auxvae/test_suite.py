"""Laws of every metric: scores of perfect codes, noise, duplicates and rotations, invariances, intervals, limits."""

import json
import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.stats import kstest, ttest_1samp
from sklearn.metrics import mutual_info_score, roc_auc_score
from sklearn.svm import LinearSVC

from auxvae.metrics import importance
from auxvae.metrics import suite as suite_module
from auxvae.metrics.agreement import mean_over_models, udr
from auxvae.metrics.attributes import tad
from auxvae.metrics.closed import closed_forms, factor_columns
from auxvae.metrics.columns import column, expanded
from auxvae.metrics.information import information_of, mig
from auxvae.metrics.moments import correlations, covariances
from auxvae.metrics.predictability import lps, lps_ridge, lps_trees
from auxvae.metrics.prior_match import marginal_ks
from auxvae.metrics.readout import auc, squared_hinge
from auxvae.metrics.representation import representation
from auxvae.metrics.score import Score, group_of_rows, group_weights
from auxvae.metrics.suite import measured, study_scores, suite
from auxvae.metrics.table import METRICS
from auxvae.metrics.trajectories import curvature, straightness

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
ROTATED, NEAREST = ([f"{name}_{factor}" for factor in FACTORS] for name in ("rotated", "nearest"))
TESTED = (
    "sap_discrete",
    "explicitness_auc",
    "dci_informativeness",
    *NEAREST,
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
VALUE_ONLY = {"lds_ceiling", "pair_dependence_floor", "explicitness_auc", "beta_vae", *ROTATED, *NEAREST}


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


def test_mutual_information_is_that_of_scikit_learn():
    z, u = G.integers(0, 7, (500, 3)), G.integers(0, 4, (500, 2))
    result, entropy = information_of(torch.from_numpy(z), torch.from_numpy(u))
    wanted = [[mutual_info_score(u[:, k], z[:, j]) for k in range(2)] for j in range(3)]
    np.testing.assert_allclose(result[0], wanted, atol=1e-12)
    np.testing.assert_allclose(entropy[0], [mutual_info_score(c, c) for c in u.T], atol=1e-12)


def test_several_runs_at_once_are_each_alone():
    z = torch.from_numpy(G.standard_normal((3, 400, 5)))
    together = covariances(z, 4)
    bins, classes = torch.from_numpy(G.integers(0, 6, (3, 400, 5))), torch.from_numpy(G.integers(0, 4, (400, 2)))
    information, _ = information_of(bins, classes, 4)
    for run in range(3):
        torch.testing.assert_close(together[run], covariances(z[run], 4))
        torch.testing.assert_close(information[run], information_of(bins[run], classes, 4)[0])


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


def test_covariances_and_correlations_are_those_of_numpy():
    z = np.hstack([1e6 + G.standard_normal((401, 3)), np.full((401, 1), 0.1)])
    result = covariances(torch.from_numpy(z))[0]
    np.testing.assert_allclose(result, np.cov(z.T, bias=True), atol=1e-9)
    np.testing.assert_allclose(correlations(result)[:3, :3], np.corrcoef(z[:, :3].T), atol=1e-9)
    assert not correlations(result)[3].any()


def test_groups_scatter_as_rows_do():
    """The spread of a resampled mean is its standard error, on average over data, and group sizes differ by one row."""
    group, weights = group_of_rows(5037), group_weights(5037, 2000)[1:]
    x = G.standard_normal((100, 5037))
    means = np.stack([(weights @ np.bincount(group, each)) / (weights @ np.bincount(group)) for each in x])
    assert means.std(1).mean() == pytest.approx(1 / np.sqrt(5037), rel=0.03)
    assert np.ptp(np.bincount(group)) <= 1


def scored(seed, ties):
    """Scores of 700 rows, and which of them are positive, with an AUC of about 0.76."""
    g = np.random.default_rng(seed)
    positive = g.random(700) < 0.3
    score = g.standard_normal(700) + positive
    return np.round(score) if ties else score, positive


def standard_error_of_auc(score, positive):
    """DeLong, DeLong & Clarke-Pearson, Biometrics 1988, eq. 5: from the placements of each positive and negative."""
    above = score[positive][:, None] - score[~positive]
    placement = (above > 0) + 0.5 * (above == 0)
    return np.sqrt(sum(placement.mean(axis).var(ddof=1) / placement.shape[1 - axis] for axis in (0, 1)))


@pytest.mark.parametrize("ties", [False, True])
def test_auc_is_that_of_scikit_learn_and_its_spread_that_of_delong(ties):
    spreads = []
    for seed in range(20):
        score, positive = scored(seed, ties)
        areas = auc(score, positive, 200)
        assert areas[0] == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
        spreads.append((areas[1:].std(ddof=1), standard_error_of_auc(score, positive)))
    bootstrap, closed = np.mean(spreads, 0)
    assert bootstrap == pytest.approx(closed, rel=0.08)  # 2 % is one standard error
    assert auc(score, np.zeros(700, dtype=bool), 0)[0] == 0.5


@pytest.mark.parametrize("several", [2, 5])
def test_the_support_vector_machines_are_those_of_scikit_learn(several):
    x, y = G.standard_normal((3, 800)), G.integers(0, several, 800)
    x[0] += y
    weight, offset = squared_hinge(torch.from_numpy(x), torch.from_numpy(y), several)
    for j in range(3):
        svm = LinearSVC(C=0.01, class_weight="balanced", tol=1e-9, max_iter=100_000).fit(x[j][:, None], y)
        rows = slice(1, None) if several == 2 else slice(None)
        np.testing.assert_allclose(weight[j, rows], svm.coef_[:, 0], atol=1e-5)
        np.testing.assert_allclose(offset[j, rows], svm.intercept_, atol=1e-5)


@pytest.mark.parametrize("rho", [0.3, 0.6])
@pytest.mark.parametrize("measure", [lps, lps_ridge])
def test_lps_of_equicorrelated_gaussians(measure, rho):
    d, rows = 10, 5000
    z = np.sqrt(rho) * G.standard_normal((rows, 1)) + np.sqrt(1 - rho) * G.standard_normal((rows, d))
    wanted = rho**2 * (d - 1) / (1 + (d - 2) * rho)
    result = measure(z)
    assert result.value == pytest.approx(wanted, abs=0.04)
    assert result.low < wanted < result.high + 0.03


def test_lps_of_a_parabola_of_noise_and_of_what_it_cannot_see():
    x, angle = G.standard_normal(5000), G.random(5000) * 2 * np.pi
    parabola = lps(np.stack([x, x**2], 1)).matrix
    assert parabola[1] > 0.99
    assert parabola[0] < 0.05
    assert lps_trees(np.stack([x, x**2], 1)).matrix[1] > 0.95
    assert lps_ridge(np.stack([x, x**2], 1)).value < 0.02
    assert lps(G.standard_normal((5000, 6))).value < 0.01
    assert lps(np.stack([np.cos(angle), np.sin(angle)], 1)).value < 0.02
    resting = lps(np.stack([x, x + 0.1 * angle, 1e-3 * angle], 1))
    assert np.isnan(resting.matrix.values).tolist() == [False, False, True]


def test_straightness_of_lines_circles_and_noise():
    t = np.arange(40.0)
    line = t[None, :, None] * G.standard_normal((50, 1, 3)) + G.standard_normal((50, 1, 3))
    assert straightness(line).value == pytest.approx(1)
    assert curvature(line).value == pytest.approx(0, abs=1e-3)
    turning = np.stack([np.cos(t * np.pi / 20), np.sin(t * np.pi / 20)], -1)[None].repeat(3, 0)
    assert curvature(turning).value == pytest.approx(180 / 20, abs=0.1)
    assert straightness(G.standard_normal((200, 40, 20))).value == pytest.approx(-0.5, abs=0.02)


@pytest.mark.parametrize("models", [3, 5, 8])
def test_the_mean_over_models_that_share_pairs_has_an_interval_that_covers(models):
    """UDR_ab = 1/2 + e_a + e_b + noise, 1,000 draws, known to 0.7 %; Student's over the rows covers far fewer."""
    inside, over_rows = 0, 0
    for seed in range(1000):
        g = np.random.default_rng(seed)
        effect, noise = 0.05 * g.standard_normal(models), np.triu(0.02 * g.standard_normal((models, models)), 1)
        pairs = 0.5 + effect[:, None] + effect + noise + noise.T
        mean = mean_over_models(pairs, 100)
        inside += mean.low <= 0.5 <= mean.high
        rows = np.nanmedian(np.where(np.eye(models), np.nan, pairs), 1)
        over_rows += bool(abs(ttest_1samp(rows, 0.5).pvalue) > 0.05)
    assert 0.92 <= inside / 1000 <= 0.98
    assert over_rows / 1000 < 0.85


def test_two_models_have_no_interval_and_every_model_carries_that_of_the_mean():
    z = [G.standard_normal((300, 3)) for _ in range(4)]
    two, four = udr(z[:2], lasso=False), udr(z, lasso=False)
    assert all(np.isnan([score.se, score.low, score.high]).all() for score in two)
    assert len({score.se for score in four}) == 1
    pairs = np.array([np.insert(score.matrix.values, k, np.nan) for k, score in enumerate(four)])
    mean = mean_over_models(pairs, 300)
    assert mean.value == pytest.approx(np.mean([score.value for score in four]))
    assert mean.se == pytest.approx(four[0].se)


@pytest.mark.parametrize("lasso", [True, False])
def test_models_that_agree_rank_above_those_that_do_not(lasso):
    z = G.standard_normal((800, 4))
    same = [z, z[:, ::-1] * [1, -1, 1, -1], z[:, [1, 0, 3, 2]]]
    turned = [z @ np.linalg.qr(G.standard_normal((4, 4)))[0] for _ in range(3)]
    assert all(score.value > 0.8 for score in udr(same, lasso=lasso))
    assert all(score.value < 0.6 for score in udr(turned, lasso=lasso))


def test_tad_counts_the_lead_of_each_attribute_that_is_told_apart():
    a = G.random((4000, 3)) < 0.5
    codes = np.column_stack([a[:, 0] + 0.0, a[:, 1] + 0.0, G.standard_normal(4000)])
    assert tad(codes, a).value == pytest.approx(1, abs=0.05)  # two attributes captured, each with a lead of 1/2
    shared = np.column_stack([a[:, 0], a[:, 0], a[:, 1]])
    assert tad(codes, shared).value == pytest.approx(0.5, abs=0.05)  # the first two are one


def test_ks_is_that_of_scipy_for_large_samples():
    z, y = G.standard_normal((2000, 1)) * 1.3, G.standard_normal((200_000, 1))
    assert marginal_ks(z, y) == pytest.approx(kstest(z[:, 0], "norm").statistic, abs=0.005)


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

"""Single measures against values that are known: other libraries, closed forms, and codes made for the purpose."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest, ttest_1samp
from sklearn.metrics import mutual_info_score, roc_auc_score
from sklearn.svm import LinearSVC

from auxvae.metrics.agreement import mean_over_models, udr
from auxvae.metrics.attributes import tad
from auxvae.metrics.information import information_of
from auxvae.metrics.moments import correlations, covariances
from auxvae.metrics.predictability import lps, lps_ridge, lps_trees
from auxvae.metrics.prior_match import marginal_ks
from auxvae.metrics.readout import auc, squared_hinge
from auxvae.metrics.score import group_of_rows, group_weights
from auxvae.metrics.trajectories import curvature, straightness

G = np.random.default_rng(0)


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

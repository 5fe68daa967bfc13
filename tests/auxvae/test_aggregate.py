"""Codes against their prior and against each other: distances, dependence and intervals with closed forms."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm, sem, t, wasserstein_distance

from auxvae.config.latents import Mmd
from auxvae.losses.mmd import joint
from auxvae.losses.queue import empty_queue
from auxvae.metrics.alignment import informative_scores
from auxvae.metrics.covariance import covariance_ratio, total_correlation, wasserstein_correlation
from auxvae.metrics.pairs import _block, _correlation, _covariances, pair_dependence, pair_dependence_floor
from auxvae.metrics.posterior import divergence, informative_latents
from auxvae.metrics.prior_match import marginal_wasserstein, match_scores, prior_mmd, sliced_wasserstein
from auxvae.metrics.score import BLOCKS, group_of_rows, jackknife

G = np.random.default_rng(0)
N = 2000
NORMAL = G.standard_normal((N, 4))


def test_a_shift_is_its_own_distance():
    assert marginal_wasserstein(NORMAL, NORMAL + 0.3) == pytest.approx(0.3)
    assert sliced_wasserstein(NORMAL[:, :1], NORMAL[:, :1] + 0.3) == pytest.approx(0.3)
    assert sliced_wasserstein(NORMAL, NORMAL) == 0


def normal_floors(rows):
    """Expected distances of two samples of N(0, 1) with so many rows each, and of independent columns, for many rows.

    E |F - G| = sqrt(2 / pi) sqrt(2 F (1 - F) / N) at every point; the Kolmogorov-Smirnov distance is sqrt(2 / N) times
    the largest |Brownian bridge|, of mean sqrt(pi / 2) log 2; the squared distance correlation is about
    (E |x - x'|)^2 / (N dVar^2) with E |x - x'| = 2 / sqrt(pi) and dVar^2 = 4 ((1 - sqrt 3) / pi + 1 / 3).
    """
    spread, _ = quad(lambda x: np.sqrt(norm.cdf(x) * norm.sf(x)), -9, 9)
    wasserstein = np.sqrt(2 / np.pi) * np.sqrt(2 / rows) * spread
    variance = 4 * ((1 - np.sqrt(3)) / np.pi + 1 / 3)
    dependence = np.sqrt(4 / np.pi / variance / min(rows, 1000))
    return {
        "prior_distance": wasserstein,
        "prior_marginals": wasserstein,
        "prior_ks": np.sqrt(2 / rows) * np.sqrt(np.pi / 2) * np.log(2),
        "pair_dependence": dependence,
    }


def test_codes_of_the_prior_score_as_its_floor_and_both_as_expected():
    """Means over three draws of 24 latents, against the closed forms for many rows; 3 % is one standard error."""
    drawn = []
    for seed in range(3):
        g = np.random.default_rng(seed)
        codes = g.standard_normal((N, 24))
        few = codes[:, :8]
        dependence = {"pair_dependence": pair_dependence(few), "pair_dependence_floor": pair_dependence_floor(few)}
        drawn.append(match_scores(codes, g.standard_normal((2 * N, 24))) | dependence)
    mean = {name: np.mean([each[name].value for each in drawn]) for name in drawn[0]}
    for name, expected in normal_floors(N).items():
        assert mean[name] == pytest.approx(expected, rel=0.08), name
        assert mean[f"{name}_floor"] == pytest.approx(expected, rel=0.08), name
    assert (mean["prior_mmd"], mean["prior_mmd_floor"]) == pytest.approx((0, 0), abs=1e-4)


def test_codes_that_are_too_narrow_score_their_distance_and_do_not_move_the_floor():
    """N(0, 1/4) is E|z| / 2 = 1 / sqrt(2 pi) away from N(0, 1) in every direction; floors of 24 latents, to 5 %."""
    g = np.random.default_rng(1)
    narrow = match_scores(0.5 * g.standard_normal((N, 24)), g.standard_normal((2 * N, 24)))
    for name in ("prior_distance", "prior_marginals"):
        assert narrow[name].value == pytest.approx(1 / np.sqrt(2 * np.pi), rel=0.03), name
        assert narrow[f"{name}_floor"].value == pytest.approx(normal_floors(N)[name], rel=0.15), name
    assert narrow["prior_mmd"].value > 0.02


def test_the_floor_of_dependence_does_not_know_the_dependence():
    tied = np.repeat(NORMAL[:, :1], 4, 1)
    assert pair_dependence(tied).value == pytest.approx(1, abs=1e-3)
    assert pair_dependence_floor(tied).value < 0.1


def test_scores_of_the_covariance_of_two_columns_of_exact_correlation():
    """Columns of sample covariance exactly [[1, r], [r, 1]]: the root of [[1, r], [r, 1]] has trace 1 + r, 1 - r."""
    r = 0.6
    white = np.linalg.solve(np.linalg.cholesky(np.cov(NORMAL.T)), (NORMAL - NORMAL.mean(0)).T).T
    pair = np.stack([white[:, 0], r * white[:, 0] + np.sqrt(1 - r**2) * white[:, 1]], 1)
    assert total_correlation(pair).value == pytest.approx(-0.5 * np.log(1 - r**2), rel=1e-9)
    assert covariance_ratio(pair).value == pytest.approx(1 / (1 + r**2), rel=1e-9)
    assert wasserstein_correlation(pair).value == pytest.approx(4 - 2 * (np.sqrt(1 + r) + np.sqrt(1 - r)), rel=1e-9)
    assert total_correlation(np.hstack([white, np.zeros((N, 1))])).value == pytest.approx(0, abs=1e-9)


def distance_correlation(a, b):
    """From the definition, in double precision."""
    centred = []
    for each in (a, b):
        d = np.abs(each[:, None] - each)
        centred.append(d - d.mean(0) - d.mean(1)[:, None] + d.mean())
    x, y = centred
    return np.sqrt((x * y).mean() / np.sqrt((x * x).mean() * (y * y).mean()))


def test_pair_dependence_is_distance_correlation_and_sees_a_parabola():
    codes = np.stack([NORMAL[:300, 0], NORMAL[:300, 0] ** 2, NORMAL[:300, 1]], 1)
    wanted = np.mean([distance_correlation(codes[:, i], codes[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))])
    assert pair_dependence(codes).value == pytest.approx(wanted, abs=1e-4)
    assert pair_dependence(codes[:, :2]).value > 3 * pair_dependence(codes[:, [0, 2]]).value
    assert pair_dependence(np.hstack([codes, np.zeros((300, 1))])).value < pair_dependence(codes).value


@pytest.mark.parametrize(("m", "s"), [(0.0, 1.0), (0.7, 0.3), (-2.0, 2.5)])
def test_divergence_is_its_integral(m, s):
    posterior, prior = norm(m, s), norm()
    wanted, _ = quad(lambda z: posterior.pdf(z) * (posterior.logpdf(z) - prior.logpdf(z)), m - 12 * s, m + 12 * s)
    result = divergence(np.array([[m]]), np.array([[2 * np.log(s)]]))
    assert float(result[0, 0]) == pytest.approx(wanted, abs=1e-7)


def test_the_jackknife_of_a_mean_is_the_standard_error_of_the_means_of_its_blocks():
    score = jackknife(lambda rows: float(NORMAL[rows, 0].mean()), N)
    blocks = [NORMAL[block::BLOCKS, 0].mean() for block in range(BLOCKS)]
    assert score.se == pytest.approx(sem(blocks), rel=1e-9)
    assert (score.high - score.low) / 2 == pytest.approx(t(BLOCKS - 1).ppf(0.975) * sem(blocks), rel=1e-9)
    assert (score.high + score.low) / 2 == pytest.approx(NORMAL[:, 0].mean(), rel=1e-9)


def test_weighting_a_group_of_rows_is_repeating_or_deleting_its_rows_in_pair_dependence():
    codes = np.stack([NORMAL[:250, 0], NORMAL[:250, 0] ** 2, NORMAL[:250, 1] + NORMAL[:250, 0]], 1)
    weights = np.ones((2, 100))
    weights[1, :4], weights[1, 7] = [0, 2, 3, 2], 0
    repeated = np.repeat(codes, weights[1].astype(int)[group_of_rows(250)], 0)
    block = _block(codes, weights)
    covariance = _covariances(block, block, weights)
    spread = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    result = _correlation(covariance, spread, spread)
    for drawn, z in zip(result, (codes, repeated), strict=True):
        for i, j in ((0, 1), (0, 2), (1, 2)):
            assert drawn[i, j] == pytest.approx(distance_correlation(z[:, i], z[:, j]), rel=1e-4)


@pytest.mark.parametrize("name", ["prior_distance", "prior_marginals", "prior_mmd", "prior_ks"])
def test_distances_scatter_with_the_sample_of_the_prior_as_with_the_codes(name):
    """The standard error is the spread over fresh codes and fresh samples; from 60 draws it is known to 10 %."""
    drawn = []
    for seed in range(60):
        g = np.random.default_rng(seed)
        codes, prior = 0.4 + 0.8 * g.standard_normal((300, 2)), g.standard_normal((600, 2))
        drawn.append(match_scores(codes, prior)[name])
    error = np.sqrt(np.mean([each.se**2 for each in drawn]))
    assert error == pytest.approx(np.std([each.value for each in drawn], ddof=1), rel=0.2)


def test_inactive_latents_do_not_count_in_the_lds_of_informative_ones():
    """Correlation does not know the scale: an inactive latent that correlates with a factor counts in LDS, not here."""
    factor = NORMAL[:, 0]
    codes = np.stack([factor, 1e-3 * (factor + NORMAL[:, 1])], 1)
    log_variance = np.stack([np.full(N, -8.0), np.zeros(N)], 1)
    informative = informative_latents(codes, log_variance)
    assert informative.tolist() == [True, False]
    scores = informative_scores(codes, {"f": factor}, informative, 20)
    assert (scores["lds_all_live"].value, scores["latents_live"].value) == (1, 1)
    assert informative_scores(codes, {"f": factor}, np.array([False, False]), 20)["lds_all_live"].value == 0


@pytest.mark.parametrize("rows", [(50, 70), (64, 64), (1201, 1800)])
def test_distances_of_sets_of_any_size_are_those_of_scipy_and_of_the_loss(rows):
    g = np.random.default_rng(0)
    one, two = g.standard_normal((rows[0], 3)), 1.3 * g.standard_normal((rows[1], 3))
    expected = np.mean([wasserstein_distance(a, b) for a, b in zip(one.T, two.T, strict=True)])
    assert marginal_wasserstein(one, two) == pytest.approx(expected, rel=1e-12)
    z, y = (torch.from_numpy(each[:1000]) for each in (one, two))
    loss = joint(z, empty_queue(0, 3), y[: len(z)], torch.from_numpy(two.var(0)), Mmd())
    assert prior_mmd(one, two) == pytest.approx(float(loss), abs=1e-12)

"""Codes beside their prior and beside each other: known distances, known dependence, known intervals."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from auxvae.metrics.alignment import active_scores
from auxvae.metrics.covariance import covariance_ratio, total_correlation
from auxvae.metrics.pairs import pair_dependence, pair_dependence_floor
from auxvae.metrics.posterior import active_latents, divergence
from auxvae.metrics.prior_match import marginal_wasserstein, match_scores, sliced_wasserstein
from auxvae.metrics.score import jackknife

G = np.random.default_rng(0)
N = 2000
NORMAL = G.standard_normal((N, 4))


def test_a_shift_is_its_own_distance():
    assert marginal_wasserstein(NORMAL, NORMAL + 0.3) == pytest.approx(0.3)
    assert sliced_wasserstein(NORMAL[:, :1], NORMAL[:, :1] + 0.3) == pytest.approx(0.3)
    assert sliced_wasserstein(NORMAL, NORMAL) == 0


def test_codes_of_the_prior_score_as_its_floor():
    scores = match_scores(NORMAL, G.standard_normal((2 * N, 4)))
    scores |= {"pair_dependence": pair_dependence(NORMAL), "pair_dependence_floor": pair_dependence_floor(NORMAL)}
    for name in ("prior_distance", "prior_marginals", "prior_ks", "pair_dependence"):
        assert scores[name].value == pytest.approx(scores[f"{name}_floor"].value, rel=0.6)
        assert scores[name].low <= scores[name].value <= scores[name].high
    assert abs(scores["prior_mmd"].value) < 0.002
    narrow = match_scores(0.5 * NORMAL, G.standard_normal((2 * N, 4)))
    assert narrow["prior_distance"].value > 0.3
    assert narrow["prior_mmd"].value > 0.02


def test_the_floor_of_dependence_does_not_know_the_dependence():
    tied = np.repeat(NORMAL[:, :1], 4, 1)
    assert pair_dependence(tied).value == pytest.approx(1, abs=1e-3)
    assert pair_dependence_floor(tied).value < 0.1


def test_total_correlation_and_covariance_ratio_of_a_known_gaussian():
    r = 0.6
    pair = np.stack([NORMAL[:, 0], r * NORMAL[:, 0] + np.sqrt(1 - r**2) * NORMAL[:, 1]], 1)
    assert total_correlation(pair).value == pytest.approx(-0.5 * np.log(1 - r**2), rel=0.1)
    assert covariance_ratio(pair).value == pytest.approx(1 / (1 + r**2), rel=0.03)
    assert total_correlation(np.hstack([NORMAL, np.zeros((N, 1))])).value == pytest.approx(0, abs=0.01)


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
    found = divergence(np.array([[m]]), np.array([[2 * np.log(s)]]))
    assert float(found[0, 0]) == pytest.approx(wanted, abs=1e-7)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    score = jackknife(lambda rows: float(NORMAL[rows, 0].mean()), N)
    assert (score.high - score.low) / 2 == pytest.approx(1.96 / np.sqrt(N), rel=0.6)


def test_a_latent_at_rest_has_no_say_among_the_live():
    """Correlation does not know the scale: a latent of no information that follows a factor counts in LDS, not here."""
    factor = NORMAL[:, 0]
    codes = np.stack([factor, 1e-3 * (factor + NORMAL[:, 1])], 1)
    log_variance = np.stack([np.full(N, -8.0), np.zeros(N)], 1)
    live = active_latents(codes, log_variance)
    assert live.tolist() == [True, False]
    scores = active_scores(codes, {"f": factor}, live, 20)
    assert (scores["lds_all_live"].value, scores["latents_live"].value) == (1, 1)
    assert active_scores(codes, {"f": factor}, np.array([False, False]), 20)["lds_all_live"].value == 0

"""Every interval that claims 95 % covers in 92 to 98 % of fresh draws (run with -m slow).

The truth is the large-sample value where chance adds nothing to the score (none of its parts is 0 or the largest of
equals), else the expected score on that number of rows, the mean of all draws; for a fitted model, which an interval
over its test rows takes as fixed, the score of that very model on many rows. The share of n draws is known to
sqrt(0.05 * 0.95 / n): bounds are widened by two of these, 0.0138 for a thousand.
"""

import numpy as np
import pytest

from auxvae.metrics.agreement import mean_over_models
from auxvae.metrics.alignment import alignment_scores
from auxvae.metrics.leakage import explained
from auxvae.metrics.prior_match import match_scores
from auxvae.metrics.representation import representation
from auxvae.metrics.score import interval, mean_score
from auxvae.metrics.shapes import Shapes, shape_scores
from auxvae.metrics.suite import suite
from auxvae.metrics.swap import slope
from auxvae.metrics.trajectories import curvature, straightness

pytestmark = pytest.mark.slow
LARGE = 100_000


def covers(scores, truth=None):
    """Whether the share of intervals with the truth in them, by default the mean of the scores, is that of 95 %."""
    truth = np.mean([score.value for score in scores]) if truth is None else truth
    share = np.mean([score.low <= truth <= score.high for score in scores])
    slack = 2 * np.sqrt(0.05 * 0.95 / len(scores))
    assert 0.92 - slack <= share <= 0.98 + slack, (share, truth)


def tied(seed, rows):
    """Four noisy mixtures of four factors: no correlation is 0 and every factor has one best latent."""
    g = np.random.default_rng(seed)
    u = g.standard_normal((rows, 4))
    mixing = np.array([[1, 0.5, 0.3, 0.2], [0.3, 1, 0.5, 0.3], [0.3, 0.2, 1, 0.4], [0.2, 0.3, 0.5, 1]])
    return u @ mixing + 0.5 * g.standard_normal((rows, 4)), u


def mixed(seed, rows):
    """Four noisy codes of a continuous factor, one of four values, and one of two."""
    g = np.random.default_rng(seed)
    u = np.column_stack([g.random(rows), g.integers(4, size=rows), g.integers(2, size=rows)])
    mixing = np.array([[1, 0.5, 0, 0], [0, 1 / 3, 0, 0], [0, 0, 1, 0.5]])
    return u @ mixing + g.standard_normal((rows, 4)) * [0.3, 0.3, 0.7, 1], u


def independent(seed, rows):
    """Four latents and three factors that know nothing of each other."""
    g = np.random.default_rng(seed)
    return g.standard_normal((rows, 4)), g.random((rows, 3))


def drawn(make, name, rows, draws):
    return [suite(representation(*make(seed, rows)), [name])[name] for seed in range(draws)]


REGULAR = ("lds", "lds_corrected", "explicitness", "sap", "total_correlation", "wasserstein_correlation",
           "covariance_ratio", "lps_ridge")  # fmt: skip


@pytest.mark.parametrize("name", REGULAR)
def test_of_the_large_sample_value(name):
    truth = suite(representation(*tied(10**6, LARGE)), [name], resamples=0)[name].value
    covers(drawn(tied, name, 1000, 600), truth)


def test_of_the_best_correlation_of_a_factor():
    rho = 0.8 / np.sqrt(0.8**2 + 0.6**2)
    scores = []
    for seed in range(1000):
        g = np.random.default_rng(seed)
        u = g.standard_normal(500)
        codes = np.stack([0.8 * u + 0.6 * g.standard_normal(500), g.standard_normal(500)], 1)
        scores.append(alignment_scores(codes, {"u": u}, (), 100)["rho_u"])
    covers(scores, rho)


@pytest.mark.parametrize(
    ("make", "name", "rows", "draws"),
    [
        (mixed, "mig", 1000, 400),
        (tied, "mig", 1000, 400),
        (mixed, "modularity", 2500, 200),
        (independent, "modularity", 1000, 300),
        (mixed, "tad", 800, 400),
        (mixed, "irs", 800, 400),
        (mixed, "factor_vae", 1000, 150),
        (mixed, "beta_vae", 1000, 150),
        (mixed, "pair_dependence", 400, 300),
        (tied, "pair_dependence", 400, 300),
    ],
    ids=lambda part: getattr(part, "__name__", str(part)),
)
def test_of_the_expected_score_on_so_many_rows(make, name, rows, draws):
    covers(drawn(make, name, rows, draws))


@pytest.mark.parametrize("make", [mixed, tied])
def test_of_the_importances_of_forests(make):
    scores = [suite(representation(*make(seed, 1200)), ["dci"]) for seed in range(120)]
    for name in ("dci_disentanglement", "dci_completeness"):
        covers([each[name] for each in scores])


@pytest.mark.parametrize("name", ["sap_discrete", "explicitness_auc", "dci_informativeness"])
def test_of_a_model_that_is_fitted_once(name):
    z, u = mixed(0, 1500)
    metric = "dci" if name.startswith("dci") else name

    def scored(seed, rows, resamples):
        z_test, u_test = mixed(seed, rows)
        inputs = representation(z, u, codes_test=z_test, factors_test=u_test)
        return suite(inputs, [metric], resamples=resamples)[name]

    covers(
        [scored(seed, 700, 100) for seed in range(1, 121 if metric == "dci" else 301)],
        scored(10**6, LARGE // 4, 0).value,
    )


def test_of_lps_by_networks():
    covers([suite(representation(tied(seed, 1000)[0]), ["lps"])["lps"] for seed in range(150)])


@pytest.mark.parametrize("name", ["prior_distance", "prior_marginals", "prior_mmd", "prior_ks"])
def test_of_distances_from_the_prior(name):
    scores, rows = [], 400
    for seed in range(400):
        g = np.random.default_rng(seed)
        scores.append(match_scores(0.5 + 0.7 * g.standard_normal((rows, 3)), g.standard_normal((2 * rows, 3)))[name])
    covers(scores)


def test_of_means_over_images_and_of_share():
    draws = [np.random.default_rng(seed) for seed in range(2000)]
    covers([mean_score(g.exponential(size=200)) for g in draws], 1.0)
    covers([mean_score((g.random(300) < 0.3).astype(float)) for g in draws], 0.3)


def test_of_biases_and_scatters_of_moments():
    scores = []
    for seed in range(600):
        g = np.random.default_rng(seed)
        true, error = np.ones(300), g.standard_normal((4, 300))
        measured = Shapes(np.exp(0.02 + 0.1 * error[0]), np.exp(0.05 * error[1]), 0.1 * error[2], 0.1 * error[3])
        scores.append(shape_scores(measured, Shapes(true, true, 0 * true, 0 * true)))
    truth = {"flux_bias": 0.02, "flux_scatter": 0.1, "size_bias": 0, "size_scatter": 0.05}
    for name, value in {**truth, "ellipticity_scatter": 0.1 * np.sqrt(2)}.items():
        covers([each[name] for each in scores], value)


def test_of_slopes_of_unequal_variance_and_of_explained_variance():
    slopes, shares = [], []
    for seed in range(1000):
        g = np.random.default_rng(seed)
        x = g.standard_normal(400)
        slopes.append(slope(x, 0.7 * x + np.abs(x) * g.standard_normal(400)))
        shares.append(interval(explained((x + 0.5 * g.standard_normal(400))[:, None], x[:, None], 100), 400))
    covers(slopes, 0.7)
    covers(shares, 1 / 1.25)


def test_of_films():
    """Random walks with momentum; the expected cosine is that of all draws."""
    walks = []
    for seed in range(600):
        g = np.random.default_rng(seed)
        steps = g.standard_normal((60, 12, 3))
        walks.append(np.cumsum(steps[:, 1:] + 0.8 * steps[:, :-1], 1))
    for measure in (straightness, curvature):
        covers([measure(films) for films in walks])


@pytest.mark.parametrize("models", [3, 4, 6, 10])
def test_of_the_mean_agreement_of_models(models):
    scores = []
    for seed in range(2000):
        g = np.random.default_rng(seed)
        effect, noise = 0.05 * g.standard_normal(models), np.triu(0.02 * g.standard_normal((models, models)), 1)
        scores.append(mean_over_models(0.5 + effect[:, None] + effect + noise + noise.T, 100))
    covers(scores, 0.5)

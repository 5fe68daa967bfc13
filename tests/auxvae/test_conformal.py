"""Intervals hold as often as they say, whatever the errors are; widths follow them; qualities are their names."""

import numpy as np
import pytest

from auxvae.metrics.conformal import LEVELS, MOST, PER_BIN, Bins, Line, quantiles, quantiles_by_bin
from auxvae.metrics.local_width import LocalWidth
from auxvae.metrics.measurement import Estimate, quality, quartiles, robust_scatter

ERRORS = {
    "normal": lambda g, shape: g.standard_normal(shape),
    "heavy tails": lambda g, shape: g.standard_t(1.5, shape),
    "skewed": lambda g, shape: g.exponential(size=shape) ** 2,
    "narrow": lambda g, shape: 1e-6 * g.uniform(size=shape),
}


@pytest.mark.parametrize("errors", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("rows", [19, 100, 255])
def test_coverage_is_that_of_the_theorem(errors, rows):
    """P = ceil((n + 1) p) / (n + 1) exactly, on the average over calibrations, with any distribution of errors."""
    g = np.random.default_rng(rows)
    repeats, new = 3000, 20
    scores = np.abs(errors(g, (repeats, rows + new)))
    q = np.array([quantiles(each[:rows]) for each in scores])
    covered = (scores[:, rows:, None] <= q[:, None]).mean((0, 1))
    exact = np.ceil((rows + 1) * np.array(LEVELS) - 1e-9) / (rows + 1)
    error = np.sqrt(exact * (1 - exact) * (1 / repeats / new + 1 / repeats / (rows + 2)))
    assert (np.abs(covered - exact) < 4 * error + 1e-9).all()


def test_too_few_rows_give_no_finite_interval():
    assert quantiles(np.arange(18.0))[1] == np.inf
    assert quantiles(np.arange(19.0))[1] == 18.0


def test_bins_hold_equal_numbers_and_keep_coverage_where_one_quantile_does_not():
    g = np.random.default_rng(0)
    flux, size = g.uniform(size=(2, 40_000))
    scores = np.abs(g.standard_normal(40_000)) * (1 + 4 * flux + 2 * (size > 0.5))
    bins = Bins.of([flux[:20_000], size[:20_000]], 20_000)
    place = bins.place([flux, size], 40_000)
    assert bins.count == MOST**2
    assert np.ptp(np.bincount(place[:20_000])) <= 2
    q = quantiles_by_bin(scores[:20_000], place[:20_000], bins.count)[place]
    by_bin = (scores[:, None] <= q)[20_000:]
    once = (scores[:, None] <= quantiles(scores[:20_000]))[20_000:]
    for rows in quartiles(flux[20_000:]):
        assert (np.abs(by_bin[rows].mean(0) - LEVELS) < 0.02).all()
    assert max(abs(once[rows, 0].mean() - LEVELS[0]) for rows in quartiles(flux[20_000:])) > 0.15


@pytest.mark.parametrize(("variables", "calibrating", "count"), [
    (0, 10**6, 1), (1, 2 * PER_BIN - 1, 1), (1, 2 * PER_BIN, 2), (2, 4 * PER_BIN, 4), (2, 4 * PER_BIN - 1, 1),
])  # fmt: skip
def test_there_are_as_many_bins_as_the_rows_allow(variables, calibrating, count):
    values = list(np.random.default_rng(0).uniform(size=(variables, 1000)))
    assert Bins.of(values, calibrating).count == count


def test_a_bin_that_correlated_variables_leave_empty_has_the_quantile_of_all_rows():
    q = quantiles_by_bin(np.arange(200.0), np.zeros(200, dtype=int), 2)
    np.testing.assert_array_equal(q[0], q[1])


def test_a_line_undoes_shrinkage_and_is_level_where_a_latent_says_nothing():
    true = np.linspace(-1, 1, 101)
    line = Line.of(0.3 + 0.5 * true, true)
    np.testing.assert_allclose(line(0.3 + 0.5 * true), true, atol=1e-12)
    np.testing.assert_allclose(line.width(np.ones(3)), 2)
    level = Line.of(np.full(101, 7.0), true)
    np.testing.assert_allclose(level(np.full(3, 7.0)), 0, atol=1e-12)
    assert (level.width(np.ones(3)) == 1).all()


def test_a_local_width_learns_where_errors_are_large():
    g = np.random.default_rng(0)
    estimates, std = g.uniform(-1, 1, (8000, 2)), np.full(8000, 0.1)
    sigma = np.exp(estimates[:, 0] - 0.5 * estimates[:, 1] ** 2)
    width = LocalWidth.of(estimates, std, sigma * g.standard_normal(8000))(estimates, std)
    ratio = np.log(width / sigma)
    assert ratio.std() < 0.1
    assert width.min() > 0


def test_a_local_width_is_the_posteriors_where_there_are_few_rows_and_bounded_far_away():
    g = np.random.default_rng(0)
    few, std = g.uniform(-1, 1, (50, 2)), g.uniform(0.1, 0.2, 50)
    np.testing.assert_array_equal(LocalWidth.of(few, std, g.standard_normal(50))(few, std), std)
    many, one = g.uniform(-1, 1, (4000, 2)), np.ones(4000)
    width = LocalWidth.of(many, one, np.exp(3 * many[:, 0]) * g.standard_normal(4000))
    far, edge = np.array([[100.0, 0.0]]), np.array([[many[:, 0].max(), 0.0]])
    np.testing.assert_allclose(width(far, np.ones(1)), width(edge, np.ones(1)))


def test_quality_is_that_of_the_errors():
    g = np.random.default_rng(0)
    true = g.uniform(size=20_000)
    value = true + 0.5 + 0.1 * g.standard_normal(20_000)
    value[:200] += 100  # outliers, which the bias has and the scatter has not
    half = np.tile([0.6, 0.7], (20_000, 1))
    each = quality(Estimate(value, half[:, 0], half), true)
    assert each.rows == 20_000
    assert abs(each.bias - 1.5) < 5 * each.bias_error
    assert abs(each.scatter - 0.1) < 0.005
    np.testing.assert_allclose(each.coverage, [0.841 * 0.99, 0.977 * 0.99], atol=0.01)
    np.testing.assert_allclose(each.coverage_error, np.sqrt(each.coverage * (1 - each.coverage) / 20_000))
    assert robust_scatter(np.full(5, 3.0)) == 0

"""Images like the reference are rarely called outside, others are, and a whole store gets the verdict of its share."""

import numpy as np
import pytest

from auxvae.metrics.domain import STATISTICS, Domain, Reconstructed, combined, mean_error, rows_needed, share_outside

RATE = 0.05


def images(g, rows, shift=0.0, cost=0.0, width=0.0):
    """Codes of four latents, one of them inactive, in a box; nats of 500 pixels with heavy tails."""
    mean = g.uniform(-1, 1, (rows, 4)) + shift
    mean[:, 3] *= 1e-4
    log_variance = np.tile([-6.0, -5.0, -6.0, 0.0], (rows, 1)) + 0.3 * g.standard_normal((rows, 4)) + width
    nats = 250 + 16 * g.standard_t(3, rows) + cost
    return Reconstructed(mean, log_variance, nats, np.full(rows, 250.0))


def outside(domain, others):
    return combined(domain.p_values(others)) <= RATE


def test_false_alarms_are_no_more_than_stated_on_the_average():
    g = np.random.default_rng(0)
    shares = np.array([outside(Domain.of(images(g, 240)), images(g, 200)).mean() for _ in range(200)])
    error = shares.std() / np.sqrt(200)
    assert shares.mean() < RATE + 3 * error
    assert shares.mean() > RATE / 3  # three statistics, each at a third of the rate: not idle


@pytest.mark.parametrize(
    "strange", [{"shift": 1.5}, {"cost": 300}, {"cost": -300}, {"width": 4}, {"width": -4}], ids=str
)
def test_what_is_strange_is_noticed(strange):
    g = np.random.default_rng(1)
    domain = Domain.of(images(g, 600))
    assert outside(domain, images(g, 300, **strange)).mean() > 0.5
    p_values = domain.p_values(images(g, 300, **strange))
    assert min(each.mean() for each in p_values.values()) < 0.5 - 6 * mean_error(300, 300)


def test_p_values_of_alike_images_are_even():
    g = np.random.default_rng(2)
    p_values = Domain.of(images(g, 4000)).p_values(images(g, 4000))
    for name in STATISTICS:
        assert abs(p_values[name].mean() - 0.5) < 4 * mean_error(4000, 2000)
        assert p_values[name].min() >= 1 / 2001


def test_inactive_latents_are_left_out():
    domain = Domain.of(images(np.random.default_rng(0), 600))
    assert domain.neighbours.active.tolist() == [True, True, True, False]


def test_an_encoder_without_a_width_is_judged_by_the_others():
    g = np.random.default_rng(0)
    points, strange = images(g, 600), images(g, 300, cost=300)
    points.log_variance[:], strange.log_variance[:] = -20.0, -20.0
    domain = Domain.of(points)
    assert domain.constant == ["log_variance"]
    assert (domain.p_values(strange)["log_variance"] == 1).all()
    assert outside(domain, strange).mean() > 0.5


def test_codes_that_do_not_vary_have_distances():
    g = np.random.default_rng(0)
    constant = images(g, 400)
    constant.mean[:] = 0.0
    domain = Domain.of(constant)
    assert np.isfinite(domain.values(constant)["distance"]).all()


@pytest.mark.parametrize(("rate", "rows"), [(0.01, 299), (0.05, 59), (0.5, 5)])
def test_fewer_rows_than_needed_would_never_call_anything_outside(rate, rows):
    assert rows_needed(rate) == rows
    assert 3 / (rows + 1) <= rate < 3 / rows


@pytest.mark.parametrize(
    ("count", "images", "verdict"),
    [
        (0, 1000, "inside"),
        (12, 1000, "inside"),
        (80, 1000, "partly outside"),
        (700, 1000, "outside"),
        (2, 4, "partly outside"),
    ],
)
def test_the_verdict_is_that_of_the_interval(count, images, verdict):
    share = share_outside(np.arange(images) < count, 0.01, 1000)
    assert share.verdict == verdict
    assert share.low <= count / images <= share.high
    assert share.alarms >= 0.01

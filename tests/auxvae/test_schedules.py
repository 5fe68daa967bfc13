"""Levels of noise: limits, densities and published values of every schedule."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from auxvae.models.schedules import CURVES, Schedule, alpha, sigma

EVERY = pytest.mark.parametrize("name", [*CURVES])


def level_at(schedule, time):
    return float(schedule.level(torch.tensor(time, dtype=torch.float64)))


@EVERY
def test_levels_fall_from_the_cleanest_to_the_noisiest(name):
    schedule = Schedule(name, -8.0, 2.5)
    levels = schedule.level(torch.linspace(0, 1, 1000, dtype=torch.float64))
    assert levels[0] == pytest.approx(2.5) and levels[-1] == pytest.approx(-8)
    assert (levels.diff() < 0).all()


@EVERY
def test_the_density_is_that_of_levels_at_uniform_times(name):
    schedule = Schedule(name, -8.0, 2.5)
    density = lambda level: float(schedule.density(torch.tensor(level, dtype=torch.float64)))  # noqa: E731
    assert quad(density, -8, 2.5)[0] == pytest.approx(1, abs=1e-7)
    for time in (0.1, 0.5, 0.9):
        step = (level_at(schedule, time - 1e-5) - level_at(schedule, time + 1e-5)) / 2e-5
        assert density(level_at(schedule, time)) == pytest.approx(1 / step, rel=1e-4)


@EVERY
def test_signal_and_noise_share_a_variance_of_one(name):
    level = Schedule(name, -15.0, 15.0).level(torch.rand(1000, dtype=torch.float64))
    torch.testing.assert_close(alpha(level) ** 2 + sigma(level) ** 2, torch.ones_like(level))
    torch.testing.assert_close((alpha(level) / sigma(level)).log() * 2, level)


def test_the_linear_schedule_is_that_of_a_thousand_steps():
    beta = np.linspace(1e-4, 0.02, 1000)  # arXiv:2006.11239, section 4
    kept = np.cumprod(1 - beta)
    time = torch.tensor(np.arange(1, 1001) / 1000)
    levels = CURVES["linear"].level(time).numpy()
    np.testing.assert_allclose(levels[20:], np.log(kept / (1 - kept))[20:], atol=0.07)  # steps are not infinitesimal


def test_the_cosine_schedule_keeps_the_square_of_a_cosine():
    time = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    kept = torch.sigmoid(CURVES["cosine"].level(time))
    torch.testing.assert_close(kept, torch.cos(torch.pi / 2 * time) ** 2)

"""Posteriors that cover, that are too narrow and that are too wide."""

import numpy as np
import pytest

from auxvae.metrics.calibration import calibration_scores

RNG = np.random.default_rng(0)
U = RNG.random((4000, 1))


@pytest.mark.parametrize(("width", "within_68", "within_95"), [(1, 0.683, 0.95), (0.2, 0.159, 0.305), (3, 0.997, 1.0)])
def test_the_shares_are_those_of_a_normal_error(width, within_68, within_95):
    std = 0.02 + 0.1 * RNG.random(U.shape)  # of each row another one
    mean = U + std * RNG.standard_normal(U.shape)
    scores = calibration_scores(mean, width * std, U, ("flux",))
    assert scores["covered_68_flux"].value == pytest.approx(within_68, abs=0.02)
    assert scores["covered_95_flux"].value == pytest.approx(within_95, abs=0.02)
    assert scores["error_flux"].value == pytest.approx(np.sqrt(np.mean((mean - U) ** 2)))
    assert scores["width_flux"].value == pytest.approx(width * std.mean())
    assert scores["covered_68_flux"].low < scores["covered_68_flux"].value

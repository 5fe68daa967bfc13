"""The noise has the declared mean and variance, and depends on seed and row alone."""

import galsim
import numpy as np
import pytest

from foundation.declare import read
from simulations.noise import add_noise, noise_std
from simulations.spec import Noise

STAMP = np.outer(np.hanning(33), np.hanning(33)).astype(np.float32) * 200
KINDS = {
    "none": {"kind": "none"},
    "gaussian by sigma": {"kind": "gaussian", "sigma": 3.0},
    "gaussian by signal to noise": {"kind": "gaussian", "snr": 40.0},
    "poisson": {"kind": "poisson"},
    "poisson over a sky": {"kind": "poisson", "sky": 25.0},
}


def noise(case):
    return read(Noise, KINDS[case], "noise", [])


def expected_variance(declared):
    if declared.kind == "none":
        return np.zeros_like(STAMP)
    if declared.kind == "gaussian":
        return np.full_like(STAMP, noise_std(declared, STAMP) ** 2)
    return STAMP + (declared.sky or 0)


@pytest.mark.parametrize("case", KINDS)
def test_mean_and_variance_are_those_declared(case):
    draws = np.stack([add_noise(noise(case), STAMP, 1, row) for row in range(2000)])
    assert draws.dtype == np.float32
    draws, variance = draws.astype(np.float64), expected_variance(noise(case))
    error = np.sqrt(variance / 2000)
    assert (np.abs(draws.mean(0) - STAMP) <= 5.5 * error + 1e-4).all()
    assert draws.var(0).mean() == pytest.approx(variance.mean(), rel=0.01)


@pytest.mark.parametrize("case", KINDS)
def test_noise_depends_on_seed_and_row_alone(case):
    declared = noise(case)
    first = add_noise(declared, STAMP, 7, 3)
    add_noise(declared, STAMP, 7, 2)
    assert np.array_equal(first, add_noise(declared, STAMP, 7, 3))
    if declared.kind != "none":
        assert not np.array_equal(first, add_noise(declared, STAMP, 7, 4))
        assert not np.array_equal(first, add_noise(declared, STAMP, 8, 3))


def test_signal_to_noise_is_that_of_galsim():
    image = galsim.Image(STAMP.astype(np.float64).copy())
    variance = image.addNoiseSNR(galsim.GaussianNoise(galsim.BaseDeviate(1)), snr=40, preserve_flux=True)
    assert noise_std(noise("gaussian by signal to noise"), STAMP) == pytest.approx(np.sqrt(variance), rel=1e-4)

"""Pixels contradict what is stated of them: each contradiction is a sentence, and nothing else is refused."""

from itertools import pairwise

import numpy as np
import pytest

from foundation.faults import Refused
from simulations.pixels import Pixels

G = np.random.default_rng(4)
PHOTONS = G.poisson(20.0, (12, 6, 6)).astype(np.float64)
POISSON, SKY, NONE = {"kind": "poisson", "sky": 0.0}, {"kind": "poisson", "sky": 5.0}, {"kind": "none"}


def checked(images, noise, blocks=1):
    pixels = Pixels("x", noise, len(images))
    starts = np.linspace(0, len(images), blocks + 1).astype(int)
    return np.concatenate([pixels.checked(images[a:b], a) for a, b in pairwise(starts)])


TAKEN = {
    "photons": (PHOTONS, POISSON),
    "photons less a sky": (PHOTONS - 5, SKY),
    "black images": (PHOTONS * (np.arange(12) % 2)[:, None, None], POISSON),
    "bytes": (PHOTONS.astype(np.uint8), POISSON),
    "negative ones": (-PHOTONS, NONE),
    "logarithms": (np.log10(PHOTONS / 1e3 + 1e-4), NONE),
    "cgs units": (PHOTONS * 1e-19, {"kind": "gaussian", "sigma": 1e-19}),
    "few photons": (np.minimum(PHOTONS, 3), POISSON),
    "truth of many photons": (PHOTONS + 0.3, POISSON),
}


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("case", TAKEN)
def test_pixels_are_kept_in_single_precision(case, blocks):
    images, noise = TAKEN[case]
    np.testing.assert_array_equal(checked(images, noise, blocks), images.astype(np.float32))


def spoilt(value, images=PHOTONS):
    result = images.copy()
    result[7, 2, 3:5] = value
    return result


REFUSED = {
    "not finite": (spoilt(np.nan), NONE, "found 2 pixels that are not finite"),
    "beyond float32": (spoilt(1e300), NONE, "found 2 pixels that are not finite"),
    "a mark": (spoilt(-1e30), NONE, "found 2 times -1e+30 among values from"),
    "a mark of the sky": (spoilt(-99.0, PHOTONS + 0.25), NONE, "found 2 times -99 among values from"),
    "fewer than no photons": (PHOTONS - 25, POISSON, "pixels are at least 0; state the sky with poisson:SKY"),
    "below the sky": (PHOTONS - 25, SKY, "pixels are at least -5"),
    "another unit": (PHOTONS * 1e-19, POISSON, "Poisson noise is that of counted photons"),
    "photons per second": (PHOTONS / 10, POISSON, "no pixel above"),
    "an offset": (1e8 + PHOTONS / 100, NONE, "pixels near 1e+08 that vary by 0.04"),
}


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("case", REFUSED)
def test_contradictions_are_told(case, blocks):
    images, noise, sentence = REFUSED[case]
    with pytest.raises(Refused) as refused:
        checked(images, noise, blocks)
    assert sentence in str(refused.value)
    if blocks == 3 and "2 " in sentence:
        assert "rows 4 to 7" in str(refused.value)

"""The noise of one image, addressed by (seed, row).

gaussian  x = m + sigma e,  e ~ N(0, 1)           sigma declared, or sqrt(sum m^2) / snr of the noise-free stamp m
poisson   x = Poisson(m + sky) - sky              sky in photons per pixel
"""

from __future__ import annotations

import math

import numpy as np

from simulations.galaxy import Stamp
from simulations.randomness import generator
from simulations.spec import Noise


def noise_std(noise: Noise, stamp: Stamp) -> float:
    """Standard deviation (ph) of the Gaussian noise of one stamp; NaN for any other noise."""
    if noise.kind != "gaussian":
        return math.nan
    if noise.sigma is not None:
        return noise.sigma
    return float(np.sqrt(np.sum(stamp.astype(np.float64) ** 2))) / (noise.snr or math.nan)


def add_noise(noise: Noise, stamp: Stamp, seed: int, row: int) -> Stamp:
    """The stamp (photons per pixel) with the noise of this seed and row added, float32."""
    if noise.kind == "none":
        return stamp
    source = generator(seed, "noise", row)
    if noise.kind == "gaussian":
        return (stamp + noise_std(noise, stamp) * source.standard_normal(stamp.shape)).astype(np.float32)
    sky = noise.sky or 0.0
    mean = np.maximum(stamp, 0).astype(np.float64) + sky  # ringing of the Fourier drawing is slightly negative
    return (source.poisson(mean) - sky).astype(np.float32)

"""Data sets by name: settings that a config takes with `preset: NAME` and may override key by key."""

from __future__ import annotations

from typing import Any

# The galaxies of arXiv 2507.00298, read off the authors' released generator: 16,384 sheared exponential disks under a
# Gaussian PSF on 33 x 33 pixels of 0.2 arcsec, Latin hypercube, Poisson noise without sky. Two deviations: every
# image has noise of its own (the release draws all with one seed), and images are kept in photons.
PAPER: dict[str, Any] = {
    "galaxies": 16384,
    "seed": 7,
    "design": "latin_hypercube",
    "scene": {"galaxy": "exponential", "psf": "gaussian", "radius": "scale", "stamp": 33, "pixel_scale": 0.2},
    "noise": {"kind": "poisson", "sky": 0.0},
    "factors": {
        "radius": {"unit": "arcsec", "distribution": "uniform", "low": 0.1, "high": 1.0},
        "g1": {"distribution": "uniform", "low": -0.5, "high": 0.5},
        "g2": {"distribution": "uniform", "low": -0.5, "high": 0.5},
        "flux": {"unit": "ph", "distribution": "uniform", "low": 1.0e4, "high": 1.0e5},
        "psf_fwhm": {"unit": "arcsec", "distribution": "uniform", "low": 0.2, "high": 0.4},
    },
}

PRESETS = {"paper": PAPER}

"""Data sets by name: settings that a config takes with `preset: NAME` and may override key by key.

The sections `scene`, `noise` and `split` are overridden key by key too, except that noise of another kind replaces the
preset's. `factors` is the list of what varies, and replaces the preset's as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulations.parameters import QUADS
from simulations.quad_model import contexts, mechanisms

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

# The quads of arXiv 2507.04754: 50,000 images of each context that trains, 10,000 of each pair that is held out. A
# factor is Phi of its normal score, 0 to 1; the size is 0.2 + 0.8 of that.
QUAD: dict[str, Any] = {
    "galaxies": 440_000,
    "seed": 7,
    "design": "random",
    "scene": {"kind": "quads", "stamp": 64},
    "factors": {
        name: {"distribution": "uniform", "low": 0.2 if name == "size" else 0.0, "high": 1.0} for name in QUADS
    },
    "mechanisms": mechanisms(),
    "contexts": contexts(),
}
QUAD_INDEPENDENT = {key: value for key, value in QUAD.items() if key != "mechanisms"}

# Digits in the contexts of Morpho-MNIST: each operation varies a little where nothing is done, and much where it is
# intervened on. Two pairs are held out.
_UNIFORM = {"distribution": "uniform"}
DIGITS: dict[str, Any] = {
    "galaxies": 70_000,
    "seed": 7,
    "design": "random",
    "scene": {"kind": "digits", "stamp": 28},
    "factors": {
        "digit": {**_UNIFORM, "low": 0, "high": 1},
        "pen": {**_UNIFORM, "unit": "pix", "low": 1.8, "high": 2.6},
        **{f"hand_{i}": {**_UNIFORM, "low": -1, "high": 1} for i in (1, 2, 3)},
        **{
            name: {"distribution": "log_uniform", "low": 0.02, "high": 1}
            for name in ("thinning", "thickening", "swelling")
        },  # little, mostly
        "slant": {**_UNIFORM, "low": -0.8, "high": 0.8},
        "scaling": {**_UNIFORM, "low": 0.6, "high": 1},
        **{f"shift_{axis}": {**_UNIFORM, "unit": "pix", "low": -3, "high": 3} for axis in "xy"},
    },
    "contexts": {
        "obs": {},
        "thin": {"do": {"thinning": {"mean": 1.5, "std": 0.4}}},
        "thic": {"do": {"thickening": {"mean": 1.5, "std": 0.4}}},
        "swel": {"do": {"swelling": {"mean": 1.5, "std": 0.4}}},
        "shear": {"do": {"slant": {"mean": 1.5, "std": 0.4}}},
        "scale": {"do": {"scaling": {"mean": -1.5, "std": 0.4}}},
        "shift": {"do": {f"shift_{axis}": {"mean": 1.5, "std": 0.4} for axis in "xy"}},
        **{
            f"{one}_{other}": {
                "do": {a: {"mean": 1.5, "std": 0.4}, b: {"mean": 1.5, "std": 0.4}},
                "share": 0.2,
                "held_out": True,
            }
            for one, other, a, b in (("thic", "shear", "thickening", "slant"), ("thin", "swel", "thinning", "swelling"))
        },
    },
}

# Disks of three factors, whose range along x is twice that along y, and of five: with equal ranges nothing but the
# images' own symmetry would tell x and y from any other pair of axes at right angles.
_PLACES = {
    f"disk_{axis}": {**_UNIFORM, "unit": "pix", "low": -low, "high": low} for axis, low in (("x", 7), ("y", 3.5))
}
_BRIGHTNESS = {**_UNIFORM, "low": 0.2, "high": 0.8}
DISKS: dict[str, Any] = {
    "galaxies": 16_384,
    "seed": 7,
    "design": "random",
    "scene": {"kind": "disks", "stamp": 32, "constants": {"disk_radius": 8, "foreground": 1}},
    "factors": {**_PLACES, "background": _BRIGHTNESS},
}
DISKS_FIVE: dict[str, Any] = {
    **DISKS,
    "scene": {"kind": "disks", "stamp": 32},
    "factors": {
        **_PLACES,
        "disk_radius": {**_UNIFORM, "unit": "pix", "low": 3, "high": 8},
        "foreground": {**_UNIFORM, "low": 0, "high": 1},
        "background": {**_UNIFORM, "low": 0, "high": 1},
    },
}

PRESETS = {
    "paper": PAPER,
    "quad": QUAD,
    "quad_independent": QUAD_INDEPENDENT,
    "digits": DIGITS,
    "disks": DISKS,
    "disks_five": DISKS_FIVE,
}


def over_preset(preset: Mapping[str, Any], written: Mapping[Any, Any]) -> dict[Any, Any]:
    """The settings that are written, `preset` left out, over those of a preset."""
    merged = {**preset, **{key: value for key, value in written.items() if key != "preset"}}
    for section in ("scene", "noise", "split"):
        below, above = preset.get(section), written.get(section)
        if isinstance(below, Mapping) and isinstance(above, Mapping) and _is_of_kind(above, below):
            merged[section] = {**below, **above}
    return merged


def _is_of_kind(written: Mapping[Any, Any], preset: Mapping[str, Any]) -> bool:
    """Whether a section does not name another kind than the preset's, whose settings it would not take."""
    return "kind" not in written or written["kind"] == preset.get("kind")

"""The bound of Cramér and Rao against closed forms: the flux and the size of Gaussian profiles."""

import json
import subprocess
import sys

import numpy as np
import pytest

from foundation.faults import Refused
from simulations.facts import read_declared
from simulations.limits import blended_information, hidden, information, least_errors, limits, moved, rows_at_steps
from tests.auxvae.test_stores_of_kinds import written
from tests.conftest import ROOT

SIZE, SIGMA = 3.0, 5.0  # pixels; photons per pixel
FWHM_OF_SIGMA = 2.3548200450309493
HALF_LIGHT_OF_SIGMA = 1.1774100225154747


def gaussian_dataset(factors, noise, psf_fwhm=0.1):
    """A Gaussian galaxy (Sérsic n = 1/2), much larger than its PSF and its pixels, that fits on its stamp."""
    declared = {
        "galaxies": 64,
        "scene": {
            "galaxy": "sersic", "psf": "gaussian", "radius": "half_light", "stamp": 61, "pixel_scale": 1.0,
            "constants": {"sersic_index": 0.5, "psf_fwhm": psf_fwhm},
        },
        "noise": noise,
        "factors": {
            name: {"unit": unit, "distribution": "uniform", "low": 0.8 * middle, "high": 1.2 * middle}
            for name, (unit, middle) in factors.items()
        },
    }  # fmt: skip
    faults = []
    dataset = read_declared({"datasets": {"d": declared}}, faults).simulated["d"]
    assert not faults
    return dataset


FLUX, RADIUS = ("ph", 1e5), ("arcsec", SIZE * HALF_LIGHT_OF_SIGMA)
# The pixel, of variance 1/12, and the PSF widen the profile.
WIDTH = np.sqrt(SIZE**2 + 1 / 12 + (0.1 / FWHM_OF_SIGMA) ** 2)


def test_flux_and_size_of_a_gaussian_in_gaussian_noise():
    """var(flux) = 8 pi s^2 sigma^2 with the size free, half of it where flux and size are one number less."""
    dataset = gaussian_dataset({"flux": FLUX, "radius": RADIUS}, {"kind": "gaussian", "sigma": SIGMA})
    matrix = information(dataset, {"flux": FLUX[1], "radius": RADIUS[1]}, np.array([1e4, 0.5]))
    free, alone = least_errors(matrix), matrix[0, 0] ** -0.5
    np.testing.assert_allclose(alone, np.sqrt(4 * np.pi) * WIDTH * SIGMA, rtol=3e-3)
    np.testing.assert_allclose(free[0], np.sqrt(8 * np.pi) * WIDTH * SIGMA, rtol=3e-3)
    of_size = np.sqrt(4 * np.pi) * WIDTH**2 * SIGMA / FLUX[1]  # of s itself, by the inverse of the same 2 x 2 matrix
    np.testing.assert_allclose(free[1], of_size * HALF_LIGHT_OF_SIGMA * WIDTH / SIZE, rtol=3e-3)


def test_flux_in_photons_alone_has_the_square_root_of_their_number():
    noise = {"kind": "poisson", "sky": 0.0}
    matrix = information(
        gaussian_dataset({"flux": FLUX, "radius": RADIUS}, noise),
        {"flux": FLUX[1], "radius": RADIUS[1]},
        np.array([1e4, 0.5]),
    )
    np.testing.assert_allclose(least_errors(matrix)[0], np.sqrt(FLUX[1]), rtol=1e-3)
    of_size = WIDTH / np.sqrt(2 * 2 * FLUX[1])  # Fisher information of the width of N photons in the plane: 4 N / s^2
    np.testing.assert_allclose(least_errors(matrix)[1], of_size * HALF_LIGHT_OF_SIGMA * WIDTH / SIZE, rtol=3e-3)


def test_a_bright_sky_is_gaussian_noise_of_its_variance():
    dataset = {
        kind: gaussian_dataset({"flux": ("ph", 1e3), "radius": RADIUS}, noise)
        for kind, noise in (("sky", {"kind": "poisson", "sky": 1e6}), ("sigma", {"kind": "gaussian", "sigma": 1e3}))
    }
    matrices = [
        information(each, {"flux": 1e3, "radius": RADIUS[1]}, np.array([1e2, 0.5])) for each in dataset.values()
    ]
    np.testing.assert_allclose(*matrices, rtol=1e-3)


@pytest.mark.parametrize(
    ("matrix", "errors"),
    [(np.diag([4.0, 1e-8]), [0.5, 1e4]), (np.zeros((2, 2)), [np.inf, np.inf]), (np.ones((2, 2)), [np.inf, np.inf])],
)
def test_least_errors(matrix, errors):
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(least_errors(matrix), errors)


SCENES = {
    "exponential": {},
    "sersic": {"sersic_index": (6.1, 6.2)},  # at the end of GalSim's range
    "de_vaucouleurs": {},
    "bulge_disk": {"bulge_fraction": (0.0, 0.1), "bulge_radius": (0.2, 0.3)},
}


@pytest.mark.parametrize("galaxy", SCENES)
@pytest.mark.parametrize("psf", ["gaussian", "moffat", "kolmogorov", "airy"])
@pytest.mark.parametrize("noise", [{"kind": "poisson", "sky": 5.0}, {"kind": "gaussian", "snr": 200}])
def test_every_scene_has_limits_which_rise_with_each_free_factor(galaxy, psf, noise):
    ranges = {"flux": (1e5, 2e5), "radius": (0.5, 0.8), "g1": (-0.2, 0.2), "psf_fwhm": (0.5, 0.7), **SCENES[galaxy]}
    units = {"flux": "ph", "radius": "arcsec", "psf_fwhm": "arcsec", "bulge_radius": "arcsec"}
    declared = {
        "galaxies": 64,
        "scene": {"galaxy": galaxy, "psf": psf, "radius": "half_light", "stamp": 33, "pixel_scale": 0.2},
        "noise": noise,
        "factors": {
            name: {"unit": units.get(name, ""), "distribution": "uniform", "low": low, "high": high}
            for name, (low, high) in ranges.items()
        },
    }
    faults = []
    dataset = read_declared({"datasets": {"d": declared}}, faults).simulated["d"]
    assert not faults
    spread = np.array([(high - low) / 4 for low, high in ranges.values()])
    matrix = information(dataset, {name: high for name, (_, high) in ranges.items()}, spread)
    errors = least_errors(matrix)
    np.testing.assert_allclose(matrix, matrix.T)
    assert np.isfinite(errors).all()
    assert (errors >= np.diag(matrix) ** -0.5 * (1 - 1e-9)).all()
    assert (least_errors(matrix[:2, :2]) <= errors[:2] * (1 + 1e-9)).all()


def test_steps_are_those_of_a_split():
    split = np.array([0, 0, 1, 2, 2, 2, 2, 0])
    assert rows_at_steps(split, 2, "test").tolist() == [3, 5]
    assert rows_at_steps(split, 100).tolist() == list(range(8))


def test_half_of_a_symmetric_image_holds_half_of_the_information():
    dataset = gaussian_dataset({"flux": FLUX, "radius": RADIUS}, {"kind": "gaussian", "sigma": SIGMA})
    galaxy, spread = {"flux": FLUX[1], "radius": RADIUS[1]}, np.array([1e4, 0.5])
    parts = [information(dataset, galaxy, spread, hidden(61, mask)) for mask in (0.0, 30 / 61, 31 / 61)]
    np.testing.assert_allclose(parts[1] + parts[2], parts[0], rtol=1e-6)
    np.testing.assert_allclose(parts[0], information(dataset, galaxy, spread), rtol=0)
    with pytest.raises(Refused, match="an image needs a pixel that counts"):
        hidden(61, 1.0)


@pytest.mark.parametrize("kind", ["poisson", "gaussian"])
def test_far_sources_do_not_disturb_each_other_and_near_ones_do(kind):
    noise = {"kind": "gaussian", "sigma": SIGMA} if kind == "gaussian" else {"kind": "poisson", "sky": 10.0}
    dataset = gaussian_dataset({"flux": FLUX, "radius": ("arcsec", 1.5)}, noise)
    one, other = {"flux": 1e5, "radius": 1.5}, {"flux": 9e4, "radius": 1.4}
    spread, every = np.array([1e4, 0.5]), hidden(61, 0.0)
    apart = [least_errors(information(dataset, each, spread)) for each in (one, other)]
    far, near = (
        least_errors(blended_information(dataset, one, other, offset, spread, every)) for offset in ((18, 0), (0, 3))
    )
    np.testing.assert_allclose(far, np.concatenate(apart), rtol=0.06)
    assert (near > 1.02 * np.concatenate(apart)).all()


def test_stamps_move_by_whole_pixels():
    stamp = np.arange(25.0)
    assert moved(stamp, (1, -2), 5).reshape(5, 5)[1].tolist() == [2, 3, 4, 0, 0]
    assert moved(stamp, (1, -2), 5).reshape(5, 5)[0].tolist() == [0] * 5
    assert moved(np.stack([stamp, stamp]), (0, 0), 5).tolist() == [stamp.tolist()] * 2


@pytest.mark.parametrize(
    ("option", "text", "sentence"),
    [("at", "4:2", "START:STOP"), ("second", "1", "two whole numbers"), ("second", "0,0", "lies elsewhere")],
)
def test_parts_that_are_none_are_refused(tiny_store, tmp_path, option, text, sentence):
    with pytest.raises(Refused, match=sentence):
        limits(tiny_store, tmp_path / "l.npz", 4, **{option: text})
    assert not [*tmp_path.iterdir()]


def test_the_command_writes_limits_with_and_without_the_prior(tiny_store, tmp_path):
    out = tmp_path / "limits.npz"
    command = [sys.executable, "-m", "simulations", "limits", tiny_store, out, "--rows", "4", "--split", "test"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answer = json.loads(ended.stdout)
    assert answer["rows"] == 4
    with np.load(out) as file:
        for name in answer["factors"]:
            assert (file[f"{name}_with_prior"] < file[name]).all()
            assert (file[name] > 0).all()
        assert (file["psf_fwhm_with_prior"] < 0.2 / np.sqrt(12) * 1.1).all()


def test_what_has_no_limit_is_refused(tmp_path):
    with pytest.raises(Refused, match="not simulated"):
        limits(written(tmp_path), tmp_path / "out.npz", 4)
    assert not (tmp_path / "out.npz").exists()


def test_a_factor_that_is_known_helps_the_others(tiny_store, tmp_path):
    """As much as fixing it does: the limits are those of the other factors' block of F."""
    fixed = ["psf_fwhm", "flux"]
    limits(tiny_store, tmp_path / "all.npz", 4)
    limits(tiny_store, tmp_path / "three.npz", 4, fixed=fixed)
    every, three = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("all", "three"))
    assert {*every} - {*three} == {f"{name}{end}" for name in fixed for end in ("", "_with_prior")}
    for name in ("radius", "g1", "g2"):
        assert (three[name] <= every[name] * (1 + 1e-9)).all()
    assert (three["radius"] < 0.99 * every["radius"]).any()


@pytest.mark.parametrize(
    ("fixed", "sentence"),
    [
        (["psf"], "found 'psf', but the factors are radius"),
        (["radius", "g1", "g2", "flux", "psf_fwhm"], "a factor must be left to estimate"),
    ],
)
def test_factors_that_cannot_be_fixed_are_refused(fixed, sentence, tiny_store, tmp_path):
    with pytest.raises(Refused, match=sentence):
        limits(tiny_store, tmp_path / "out.npz", 4, fixed=fixed)
    assert not (tmp_path / "out.npz").exists()

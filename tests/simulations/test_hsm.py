"""HSM's shapes of a store: the shear of simulated galaxies without their PSF, and failures that are counted."""

import json
import subprocess
import sys

import galsim
import numpy as np
import pytest
import zarr

from foundation.faults import Refused
from simulations.convert import convert
from simulations.draw import simulate
from simulations.facts import read_declared
from simulations.hsm import NAMES, shape_of, shapes
from simulations.sources.options import Options
from tests.auxvae.test_stores_of_kinds import written
from tests.conftest import ROOT

DATASET = {
    "preset": "paper",
    "galaxies": 200,
    "factors": {
        "radius": {"unit": "arcsec", "distribution": "uniform", "low": 0.3, "high": 0.5},
        "g1": {"distribution": "uniform", "low": -0.3, "high": 0.3},
        "g2": {"distribution": "uniform", "low": -0.3, "high": 0.3},
        "flux": {"unit": "ph", "distribution": "uniform", "low": 50_000, "high": 100_000},
        "psf_fwhm": {"unit": "arcsec", "distribution": "uniform", "low": 0.6, "high": 0.8},
    },
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    declared = read_declared({"datasets": {"d": DATASET}}, [])
    path = tmp_path_factory.mktemp("hsm") / "d.zarr"
    simulate(declared.simulated["d"], declared.facts["d"], path)
    return path


def test_shear_is_that_of_the_galaxy_and_moments_have_the_psf_in_them(store, tmp_path):
    command = [sys.executable, "-m", "simulations", "shapes", store, tmp_path / "out.npz"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == {"rows": 200, "no_moments": 0, "no_shear": 0}
    group = zarr.open_group(store, mode="r")
    with np.load(tmp_path / "out.npz") as file:
        assert file["row"].tolist() == list(range(200))
        for k in "12":
            slope, offset = np.polyfit(group[f"g{k}"][:], file[f"g{k}"], 1)
            assert abs(slope - 1) < 0.05
            assert abs(offset) < 0.005
            # e of a galaxy of shear g is 2 g / (1 + g^2), about 2 g; the round PSF makes it smaller.
            assert 0.5 < np.polyfit(group[f"g{k}"][:], file[f"e{k}"], 1)[0] < 1.8
        assert np.corrcoef(file["sigma"], group["radius"][:])[0, 1] > 0.8


def test_a_gaussian_has_its_own_moments_and_what_fails_is_nan():
    drawn = galsim.Gaussian(sigma=3).shear(e1=0.3, e2=-0.1).drawImage(nx=41, ny=41, scale=1, method="no_pixel")
    np.testing.assert_allclose(shape_of(drawn.array, None)[:3], [3, 0.3, -0.1], rtol=2e-3)
    assert np.isnan(shape_of(drawn.array, None)[3:]).all()
    assert np.isnan(shape_of(np.zeros((21, 21)), None)).all()
    narrow = galsim.Gaussian(fwhm=1).drawImage(nx=41, ny=41, scale=1)
    values = shape_of(drawn.array, narrow)
    assert np.isfinite(values[:3]).all()
    assert np.isnan(values[3:]).all()


def test_converted_images_have_moments_alone(tmp_path):
    answer = shapes(written(tmp_path), tmp_path / "out.npz")
    assert answer["no_shear"] is None
    with np.load(tmp_path / "out.npz") as file:
        assert {*file.files} == {"row", *NAMES}
        assert np.isnan(file["g1"]).all()


def test_an_unfinished_store_is_refused(tmp_path):
    with pytest.raises(Refused, match="no file"):
        shapes(tmp_path, tmp_path / "out.npz")


def test_stamps_of_the_psf_give_converted_images_the_shears_of_the_simulated_ones(store, tmp_path):
    group = zarr.open_group(store, mode="r")
    stamps = [galsim.Gaussian(fwhm=width).drawImage(nx=33, ny=33, scale=0.2).array for width in group["psf_fwhm"][:40]]
    split = np.arange(40) % 3
    np.savez(tmp_path / "x.npz", image=group["image"][:40], psf=stamps, flux=group["flux"][:40], split=split)
    convert(tmp_path / "x.npz", tmp_path / "c.zarr", "image", "", [], "none", 0, options=Options(psf="psf"))
    assert shapes(tmp_path / "c.zarr", tmp_path / "c.npz")["no_shear"] == 0
    shapes(store, tmp_path / "d.npz")
    with np.load(tmp_path / "c.npz") as converted, np.load(tmp_path / "d.npz") as drawn:
        for name in ("g1", "g2"):
            np.testing.assert_allclose(converted[name], drawn[name][:40], atol=2e-3)

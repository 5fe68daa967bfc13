"""Measurements of images: errors are the scatter over noise, gaps are marked, the check measures again."""

import json
import shutil

import numpy as np
import pytest
import zarr

from foundation.faults import Refused
from simulations.check import check
from simulations.draw import simulate
from simulations.facts import read_dataset, read_declared
from simulations.galaxy import draw, parameters
from simulations.measured import MEASUREMENTS, error_of
from simulations.noise import add_noise
from simulations.photometry import measure_images

FACTORS = {
    "flux": {"unit": "ph", "distribution": "uniform", "low": 1e3, "high": 1e5},
    "radius": {"unit": "arcsec", "distribution": "uniform", "low": 0.1, "high": 1.0},
    "g1": {"distribution": "uniform", "low": -0.4, "high": 0.4},
    "g2": {"distribution": "uniform", "low": -0.4, "high": 0.4},
    "psf_fwhm": {"unit": "arcsec", "distribution": "uniform", "low": 0.2, "high": 0.4},
}
SPEC = {
    "galaxies": 60,
    "scene": {"galaxy": "exponential", "psf": "gaussian", "stamp": 48, "pixel_scale": 0.1},
    "noise": {"kind": "gaussian", "sigma": 8.0},
    "factors": FACTORS,
    "measurements": [*MEASUREMENTS],
}
NOISES = [{"kind": "gaussian", "sigma": 8.0}, {"kind": "poisson", "sky": 60.0}]
REALISATIONS = 150


def dataset_of(**changes):
    faults = []
    dataset = read_dataset({**SPEC, **changes}, "datasets.d", faults)
    return dataset, [str(fault) for fault in faults]


@pytest.mark.parametrize("noise", NOISES, ids=["gaussian", "poisson"])
@pytest.mark.parametrize(("flux", "radius"), [(5e3, 0.2), (3e4, 0.35)])
def test_errors_are_the_scatter_over_noise_and_shear_is_unbiased(noise, flux, radius):
    dataset, _ = dataset_of(noise=noise)
    truth = {"flux": flux, "radius": radius, "g1": 0.1, "g2": -0.05, "psf_fwhm": 0.3}
    values = parameters(dataset, truth)
    stamp = draw(dataset.scene, values)
    images = np.stack([add_noise(dataset.noise, stamp, 3, row) for row in range(REALISATIONS)])
    sigma = np.full(REALISATIONS, 8.0) if noise["kind"] == "gaussian" else None
    columns = measure_images(dataset, [values] * REALISATIONS, images, sigma)
    for name, (of, _) in MEASUREMENTS.items():
        measured, error = columns[name], columns[error_of(name)]
        assert np.isfinite(measured).mean() > 0.98
        assert 0.6 < np.nanstd(measured) / np.nanmedian(error) < 1.6, name
        if of != "flux":
            assert np.nanmean(measured) == pytest.approx(truth[of], abs=0.01)
    assert 0.93 < np.nanmean(columns["kron_flux"]) / flux < 1  # light outside of 2.5 Kron radii


def test_a_measurement_that_fails_is_nan_with_its_error():
    dataset, _ = dataset_of()
    values = parameters(dataset, {"flux": 1e3, "radius": 0.1, "g1": 0, "g2": 0, "psf_fwhm": 0.3})
    columns = measure_images(dataset, [values], np.zeros((1, 48, 48), np.float32), np.array([1.0]))
    assert columns.keys() == {each for name in MEASUREMENTS for each in (name, error_of(name))}
    assert all(np.isnan(column).all() for column in columns.values())


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    dataset, faults = dataset_of(noise={"kind": "gaussian", "sigma": 60.0})
    assert not faults
    facts = read_declared({"datasets": {"d": {**SPEC, "noise": {"kind": "gaussian", "sigma": 60.0}}}}, []).facts["d"]
    path = tmp_path_factory.mktemp("photometry") / "d.zarr"
    simulate(dataset, facts, path)
    return path


def test_a_store_has_a_column_and_an_error_for_each_and_declares_them(store):
    group = zarr.open_group(store, mode="r")
    sealed = json.loads((store / "seal.json").read_text())["facts"]["measurements"]
    assert [(each["name"], each["of"], each["error"], each["gaps"]) for each in sealed] == [
        (name, of, error_of(name), True) for name, (of, _) in MEASUREMENTS.items()
    ]
    for name, (of, _) in MEASUREMENTS.items():
        assert group[name].attrs["units"] == group[of].attrs["units"]
        assert np.array_equal(np.isnan(group[name][:]), np.isnan(group[error_of(name)][:]))
    assert np.corrcoef(group["hsm_g1"][:][ok := np.isfinite(group["hsm_g1"][:])], group["g1"][:][ok])[0, 1] > 0.5
    check(store)


@pytest.mark.parametrize("name", [each for name in MEASUREMENTS for each in (name, error_of(name))])
def test_the_check_measures_again(store, tmp_path, name):
    damaged = tmp_path / "d.zarr"
    shutil.copytree(store, damaged)
    group = zarr.open_group(damaged, mode="r+")
    group[name][:] = group[name][:] * 1.001
    seal = json.loads((damaged / "seal.json").read_text())
    from simulations.store import manifest

    (damaged / "seal.json").write_text(json.dumps({**seal, "files": manifest(damaged)}))
    with pytest.raises(Refused, match=f"{name}.*the stored image measures"):
        check(damaged)


def test_data_sets_without_measurements_are_what_they_were():
    plain = {key: value for key, value in SPEC.items() if key != "measurements"}
    faults = []
    bare = read_dataset(plain, "datasets.d", faults)
    assert not faults and bare.digest == dataset_of(measurements=[])[0].digest != dataset_of()[0].digest


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"measurements": ["hsm_g3"]}, "hsm_g"),
        ({"factors": {k: v for k, v in FACTORS.items() if k != "g1"}}, "it measures g1, and the factors are"),
        (
            {"scene": {"kind": "disks", "stamp": 32}, "factors": {}, "noise": {"kind": "none"}},
            "flux and shear are measured on images of galaxies",
        ),
    ],
)
def test_measurements_that_cannot_be_are_refused(changes, sentence):
    _, faults = dataset_of(**changes)
    assert any(sentence in fault for fault in faults), faults

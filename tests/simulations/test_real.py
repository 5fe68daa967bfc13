"""Stamps of a catalogue's galaxies: their noise is white and as strong as asked for, their flux and shear are exact."""

import shutil

import galsim
import numpy as np
import pytest
import xarray as xr
import zarr

from foundation.console import open_log
from foundation.faults import Refused
from simulations import catalogue_measurement, store
from simulations.catalogue_checks import white_noise
from simulations.check import check
from simulations.draw import draw_rows, simulate
from simulations.films import films
from simulations.galaxy import PSFS, parameters
from simulations.hsm import shapes
from simulations.journal import Part
from simulations.limits import limits
from simulations.population import draw_shown
from simulations.real_noise import observe
from simulations.render import render
from tests.simulations.catalogues import NAME, NOISE, SCALE, SOURCES, config_of, image_of, true_profile, write_catalogue
from tests.simulations.test_catalogue import dataset_of
from tests.simulations.test_check import change
from tests.simulations.test_draw import sums

KINDS = ("real", "cosmos")
VALUES = {"flux": 2e4, "g1": 0.2, "g2": -0.1, "psf_fwhm": 0.25, "psf_beta": 3.0, "offset_x": 0.3, "offset_y": -0.2}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return write_catalogue(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="module", params=KINDS)
def drawn(request, catalogue, tmp_path_factory):
    """A data set, its facts and its store."""
    changes = {"image_true": True} if request.param == "cosmos" else {}
    dataset, facts = declared(catalogue, request.param, **changes)
    path = tmp_path_factory.mktemp(request.param) / "d.zarr"
    simulate(dataset, facts, path)
    return dataset, facts, path


def declared(catalogue, galaxy, **changes):
    from simulations.facts import read_declared

    faults = []
    read = read_declared({"datasets": {"d": config_of(catalogue, galaxy, **changes)}}, faults)
    assert not faults, [*map(str, faults)]
    return read.simulated["d"], read.facts["d"]


def of_source(source, rotation=0.0, **changes):
    return {**VALUES, "source": float(source), "rotation": float(rotation), **changes}


def noise_of(dataset, values, row):
    """The noise of a stamp: what it has beside the galaxy that the catalogue's image was made of, (y, x)."""
    index, scene = int(values["source"]), dataset.scene
    light = true_profile(index) * (values["flux"] / image_of(index).sum())
    sheared = light.rotate(values["rotation"] * galsim.degrees).shear(g1=values["g1"], g2=values["g2"])
    observed = galsim.Convolve(sheared, galsim.Gaussian(fwhm=values["psf_fwhm"]))
    offset = (values["offset_x"], values["offset_y"])
    true = observed.drawImage(nx=scene.stamp, ny=scene.stamp, scale=scene.pixel_scale, offset=offset).array
    return observe(dataset, values, row).image - true


def correlations(noise):
    """Mean product of pixels at small lags, and its standard error over stamps, from noise (stamps, y, x)."""
    lags = {(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0)}
    products = {
        (y, x): (noise[:, y:, x:] * noise[:, : noise.shape[1] - y, : noise.shape[2] - x]).mean((1, 2)) for y, x in lags
    }
    return {lag: (each.mean(), each.std(ddof=1) / np.sqrt(len(each))) for lag, each in products.items()}


@pytest.mark.parametrize(("seeing", "scale", "shear"), [(0.15, 0.06, 0.1), (0.25, 0.1, 0.3), (0.5, 0.2, 0.0)])
def test_whitened_noise_is_white_and_as_strong_as_asked_for(catalogue, seeing, scale, shear):
    floor = 2e4 * white_noise(dataset_of(catalogue).scene.source_catalogue, 0, scale)
    sigma = 1.15 * floor  # so little above it that most of the noise is the catalogue's and what whitens it
    dataset = dataset_of(catalogue, noise={"kind": "gaussian", "sigma": sigma}, scene={"pixel_scale": scale})
    rows = [of_source(i % SOURCES, 37 * i, psf_fwhm=seeing, g1=shear, g2=-shear / 2) for i in range(6 * SOURCES)]
    noise = np.stack([noise_of(dataset, values, row) for row, values in enumerate(rows)]) / sigma
    for lag, (mean, error) in correlations(noise).items():
        assert mean == pytest.approx(float(lag == (0, 0)), abs=5 * error), lag
        assert error < 0.015
    assert abs(noise.mean()) < 0.02


def test_without_noise_of_its_own_a_stamp_keeps_that_of_the_catalogue(catalogue):
    dataset = dataset_of(catalogue, noise={"kind": "none"})
    noise = np.stack([noise_of(dataset, of_source(i % SOURCES, 37 * i), i) for i in range(3 * SOURCES)])
    measured = correlations(noise)
    assert measured[0, 1][0] > 0.3 * measured[0, 0][0] > 0  # so that the test above can fail


def test_the_floor_that_configs_are_checked_by_is_just_below_the_true_one(catalogue):
    dataset = dataset_of(catalogue)
    for source in range(0, SOURCES, 3):
        floor = 2e4 * white_noise(dataset.scene.source_catalogue, source, 0.1)
        with pytest.raises(Refused, match="once it is white, and noise is only added") as refused:
            observe(dataset_of(catalogue, noise={"kind": "gaussian", "sigma": 1}, factors=FAINT), of_source(source), 0)
        white = float(str(refused.value).split("has a noise of ")[1].split()[0])
        assert 0.95 * floor < white < 1.15 * floor
    assert floor == pytest.approx(2e4 / image_of(9).sum() * NOISE * 16 / 6 * 0.1 / SCALE, rel=1e-3)


FAINT = {
    "flux": {"unit": "ph", "distribution": "uniform", "low": 10, "high": 100},
    "psf_fwhm": {"unit": "arcsec", "distribution": "uniform", "low": 0.2, "high": 0.4},
}


def test_a_signal_to_noise_ratio_is_that_of_the_galaxy_without_the_noise(catalogue):
    dataset = dataset_of(catalogue, noise={"kind": "gaussian", "snr": 20})
    for source in range(SOURCES):
        values = of_source(source)
        observed = observe(dataset, values, source)
        quiet = observed.image - noise_of(dataset, values, source)
        assert np.sqrt(np.sum(quiet**2)) / observed.sigma == pytest.approx(20, rel=0.05)
    with pytest.raises(Refused, match=r"noise.snr: .*lower it, or leave faint galaxies out"):
        observe(dataset_of(catalogue, noise={"kind": "gaussian", "snr": 500}), of_source(0), 0)


def test_little_noise_is_refused_before_anything_is_written(catalogue, tmp_path):
    dataset, facts = declared(catalogue, "real", noise={"kind": "gaussian", "snr": 90})
    with pytest.raises(Refused, match="leave faint galaxies out"):
        simulate(dataset, facts, tmp_path / "d.zarr")
    assert not (tmp_path / "d.zarr").exists()


def test_a_psf_sharper_than_that_of_one_source_is_refused(catalogue):
    with pytest.raises(Refused, match=r"found 0\.05 arcsec, but the catalogue's image of galaxy 1000 has a PSF of"):
        observe(dataset_of(catalogue), of_source(0, psf_fwhm=0.05), 0)


@pytest.mark.parametrize("seeing", PSFS)
@pytest.mark.parametrize("galaxy", KINDS)
def test_flux_shear_and_psf_are_measured_on_any_galaxy(catalogue, galaxy, seeing):
    scene = dataset_of(catalogue, galaxy, scene={"psf": seeing}).scene
    for source, (g1, g2) in enumerate([(0.0, 0.0), (0.3, 0.1), (-0.5, 0.2), (0.01, -0.6)]):
        values = of_source(3 * source, 70 * source, g1=g1, g2=g2)
        for name, (measured, tolerance) in catalogue_measurement.measure(scene, values).items():
            assert measured == pytest.approx(values[name], abs=tolerance), name


WRONG = {
    "a shear of 1.01 times": ("g1", lambda v: {**v, "g1": 1.01 * v["g1"]}),
    "a shear of the other sign": ("g2", lambda v: {**v, "g2": -v["g2"]}),
    "no shear": ("g1", lambda v: {**v, "g1": 0.0, "g2": 0.0}),
    "a flux of 1.03 times": ("flux", lambda v: {**v, "flux": 1.03 * v["flux"]}),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("galaxy", KINDS)
def test_a_wrong_flux_or_shear_is_noticed(catalogue, galaxy, case, monkeypatch):
    name, distorted = WRONG[case]
    scene, profile = dataset_of(catalogue, galaxy).scene, catalogue_measurement.profile
    monkeypatch.setattr(catalogue_measurement, "profile", lambda scene, values: profile(scene, distorted(values)))
    measured, tolerance = catalogue_measurement.measure(scene, of_source(5))[name]
    assert abs(measured - VALUES[name]) > tolerance


def test_a_fit_is_the_profile_that_it_was_made_of(catalogue):
    """Of those with a single component, by GalSim's profile of the size, shape and angle that the table holds."""
    scene = dataset_of(catalogue, "cosmos").scene
    for source in (0, 1, 2, 5):
        values = of_source(source, 25)
        expected = true_profile(source).withFlux(VALUES["flux"]).rotate(25 * galsim.degrees).shear(g1=0.2, g2=-0.1)
        drawn = catalogue_measurement.profile(scene, values)
        for x, y in ((0.1, 0.05), (-0.2, 0.1), (0.0, 0.3)):
            assert drawn.xValue(x, y) == pytest.approx(expected.xValue(x, y), rel=2e-3)


def test_bytes_do_not_depend_on_workers_or_blocks(drawn, tmp_path, monkeypatch):
    dataset, facts, path = drawn
    monkeypatch.setattr("simulations.draw.BLOCK", 20)
    simulate(dataset, facts, tmp_path / "two.zarr", workers=2)
    assert sums(tmp_path / "two.zarr") == sums(path)


def test_bytes_do_not_depend_on_restarts(catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHARD_BYTES", 3e5)
    dataset, facts = declared(catalogue, "cosmos", galaxies=400)
    simulate(dataset, facts, tmp_path / "whole.zarr")
    simulate(dataset, facts, tmp_path / "parts.zarr", part=Part(2, 3))
    assert not (tmp_path / "parts.zarr" / "seal.json").exists()
    simulate(dataset, facts, tmp_path / "parts.zarr")
    assert sums(tmp_path / "parts.zarr") == sums(tmp_path / "whole.zarr")
    assert sum("image/c" in name for name in sums(tmp_path / "whole.zarr")) > 2


def test_rows_do_not_depend_on_each_other_or_the_folder_of_the_catalogue(drawn, catalogue, tmp_path):
    dataset, _, path = drawn
    folder = shutil.copytree(catalogue.parent, tmp_path / "elsewhere")
    other = dataset_of(folder / NAME, dataset.scene.galaxy, image_true=dataset.image_true)
    assert other.digest == dataset.digest
    rows = draw_rows(other, 11, 19)
    with xr.open_zarr(path) as opened:
        for name, values in rows.items():
            np.testing.assert_array_equal(opened[name].values[11:19], values)


def test_the_store_names_what_a_row_shows_beside_its_factors(drawn):
    dataset, facts, path = drawn
    with xr.open_zarr(path) as opened:
        assert opened["rotation"].attrs["units"] == "deg" and opened["source"].dtype == np.int64
        assert opened.attrs["factors"] == [*dataset.factors] == [*facts.factors]
        assert [opened["source_id"].values[i] for i in range(5)] == [1000 + 7 * s for s in opened["source"].values[:5]]
        if dataset.scene.is_real:
            assert (opened["noise_std"].values == 120).all()


def test_an_intact_store_passes_the_check(drawn, capsys):
    open_log(None)
    check(drawn[2])
    assert "agree with their seal, factors and physics" in capsys.readouterr().err


CORRUPTED = {
    "other sources": (lambda path: change(path, "source", lambda x: x[::-1]), "/source"),
    "other angles": (lambda path: change(path, "rotation", lambda x: x / 2), "/rotation"),
    "brighter images": (lambda path: change(path, "image", lambda x: 1.02 * x), "image"),
    "other images": (lambda path: change(path, "image", lambda x: x[::-1]), "/image["),
    "a scaled shear": (lambda path: change(path, "g1", lambda x: 1.01 * x), "/g1"),
}


@pytest.mark.parametrize("case", CORRUPTED)
def test_a_corrupted_store_is_refused(drawn, case, tmp_path):
    corrupt, expected = CORRUPTED[case]
    path = shutil.copytree(drawn[2], tmp_path / "d.zarr")
    corrupt(path)
    with pytest.raises(Refused) as refused:
        check(path)
    assert expected in str(refused.value)


def test_a_store_whose_catalogue_has_changed_is_refused(catalogue, tmp_path):
    folder = shutil.copytree(catalogue.parent, tmp_path / "c")
    dataset, facts = declared(folder / NAME, "cosmos")
    simulate(dataset, facts, tmp_path / "d.zarr")
    with open(folder / NAME.replace(".fits", "_fits.fits"), "ab") as stream:
        stream.write(b"\0" * 2880)
    with pytest.raises(Refused, match="found another catalogue, but"):
        check(tmp_path / "d.zarr")
    shutil.rmtree(folder)
    with pytest.raises(Refused, match=r"scene\.catalogue: .* must be there"):
        check(tmp_path / "d.zarr")


def test_fits_are_rendered_by_row_and_images_never(drawn, tmp_path):
    dataset, _, path = drawn
    with xr.open_zarr(path) as opened:
        columns = {name: opened[name].values[:6] for name in dataset.factors}
        true = opened["image_true"].values[:6] if dataset.image_true else None
    np.savez(tmp_path / "rows.npz", **columns, row=np.arange(6))
    if dataset.scene.is_real:
        with pytest.raises(Refused, match="images of a catalogue have noise of their own"):
            render(path, tmp_path / "rows.npz", tmp_path / "out.npz")
    else:
        assert render(path, tmp_path / "rows.npz", tmp_path / "out.npz") == {"linear": ["flux"]}
        with np.load(tmp_path / "out.npz") as file:
            np.testing.assert_array_equal(file["image"], true)
        for rows, sentence in (({}, "'row' says which of its galaxies"), ({"row": np.full(6, 48)}, "from 0 to 47")):
            np.savez(tmp_path / "rows.npz", **columns, **rows)
            with pytest.raises(Refused, match=sentence):
                render(path, tmp_path / "rows.npz", tmp_path / "out.npz")


def test_limits_of_a_catalogue_are_refused(drawn, tmp_path):
    """Nothing that factors do not say is free in a bound; and shapes, which need none, are measured."""
    with pytest.raises(Refused, match="their morphology is none"):
        limits(drawn[2], tmp_path / "out.npz", 2)
    assert shapes(drawn[2], tmp_path / "shapes.npz")["rows"] == drawn[0].galaxies


def test_films_of_a_catalogue_are_refused(drawn, tmp_path):
    with pytest.raises(Refused, match="differ by more than their factors"):
        films(drawn[2], tmp_path / "films.npz", {"line": ["g1"]}, 2, 4)


def test_contexts_of_real_galaxies_are_drawn_and_checked(catalogue, tmp_path):
    contexts = {"obs": {}, "sheared": {"do": {"g1": {"mean": 1.5, "std": 0.4}}}}
    dataset, facts = declared(catalogue, "real", contexts=contexts, galaxies=40)
    simulate(dataset, facts, tmp_path / "d.zarr")
    check(tmp_path / "d.zarr")
    group = zarr.open_group(tmp_path / "d.zarr", mode="r")
    assert {*np.unique(group["context"][:])} == {0, 1}


def test_values_of_a_row_hold_what_it_shows(catalogue):
    dataset = dataset_of(catalogue)
    shown = draw_shown(dataset, 0, 1)
    row = {**dict.fromkeys(dataset.factors, 0.3), "source": float(shown["source"][0]), "rotation": 12.0}
    values = parameters(dataset, row)
    assert (values["source"], values["rotation"], values["offset_x"]) == (row["source"], 12.0, 0.0)

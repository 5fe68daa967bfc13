"""A catalogue is read as astropy and GalSim read it; the galaxies of a row, their parts and the digest follow laws."""

import shutil

import galsim
import numpy as np
import pytest
from astropy.io import fits

from simulations import fits_files
from simulations.catalogue import catalogue_of
from simulations.cost import core_seconds, worker_bytes
from simulations.factors import draw_split
from simulations.facts import read_dataset, read_declared
from simulations.population import draw_shown, draw_source
from simulations.psf_width import effective_fwhm, widest_psf
from simulations.spec import to_json
from tests.conftest import ROOT
from tests.simulations.catalogues import FACTORS, NAME, SOURCES, change_column, config_of, write_catalogue

HOME = ROOT.parent / "shared" / "data"
OFFICIAL = {
    "real": HOME / "cosmos_real" / "real_galaxy_catalog_26_extension_example.fits",
    "cosmos": HOME / "cosmos_parametric" / "real_galaxy_catalog_23.5_example.fits",
}
CONTEXTS = {
    "obs": {},
    "sheared": {"do": {"g1": {"mean": 1.5, "std": 0.4}}},
    "bright": {"do": {"flux": {"mean": 1.5, "std": 0.4}}, "share": 0.3, "held_out": True},
}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return write_catalogue(tmp_path_factory.mktemp("catalogue"))


def dataset_of(catalogue, galaxy="real", **changes):
    faults = []
    dataset = read_dataset(config_of(catalogue, galaxy, **changes), "d", faults)
    assert not faults, [*map(str, faults)]
    return dataset


def sentences(value):
    """What is wrong with a data set."""
    faults = []
    assert read_dataset(value, "d", faults) is None
    assert all("\n" not in str(fault) for fault in faults)
    return [*map(str, faults)]


def files(catalogue):
    return [
        *catalogue.parent.glob("*.fits"),
        *(path for each in OFFICIAL.values() for path in each.parent.glob("*.fits")),
    ]


def test_tables_and_images_are_those_that_astropy_reads(catalogue):
    compared = 0
    for path in files(catalogue):
        with fits.open(path) as file:
            for number, unit in enumerate(file):
                if unit.is_image and unit.data is not None:
                    np.testing.assert_array_equal(fits_files.image(path, number), unit.data)
                elif not unit.is_image:
                    names = unit.columns.names
                    read = fits_files.columns(path, [name.upper() for name in names])
                    for name in names:
                        expected = unit.data[name].tolist()
                        assert [*map(np.array_equal, map(np.asarray, read[name.upper()]), expected)].count(False) == 0
                        compared += 1
    assert compared > 20


@pytest.mark.parametrize("cut", [100, 2879, 5000, -1, -3000])
def test_a_file_that_is_cut_off_or_something_else_is_refused(catalogue, tmp_path, cut):
    folder = shutil.copytree(catalogue.parent, tmp_path / "c")
    (folder / NAME).write_bytes(b"x" * 5000 if cut == -1 else catalogue.read_bytes()[:cut])
    (refusal,) = sentences(config_of(folder / NAME))
    assert "d.scene.catalogue" in refusal and "a catalogue in GalSim's format stands here" in refusal


@pytest.mark.parametrize("kind", [kind for kind, path in OFFICIAL.items() if path.exists()])
def test_the_official_examples_are_read_as_galsim_reads_them(kind):
    path = OFFICIAL[kind]
    read = catalogue_of(kind, str(path))
    if kind == "real":
        same = galsim.RealGalaxyCatalog(path.name, dir=str(path.parent))
        assert [str(each) for each in read.identifiers] == same.ident
        assert [each.variance for each in read.pictures] == pytest.approx(same.variance)
        assert widest_psf(read) == pytest.approx(max(same.getPSF(i).calculateFWHM() for i in range(8)), rel=0.1)
    else:
        same = galsim.COSMOSCatalog(path.name, dir=str(path.parent), use_real=False, exclusion_level="none")
        assert len(read.identifiers) == same.nobjects
        assert all(read.usable) and min(read.half_light) > 0


@pytest.mark.parametrize("galaxy", ["real", "cosmos"])
@pytest.mark.parametrize("contexts", [{}, CONTEXTS])
def test_no_galaxy_stands_in_two_parts_and_each_is_shown_as_often(catalogue, galaxy, contexts):
    factors = {name: {**each, "distribution": "uniform"} for name, each in FACTORS.items()}
    dataset = dataset_of(catalogue, galaxy, galaxies=500, contexts=contexts, factors=factors)
    source, split = draw_source(dataset, 0, 500), draw_split(dataset, 0, 500)
    parts = [set(source[split == part]) for part in range(3)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == SOURCES
    assert tuple(np.bincount(split)) == dataset.counts
    for part in range(3):
        counts = np.bincount(source[split == part], minlength=SOURCES)[sorted(parts[part])]
        assert np.ptp(counts) <= 1
    facts = read_declared({"datasets": {"d": to_json(dataset)}}, []).facts["d"]
    assert (facts.train, facts.test) == (dataset.counts[0], dataset.counts[2])
    assert (facts.population, facts.symmetries) == (galaxy, ())


def test_what_a_row_shows_depends_on_its_address_alone(catalogue):
    dataset = dataset_of(catalogue, galaxies=300)
    whole, piece = draw_shown(dataset, 0, 300), draw_shown(dataset, 41, 97)
    for name, values in whole.items():
        np.testing.assert_array_equal(values[41:97], piece[name])
    np.testing.assert_array_equal(whole["source_id"], 1000 + 7 * whole["source"])
    other = draw_shown(dataset_of(catalogue, galaxies=300, seed=6), 0, 300)
    assert (other["source"] != whole["source"]).any() and (other["rotation"] != whole["rotation"]).all()
    turns = whole["rotation"]
    assert turns.min() >= 0 and turns.max() < 360 and abs(np.exp(1j * np.radians(turns)).mean()) < 0.2


@pytest.mark.parametrize("galaxy", ["real", "cosmos"])
def test_the_digest_is_that_of_the_files_not_of_their_place(catalogue, galaxy, tmp_path):
    folder = shutil.copytree(catalogue.parent, tmp_path / "elsewhere")
    before = dataset_of(catalogue, galaxy).digest
    assert dataset_of(folder / NAME, galaxy).digest == before
    table = folder / (NAME if galaxy == "real" else NAME.replace(".fits", "_fits.fits"))
    change_column(table, "IDENT", 2000 + np.arange(SOURCES))
    after = dataset_of(folder / NAME, galaxy).digest
    assert after != before
    with open(folder / "real_galaxy_images_n1.fits", "ab") as stream:
        stream.write(b"\0" * 2880)
    assert (dataset_of(folder / NAME, galaxy).digest != after) == (galaxy == "real")


@pytest.mark.parametrize("psf", [galsim.Gaussian(fwhm=0.1), galsim.Moffat(3, fwhm=0.12), galsim.Airy(0.1)])
def test_the_width_of_a_psf_is_told_from_its_pixels(psf):
    for offset in ((0, 0), (0.3, 0.1), (0.5, 0.5)):
        image = psf.drawImage(nx=51, ny=65, scale=0.03, method="no_pixel", offset=offset)
        assert 0.03 * effective_fwhm(image.array.tolist()) == pytest.approx(psf.calculateFWHM(), rel=0.03)


@pytest.mark.parametrize("galaxy", ["real", "cosmos"])
def test_a_spec_as_json_is_the_same_spec(catalogue, galaxy):
    dataset = dataset_of(catalogue, galaxy, scene={"largest": 0.5, "faintest": 23})
    assert read_dataset(to_json(dataset), "d", []) == dataset
    assert "catalogue" not in to_json(read_dataset({"preset": "paper"}, "d", []))["scene"]


def test_a_selection_leaves_out_large_and_faint_galaxies(catalogue):
    scene = dataset_of(catalogue, scene={"largest": 0.235, "faintest": 22.0}).scene
    assert scene.sources == tuple(range(9))
    assert dataset_of(catalogue, scene={"largest": 0.225}).scene.sources == tuple(range(8))


def test_cost_grows_with_galaxies_and_stamps(catalogue):
    for galaxy in ("real", "cosmos"):
        few, many = (dataset_of(catalogue, galaxy, galaxies=n) for n in (48, 480))
        assert 9 < core_seconds(many) / core_seconds(few) < 11
        assert core_seconds(dataset_of(catalogue, galaxy, scene={"stamp": 256})) > core_seconds(few)
        assert 1e8 < worker_bytes(few) < 1e9


ROUND = {**FACTORS, "radius": {"unit": "arcsec", "distribution": "uniform", "low": 0.2, "high": 0.4}}
REFUSED = {
    "a path that is none": (lambda c: config_of(c.parent / "absent.fits"), "scene.catalogue", "must be there"),
    "a folder": (lambda c: config_of(c.parent), "scene.catalogue", "must be there"),
    "no catalogue": (lambda c: config_of(c, scene={"catalogue": None}), "scene.catalogue", "add 'catalogue: PATH'"),
    "a catalogue of other galaxies": (
        lambda c: config_of(c, "exponential", factors=ROUND), "scene.catalogue",
        "exponential galaxies come from no catalogue"),
    "another table": (
        lambda c: config_of(c.parent / NAME.replace(".fits", "_fits.fits")), "scene.catalogue", "has no column MAG"),
    "a radius": (
        lambda c: config_of(c, factors={**FACTORS, "radius": {**FACTORS["psf_fwhm"]}}), "factors.radius",
        "a real galaxy with a gaussian PSF takes flux, psf_fwhm"),
    "a constant index": (
        lambda c: config_of(c, "cosmos", scene={"constants": {"sersic_index": 2}}), "scene.constants.sersic_index",
        "a cosmos galaxy with a gaussian PSF takes"),
    "a kind of radius": (lambda c: config_of(c, scene={"radius": "scale"}), "scene.radius", "sizes of their catalogue"),
    "too few sources": (
        lambda c: config_of(c, scene={"faintest": 20.3}), "scene.faintest", "2 of the 12 galaxies of the catalogue"),
    "large galaxies": (
        lambda c: config_of(c, scene={"stamp": 8, "pixel_scale": 0.05}), "scene.stamp",
        "6 of 12 galaxies with half-light radii up to 0.26 arcsec"),
    "a sharp PSF": (
        lambda c: config_of(c, factors={**FACTORS, "psf_fwhm": {**FACTORS["psf_fwhm"], "low": 0.05}}),
        "factors.psf_fwhm", "have a PSF of 0.101 arcsec already"),
    "little noise": (
        lambda c: config_of(c, noise={"kind": "gaussian", "sigma": 50}), "noise.sigma",
        "50, where 7 of 12 galaxies have more noise at 20000 photons"),
    "photon noise": (lambda c: config_of(c, noise={"kind": "poisson"}), "noise.kind", "take gaussian noise or none"),
    "images without noise": (lambda c: config_of(c, image_true=True), "image_true", "take it away, or take galaxy"),
    "a wide PSF": (
        lambda c: config_of(c, "cosmos", factors={**FACTORS, "psf_fwhm": {**FACTORS["psf_fwhm"], "high": 9}}),
        "scene.stamp", "the widest PSF has a FWHM of 90 pixels"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(catalogue, case):
    make, place, text = REFUSED[case]
    (refusal,) = sentences(make(catalogue))
    assert refusal.startswith(f"d.{place}") and text in refusal


def test_image_files_in_another_folder_are_missed(catalogue, tmp_path):
    shutil.copy(catalogue, tmp_path)
    (refusal,) = sentences(config_of(tmp_path / NAME))
    assert "without 3 of its image files" in refusal and "put or link them there" in refusal


def test_sizes_that_the_catalogue_does_not_have_select_nothing(catalogue, tmp_path):
    folder = shutil.copytree(catalogue.parent, tmp_path / "c")
    (folder / NAME.replace(".fits", "_fits.fits")).unlink()
    (refusal,) = sentences(config_of(folder / NAME, scene={"largest": 1}))
    assert "the catalogue has no half-light radii" in refusal
    assert len(dataset_of(folder / NAME).scene.sources) == SOURCES

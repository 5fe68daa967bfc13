"""User images are converted from every file format without loss, and what cannot be converted is a fault."""

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from astropy.io import fits

from auxvae.data.store import Store
from foundation.faults import Refused
from simulations.check import check
from simulations.convert import convert
from simulations.facts import read_declared
from simulations.sources.options import Options
from tests.conftest import study_of

RNG = np.random.default_rng(0)
IMAGES = RNG.poisson(20, (40, 28, 28)).astype(np.float32)
MASS, AGE = RNG.random(40), RNG.random(40)


def write_npz(path, images=IMAGES, **more):
    np.savez(path, image=images, mass=MASS, age=AGE, **more)


def write_h5(path):
    with h5py.File(path, "w") as file:
        file["image"], file["mass"], file["age"] = IMAGES, MASS, AGE
        file["mass"].attrs["units"] = "kg"


def write_fits(path):
    columns = [
        fits.Column("image", format="784E", dim="(28,28)", array=IMAGES),
        fits.Column("mass", format="D", unit="kg", array=MASS),
        fits.Column("age", format="D", array=AGE),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)


def write_zarr(path):
    group = zarr.create_group(path)
    for name, values in {"image": IMAGES, "mass": MASS, "age": AGE}.items():
        group.create_array(name, data=values)
    group["mass"].attrs["units"] = "kg"


WRITERS = {"x.npz": write_npz, "x.h5": write_h5, "x.fits": write_fits, "x.zarr": write_zarr}


def run(source, path, **changes):
    settings = {"images": "image", "factors": "", "units": [], "noise": "none", "seed": 0, **changes}
    convert(source, path, **settings)


@pytest.mark.parametrize("name", WRITERS)
def test_every_file_format_becomes_the_same_store(tmp_path, name):
    WRITERS[name](tmp_path / name)
    units = ["mass=kg", "age=Gyr"] if name == "x.npz" else ["age=Gyr"]
    run(tmp_path / name, tmp_path / "s.zarr", units=units, noise="gaussian:2.5")
    store = xr.open_zarr(tmp_path / "s.zarr")
    np.testing.assert_array_equal(store["image"], IMAGES)
    np.testing.assert_array_equal(store["mass"], MASS)
    assert (store["mass"].attrs["units"], store["age"].attrs["units"]) == ("kg", "Gyr")
    assert (store["noise_std"] == 2.5).all()
    assert np.bincount(store["split"]).tolist() == [30, 5, 5]
    check(tmp_path / "s.zarr")
    facts = read_declared({"datasets": {"mine": {"store": str(tmp_path / "s.zarr")}}}, []).facts["mine"]
    assert (set(facts.factors), facts.stamp, facts.channels, facts.train) == ({"mass", "age"}, 28, 1, 30)


def test_a_factor_may_be_called_as_a_column_of_simulated_stores(tmp_path):
    """A factor of the name `context` is a number like any other, not the number of a context."""
    write_npz(tmp_path / "x.npz", context=300 * MASS - 0.5)
    run(tmp_path / "x.npz", tmp_path / "s.zarr")
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "s.zarr")["context"], 300 * MASS - 0.5)
    config = {"study": "s", "datasets": {"d": {"store": str(tmp_path / "s.zarr")}}, "runs": [{"method": "vae"}]}
    config["runs"][0] |= {"likelihood": "gaussian", "sigma": 1, "training": {"batch": 8}}
    source = study_of(config)[1].runs[0].dataset
    assert (Store(tmp_path / "s.zarr", source).context("train") == 0).all()


def test_channels_and_the_split_of_the_file_are_kept(tmp_path):
    split = np.repeat([0, 1, 2], [20, 10, 10])
    write_npz(tmp_path / "x.npz", images=RNG.random((40, 3, 32, 32)), split=split)
    run(tmp_path / "x.npz", tmp_path / "s.zarr")
    store = xr.open_zarr(tmp_path / "s.zarr")
    assert store["image"].dims == ("galaxy", "channel", "y", "x")
    assert np.array_equal(store["split"], split)


def nan_image(path):
    images = IMAGES.copy()
    images[7, 0, 0] = np.nan
    write_npz(path, images=images)


REFUSED = {
    "absent": (lambda path: None, {}, "no file"),
    "truncated": (lambda path: path.write_bytes(b"PK\3\4 not all of it"), {}, "cannot be read"),
    "no such images": (write_npz, {"images": "imag"}, "did you mean 'image'?"),
    "no such factor": (write_npz, {"factors": "mas"}, "did you mean 'mass'?"),
    "unknown unit": (write_npz, {"units": ["mass=parsnip"]}, "astropy must know it"),
    "unit of no factor": (write_npz, {"units": ["mss=kg"]}, "did you mean 'mass'?"),
    "unknown noise": (write_npz, {"noise": "loud"}, "it is none, poisson"),
    "no sigma": (write_npz, {"noise": "gaussian"}, "it is none, poisson"),
    "not finite": (nan_image, {}, "must be finite"),
    "oblong": (lambda path: write_npz(path, images=IMAGES[:, :20]), {}, "square"),
    "one value in every row": (lambda path: np.savez(path, image=IMAGES, mass=np.ones(40)), {}, "two values at least"),
    "of other length": (lambda path: write_npz(path, images=IMAGES[:30]), {}, "as long as the images"),
}


REFUSED |= {
    "a split beyond its parts": (lambda path: write_npz(path, split=np.full(40, 5)), {}, "0 (train), 1 (validation)"),
    "a split of other length": (lambda path: write_npz(path, split=np.arange(10) % 3), {}, "0 (train), 1 (validation)"),
    "a split in fractions": (
        lambda path: write_npz(path, split=np.linspace(0, 2, 40)),
        {},
        "0 (train), 1 (validation)",
    ),
    "a split of words": (lambda path: write_npz(path, split=np.array(["train"] * 40)), {}, "0 (train), 1 (validation)"),
    "too few to split": (lambda path: np.savez(path, image=IMAGES[:3], mass=MASS[:3]), {}, "each part of the split"),
    "sigma of zero": (write_npz, {"noise": "gaussian:0"}, "it is none, poisson"),
    "infinite sigma": (write_npz, {"noise": "gaussian:inf"}, "it is none, poisson"),
    "negative photons": (
        lambda path: write_npz(path, images=IMAGES - 100),
        {"noise": "poisson:5"},
        "pixels are at least -5",
    ),
    "complex images": (lambda path: write_npz(path, images=IMAGES * 1j), {}, "images are real numbers"),
    "words for images": (lambda path: write_npz(path, images=IMAGES.astype(str)), {}, "images are real numbers"),
    "one number for images": (lambda path: write_npz(path, images=np.float32(3)), {}, "square"),
    "a unit without its name": (write_npz, {"units": ["mass"]}, "NAME=UNIT"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_converted_is_refused(tmp_path, case):
    write, changes, expected = REFUSED[case]
    write(tmp_path / "x.npz")
    with pytest.raises(Refused) as refused:
        run(tmp_path / "x.npz", tmp_path / "s.zarr", **changes)
    assert expected in str(refused.value)
    assert not (tmp_path / "s.zarr" / "seal.json").exists()


def test_existing_files_are_never_overwritten(tmp_path):
    write_npz(tmp_path / "x.npz")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    for target in ("mine", "x.npz"):
        with pytest.raises(Refused, match="they are never overwritten"):
            run(tmp_path / "x.npz", tmp_path / target)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_an_unknown_file_format_is_refused(tmp_path):
    with pytest.raises(Refused, match="the formats are .npz"):
        run(tmp_path / "x.csv", tmp_path / "s.zarr")


@pytest.mark.parametrize(("noise", "due"), [("poisson:12", True), ("gaussian:2", True), ("poisson", False)])
def test_a_poisson_likelihood_over_converted_images_below_0_is_refused_by_the_check(tmp_path, noise, due):
    g = np.random.default_rng(3)
    images = g.poisson(100, (64, 28, 28)) - (12.0 if due else 0)
    np.savez(tmp_path / "x.npz", image=images, mass=g.random(64))
    convert(tmp_path / "x.npz", tmp_path / "x.zarr", "image", "", [], noise, 0)
    runs = [{"method": "vae", "likelihood": "poisson", "training": {"batch": 8}}]
    config = {"study": "s", "datasets": {"d": {"store": str(tmp_path / "x.zarr")}}, "runs": runs}
    if not due:
        assert study_of(config)[1].runs
        return
    with pytest.raises(Refused, match=r"runs\[0\].likelihood: found 'poisson', but pixels of d lie below 0"):
        study_of(config)


@pytest.mark.parametrize(
    ("unit", "noise", "binned", "sentence"),
    [
        ("mag", "poisson:3", 1, "images in mag, but Poisson noise is that of numbers of photons"),
        ("nmgy", "poisson", 1, "images in nmgy"),
        ("mag/arcsec2", "gaussian:0.1", 2, "logarithms do not add"),
        ("mag", "gaussian:0.1", 1, ""),
        ("electron", "poisson:3", 2, ""),
        ("", "poisson:3", 1, ""),
    ],
)
def test_the_unit_of_the_images_is_kept_and_must_fit_the_noise(tmp_path, unit, noise, binned, sentence):
    source = np.random.default_rng(1)
    cube = fits.PrimaryHDU(source.poisson(30, (24, 28, 28)).astype(np.float32))
    cube.header["BUNIT"] = unit
    table = fits.BinTableHDU.from_columns([fits.Column("m", "D", array=source.normal(size=24))])
    fits.HDUList([cube, table]).writeto(tmp_path / "x.fits")
    arguments = (tmp_path / "x.fits", tmp_path / "d.zarr", "image", "", [], noise, 0)
    if sentence:
        with pytest.raises(Refused, match=sentence):
            convert(*arguments, options=Options(bin=binned))
        assert not (tmp_path / "d.zarr").exists()
        return
    convert(*arguments, options=Options(bin=binned))
    expected = unit if unit == "mag" else "ph"
    assert zarr.open_group(tmp_path / "d.zarr", mode="r")["image"].attrs["units"] == expected

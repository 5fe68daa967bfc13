"""Every layout becomes the same store: images, factors and layers as they were written, opened by xarray alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from simulations.check import check
from simulations.convert import convert
from simulations.sources.options import Options
from tests.simulations.layouts import LAYOUTS, N


def stored(layout, store, options=None, **changes):
    settings = {"images": "image", "factors": "", "units": [], "noise": "none", "seed": 0, **layout.settings, **changes}
    convert(Path(layout.source), store, **settings, options=options or layout.options)
    return xr.open_zarr(store).load()


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_becomes_a_store_without_loss(tmp_path, name):
    (tmp_path / "source").mkdir()
    layout = LAYOUTS[name](tmp_path / "source")
    store = stored(layout, tmp_path / "s.zarr")
    np.testing.assert_array_equal(store["image"], layout.images.astype(np.float32))
    assert sorted(store.attrs["factors"]) == sorted(layout.factors)
    for each, values in (layout.factors | layout.layers).items():
        np.testing.assert_array_equal(store[each].values.astype(values.dtype), values, err_msg=each)
    for each, value in layout.attributes.items():
        assert store["image"].attrs[each] == value
    check(tmp_path / "s.zarr")


def source_of(folder, name):
    (folder / "source").mkdir(exist_ok=True)
    return LAYOUTS[name](folder / "source")


def test_a_cut_and_bins_conserve_photons_and_combine_variances(tmp_path):
    """A constant image of variance 1/w per pixel: the bins of b x b pixels have b^2 times both."""
    layout = source_of(tmp_path, "multimodal")
    options = Options(crop=8, bin=2, bands=("des-r", "des-g"))
    store = stored(layout, tmp_path / "s.zarr", options)
    middle = layout.images[:, ::-1, 2:10, 2:10]
    assert store["image"].shape == (N, 2, 4, 4)
    np.testing.assert_allclose(store["image"].sum(("y", "x")), middle.sum((2, 3)), rtol=1e-5)
    np.testing.assert_allclose(store["image"][:, :, 0, 1], middle[:, :, :2, 2:4].sum((2, 3)), rtol=1e-6)
    weights = layout.layers["inverse_variance"][:, ::-1, 2:10, 2:10].reshape(N, 2, 4, 2, 4, 2)
    np.testing.assert_allclose(1 / store["inverse_variance"], (1 / weights).sum((3, 5)), rtol=1e-5)
    good = layout.layers["mask"][:, ::-1, 2:10, 2:10].reshape(N, 2, 4, 2, 4, 2)
    np.testing.assert_array_equal(store["mask"], good.all((3, 5)))
    np.testing.assert_array_equal(store["psf_fwhm"], layout.layers["psf_fwhm"][:, ::-1])
    assert store["image"].attrs["pixel_scale"] == 0.524 and store["image"].attrs["bands"] == ["des-r", "des-g"]


def test_a_pixel_without_weight_leaves_its_bin_without_weight(tmp_path):
    weights = np.ones((N, 8, 8))
    weights[:, 3, 4] = 0
    path = plain(tmp_path, weight=weights)
    store = stored(path, tmp_path / "s.zarr", Options(bin=2, inverse_variance="weight"))
    expected = np.full((N, 4, 4), 0.25)
    expected[:, 1, 2] = 0
    np.testing.assert_array_equal(store["inverse_variance"], expected)


class Plain:
    """A file of columns without options."""

    def __init__(self, source):
        self.source, self.options, self.settings = source, Options(), {}


def plain(folder, **columns):
    g = np.random.default_rng(2)
    np.savez(folder / "x.npz", **{"image": g.normal(9, 1, (N, 8, 8)), "z": g.random(N), **columns})
    return Plain(folder / "x.npz")


def test_bands_have_numbers_where_they_have_no_names(tmp_path):
    images = np.random.default_rng(2).random((N, 3, 8, 8)).astype(np.float32)
    store = stored(plain(tmp_path, image=images), tmp_path / "s.zarr", Options(bands=("2", "0")))
    np.testing.assert_array_equal(store["image"], images[:, [2, 0]])


@pytest.mark.parametrize("mark", ["good", "bad"])
def test_a_mask_says_what_1_means_and_stamps_are_binned_but_not_cut(tmp_path, mark):
    g = np.random.default_rng(4)
    mask, stamps = g.random((N, 8, 8)) < 0.5, g.random((N, 6, 6)).astype(np.float32)
    mask[:, 2:4, 2:4] = mark == "good"  # every image has a good pixel
    source = plain(tmp_path, flags=mask, psf=stamps, seeing=g.uniform(1, 2, N), scale=g.uniform(0.2, 0.3, N))
    options = Options(mask=f"flags={mark}", psf="psf", psf_fwhm="seeing", pixel_scale="scale", crop=4, bin=2)
    store = stored(source, tmp_path / "s.zarr", options)
    good = (mask if mark == "good" else ~mask)[:, 2:6, 2:6].reshape(N, 2, 2, 2, 2).all((2, 4))
    np.testing.assert_array_equal(store["mask"], good)
    np.testing.assert_allclose(store["psf"], stamps.reshape(N, 3, 2, 3, 2).sum((2, 4)), rtol=1e-6)
    with np.load(tmp_path / "x.npz") as file:
        np.testing.assert_array_equal(store["psf_fwhm"], file["seeing"])
        np.testing.assert_array_equal(store["pixel_scale"], 2 * file["scale"])
    assert store.attrs["factors"] == ["z"]


def test_images_of_other_sizes_are_cut_to_one(tmp_path):
    """HDUs by a catalogue and image files: a crop makes their shapes one; oblong images become square."""
    from astropy.io import fits

    g = np.random.default_rng(6)
    images = [g.random((10 + k % 3, 14)).astype(np.float32) for k in range(N)]
    for k, image in enumerate(images):
        fits.PrimaryHDU(image).writeto(tmp_path / f"{k:02d}.fits")
    names = [f"{k:02d}.fits" for k in range(N)]
    pd.DataFrame({"file": names, "z": g.random(N)}).to_csv(tmp_path / "c.csv", index=False)
    store = stored(Plain(tmp_path), tmp_path.parent / f"{tmp_path.name}.zarr", Options(crop=8))
    expected = [image[(s := (len(image) - 8) // 2) : s + 8, 3:11] for image in images]
    np.testing.assert_array_equal(store["image"], expected)


def test_repeated_ids_are_said_and_kept(tmp_path, caplog):
    caplog.set_level("INFO", "auxvae")
    store = stored(plain(tmp_path, object_id=np.array(["a", "b"] * (N // 2))), tmp_path / "s.zarr")
    assert store["source_id"].values.tolist() == ["a", "b"] * (N // 2)
    assert any("2 ids occur more than once" in line for line in caplog.messages)


def test_one_shard_is_open_at_a_time(tmp_path):
    """However many shards there are, and in whatever order columns are read."""
    from contextlib import ExitStack

    from simulations.sources.column import in_memory
    from simulations.sources.shards import gathered, joined_columns

    is_open = set()

    def opener(path, stack):
        is_open.add(path)
        stack.callback(is_open.discard, path)
        assert len(is_open) == 1
        k = int(path.name)
        return {"a": in_memory(f"{path}: a", np.arange(10 * k, 10 * k + 10)), "b": in_memory("b", np.ones((10, 2)) * k)}

    files = [tmp_path / str(k) for k in range(5)]
    with ExitStack() as stack:
        columns = joined_columns(files, tmp_path, opener, stack)
        for rows in (slice(0, 50), slice(8, 31), slice(49, 50), slice(20, 20), slice(-3, None)):
            np.testing.assert_array_equal(columns["a"][rows], np.arange(50)[rows])
            np.testing.assert_array_equal(columns["b"][rows], np.repeat(np.arange(5), 10)[rows, None] * np.ones(2))
        np.testing.assert_array_equal(gathered(columns, ["a"])["a"][:], np.arange(50))
        names, numbers = columns["b"].origin(slice(8, 12))
        assert names == ["0", "0", "1", "1"] and numbers.tolist() == [8, 9, 0, 1]
    assert not is_open


def test_damage_in_a_layer_is_a_fault_of_the_check(tmp_path):
    """The check reads layers as it reads images: an impossible value that was sealed is said."""
    import zarr

    from foundation.faults import Refused
    from foundation.files import read_json, write_json
    from simulations import store as stores

    layout = source_of(tmp_path, "multimodal")
    stored(layout, tmp_path / "s.zarr")
    group = zarr.open_group(tmp_path / "s.zarr", mode="r+")
    group["mask"][3, 0, 0, 0], group["inverse_variance"][5], group["psf_fwhm"][0, 0] = 2, 0, -1
    seal = read_json(tmp_path / "s.zarr/seal.json", "a seal")
    write_json(tmp_path / "s.zarr/seal.json", seal | {"files": stores.manifest(tmp_path / "s.zarr")})
    with pytest.raises(Refused) as refused:
        check(tmp_path / "s.zarr")
    said = str(refused.value)
    assert all(each in said for each in ("other than 0 and 1", "0 everywhere", "not above 0")), said


def test_sizes_have_the_unit_of_their_layout_or_the_one_that_is_stated(tmp_path):
    layout = source_of(tmp_path, "multimodal")
    store = stored(layout, tmp_path / "s.zarr")
    assert store["psf_fwhm"].attrs["units"] == store["image"].attrs["pixel_scale_units"] == "arcsec"
    changed = stored(layout, tmp_path / "t.zarr", Options(bin=2), units=["image_psf_fwhm=pix", "z=Gyr"])
    assert changed["psf_fwhm"].attrs["units"] == "pix" and changed["z"].attrs["units"] == "Gyr"
    np.testing.assert_array_equal(changed["psf_fwhm"], layout.layers["psf_fwhm"] / 2)


def test_the_classes_of_galaxy10_are_declared_unless_they_are_otherwise(tmp_path):
    layout = source_of(tmp_path, "galaxy10")
    assert stored(layout, tmp_path / "s.zarr").attrs["kinds"][0]["classes"] == [0, 1, 2]
    other = stored(layout, tmp_path / "t.zarr", circular=["ans=3"])
    assert [(each["factor"], each["classes"]) for each in other.attrs["kinds"]] == [("ans", [])]


def test_encoded_images_of_other_sizes_are_cut_to_one(tmp_path):
    from tests.simulations.layouts import as_png, table

    g = np.random.default_rng(8)
    images = [g.integers(0, 255, (9 + k % 4, 10)).astype(np.uint8) for k in range(N)]
    path = table(tmp_path / "x.parquet", {"image": [{"bytes": as_png(each)} for each in images], "z": g.random(N)})
    store = stored(Plain(path), tmp_path / "s.zarr", Options(crop=6))
    expected = [image[(s := (len(image) - 6) // 2) : s + 6, 2:8] for image in images]
    np.testing.assert_array_equal(store["image"], expected)


def test_pictures_beside_shards_are_left(tmp_path):
    layout = source_of(tmp_path, "multimodal_shards")
    (tmp_path / "source" / "preview.png").write_bytes(b"a picture")
    np.testing.assert_array_equal(stored(layout, tmp_path / "s.zarr")["image"], layout.images)


def test_a_study_reads_a_store_with_layers(tmp_path):
    """A model sees nothing of masked pixels; what else the store has changes nothing."""
    from auxvae.data.store import Store
    from tests.conftest import study_of

    layout = source_of(tmp_path, "multimodal_shards")
    stored(layout, tmp_path / "s.zarr")
    run = {"method": "vae", "network": {"name": "components", "latents": 2}, "training": {"batch": 8}}
    config = {"study": "s", "datasets": {"d": {"store": str(tmp_path / "s.zarr")}}}
    config["runs"] = [run | {"likelihood": "gaussian", "sigma": 1}]
    source = study_of(config)[1].runs[0].dataset
    rows = Store(tmp_path / "s.zarr", source).read("train")
    blank = np.where(layout.layers["mask"], layout.images, 0)
    np.testing.assert_array_equal(rows.images, blank[rows.numbers])

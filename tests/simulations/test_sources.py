"""Columns of files as other readers decode them: packed numbers, missing values, absent chunks, columns of one."""

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from foundation.faults import Refused
from simulations.convert import convert
from simulations.sources.opened import opened

N = 40
G = np.random.default_rng(1)
IMAGES = G.normal(20, 3, (N, 12, 12)).astype(np.float32)
SIZE = np.round(G.uniform(1, 4, N), 2)
PACKED = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 5.0, "_FillValue": -9999}


def run(source, path, **changes):
    convert(source, path, **{"images": "image", "factors": "", "units": [], "noise": "none", "seed": 0, **changes})
    return xr.open_zarr(path).load()


def dataset(size=SIZE):
    return xr.Dataset({"image": (("n", "y", "x"), IMAGES), "size": (("n",), size)})


def netcdf(path, size=SIZE, encoding=PACKED):
    dataset(size).to_netcdf(path, encoding={"size": encoding, "image": {"dtype": "int16", "scale_factor": 0.001}})


def zarr_of(version):
    def write(path, size=SIZE, encoding=PACKED):
        packed = {"size": encoding, "image": {"dtype": "int16", "scale_factor": 0.001}}
        dataset(size).to_zarr(path, zarr_format=version, encoding=packed, consolidated=False)

    return write


WRITERS = {"x.nc": netcdf, "x.h5": netcdf, "x2.zarr": zarr_of(2), "x3.zarr": zarr_of(3)}


def by_xarray(path):
    return xr.open_zarr(path, consolidated=False) if path.suffix == ".zarr" else xr.open_dataset(path)


@pytest.mark.parametrize("name", WRITERS)
def test_packed_numbers_are_those_that_xarray_unpacks(tmp_path, name):
    WRITERS[name](tmp_path / name)
    store = run(tmp_path / name, tmp_path / "s.zarr")
    with by_xarray(tmp_path / name) as truth:
        np.testing.assert_array_equal(store["size"], truth["size"])
        np.testing.assert_array_equal(store["image"], truth["image"].astype(np.float32))
    np.testing.assert_allclose(store["size"], SIZE, atol=1e-6)


@pytest.mark.parametrize("name", WRITERS)
def test_missing_numbers_are_refused_and_counted(tmp_path, name):
    WRITERS[name](tmp_path / name, size=np.where(np.arange(N) < 3, np.nan, SIZE))
    with pytest.raises(Refused, match="size: found 3 missing values in rows 0 to 39"):
        run(tmp_path / name, tmp_path / "s.zarr")


MARKS = {
    "a mark of the variable": {"missing_value": np.int32(-7)},
    "one of several marks": {"missing_value": np.array([-3, -7], np.int32)},
    "below the least": {"valid_min": np.int32(0)},
    "out of the range": {"valid_range": np.array([0, 5], np.int32)},
}


@pytest.mark.parametrize("case", MARKS)
def test_every_way_of_marking_a_missing_number_is_read(tmp_path, case):
    values = np.where(np.arange(N) % 10 == 4, -7, np.arange(N) % 5).astype(np.int32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["image"], file["kind"] = IMAGES, values
        file["kind"].attrs.update(MARKS[case])
    with pytest.raises(Refused, match="kind: found 4 missing values"):
        run(tmp_path / "x.h5", tmp_path / "s.zarr")


def test_unsigned_bytes_of_netcdf3_are_unpacked_as_xarray_does(tmp_path):
    stored = np.arange(N).astype(np.uint8) * 6
    with netCDF4.Dataset(tmp_path / "x.nc", "w") as file:
        for dim, size in {"n": N, "y": 12, "x": 12}.items():
            file.createDimension(dim, size)
        file.createVariable("image", "f4", ("n", "y", "x"))[:] = IMAGES
        variable = file.createVariable("size", "i1", ("n",), fill_value=-1)
        variable.set_auto_maskandscale(False)
        variable.setncatts({"_Unsigned": "true", "scale_factor": np.float64(0.5)})
        variable[:] = stored.view(np.int8)
    store = run(tmp_path / "x.nc", tmp_path / "s.zarr")
    with xr.open_dataset(tmp_path / "x.nc") as truth:
        np.testing.assert_array_equal(store["size"], truth["size"])
    np.testing.assert_array_equal(store["size"], stored / 2)


def test_values_that_netcdf_never_wrote_are_missing(tmp_path):
    with netCDF4.Dataset(tmp_path / "x.nc", "w") as file:
        for dim, size in {"n": N, "y": 12, "x": 12}.items():
            file.createDimension(dim, size)
        file.createVariable("image", "f4", ("n", "y", "x"))[:] = IMAGES
        file.createVariable("size", "f8", ("n",))[:30] = SIZE[:30]
    with pytest.raises(Refused, match="size: found 10 missing values"):
        run(tmp_path / "x.nc", tmp_path / "s.zarr")


def fits_table(path, **columns):
    Table({"image": IMAGES, "size": SIZE, **columns}).write(path)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint16])
def test_masked_columns_of_fits_are_missing(tmp_path, dtype):
    values, mask = (np.arange(N) % 2).astype(dtype), np.arange(N) % 13 == 5
    fits_table(tmp_path / "x.fits", kind=MaskedColumn(values, mask=mask))
    assert Table.read(tmp_path / "x.fits")["kind"].mask.sum() == 3
    with pytest.raises(Refused, match="kind: found 3 missing values in rows 0 to 39"):
        run(tmp_path / "x.fits", tmp_path / "s.zarr")


def raw_fits(path, name, values, stored=None, row=0, **keywords):
    """A table of images and a column of 4-byte integers or of logical values; the bytes of a row may be replaced."""
    letter = "L" if values.dtype == bool else "J"
    column = fits.Column(name, format=letter, array=values)
    table = fits.BinTableHDU.from_columns([fits.Column("image", format="144E", dim="(12,12)", array=IMAGES), column])
    table.header.update(keywords)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    if stored is not None:
        with fits.open(path) as file:
            start = file[1].fileinfo()["datLoc"] + row * (IMAGES[0].nbytes + len(stored)) + IMAGES[0].nbytes
        raw = bytearray(path.read_bytes())
        raw[start : start + len(stored)] = stored
        path.write_bytes(raw)


def test_a_logical_value_that_is_neither_true_nor_false_is_missing(tmp_path):
    raw_fits(tmp_path / "x.fits", "flag", np.arange(N) % 3 == 0, b"\0", row=7)
    with pytest.raises(Refused, match="flag: found 1 missing values"):
        run(tmp_path / "x.fits", tmp_path / "s.zarr")


def test_scaled_and_unsigned_columns_of_fits_are_those_of_astropy(tmp_path):
    columns = [
        fits.Column("image", format="144I", dim="(12,12)", array=(100 * IMAGES).astype(np.int16)),
        fits.Column("size", format="J", array=np.arange(N)),
        fits.Column("id", format="J", bzero=2**31, array=np.arange(N).astype(np.uint32) + 2**31),
        fits.Column("flag", format="L", array=np.arange(N) % 3 == 0),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    table.header.update({"TSCAL1": 0.01, "TZERO1": 20.0, "TSCAL2": 0.5, "TZERO2": 3.0})
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "x.fits")
    store, truth = run(tmp_path / "x.fits", tmp_path / "s.zarr"), fits.getdata(tmp_path / "x.fits")
    np.testing.assert_array_equal(store["image"], truth["image"].astype(np.float32))
    for name in ("size", "id", "flag"):
        np.testing.assert_array_equal(store[name], truth[name].astype(np.float64))
    np.testing.assert_array_equal(store["size"], np.arange(N) / 2 + 3)


def test_a_mark_of_scaled_integers_is_that_of_the_stored_ones(tmp_path):
    mark = np.array(-99, ">i4").tobytes()
    raw_fits(tmp_path / "x.fits", "kind", np.arange(N) % 7, mark, row=4, TNULL2=-99, TSCAL2=2.0, TZERO2=1.0)
    with pytest.raises(Refused, match="kind: found 1 missing values"):
        run(tmp_path / "x.fits", tmp_path / "s.zarr")


@pytest.mark.parametrize("cut", [1, 2879, 2880, 9000])
def test_a_fits_file_is_whole_without_its_padding_alone(tmp_path, cut, recwarn):
    fits_table(tmp_path / "x.fits")
    with fits.open(tmp_path / "x.fits") as file:
        padding = (-file[1].size) % 2880
    whole = (tmp_path / "x.fits").read_bytes()
    (tmp_path / "x.fits").write_bytes(whole[:-cut])
    if cut <= padding:
        assert (run(tmp_path / "x.fits", tmp_path / "s.zarr")["size"] == SIZE).all()
    else:
        with pytest.raises(Refused, match="cannot be read"):
            run(tmp_path / "x.fits", tmp_path / "s.zarr")
    assert not [each for each in recwarn if "truncated" in str(each.message)]


def lost_zarr(path):
    group = zarr.create_group(path)
    for name, values in {"image": IMAGES, "size": SIZE}.items():
        group.create_array(name, data=values, chunks=(10, *values.shape[1:]))
    (path / "size" / "c" / "2").unlink()
    (path / "image" / "c" / "1" / "0" / "0").unlink()


def lost_shards(path):
    group = zarr.create_group(path)
    group.create_array("image", data=IMAGES, chunks=(5, 12, 12), shards=(10, 12, 12))
    group.create_array("size", data=SIZE, chunks=(10,))
    (path / "size" / "c" / "2").unlink()
    (path / "image" / "c" / "1" / "0" / "0").unlink()


def unwritten_h5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("image", (N, 12, 12), "f4", chunks=(10, 12, 12))[:30] = IMAGES[:30]
        file.create_dataset("size", (N,), "f8", chunks=(10,))[:30] = SIZE[:30]


@pytest.mark.parametrize("write", [lost_zarr, lost_shards, unwritten_h5])
def test_absent_chunks_are_counted_refused_and_taken_when_they_are_meant(tmp_path, write, caplog):
    path = tmp_path / ("x.h5" if write is unwritten_h5 else "x.zarr")
    write(path)
    with pytest.raises(Refused) as refused:
        run(path, tmp_path / "s.zarr")
    assert [f"{path}: {name}: found 1 of 4 chunks absent" in str(refused.value) for name in ("image", "size")]
    assert len(refused.value.faults) == 2
    caplog.set_level("INFO", "auxvae")
    store = run(path, tmp_path / "s.zarr", fill_absent=True)
    assert int((store["size"] == 0).sum()) == 10
    assert sum("1 of 4 chunks are absent" in line for line in caplog.messages) == 2


def test_a_virtual_data_set_without_its_sources_is_refused(tmp_path):
    with h5py.File(tmp_path / "part.h5", "w") as part:
        part["image"] = IMAGES
    layout = h5py.VirtualLayout(IMAGES.shape, np.float32)
    layout[:] = h5py.VirtualSource(tmp_path / "part.h5", "image", IMAGES.shape)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_virtual_dataset("image", layout)
        file["size"] = SIZE
    np.testing.assert_array_equal(run(tmp_path / "x.h5", tmp_path / "s.zarr")["image"], IMAGES)
    (tmp_path / "part.h5").unlink()
    with pytest.raises(Refused, match="cannot be read"):
        run(tmp_path / "x.h5", tmp_path / "t.zarr")


@pytest.mark.parametrize("unit", ["arcsec", b"arcsec", np.bytes_(b"arcsec"), ["arcsec"], np.array([b"arcsec"])])
def test_units_are_texts_bytes_or_arrays_of_one(tmp_path, unit):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["image"], file["size"] = IMAGES, SIZE
        file["size"].attrs["units"] = unit
    assert run(tmp_path / "x.h5", tmp_path / "s.zarr")["size"].attrs["units"] == "arcsec"


def test_a_column_of_one_is_a_number_for_each_row(tmp_path, caplog):
    caplog.set_level("INFO", "auxvae")
    split = (np.arange(N) % 3)[:, None]
    np.savez(tmp_path / "x.npz", image=IMAGES, size=SIZE[:, None], split=split, psf=IMAGES[:, 0], note=np.array("dr2"))
    store = run(tmp_path / "x.npz", tmp_path / "s.zarr")
    np.testing.assert_array_equal(store["size"], SIZE)
    np.testing.assert_array_equal(store["split"], split[:, 0])
    assert sum("is no factor" in line for line in caplog.messages) == 2


@pytest.mark.parametrize("split", [np.array("train"), np.array(1), np.array([]), np.zeros((N, 2))])
def test_a_split_of_another_shape_is_refused(tmp_path, split):
    np.savez(tmp_path / "x.npz", image=IMAGES, size=SIZE, split=split)
    with pytest.raises(Refused, match=r"0 \(train\), 1 \(validation\) or 2 \(test\)"):
        run(tmp_path / "x.npz", tmp_path / "s.zarr")


def test_a_data_set_without_a_data_space_is_no_factor(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["image"], file["size"], file["note"] = IMAGES, SIZE, h5py.Empty("f4")
    assert list(run(tmp_path / "x.h5", tmp_path / "s.zarr").attrs["factors"]) == ["size"]


def test_a_filter_that_is_absent_is_named(tmp_path):
    space, properties = h5py.h5s.create_simple((N,)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((N,))
    properties.set_filter(32008, h5py.h5z.FLAG_OPTIONAL, (0,))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["image"] = IMAGES
        h5py.h5d.create(file.id, b"size", h5py.h5t.NATIVE_DOUBLE, space, properties)
        file["size"].id.write_direct_chunk((0,), SIZE.tobytes())
    with pytest.raises(Refused, match="size: found values packed by the filter 32008"):
        run(tmp_path / "x.h5", tmp_path / "s.zarr")


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_are_refused_where_doubles_would_merge_them(tmp_path, dtype):
    near = np.arange(N).astype(dtype) + dtype(2**53 - N)
    np.savez(
        tmp_path / "x.npz", image=IMAGES, near=near, far=near + dtype(2**60), power=near * 0 + 2 ** (near % 3 + 58)
    )
    with pytest.raises(Refused) as refused:
        run(tmp_path / "x.npz", tmp_path / "s.zarr")
    assert [fault.where.rpartition(": ")[2] for fault in refused.value.faults] == ["far"]
    store = run(tmp_path / "x.npz", tmp_path / "s.zarr", factors="near,power")
    np.testing.assert_array_equal(store["near"].values.astype(dtype), near)


def test_a_column_is_read_in_slices(tmp_path):
    fits_table(tmp_path / "x.fits")
    with opened(tmp_path / "x.fits") as columns:
        np.testing.assert_array_equal(columns["image"][7:11], IMAGES[7:11])
        assert (columns["image"].shape, columns["size"].dtype.kind) == ((N, 12, 12), "f")

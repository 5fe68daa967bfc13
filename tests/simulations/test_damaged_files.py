"""A file of any format, cut or changed at any place, becomes a sealed store or is refused in sentences.

AUXVAE_EXAMPLES=2000 damages each format so often, at other places than those of every day.
"""

import shutil
import warnings

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr
import zarr
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foundation.faults import Refused
from simulations.convert import convert
from tests.searching import plenty, sentences_of

PLENTY = plenty(25)
G = np.random.default_rng(3)
COLUMNS = {"image": G.normal(20, 3, (16, 8, 8)).astype(np.float32), "size": G.random(16), "kind": np.arange(16) % 5}
PACKED = {"size": {"dtype": "int16", "scale_factor": 1e-4, "_FillValue": -9999}}


def hdf5(path):
    with h5py.File(path, "w") as file:
        for name, values in COLUMNS.items():
            file.create_dataset(name, data=values, chunks=values.shape, compression="gzip")


def dataset():
    dims = {"image": ("n", "y", "x"), "size": ("n",), "kind": ("n",)}
    return xr.Dataset({name: (dims[name], values) for name, values in COLUMNS.items()})


def zarr_group(path):
    group = zarr.create_group(path)
    for name, values in COLUMNS.items():
        group.create_array(name, data=values, chunks=(8, *values.shape[1:]))


def parquet(path):
    columns = {"size": COLUMNS["size"], "kind": COLUMNS["kind"], "image": COLUMNS["image"].tolist()}
    pq.write_table(pa.table(columns), path, row_group_size=8, write_page_checksum=True)


def cube(path):
    table = Table({name: COLUMNS[name] for name in ("size", "kind")})
    fits.HDUList([fits.PrimaryHDU(COLUMNS["image"]), fits.table_to_hdu(table)]).writeto(path)


def rice(path):
    table = Table({name: COLUMNS[name] for name in ("size", "kind")})
    images = fits.CompImageHDU((100 * COLUMNS["image"]).astype(np.int32))
    fits.HDUList([fits.PrimaryHDU(), images, fits.table_to_hdu(table)]).writeto(path, checksum=True)


def folder(path):
    path.mkdir()
    names = [f"{k}.png" for k in range(16)]
    for name, image in zip(names, COLUMNS["image"], strict=True):
        Image.fromarray((5 * image).astype(np.uint8)).save(path / name)
    Table({"file": names, "size": COLUMNS["size"]}).write(path / "c.csv")


def shards(path):
    path.mkdir()
    for k in range(2):
        np.savez(path / f"{k}.npz", **{name: values[8 * k : 8 * k + 8] for name, values in COLUMNS.items()})


WRITERS = {
    "x.npz": lambda path: np.savez(path, **COLUMNS),
    "packed.npz": lambda path: np.savez_compressed(path, **COLUMNS),
    "x.h5": hdf5,
    "x.nc": lambda path: dataset().to_netcdf(path, encoding=PACKED),
    "x.fits": lambda path: Table(COLUMNS).write(path),
    "x.parquet": parquet,
    "cube.fits": cube,
    "rice.fits.fz": rice,
    "folder": folder,
    "shards": shards,
    "x3.zarr": zarr_group,
    "x2.zarr": lambda path: dataset().to_zarr(path, zarr_format=2, encoding=PACKED, consolidated=False),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One good file of every format."""
    folder = tmp_path_factory.mktemp("whole")
    for name, write in WRITERS.items():
        write(folder / name)
    return folder


def converted(source, store):
    """The sentences with which a file is refused, none if it became a store; what was there stays, and nothing else."""
    before = sorted(store.parent.iterdir())
    settings = {"images": "image", "factors": "", "units": [], "noise": "none", "seed": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # raw warnings are no sentences
        try:
            convert(source, store, **settings)
            sentences = []
        except Refused as refused:
            sentences = sentences_of(refused)
    assert sorted(store.parent.iterdir()) == (before if sentences else sorted([*before, store]))
    assert sentences or (store / "seal.json").is_file()
    return sentences


@pytest.mark.parametrize("name", WRITERS)
def test_whole_files_are_converted(whole, tmp_path, name):
    assert converted(whole / name, tmp_path / "s.zarr") == []


def damage(path, data):
    """Cut a file, or change some of its bytes; of a folder one of its files, which may also be deleted."""
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    file = files[data.draw(st.integers(0, len(files) - 1), label=str([each.name for each in files]))]
    raw = bytearray(file.read_bytes())
    kind = data.draw(st.sampled_from(["cut", "change", "change", "head"]))
    if kind == "cut":
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    for _ in range(data.draw(st.integers(1, 4)) if kind != "cut" else 0):
        most = len(raw) - 1 if kind == "change" else min(len(raw) - 1, 600)
        raw[data.draw(st.integers(0, most))] = data.draw(st.integers(0, 255))
    file.write_bytes(raw)


@pytest.mark.parametrize("name", WRITERS)
@PLENTY
@given(data=st.data())
def test_damaged_files_are_refused_in_sentences(whole, tmp_path_factory, name, data):
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / name
    (shutil.copytree if (whole / name).is_dir() else shutil.copyfile)(whole / name, path)
    damage(path, data)
    converted(path, folder / "s.zarr")
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["x.npz", "packed.npz", "x.fits", "x.parquet", "cube.fits", "rice.fits.fz"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.7])
def test_a_file_that_is_cut_is_never_converted(whole, tmp_path, name, share):
    raw = (whole / name).read_bytes()
    (tmp_path / name).write_bytes(raw[: int(share * len(raw))])
    (sentence,) = converted(tmp_path / name, tmp_path / "s.zarr")
    without_its_table = name in ("cube.fits", "rice.fits.fz") and "found no factors" in sentence
    assert ("cannot be read" in sentence and "complete file" in sentence) or without_its_table

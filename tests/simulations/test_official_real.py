"""Real files of three data sets, if they are beside the repository: their factors, and how these show in the images."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from simulations.check import check
from simulations.official import import_official

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def store_of(name, source, path):
    import_official(name, source, path, most=1000, seed=0)
    return xr.open_zarr(path)


REAL = {
    "dsprites": ("dsprites/dsprites_subset.npz", {"shape": 3, "scale": 6, "orientation": 40, "pos_x": 32, "pos_y": 32}),
    "cifar10": ("cifar10/cifar10_test_jpg.zip", {"label": 10}),
    "mnist": ("mnist_t10k", {"label": 10}),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_imported(tmp_path, name):
    path, levels = REAL[name]
    if not (DATA / path).exists():
        pytest.skip("the real files are not on this machine")
    store = store_of(name, DATA / path, tmp_path / "s.zarr")
    assert {factor: len(np.unique(store[factor])) for factor in levels} == levels
    assert 0 == store["image"].min() < store["image"].max() == 1
    check(tmp_path / "s.zarr")


def test_real_dsprites_show_their_scale_and_position(tmp_path):
    """The area of each shape is proportional to the square of the scale, and its centroid follows the position."""
    if not (DATA / "dsprites").exists():
        pytest.skip("the real files are not on this machine")
    store = store_of("dsprites", DATA / "dsprites/dsprites_subset.npz", tmp_path / "s.zarr").load()
    image = store["image"].values.astype(float)
    light = image.sum(axis=(1, 2))
    for axis, position in ((1, "pos_x"), (2, "pos_y")):
        centre = (image.sum(axis=axis) * np.arange(64)).sum(axis=1) / light
        assert np.corrcoef(centre, store[position])[0, 1] > 0.99
    for shape in (1, 2, 3):
        ratio = (light / store["scale"].values ** 2)[store["shape"].values == shape]
        assert ratio.std() < 0.05 * ratio.mean()

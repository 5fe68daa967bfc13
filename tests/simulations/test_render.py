"""`render` draws the galaxies that the store holds, is linear where it says so, and refuses in sentences."""

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from foundation.faults import Refused
from simulations.render import LINEAR, dataset_of, render, stamps_of
from tests.auxvae.test_stores_of_kinds import written
from tests.conftest import ROOT


@pytest.fixture
def columns(tiny_store):
    with xr.open_zarr(tiny_store) as store:
        return {name: store[name].values[:6] for name in dataset_of(tiny_store).factors}


def test_the_rows_of_a_store_are_drawn_as_its_noise_free_images(tiny_store, columns, tmp_path):
    np.savez(tmp_path / "rows.npz", **columns)
    command = [sys.executable, "-m", "simulations", "render", tiny_store, tmp_path / "rows.npz", tmp_path / "out.npz"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == {"linear": ["flux"]}
    with np.load(tmp_path / "out.npz") as file, xr.open_zarr(tiny_store) as store:
        np.testing.assert_array_equal(file["image"], store["image_true"].values[:6])


def test_images_are_linear_in_what_is_called_linear(tiny_store, columns):
    dataset = dataset_of(tiny_store)
    for name in LINEAR:
        brighter = stamps_of(dataset, {**columns, name: 3 * columns[name]})
        np.testing.assert_allclose(brighter, 3 * stamps_of(dataset, columns), rtol=1e-5, atol=1e-5 * brighter.max())


def test_no_rows_are_no_images(tiny_store):
    empty = {name: np.zeros(0) for name in dataset_of(tiny_store).factors}
    assert stamps_of(dataset_of(tiny_store), empty).shape == (0, 33, 33)


def test_what_cannot_be_drawn_is_refused(tiny_store, columns, tmp_path):
    def refusal(store, **values):
        np.savez(tmp_path / "rows.npz", **values)
        with pytest.raises(Refused) as caught:
            render(store, tmp_path / "rows.npz", tmp_path / "out.npz")
        return str(caught.value)

    without = {name: values for name, values in columns.items() if name != "g1"}
    assert "the factors of the store are" in refusal(tiny_store, **without)
    assert "not finite" in refusal(tiny_store, **{**columns, "g1": np.full(6, np.nan)})
    assert "several shapes" in refusal(tiny_store, **{**columns, "g1": np.zeros(5)})
    assert "not simulated" in refusal(written(tmp_path), **columns)
    assert "no file" in refusal(tmp_path, **columns)
    assert not (tmp_path / "out.npz").exists()

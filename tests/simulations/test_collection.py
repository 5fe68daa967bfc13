"""Collections: slices and joins lose no row, resampling keeps brightness, a full disk is a fault before the start."""

import shutil
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest

from foundation.faults import Refused
from simulations.collection import Collection, at_most, joined, parts_of, picked
from simulations.intake import Intake, write
from simulations.layers import Layer
from simulations.official.pixels import area_weights, by_area

RNG = np.random.default_rng(1)
IMAGES = RNG.random((1000, 4, 4)).astype(np.float32)


def collection(images=IMAGES, split=None):
    number = np.arange(len(images), dtype=np.float64)
    return Collection("here", len(images), (4, 4), lambda rows: picked(images, rows), {"number": number}, {}, split)


class Slices:
    """An array that can only be sliced, and records the longest slice."""

    longest = 0

    def __getitem__(self, rows):
        self.longest = max(self.longest, rows.stop - rows.start)
        return IMAGES[rows.start : rows.stop]


@pytest.mark.parametrize("rows", [[0], [999], [3, 4, 5], [0, 500, 999], list(range(0, 1000, 3))])
def test_picked_rows_are_the_rows_and_no_long_slice_is_read(rows):
    slices, rows = Slices(), np.array(rows)
    np.testing.assert_array_equal(picked(slices, rows), IMAGES[rows])
    assert slices.longest <= 256


def test_joined_collections_are_read_across_their_seams():
    whole = joined([collection(IMAGES[:300]), collection(IMAGES[300:700]), collection(IMAGES[700:])])
    for rows in (np.arange(1000), np.array([299, 300]), np.array([5, 699, 700, 999]), np.array([350])):
        np.testing.assert_array_equal(whole.read(rows), IMAGES[rows])
    assert whole.factors["number"].tolist() == [*range(300), *range(400), *range(300)]


@pytest.mark.parametrize("most", [1, 10, 999])
def test_a_subset_is_without_repeats_and_in_order(most):
    numbers = at_most(collection(), most, 7).factors["number"]
    assert len(numbers) == most and (np.diff(numbers) > 0).all()


def test_a_subset_takes_the_same_rows_of_layers_as_of_images():
    layer = Layer(("galaxy", "y", "x"), (4, 4), "float32", {}, lambda rows: picked(IMAGES, rows))
    subset = at_most(replace(collection(), layers={"mask": layer}), 30, 3)
    rows = np.arange(30)
    np.testing.assert_array_equal(subset.layers["mask"].read(rows), subset.read(rows))


def test_a_subset_of_everything_is_everything():
    whole = collection()
    assert at_most(whole, None, 0) is whole and at_most(whole, 1000, 0) is whole


def test_every_row_is_as_likely_to_be_kept():
    """100 of 1000 rows for each of 400 seeds: the counts are binomial, with mean 40 and standard deviation 6."""
    counts = np.zeros(1000)
    for seed in range(400):
        counts[at_most(collection(), 100, seed).factors["number"].astype(int)] += 1
    assert abs(counts.std() - 6) < 0.6 and counts.max() < 70


def test_a_complete_split_is_kept_and_training_rows_of_an_official_one_are_divided():
    complete = (np.arange(1000) % 3).astype(np.int8)
    np.testing.assert_array_equal(parts_of(collection(split=complete), 0), complete)
    official = np.repeat(np.array([0, 2], np.int8), [700, 300])
    parts = parts_of(collection(split=official), 0)
    assert np.bincount(parts).tolist() == [600, 100, 300] and (parts[700:] == 2).all()


@pytest.mark.parametrize(("before", "after"), [(96, 64), (128, 64), (64, 64), (50, 32)])
def test_fewer_pixels_keep_the_mean_brightness(before, after):
    image = RNG.random((3, before, before)).astype(np.float32)
    np.testing.assert_allclose(by_area(image, after).mean(axis=(1, 2)), image.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(area_weights(before, after).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(by_area(np.ones_like(image), after), 1, rtol=1e-5)


def test_a_disk_without_enough_space_is_a_fault_before_the_start(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1000))
    with pytest.raises(Refused, match=r"1e-06 GB free.*the images need 6.4e-05 GB"):
        write(collection(), tmp_path / "s.zarr", Intake({"kind": "none"}, 0, "simulations.convert"))
    assert not list(tmp_path.iterdir())

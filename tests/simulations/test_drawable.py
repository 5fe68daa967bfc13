"""Any data set is refused in sentences, or its extreme galaxies are really drawn, finite and of the promised size."""

import itertools
import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings

from simulations.cost import worker_bytes
from simulations.extent import largest_transform
from simulations.factors import draw_factors
from simulations.facts import read_dataset
from simulations.galaxy import draw, parameters
from simulations.noise import add_noise
from simulations.spec import Dataset
from simulations.transform import LARGEST, size
from tests.simulations.scenes import datasets

EXAMPLES = int(os.environ.get("DRAWABLE_EXAMPLES", "120"))
QUICK = int(os.environ.get("DRAWABLE_PIXELS", "700"))  # larger transforms are compared in size only


def extreme_rows(dataset):
    """The scene parameters of galaxies at every corner of the factors, and of a few ordinary rows."""
    ends = {name: factor.support() for name, factor in dataset.factors.items()}
    corners = [dict(zip(ends, values, strict=True)) for values in itertools.product(*ends.values())]
    rows = draw_factors(dataset, 0, 4)
    assert all(np.isfinite(values).all() for values in rows.values())
    ordinary = [{name: float(values[i]) for name, values in rows.items()} for i in range(4)]
    for name, (low, high) in ends.items():
        step = 0.025001 if name == "sersic_index" else 1e-9 * max(abs(low), abs(high))
        assert all(low - step <= row[name] <= high + step for row in ordinary)
    return [parameters(dataset, row) for row in [*corners, *ordinary]]


def check_drawing(dataset):
    largest = largest_transform(dataset)
    assert max(largest) <= LARGEST and worker_bytes(dataset) < 2e9
    for i, values in enumerate(extreme_rows(dataset)):
        one = size(dataset.scene, values)
        assert one.image <= largest.image and one.grid <= 1.2 * largest.grid
        if one.grid <= QUICK:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                stamp = draw(dataset.scene, values)
                noisy = add_noise(dataset.noise, stamp, 1, i)
            assert stamp.shape == (dataset.scene.stamp,) * 2
            assert np.isfinite(stamp).all() and np.isfinite(noisy).all() and noisy.dtype == np.float32


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 1000, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(datasets())
def test_a_data_set_is_refused_in_sentences_or_drawn(value):
    faults = []
    dataset = read_dataset(value, "datasets.d", faults)
    assert (dataset is None) == bool(faults)
    assert len({fault.where for fault in faults}) == len(faults), faults
    for fault in faults:
        assert fault.where.startswith("datasets.d") and "\n" not in str(fault) and "nan" not in str(fault).split()
    if isinstance(dataset, Dataset):
        event("passed")
        check_drawing(dataset)


@pytest.mark.parametrize("preset", [{"preset": "paper"}])
def test_the_presets_are_drawn(preset):
    check_drawing(read_dataset(preset, "d", []))

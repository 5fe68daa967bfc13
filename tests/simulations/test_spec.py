"""The digest of a data set: a new key that is absent leaves it as it is, a changed default does not."""

from dataclasses import field, make_dataclass, replace

import pytest

from simulations.facts import read_dataset
from simulations.scene_spec import Scene
from simulations.spec import Dataset


@pytest.fixture
def dataset():
    return read_dataset({"preset": "paper"}, "d", [])


@pytest.mark.parametrize("absent", [None, False])
def test_a_new_key_that_is_absent_leaves_the_digest(dataset, absent):
    wider = make_dataclass("Wider", [("lensed", object, field(default=absent))], bases=(Dataset,), frozen=True)
    values = vars(dataset)
    assert wider(**values).digest == dataset.digest
    assert wider(**values, lensed=True).digest != dataset.digest


def test_a_changed_default_is_another_data_set(dataset):
    sharper = make_dataclass("Sharper", [("pixel_scale", float, 0.1)], bases=(Scene,), frozen=True)
    values = {key: value for key, value in vars(dataset.scene).items() if key != "pixel_scale"}
    assert replace(dataset, scene=sharper(**values)).digest != dataset.digest


@pytest.mark.parametrize("change", [{"galaxies": 5}, {"seed": 1}, {"image_true": True}, {"design": "random"}])
def test_every_value_counts(dataset, change):
    assert replace(dataset, **change).digest != dataset.digest

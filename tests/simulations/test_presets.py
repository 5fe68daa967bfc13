"""A preset is overridden key by key, in its sections too; factors, and noise of another kind, as a whole."""

import pytest

from simulations.facts import read_dataset
from simulations.presets import PAPER, over_preset


def read(**written):
    faults = []
    dataset = read_dataset({"preset": "paper", **written}, "d", faults)
    assert not faults
    return dataset


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("scene", "stamp", 48), ("scene", "psf", "kolmogorov"), ("scene", "pixel_scale", 0.15), ("noise", "sky", 5.0)],
)
def test_one_key_of_a_section_leaves_the_others(section, key, value):
    usual, changed = vars(getattr(read(), section)), vars(getattr(read(**{section: {key: value}}), section))
    assert changed == {**usual, key: value}


def test_the_radius_stays_a_scale_radius():
    assert read(scene={"stamp": 64}).scene.radius == PAPER["scene"]["radius"] == "scale"


def test_noise_of_another_kind_takes_nothing_over():
    assert over_preset(PAPER, {"noise": {"kind": "gaussian", "snr": 9}})["noise"] == {"kind": "gaussian", "snr": 9}
    assert read(noise={"kind": "gaussian", "snr": 9}).noise.sky is None


def test_factors_are_replaced_as_a_whole():
    factor = {"unit": "ph", "distribution": "uniform", "low": 1e4, "high": 2e4}
    merged = over_preset(PAPER, {"preset": "paper", "factors": {"flux": factor}})
    assert merged["factors"] == {"flux": factor} and "preset" not in merged


@pytest.mark.parametrize("section", [None, "poisson", ["stamp"], 3])
def test_what_is_no_section_is_not_merged(section):
    assert over_preset(PAPER, {"scene": section})["scene"] == section

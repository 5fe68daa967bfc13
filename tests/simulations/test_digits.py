"""Digits: every factor does to the image what its name says, and a store of them is like any other."""

import itertools

import numpy as np
import pytest

from foundation.faults import Refused
from simulations import digit_measurement
from simulations.check import check
from simulations.digit_measurement import centroid, measure
from simulations.digits import SIDE, STROKES, digit_of, draw
from simulations.draw import simulate
from simulations.facts import read_declared
from simulations.parameters import DIGITS
from simulations.scene_spec import Scene
from tests.simulations.painted import faults_of

SCENE = Scene(kind="digits", stamp=28)
PLAIN = {**dict.fromkeys(DIGITS, 0.0), "pen": 2.2, "scaling": 0.8}
EVERY = pytest.mark.parametrize("digit", range(10))


def image(**values):
    return draw(SCENE, {**PLAIN, **values}).astype(np.float64)


def spread(picture):
    """Second moments of the ink about its centroid: along x, along y, and mixed, in square pixels."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    x, y = x - (SIDE - 1) / 2 - centroid(picture)[0], (SIDE - 1) / 2 - y - centroid(picture)[1]
    return tuple(np.sum(picture * each) / picture.sum() for each in (x**2, y**2, x * y))


def test_digits_are_ten_and_unlike_each_other():
    every = [image(digit=k / 9) for k in range(10)]
    assert len(STROKES) == 10 and [digit_of({"digit": k / 9}) for k in range(10)] == [*range(10)]
    for one, other in itertools.combinations(every, 2):
        assert np.abs(one - other).sum() > 15  # pixels
    assert digit_of({"digit": 1.0}) == 9 and digit_of({"digit": 0.0}) == 0


@EVERY
def test_ink_lies_between_0_and_1_within_the_image(digit):
    picture = draw(SCENE, {**PLAIN, "digit": digit / 9})
    assert picture.shape == (28, 28) and picture.dtype == np.float32
    assert picture.min() == 0 and 0.9 < picture.max() <= 1
    assert not picture[[0, -1]].any() and not picture[:, [0, -1]].any()


@EVERY
def test_strokes_are_as_wide_as_the_pen_and_the_operations_say(digit):
    usual, thin, thick = (image(digit=digit / 9, **each).sum() for each in ({}, {"thinning": 0.8}, {"thickening": 0.5}))
    assert thin / usual == pytest.approx(1 - 0.5 * 0.8, abs=0.04)
    assert thick / usual == pytest.approx(1 + 1.2 * 0.5, abs=0.2)  # strokes that meet share their ink
    assert image(digit=digit / 9, pen=2.2 * 1.6, thinning=0).sum() == pytest.approx(thick, rel=0.01)


@EVERY
def test_a_shift_moves_the_ink_and_nothing_else(digit):
    usual, moved = image(digit=digit / 9), image(digit=digit / 9, shift_x=2.0, shift_y=-1.0)
    np.testing.assert_allclose(np.roll(usual, (1, 2), (0, 1)), moved, atol=1e-6)  # row 0 is the top
    assert measure(SCENE, {**PLAIN, "digit": digit / 9, "shift_x": 1.3})["shift_x"][0] == pytest.approx(1.3, abs=0.05)


@EVERY
def test_size_and_slant_are_those_of_the_second_moments(digit):
    usual = spread(image(digit=digit / 9, pen=1.5))
    larger = spread(image(digit=digit / 9, pen=1.5, scaling=1.2))
    sides = slice(1, 2) if digit == 1 else slice(2)  # a one is as wide as its stroke, whose soft edge keeps its width
    np.testing.assert_allclose(np.divide(larger[sides], usual[sides]), (1.2 / 0.8) ** 2, rtol=0.04)
    slanted = spread(image(digit=digit / 9, pen=1.5, slant=0.5))
    assert slanted[1] == pytest.approx(usual[1], rel=0.03)
    assert slanted[2] - usual[2] == pytest.approx(0.5 * usual[1], rel=0.06)


def test_swelling_blows_up_the_middle():
    for digit in (0, 8):  # the holes of a nought and an eight
        usual, swollen = (image(digit=digit / 9, swelling=each) for each in (0.0, 0.8))
        assert spread(swollen)[0] > 1.1 * spread(usual)[0]


@pytest.mark.parametrize("hand", ["hand_1", "hand_2", "hand_3"])
def test_another_hand_writes_another_image_of_the_same_digit(hand):
    one, other = image(digit=3 / 9), image(digit=3 / 9, **{hand: 0.9})
    assert 5 < np.abs(one - other).sum() < 0.8 * (one.sum() + other.sum())


def test_a_store_of_digits_is_drawn_and_proves_its_contexts(tmp_path):
    config = {
        "study": "digits",
        "datasets": {"digits": {"preset": "digits", "galaxies": 4000}},
        "runs": [{"method": "vae", "likelihood": "bernoulli"}],
    }
    declared = read_declared(config, [])
    simulate(declared.simulated["digits"], declared.facts["digits"], tmp_path / "d.zarr", workers=2)
    check(tmp_path / "d.zarr")
    with pytest.MonkeyPatch.context() as patch:  # a drawing that shifts to the other side, or less far
        for factor in (-1, 0.8):
            patch.setattr(
                digit_measurement, "draw", lambda scene, v, by=factor: draw(scene, v | {"shift_x": by * v["shift_x"]})
            )
            with pytest.raises(Refused, match="shift_x"):
                check(tmp_path / "d.zarr")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"scene": {"stamp": 32}}, "digits are painted at 28 pixels along each side; write stamp: 28"),
        ({"noise": {"kind": "poisson"}}, "digits have no noise"),
        ({"image_true": True}, "digits have no noise, so that their images are noise-free already"),
        ({"factors": {"quad1": {"low": 0, "high": 1}}}, "a scene of digits takes digit, pen"),
        ({"scene": {"psf": "moffat"}}, "a scene of digits takes kind, stamp and constants"),
    ],
)
def test_what_no_digit_has_is_refused(written, expected):
    assert any(expected in sentence for sentence in faults_of("digits", written))

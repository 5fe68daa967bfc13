"""Marks of missing values are found, and black, saturated, whole or merely rare values are not taken for them."""

import numpy as np
import pytest

from simulations.sentinels import sentinel

G = np.random.default_rng(2)
FLUX, WHOLE = G.lognormal(3, 1, 400), np.arange(400) % 7.0
MARKS = (-99, -999, -9999, -32768, -(2.0**31), -1e30, 1e20, 1e30, 9.969209968386869e36)


def marked(values, mark, times=3):
    result = np.array(values, dtype=np.float64)
    result[5 : 5 + times] = mark
    return result


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("values", [FLUX, WHOLE, -1 - FLUX / 1000], ids=["flux", "whole", "negative"])
def test_customary_marks_are_found_and_counted(values, mark, dtype):
    found = sentinel(marked(values, mark).astype(dtype))
    others = marked(values, mark)[marked(values, mark) != mark].astype(dtype)
    assert found is not None
    assert (found.value, found.times) == (float(dtype(mark)), 3)
    assert (found.low, found.high) == (float(others.min()), float(others.max()))
    assert f"3 times {mark:g} among values from" in str(found)


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_that_stands_once_is_found_far_from_the_others(mark):
    found = sentinel(marked(FLUX / FLUX.max(), mark, 1))
    assert found is not None
    assert found.times == 1


def test_positive_nines_are_marks_of_factors_and_values_of_pixels():
    magnitudes = 20 + G.random(100)
    assert sentinel(marked(magnitudes, 99)) is not None
    assert sentinel(marked(magnitudes, 99), positive=False) is None
    assert sentinel(marked(60 + 37 * G.random(100), 99)) is None  # a value like others


def test_any_value_that_recurs_a_thousand_times_farther_than_all_others_is_a_mark():
    assert sentinel(marked(FLUX, 12345678.0)) is not None
    assert sentinel(marked(FLUX, 12345678.0, 1)) is None


NONE = {
    "flux": FLUX,
    "one value": np.ones(9),
    "two classes": np.repeat([0.0, 1.0], 5),
    "black and white": np.repeat([0.0, 255.0], 50),
    "saturated": np.minimum(FLUX, np.quantile(FLUX, 0.8)),
    "clipped at zero": np.maximum(FLUX - 30, 0),
    "classes in rising order": WHOLE,
    "degrees": np.linspace(-180, 180, 361),
    "-99 among whole numbers": np.arange(-99.0, 100),
    "an outlier": marked(FLUX, 1e5, 1),
    "a normal": G.standard_normal(1000),
    "magnitudes": -99 + G.standard_normal(100),
    "empty space": np.where(np.arange(400) % 50 == 0, FLUX, 0.0),
}


@pytest.mark.parametrize("case", NONE)
def test_what_was_measured_is_no_mark(case):
    assert sentinel(NONE[case]) is None

"""What the suite scores: which arrays are taken, which are refused in a sentence, which factors are discrete."""

import re

import numpy as np
import pytest

from auxvae.metrics.representation import is_discrete, representation
from foundation.faults import Refused
from tests.auxvae.test_suite import CONTINUOUS, DISCRETE, NOISE, N

BAD = {
    "not a number": (np.where(np.arange(N)[:, None] == 7, np.nan, NOISE), DISCRETE, {}, "the first in row 7"),
    "a constant factor": (NOISE, np.hstack([DISCRETE, np.ones((N, 1))]), {}, "1 in every row"),
    "few rows": (NOISE[:10], DISCRETE[:10], {}, "found 10 rows, but histograms have 20 bins"),
    "other rows": (NOISE, DISCRETE[:-1], {}, "found 2999 rows, but codes has 3000 rows"),
    "no table": (NOISE[None], DISCRETE, {}, "they must be a table"),
    "words": (np.full((N, 1), "a"), DISCRETE, {}, "they must be real numbers"),
    "half a test": (NOISE, DISCRETE, {"codes_test": NOISE}, "codes_test is there"),
    "other columns": (NOISE, DISCRETE, {"codes_test": NOISE[:, :2], "factors_test": DISCRETE}, "found 2 columns"),
    "flags": (NOISE, DISCRETE, {"discrete": [True]}, "there are 4 factors"),
    "flags in words": (NOISE, DISCRETE, {"discrete": ["no"] * 4}, "give true or false for each"),
    "complex": (NOISE * 1j, DISCRETE, {}, "they must be real numbers"),
    "too large": (NOISE * 1e200, DISCRETE, {}, "below 1e100"),
    "a prior of other latents": (NOISE, DISCRETE, {"prior": NOISE[:, :2]}, "found shape (3000, 2)"),
    "a broken prior": (NOISE, DISCRETE, {"prior": NOISE * np.nan}, "no finite numbers"),
    "short films": (NOISE, DISCRETE, {"films": np.zeros((9, 2, 4))}, "T at least 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_scored_is_refused_in_a_sentence(case):
    codes, factors, more, sentence = BAD[case]
    with pytest.raises(Refused, match=re.escape(sentence)):
        representation(codes, factors, **more)


def test_factors_of_few_values_are_discrete():
    assert is_discrete(DISCRETE[:, 0])
    assert not is_discrete(CONTINUOUS[:, 0])
    assert not is_discrete(np.arange(40.0))

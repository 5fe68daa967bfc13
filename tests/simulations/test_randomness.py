"""Randomness by address: slices agree with the whole, streams are unrelated, permutations are permutations."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import stats

from simulations.randomness import generator, key, permuted, uniforms


@hypothesis.given(st.integers(0, 500), st.integers(0, 40))
def test_any_slice_is_that_of_the_whole(start, length):
    whole = uniforms(3, "x", 0, 600)
    assert np.array_equal(uniforms(3, "x", start, start + length), whole[start : start + length])


@hypothesis.given(st.integers(1, 3000), st.integers(0, 2**63 - 1))
def test_a_permutation_visits_every_index_once(size, seed):
    out = permuted(np.arange(size, dtype=np.uint64), size, seed, "p")
    assert np.array_equal(np.sort(out), np.arange(size))


def test_a_permutation_is_computed_for_one_index_alone():
    whole = permuted(np.arange(1000, dtype=np.uint64), 1000, 5, "p")
    assert permuted(np.array([421], dtype=np.uint64), 1000, 5, "p")[0] == whole[421]


def test_a_permutation_is_uncorrelated_with_the_order_and_with_its_neighbours():
    size = 20000
    index = np.arange(size, dtype=np.uint64)
    out = {seed: permuted(index, size, seed, "p").astype(float) for seed in range(4)}
    rho = np.corrcoef([np.arange(size), *out.values(), np.roll(out[0], 1)])
    assert np.abs(rho[~np.eye(len(rho), dtype=bool)]).max() < 5 / np.sqrt(size)


def test_uniform_numbers_are_uniform():
    assert stats.kstest(uniforms(1, "x", 0, 20000), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("seed", [0, 1, 2**62])
def test_streams_of_consecutive_seeds_and_of_purposes_are_unrelated(seed):
    draws = [uniforms(s, p, 0, 4000) for s in (seed, seed + 1) for p in ("noise", "factor flux")]
    assert len(np.unique(np.concatenate(draws))) == 16000
    assert np.abs(np.corrcoef(draws)[~np.eye(4, dtype=bool)]).max() < 0.08
    assert not set(key(seed, "a").tolist()) & set(key(seed + 1, "a").tolist())


def test_every_row_has_an_independent_generator():
    first = generator(1, "noise", 10).random(100)
    generator(1, "noise", 9).random(10**5)
    assert np.array_equal(first, generator(1, "noise", 10).random(100))
    assert not np.intersect1d(first, generator(1, "noise", 11).random(100)).size

"""Alignment and image scores: closed forms, controls, invariances, and the standard implementations."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from skimage.metrics import structural_similarity

from auxvae.analysis.controls import control_codes
from auxvae.metrics.alignment import (
    alignment_scores,
    correlation_matrix,
    lds,
    lds_ceiling,
    lds_of,
    null_threshold,
)
from auxvae.metrics.images import asinh_scale, ssim_to
from auxvae.metrics.score import mean_score

RNG = np.random.default_rng(0)
N, D, F = 2000, 10, 5
FACTORS = RNG.random((N, F))
NAMED = {f"f{k}": FACTORS[:, k] for k in range(F)}


def scores(codes, aux=()):
    return alignment_scores(codes, NAMED, aux, 40)


def test_correlations_are_those_of_numpy_and_zero_for_a_constant():
    codes = np.hstack([RNG.normal(size=(N, 3)), np.ones((N, 1))])
    expected = np.corrcoef(codes[:, :3], FACTORS, rowvar=False)[:3, 3:]
    np.testing.assert_allclose(correlation_matrix(codes, FACTORS), np.vstack([expected, np.zeros(F)]), atol=1e-12)


@pytest.mark.parametrize("rows", [1000, 2000, 10000])
@pytest.mark.parametrize("latents", [5, 10, 20])
def test_a_perfect_code_scores_the_ceiling(rows, latents):
    """Raw and corrected: E |r| of what is beyond the threshold remains in the corrected score, 2 phi(x) / sqrt(N)."""
    values = []
    for seed in range(12):
        g = np.random.default_rng(seed)
        factors = g.random((rows, 5))
        codes = np.hstack([factors, g.normal(size=(rows, latents - 5))])
        values.append([lds(codes, factors, chance, 0).value for chance in (False, True)])
    beyond = 2 * norm.pdf(norm.isf(0.025 / latents)) / np.sqrt(rows)
    raw, corrected = np.mean(values, 0)
    assert raw == pytest.approx(lds_ceiling(rows, latents), abs=0.012)
    assert corrected == pytest.approx(1 / (1 + (latents - 1) * beyond), abs=0.006)  # of twelve draws


def test_controls_score_what_they_must():
    result = {name: scores(codes) for name, codes in control_codes(FACTORS, D).items()}
    assert result["identity"]["lds_corrected"].value > 0.99
    assert result["identity"]["rho_f0"].value == pytest.approx(1)
    assert result["noise"]["lds_corrected"].value <= 0.2  # one factor of five at most is found by chance
    assert result["noise"]["rho_f0"].value < 0.08
    assert result["duplicated"]["lds_corrected"].value == pytest.approx(0.5, abs=0.03)
    assert 0.2 < result["rotated"]["lds_corrected"].value < 0.6


def test_a_factor_that_nothing_says_counts_zero_in_the_corrected_score():
    rho = torch.tensor([[0.9, 0.01], [0.02, 0.01]])
    assert float(lds_of(rho, 0.05)) == pytest.approx(0.5)
    assert float(lds_of(torch.zeros(4, 3), 0.1)) == 0


@given(st.permutations(range(D)), st.lists(st.sampled_from([-1.0, 1.0]), min_size=D, max_size=D))
def test_order_and_sign_of_the_latents_do_not_matter(order, signs):
    codes = np.hstack([FACTORS @ RNG_MIX, FACTORS])
    assert lds(codes[:, order] * signs, FACTORS).value == pytest.approx(lds(codes, FACTORS).value)


RNG_MIX = np.random.default_rng(5).normal(size=(F, F))


def test_lds_lies_between_one_over_the_latents_and_one():
    assert float(lds_of(torch.full((D, F), 0.4))) == pytest.approx(1 / D)
    assert float(lds_of(torch.eye(D, F))) == 1


def test_auxiliary_variables_are_scored_apart_from_all_factors():
    codes = np.hstack([FACTORS[:, :2], RNG.normal(size=(N, D - 2))])
    result = scores(codes, aux=("f0", "f1"))
    assert result["lds_corrected"].value > 0.95
    assert result["lds_all_corrected"].value < 0.9


@pytest.mark.parametrize("latents", [1, 4, 10, 20])
def test_a_factor_that_nothing_says_is_found_in_one_case_of_twenty_whatever_the_latents(latents):
    """The best of the latents is beyond the threshold by chance; 400 factors and 5 draws are known to 0.5 %."""
    cases = [np.random.default_rng(seed) for seed in range(5)]
    pairs = [(g.normal(size=(500, latents)), g.normal(size=(500, 400))) for g in cases]
    beyond = [abs(correlation_matrix(*pair)).max(0) > null_threshold(500, latents) for pair in pairs]
    chance = 1 - (1 - 0.05 / latents) ** latents
    assert np.mean(beyond) == pytest.approx(chance, abs=0.015)
    corrected = np.mean([lds(*pair, corrected=True, resamples=0).value for pair in pairs])
    assert corrected == pytest.approx(chance, abs=0.015)
    assert null_threshold(500, 10) * np.sqrt(500) == pytest.approx(2.807, abs=1e-3)


def test_intervals_cover_the_truth():
    """In 95 % of draws; fewer than 177 or more than 198 of 200 have a probability below 1e-4 and 0.5 % each."""
    inside = 0
    for seed in range(200):
        g = np.random.default_rng(seed)
        u = g.normal(size=(400, 1))
        codes = 0.8 * u + 0.6 * g.normal(size=(400, 1))
        result = alignment_scores(codes, {"u": u[:, 0]}, (), 60)["rho_u"]
        inside += result.low <= 0.8 <= result.high
    assert 177 <= inside <= 198


def test_a_mean_has_its_interval_and_its_number():
    result = mean_score(np.arange(100.0))
    assert (result.value, result.n) == (49.5, 100)
    assert result.high - result.value == pytest.approx(1.96 * np.arange(100).std(ddof=1) / 10)


@pytest.mark.parametrize("data_range", [1.0, 7.3])
@pytest.mark.parametrize("side", [16, 33])
def test_ssim_is_that_of_scikit_image(data_range, side):
    x = RNG.random((6, 1, side, side)) * data_range
    y = x + 0.2 * RNG.normal(size=x.shape)
    expected = [structural_similarity(a[0], b[0], data_range=data_range) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(ssim_to(x, data_range)(y), expected, atol=1e-7)
    np.testing.assert_allclose(ssim_to(x, data_range)(x), 1)


def test_the_asinh_scale_is_linear_when_faint_and_logarithmic_when_bright():
    assert asinh_scale(np.array(0.1)) == pytest.approx(0.01, rel=1e-3)
    assert asinh_scale(np.array(1e5)) - asinh_scale(np.array(1e4)) == pytest.approx(np.log(10), rel=1e-3)

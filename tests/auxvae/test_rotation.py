"""Scores that do not depend on axes: a rotation of the factors is undone, noise is chance, inactive latents no harm."""

import numpy as np
import pytest

from auxvae.metrics.representation import representation
from auxvae.metrics.rotation import linear_scores, nearest_scores, rotated, rotated_scores

G = np.random.default_rng(0)
FACTORS = G.uniform(-1, 1, (4000, 3))
MEASURES = (rotated_scores, nearest_scores, linear_scores)


def turned(codes, seed=1):
    """Codes under a random rotation."""
    return codes @ np.linalg.qr(np.random.default_rng(seed).normal(size=(codes.shape[1],) * 2))[0]


def scores_of(codes, factors=FACTORS, **flags):
    inputs = representation(codes, factors, **flags)
    return {name: each for measure in MEASURES for name, each in measure(inputs, 50).items()}


def test_a_rotation_of_the_factors_is_undone():
    scores = scores_of(turned(FACTORS))
    for k in (1, 2, 3):
        assert scores[f"rotated_u{k}"].value > 0.99 and scores[f"nearest_u{k}"].value > 0.97
        assert scores[f"rotated_u{k}"].low > 0.98 and scores[f"linear_u{k}"].value == pytest.approx(1)
    assert np.abs(np.corrcoef(turned(FACTORS).T, FACTORS.T)[:3, 3:]).max(0).min() < 0.95  # raw axes do not have it


def test_inactive_latents_do_no_harm():
    noise = 0.02 * G.normal(size=(4000, 20))
    scores = scores_of(np.hstack([turned(FACTORS), noise]))
    assert rotated(np.hstack([turned(FACTORS), noise])).shape == (4000, 3)
    assert all(scores[f"rotated_u{k}"].value > 0.99 and scores[f"nearest_u{k}"].value > 0.95 for k in (1, 2, 3))


def test_noise_is_chance():
    scores = scores_of(G.normal(size=(4000, 3)))
    for k in (1, 2, 3):
        assert scores[f"rotated_u{k}"].value < 0.06
        assert -0.2 < scores[f"nearest_u{k}"].value < 0.02 and abs(scores[f"linear_u{k}"].value) < 0.01


def test_gaussian_factors_have_no_rotation_of_their_own_but_neighbours():
    factors = G.normal(size=(4000, 2))
    scores = scores_of(turned(factors), factors)
    assert scores["nearest_u1"].value > 0.97
    assert rotated(turned(factors)).shape == (4000, 2)


def test_a_folded_code_is_read_by_neighbours_alone():
    folded = np.stack([np.cos(np.pi * FACTORS[:, 0]), np.sin(np.pi * FACTORS[:, 0])], 1)
    scores = scores_of(folded, FACTORS[:, :1])
    assert scores["nearest_u1"].value > 0.97 > 0.9 > scores["rotated_u1"].value
    assert scores["linear_u1"].value == pytest.approx(6 / np.pi**2, abs=0.03)  # squared correlation of a sine's half


def test_a_linear_map_of_a_part_of_a_factor_explains_its_share():
    codes = FACTORS[:, :1] + G.uniform(-1, 1, (4000, 1))
    assert scores_of(codes, FACTORS[:, :1])["linear_u1"].value == pytest.approx(0.5, abs=0.03)
    assert linear_scores(representation(G.normal(size=(30, 20)), FACTORS[:30]), 5) == {}


def test_codes_that_do_not_vary_have_no_components():
    assert rotated(np.ones((30, 4))).shape == (30, 0)
    assert rotated_scores(representation(np.ones((30, 4)), FACTORS[:30]), 5) == {}


def test_classes_and_angles_are_read_as_what_they_are():
    classes, angle = G.integers(0, 4, 4000).astype(float), G.uniform(0, 360, 4000)
    codes = np.stack([np.cos(np.radians(angle)), np.sin(np.radians(angle)), classes], 1)
    factors = np.stack([classes, angle], 1)
    scores = scores_of(codes, factors, period=[0, 360], categorical=[1, 0])
    assert scores["nearest_u1"].value > 0.98 and scores["nearest_u2"].value > 0.98
    assert scores["rotated_u1"].value == pytest.approx(1, abs=0.02)

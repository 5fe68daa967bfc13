"""What interventions are scored by: closed forms, an independent library, and perfect, useless and permuted models."""

import numpy as np
import ot
import pytest
from sklearn.metrics import roc_auc_score

from auxvae.metrics.importance import dci
from auxvae.metrics.interventions import (
    block_dci,
    consistency,
    distance_score,
    effects,
    identifiability,
    moved,
    projected,
    projected_distance,
    sliced_floor,
    sliced_wasserstein,
    trimmed_mean,
    unit_directions,
)
from foundation.faults import Refused

PIXELS = 48
DIRECTIONS = unit_directions(PIXELS, 0)


def drawn(rows, seed=0, columns=PIXELS):
    return np.random.default_rng(seed).standard_normal((rows, columns))


def test_directions_are_unit_vectors_of_a_seed_that_favour_none():
    assert np.linalg.norm(DIRECTIONS, axis=1) == pytest.approx(1)
    assert (unit_directions(PIXELS, 0) == DIRECTIONS).all()
    assert not np.isclose(unit_directions(PIXELS, 1), DIRECTIONS).any()
    many = unit_directions(3, 0, 20_000)
    assert many.T @ many / len(many) == pytest.approx(np.eye(3) / 3, abs=0.01)


@pytest.mark.parametrize("rows", [(50, 70), (64, 64), (200, 301), (7, 1000)])
def test_the_distance_is_that_of_pot_for_sets_of_any_size(rows):
    one, other = drawn(rows[0], 1), 1.3 * drawn(rows[1], 2) + 0.2
    wanted = ot.sliced_wasserstein_distance(one, other, projections=DIRECTIONS.T, p=2)
    assert sliced_wasserstein(one, other, DIRECTIONS) == pytest.approx(float(wanted), rel=1e-9)


def test_of_few_points_it_is_the_best_assignment_of_pot_in_each_direction():
    """The optimal coupling by linear programming, which knows nothing of quantiles."""
    one, other = (projected(drawn(rows, rows), DIRECTIONS[:8]) for rows in (6, 9))
    costs = [(a[:, None] - b) ** 2 for a, b in zip(one.T, other.T, strict=True)]
    squares = [ot.emd2(np.full(6, 1 / 6), np.full(9, 1 / 9), cost) for cost in costs]
    assert projected_distance(one, other) ** 2 == pytest.approx(np.mean(squares), rel=1e-9)


def test_a_set_shifted_by_a_vector_is_as_far_as_the_vector_by_the_root_of_the_pixels():
    one, shift = drawn(300), np.linspace(-1, 2, PIXELS)
    distance = sliced_wasserstein(one, one + shift, DIRECTIONS)
    assert distance == pytest.approx(np.sqrt(np.mean((DIRECTIONS @ shift) ** 2)), rel=1e-9)
    many = unit_directions(PIXELS, 0, 5000)
    exact = np.linalg.norm(shift) / np.sqrt(PIXELS)
    assert sliced_wasserstein(one, one + shift, many) == pytest.approx(exact, rel=0.03)


def test_two_gaussians_are_apart_by_their_means_and_spreads():
    """W_2^2 of N(a, s^2) and N(b, t^2) is (a - b)^2 + (s - t)^2, in every direction of an isotropic Gaussian."""
    one, other = drawn(6000, 1), 1.5 * drawn(5000, 2)
    assert sliced_wasserstein(one, other, DIRECTIONS) == pytest.approx(0.5, rel=0.02)
    shift = np.full(PIXELS, 2.0)
    expected = np.sqrt(0.25 + np.mean((DIRECTIONS @ shift) ** 2))
    assert sliced_wasserstein(one, other + shift, DIRECTIONS) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("rows", [(40, 40), (40, 65)])
def test_it_is_a_distance(rows):
    one, other, third = drawn(rows[0], 1), 2 * drawn(rows[1], 2), drawn(30, 3) ** 2
    between = {
        name: sliced_wasserstein(*pair, DIRECTIONS)
        for name, pair in {"12": (one, other), "21": (other, one), "13": (one, third), "32": (third, other)}.items()
    }
    assert between["12"] == pytest.approx(between["21"], rel=1e-12)
    assert 0 < between["12"] <= between["13"] + between["32"]
    assert sliced_wasserstein(one, one[::-1], DIRECTIONS) == 0
    assert sliced_wasserstein(one, np.concatenate([one, one]), DIRECTIONS) == pytest.approx(0, abs=1e-12)
    assert sliced_wasserstein(one + 5, other + 5, DIRECTIONS) == pytest.approx(between["12"], rel=1e-9)
    assert sliced_wasserstein(3 * one, 3 * other, DIRECTIONS) == pytest.approx(3 * between["12"], rel=1e-9)


def test_images_of_any_shape_and_precision_are_the_same_rows_of_pixels():
    one, other = drawn(3000).astype(np.float32), 2 * drawn(40).astype(np.float32)
    flat = sliced_wasserstein(one.astype(np.float64), other.astype(np.float64), DIRECTIONS)
    assert sliced_wasserstein(one.reshape(-1, 3, 4, 4), other.reshape(-1, 3, 4, 4), DIRECTIONS) == flat


@pytest.mark.parametrize("rows", [200, 2000])
def test_the_floor_is_the_distance_of_two_sets_of_as_many_images(rows):
    pairs = [[projected(drawn(rows, 2 * k + j), DIRECTIONS) for j in (0, 1)] for k in range(3)]
    between = np.sqrt(np.mean([projected_distance(*pair) ** 2 for pair in pairs]))
    assert sliced_floor(pairs[0][0], 0) == pytest.approx(between, rel=0.1)


def test_the_floor_falls_with_the_root_of_the_number_of_images():
    few, many = (sliced_floor(projected(drawn(rows), DIRECTIONS), 0) for rows in (200, 3200))
    assert few == pytest.approx(4 * many, rel=0.1)
    assert sliced_floor(drawn(201, columns=5), 0) != sliced_floor(drawn(201, columns=5), 1)  # halves of a seed


def test_the_interval_of_a_distance_is_that_of_other_samples_of_both_sets():
    scores = [
        distance_score(*(projected(drawn(400, 2 * k + j) + 0.5 * j, DIRECTIONS[:50]) for j in (0, 1)))
        for k in range(20)
    ]
    spread = np.std([score.value for score in scores], ddof=1)
    assert np.mean([score.se for score in scores]) == pytest.approx(spread, rel=0.5)


G = np.random.default_rng(5)


@pytest.mark.parametrize("share", [0, 0.5, 1, 1.3])
def test_the_share_of_a_shift_is_that_of_the_means(share):
    start, end = G.normal(1, 0.4, 4000), G.normal(3, 0.8, 3000)
    score = moved(G.normal(1 + 2 * share, 0.5, 2000), start, end)
    assert score.value == pytest.approx(share, abs=4 * score.se)
    assert score.low < score.value < score.high and score.n == 2000


def test_the_share_without_trimming_is_a_ratio_of_means():
    model, start, end = (G.gamma(k, size=100 * k) for k in (3, 2, 5))
    wanted = (model.mean() - start.mean()) / (end.mean() - start.mean())
    assert moved(model, start, end, trim=0).value == pytest.approx(wanted, rel=1e-12)


def test_the_start_has_moved_nothing_and_the_end_everything():
    start, end = G.normal(0, 1, 500), G.normal(1, 1, 500)
    assert moved(start, start, end).value == 0
    assert moved(end, start, end).value == 1
    assert moved(end, start, end).value == moved(-7 * end, -7 * start, -7 * end).value  # whatever the unit


def test_where_half_of_the_images_move_half_of_the_shift_shows():
    start, end = G.normal(0, 0.1, 2000), G.normal(1, 0.1, 2000)
    mixed = np.concatenate([G.normal(0, 0.1, 1000), G.normal(1, 0.1, 1000)])
    assert moved(mixed, start, end).value == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("trim", [0, 0.05])
@pytest.mark.parametrize(("share", "rows"), [(0.2, (60, 400, 400)), (0.2, (400, 60, 400)), (1.1, (400, 400, 60))])
def test_the_error_of_a_share_is_that_of_other_samples(trim, share, rows):
    """Whichever of model, start and end is the small set."""
    means = (3 * share, 0, 3)
    draws = [[G.normal(mean, 1, n) for mean, n in zip(means, rows, strict=True)] for _ in range(1200)]
    scores = [moved(*each, trim=trim) for each in draws]
    spread = np.std([score.value for score in scores], ddof=1)
    assert np.mean([score.se for score in scores]) == pytest.approx(spread, rel=0.07)


def test_broken_images_do_not_decide():
    start, end, model = G.normal(0, 1, 1000), G.normal(2, 1, 1000), G.normal(2, 1, 1000)
    model[:20], model[20:40] = 1e6, np.nan
    score = moved(model, start, end)
    assert score.value == pytest.approx(1, abs=0.1) and score.se < 0.1 and score.n == 980
    assert moved(model, start, end, trim=0).value > 1000


def test_there_is_no_share_of_a_shift_that_is_not_there():
    start, end = G.normal(0, 1, 1000), G.normal(0, 1, 1000)
    assert np.isnan(moved(start, start, end).value)
    assert np.isnan(moved(start, np.zeros(1000), np.zeros(1000)).value)
    assert np.isnan(moved(np.full(50, np.nan), start, end + 5).value)
    assert np.isnan(trimmed_mean(np.ones(3)).value)


def test_what_does_not_change_is_consistent_and_unrelated_latents_are_chance():
    before = 5 * drawn(20_000, columns=2) + 2
    assert consistency(before, before) == 0
    assert consistency(before[:, :1], before[:, :1] + 10) == pytest.approx(2, abs=0.03)
    assert consistency(before, before[::-1]) == pytest.approx(np.sqrt(2), abs=0.03)
    assert np.isnan(consistency(np.ones((30, 1)), 2 * np.ones((30, 1))))


M, K, ROWS = 4, 3, 4000


def concepts_of(factors, noise=0.0, seed=0):
    """Codes (N, m k): in each block one factor and k - 1 numbers that mean nothing, mixed by a matrix of its own."""
    g = np.random.default_rng(seed)
    blocks = [np.column_stack([u, g.standard_normal((len(u), K - 1))]) for u in factors.T]
    mixed = [block @ np.linalg.qr(g.standard_normal((K, K)))[0] for block in blocks]
    return np.concatenate(mixed, 1) + noise * g.standard_normal((len(factors), M * K))


FACTORS = np.random.default_rng(3).uniform(-1, 1, (ROWS, M))
CODES = concepts_of(FACTORS)


def test_a_perfect_code_is_identified_block_by_block():
    r2 = identifiability(CODES, FACTORS, M, 0)
    assert r2 == pytest.approx(np.eye(M), abs=0.02)
    assert (identifiability(CODES, FACTORS, M, 0) == r2).all()
    assert (identifiability(CODES, FACTORS, M, 1) != r2).any()


def test_concepts_in_another_order_are_identified_in_that_order():
    order = np.array([2, 0, 3, 1])
    permuted = CODES.reshape(ROWS, M, K)[:, order].reshape(ROWS, M * K)
    assert identifiability(permuted, FACTORS, M, 0) == pytest.approx(identifiability(CODES, FACTORS, M, 0)[order])


def test_a_linear_map_within_each_block_changes_nothing():
    g = np.random.default_rng(1)
    codes = concepts_of(FACTORS, 0.3).reshape(ROWS, M, K)
    mixed = np.einsum("nmk,mkl->nml", codes, g.standard_normal((M, K, K))) + g.standard_normal((M, K))
    one, other = (identifiability(each.reshape(ROWS, -1), FACTORS, M, 0) for each in (codes, mixed))
    assert one == pytest.approx(other, abs=1e-8)
    assert np.diag(one).min() > 0.2 and np.diag(one).max() < 0.9


def test_noise_is_identified_a_little_worse_than_not_at_all():
    rows = 200
    scores = [identifiability(drawn(rows, k, M * K), FACTORS[:rows], M, k).mean() for k in range(50)]
    assert np.mean(scores) == pytest.approx(-2 * (K + 2) / rows, rel=0.15)


def test_a_dependent_factor_is_explained_by_its_correlation():
    u = FACTORS.copy()
    u[:, 1] = 0.8 * u[:, 0] + 0.6 * u[:, 1]
    r2 = identifiability(concepts_of(u), u, M, 0)
    assert r2[:2, :2] == pytest.approx(np.array([[1, 0.64], [0.64, 1]]), abs=0.05)


def test_constant_factors_and_copies_within_a_block():
    copies = CODES.reshape(ROWS, M, K)[:, :, [0, 1, 2, 0]].reshape(ROWS, -1)
    r2 = identifiability(copies, FACTORS * [1, 1, 1, 0], M, 0)
    assert np.isnan(r2[:, 3]).all() and r2[0, 0] == pytest.approx(1, abs=0.02)


def test_codes_that_are_not_blocks_of_one_size_are_refused():
    for concepts in (5, 0):
        with pytest.raises(Refused, match="12 columns"):
            identifiability(CODES, FACTORS, concepts, 0)
        with pytest.raises(Refused, match="12 columns"):
            block_dci(CODES, FACTORS, [False] * M, CODES, FACTORS, concepts)


def of_blocks(codes, factors=FACTORS, resamples=0):
    half = len(codes) // 2
    parts = (codes[:half], factors[:half], [False] * factors.shape[1], codes[half:], factors[half:])
    return block_dci(*parts, M, resamples=resamples)


NAMES = ("block_dci_disentanglement", "block_dci_completeness", "block_dci_informativeness")


def test_blocks_that_hold_one_factor_each_are_disentangled_whatever_the_axes_within():
    scores = of_blocks(CODES, resamples=20)
    assert all(scores[name].value > 0.8 for name in NAMES[:2]) and scores[NAMES[2]].value > 0.6
    assert scores[NAMES[0]].matrix.shape == (M, M)
    assert scores[NAMES[0]].matrix.values.sum(0) == pytest.approx(np.ones(M))
    assert all(score.low < score.value <= score.high for score in scores.values())
    half = ROWS // 2
    by_latent = dci(CODES[:half], FACTORS[:half], [False] * M, CODES[half:], FACTORS[half:], resamples=0)
    assert by_latent["dci_completeness"].value < scores[NAMES[1]].value - 0.1


def test_a_factor_in_two_blocks_and_two_factors_in_one_are_seen():
    twice = CODES.reshape(ROWS, M, K).copy()
    twice[:, 1] = 0.7 * twice[:, 0] + 1e-3 * twice[:, 1]  # block 1 is a copy of block 0
    one, other = of_blocks(CODES), of_blocks(twice.reshape(ROWS, -1))
    assert other[NAMES[1]].value < one[NAMES[1]].value - 0.1
    both = CODES.reshape(ROWS, M, K).copy()
    both[:, 0, :2] = FACTORS[:, :2]
    both[:, 1] = drawn(ROWS, 9, K)
    assert of_blocks(both.reshape(ROWS, -1))[NAMES[0]].value < one[NAMES[0]].value - 0.1


def test_noise_and_another_order_of_rows_have_no_blocks_of_factors():
    for codes in (drawn(ROWS, 4, M * K), CODES[np.random.default_rng(0).permutation(ROWS)]):
        scores = of_blocks(codes)
        assert all(scores[name].value < 0.1 for name in NAMES)


STRUCTURE = np.array([[0, 0, 0, 0], [0.7, 0, 0, 0], [0, -1.2, 0, 0], [0.3, 0, 0, 0]])


def test_strengths_in_the_order_of_the_structure_are_perfect_and_the_reverse_is_zero():
    strengths = np.abs(STRUCTURE) + 99 * np.eye(4)
    assert effects(strengths, STRUCTURE) == 1
    assert effects(2 - np.abs(STRUCTURE), STRUCTURE) == 0
    assert effects(np.ones((4, 4)), STRUCTURE) == 0.5
    assert effects(STRUCTURE.T, STRUCTURE) < 0.5  # effects and causes exchanged


def test_the_area_is_that_of_scikit_learn_and_of_random_strengths_half():
    areas = []
    beside = ~np.eye(4, dtype=bool)
    for seed in range(300):
        strengths = np.random.default_rng(seed).integers(0, 5, (4, 4)).astype(float)  # with ties
        areas.append(effects(strengths, STRUCTURE))
        assert areas[-1] == pytest.approx(roc_auc_score(STRUCTURE[beside] != 0, strengths[beside]))
    edges, others = 3, 9
    assert np.mean(areas) == pytest.approx(0.5, abs=0.04)
    assert np.std(areas) == pytest.approx(np.sqrt((edges + others + 1) / (12 * edges * others)), rel=0.1)


def test_without_edges_or_with_nothing_else_there_is_nothing_to_rank():
    assert np.isnan(effects(np.ones((3, 3)), np.eye(3)))
    assert np.isnan(effects(np.ones((3, 3)), np.ones((3, 3))))

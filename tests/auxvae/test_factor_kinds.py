"""Circular and categorical factors: declared by a store, encoded for models, scored without a beginning or an order."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import pad

from auxvae.analysis.controls import control_codes, control_scores
from auxvae.config.kinds import Kind, variables_of
from auxvae.config.latents import Mmd
from auxvae.config.settings import Settings
from auxvae.data.encoding import encoded, limits
from auxvae.losses.alignment import intra
from auxvae.losses.inputs import TermSettings
from auxvae.losses.moments import moments
from auxvae.losses.queue import empty_queue
from auxvae.metrics.alignment import alignment_scores, correlation_matrix, explicitness, lds, sap, thresholds
from auxvae.metrics.leakage import Codes, Factor, leakage_scores
from auxvae.metrics.representation import representation
from auxvae.metrics.suite import suite
from auxvae.metrics.targets import named_targets, targets
from auxvae.models.model import Posterior

RNG = np.random.default_rng(0)
N, PERIOD = 3000, 180.0
ANGLE, TYPE, MASS = RNG.random(N) * PERIOD, RNG.integers(0, 3, N).astype(float), RNG.random(N)
KINDS = (Kind("angle", PERIOD), Kind("type", classes=(0.0, 1.0, 2.0)))
FACTORS = {"angle": ANGLE, "type": TYPE, "mass": MASS}
COLUMNS = encoded(FACTORS, KINDS)
NOISE = RNG.standard_normal((N, 4))
PERFECT = np.column_stack([*COLUMNS.values(), NOISE])


def turned(start):
    """The same angles, counted from elsewhere."""
    return {**FACTORS, "angle": (ANGLE - start) % PERIOD}


@given(st.floats(-1e3, 1e3), st.integers(-5, 5))
def test_a_period_later_is_the_same(value, turns):
    one, two = (encoded({"angle": np.array([v])}, KINDS) for v in (value, value + turns * PERIOD))
    for name in ("angle_cos", "angle_sin"):
        np.testing.assert_allclose(one[name], two[name], atol=1e-9)


def test_classes_are_one_hot_and_numbers_stay_what_they_are():
    assert list(COLUMNS) == ["angle_cos", "angle_sin", "type_0", "type_1", "type_2", "mass"]
    assert (sum(COLUMNS[f"type_{c}"] for c in range(3)) == 1).all()
    assert all((COLUMNS[f"type_{c}"] == (c == TYPE)).all() for c in range(3))
    assert COLUMNS["mass"] is MASS
    assert variables_of(FACTORS, KINDS) == tuple(COLUMNS)
    low, high = limits(encoded(COLUMNS, KINDS), KINDS)
    assert (low["angle_cos"], high["angle_cos"], low["type_1"], high["type_1"]) == (-1, 1, 0, 1)
    assert low["mass"] == MASS.min()


def test_two_images_near_the_ends_of_a_period_have_near_variables():
    """What scaling like a length breaks: 1 and 179 degrees are two degrees apart, not 178."""
    near, far = (encoded({"angle": np.array(pair)}, KINDS) for pair in ((1.0, 179.0), (0.0, 90.0)))
    distance = [np.hypot(*(np.ptp(each[name]) for name in ("angle_cos", "angle_sin"))) for each in (near, far)]
    assert distance[0] < 0.08 < 1.9 < distance[1]


@pytest.mark.parametrize("start", [0.0, 37.0, 90.0, 171.0])
def test_a_perfect_code_scores_1_wherever_angles_are_counted_from(start):
    scores = alignment_scores(PERFECT, turned(start), tuple(FACTORS), 20, KINDS)
    assert [scores[f"rho_{name}"].value for name in FACTORS] == pytest.approx([1, 1, 1], abs=1e-6)
    assert scores["lds_corrected"].value > 0.98
    table = xr.DataArray(np.stack(list(turned(start).values()), 1), {"factor": list(FACTORS)}, ["row", "factor"])
    assert sap(PERFECT, table, 2, KINDS).value > 0.9
    assert explicitness(PERFECT, table, resamples=2, kinds=KINDS).value > 0.9


def test_taken_for_numbers_the_same_code_scores_less():
    """The fault: an angle's correlation depends on where it is counted from, and classes have an order."""
    plain = alignment_scores(PERFECT, turned(0.0), tuple(FACTORS), 20)
    assert plain["rho_angle"].value < 0.8
    assert plain["lds_corrected"].value < 0.85


def test_the_correlation_with_classes_is_the_correlation_ratio():
    z = TYPE**2 + NOISE[:, 0]
    between = sum((c == TYPE).sum() * (z[c == TYPE].mean() - z.mean()) ** 2 for c in range(3))
    score = alignment_scores(z[:, None], FACTORS, (), 0, KINDS)["rho_type"]
    assert score.value**2 == pytest.approx(between / ((z - z.mean()) ** 2).sum(), rel=1e-6)


def test_noise_is_found_for_one_factor_of_twenty_whatever_its_kind():
    found = np.zeros(2)
    for seed in range(300):
        g = np.random.default_rng(seed)
        draws = {"angle": g.random(400) * PERIOD, "type": g.integers(0, 3, 400).astype(float)}
        wanted = named_targets(draws, KINDS)
        scores = alignment_scores(g.standard_normal((400, 10)), draws, (), 0, KINDS)
        null = thresholds(400, 10, wanted).numpy()
        found += [scores[f"rho_{name}"].value > t for name, t in zip(draws, null, strict=True)]
    assert found / 300 == pytest.approx([0.05, 0.05], abs=0.035)


def test_leakage_sees_an_angle_that_wraps_and_belongs_to_the_whole_factor():
    fit, test = slice(0, 2000), slice(2000, None)
    both = {
        name: Factor(*(np.stack([COLUMNS[v][part] for v in variables_of([name], KINDS)], 1) for part in (fit, test)))
        for name in FACTORS
    }
    types = [COLUMNS[f"type_{c}"] for c in range(3)]
    leaking = np.column_stack([*types, NOISE[:, 0], COLUMNS["angle_cos"]])
    scores = leakage_scores(Codes(leaking[fit], leaking[test]), both, ("type",), 20)
    assert scores["recon_tells_angle"].value == pytest.approx(0.5, abs=0.05)  # cosine known, sign of the sine not
    assert scores["leakage"].value < 0.02
    assert scores["aux_tells_type"].value < 0.02  # its own three latents do not count


def test_trees_of_dci_learn_both_coordinates_of_an_angle():
    """With a scatter of a few degrees the angle itself is missed by half a turn near the ends of its period."""
    table = np.stack(list(FACTORS.values()), 1)
    flags = {"period": [PERIOD, 0, 0], "categorical": [0, 1, 0]}
    codes = PERFECT + 0.1 * RNG.standard_normal(PERFECT.shape)
    informed = suite(representation(codes, table, **flags), ["dci"], resamples=2)["dci_informativeness"].value
    plain = suite(representation(codes, table), ["dci"], resamples=2)["dci_informativeness"].value
    assert informed > plain + 0.01


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("correlation", ["absolute", "unbiased"])
def test_a_perfect_one_hot_code_pays_nothing_within_its_factor(classes, correlation):
    """The variables of one factor depend on each other; a penalty on that would fight what explicitness asks for."""
    from tests.auxvae.test_unbiased import inputs_of

    one_hot = torch.eye(classes)[torch.arange(512) % classes]
    fixed = TermSettings(None, Settings(correlation=correlation), Mmd())
    padded = pad(one_hot, (0, 2))
    base = inputs_of(torch.zeros(512, 4), torch.rand(512, 2), moments(torch.rand(64, 4), 3))
    inputs = base._replace(
        aux=padded, is_aux=(torch.arange(classes + 2) < classes).float(), posterior=Posterior(padded, padded, padded),
        factor_moments=moments(padded, 1), earlier=empty_queue(0, 2 * (classes + 2)),
    )  # fmt: skip
    own = torch.cat([torch.zeros(classes), torch.tensor([1.0, 2.0])])
    assert float(intra(inputs._replace(owner=own), fixed)) == 0
    assert float(intra(inputs._replace(owner=torch.arange(classes + 2.0)), fixed)) > 0.2


def test_a_factor_of_as_many_variables_as_latents_is_left_out_of_lds():
    """Any code is as good for it: it would score 1."""
    label = {"label": RNG.integers(0, 10, N).astype(float)}
    kinds = (Kind("label", classes=tuple(map(float, range(10)))),)
    codes = RNG.standard_normal((N, 10))
    assert np.isnan(alignment_scores(codes, label, (), 2, kinds)["lds"].value)
    both = alignment_scores(codes, {**label, "mass": MASS}, (), 2, kinds)
    assert both["lds_all"].value == pytest.approx(alignment_scores(codes, {"mass": MASS}, (), 2)["lds_all"].value)


@pytest.mark.parametrize("name", FACTORS)
def test_a_perfect_code_scores_its_ceiling(name):
    scores = []
    for seed in range(40):
        g = np.random.default_rng(seed)
        variables = encoded({name: FACTORS[name]}, KINDS).values()
        codes = np.column_stack([*variables, g.standard_normal((N, 6))])
        scores.append(alignment_scores(codes, {name: FACTORS[name]}, (), 0, KINDS))
    mean = np.mean([each["lds"].value for each in scores])
    assert mean == pytest.approx(scores[0]["lds_ceiling"].value, abs=0.005)


def test_a_correlation_with_classes_has_no_sign():
    two = (Kind("type", classes=(0.0, 1.0)),)
    binary = np.minimum(TYPE, 1)
    z = binary + 0.3 * NOISE[:, 0]
    table = xr.DataArray(binary[:, None], {"factor": ["type"]}, ["row", "factor"])
    assert correlation_matrix(-z[:, None], table, two)[0, 0] == pytest.approx(abs(np.corrcoef(z, binary)[0, 1]))


def test_there_are_no_controls_of_more_variables_than_can_be_scored():
    """A control has a latent for each, or two: of 200 classes tables of gigabytes."""
    many = {"label": np.arange(200.0)}
    assert control_scores(many, 8, 2, (Kind("label", classes=tuple(many["label"])),)) == {}


def test_controls_of_kinds_are_perfect_and_chance():
    codes = control_codes(np.column_stack([*COLUMNS.values()]), 8)
    identity, noise = (alignment_scores(codes[name], FACTORS, (), 2, KINDS) for name in ("identity", "noise"))
    assert identity["lds_corrected"].value > 0.97
    assert noise["lds_corrected"].value < 0.5


def test_codes_score_alike_on_the_command_line(tmp_path):
    flags = {"period": [PERIOD, 0, 0], "categorical": [0, 1, 0]}
    np.savez(tmp_path / "codes.npz", codes=PERFECT, factors=np.stack(list(FACTORS.values()), 1), **flags)
    command = [sys.executable, "-m", "auxvae", "score", "codes.npz", "--only", "lds_corrected,sap", "--out", "s.json"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    scores = json.loads((tmp_path / "s.json").read_text())
    table = np.stack(list(FACTORS.values()), 1)
    kinds = (Kind("u1", PERIOD), Kind("u2", classes=(0.0, 1.0, 2.0)))
    assert scores["lds_corrected"]["value"] == pytest.approx(lds(PERFECT, table, True, 2, kinds).value)
    assert targets(table, kinds).size == (2, 3, 1)

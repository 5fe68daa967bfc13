"""Circular and categorical factors: declared by a store, encoded for models, scored without a beginning or an order."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import pad

from auxvae.analysis.analyse import analyse
from auxvae.analysis.controls import control_codes
from auxvae.analysis.scoring import read_codes
from auxvae.config.kinds import Kind, variables_of
from auxvae.config.latents import Mmd
from auxvae.config.settings import Settings
from auxvae.data import run_folder
from auxvae.data.encoding import encoded, limits
from auxvae.data.preparation import prepare
from auxvae.data.store import Store
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
from auxvae.training import loop
from foundation.faults import Refused
from foundation.files import read_json
from simulations.convert import convert
from tests.conftest import ROOT, study_of

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
    low, high = limits(COLUMNS, KINDS)
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


def test_controls_of_kinds_are_perfect_and_chance():
    codes = control_codes(np.column_stack([*COLUMNS.values()]), 8)
    identity, noise = (alignment_scores(codes[name], FACTORS, (), 2, KINDS) for name in ("identity", "noise"))
    assert identity["lds_corrected"].value > 0.97
    assert noise["lds_corrected"].value < 0.5


def written(folder, **options):
    """A store of small images whose circular and categorical factors show."""
    g = np.random.default_rng(1)
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    angle, kind = g.random(200) * PERIOD, g.integers(0, 3, 200)
    along = x[None] * np.cos(np.deg2rad(angle))[:, None, None] + y[None] * np.sin(np.deg2rad(angle))[:, None, None]
    image = g.poisson(5 + 200 * np.exp(-((along / (0.2 + 0.2 * kind[:, None, None])) ** 2)))
    np.savez(folder / "x.npz", image=image, angle=angle, type=kind, mass=g.random(200))
    convert(folder / "x.npz", folder / "d.zarr", "image", "", ["angle=deg"], "poisson", 0, **options)
    return folder / "d.zarr"


DECLARED = {"circular": ["angle=180"], "categorical": ["type"]}


def config_of(store, **changes):
    return {
        "study": "s",
        "datasets": {"d": {"store": str(store)}},
        "coverages": {"both": ["type", "angle"]},
        "network": {"name": "components", "latents": 7},
        "training": {"epochs": 1, "batch": 32},
        "runs": [{"method": "aux_vae", "coverages": "both"}],
        "analyses": {"sensitivity": {"images": 16}, "bootstrap": 20, "traversal": {"steps": 2}},
        **changes,
    }


def test_a_study_trains_and_scores_them(tmp_path):
    store = written(tmp_path, **DECLARED)
    opened = xr.open_zarr(store)
    assert opened["angle"].attrs["period"] == 180
    assert opened["type"].attrs["flag_values"] == [0, 1, 2]
    checked = subprocess.run([sys.executable, "-m", "simulations", "check", store], cwd=ROOT, capture_output=True)
    assert checked.returncode == 0
    run = study_of(config_of(store))[1].runs[0]
    assert run.variables == ("type_0", "type_1", "type_2", "angle_cos", "angle_sin")
    rows = Store(store, run.dataset).read("train")
    loop.train_run(run, store, tmp_path, torch.device("cpu"))
    analyse(run, study_of(config_of(store))[1].config.analyses, "cpu", store, tmp_path)
    folder = tmp_path / "runs" / run.id
    scores = read_json(folder / "scores.json", "scores")
    assert {"rho_angle", "recon_tells_type", "covered_68_angle_cos", "leakage"} <= scores.keys()
    read = suite(read_codes(folder / "codes.nc"), ["sap", "explicitness"], resamples=2)
    assert {name: each.value for name, each in read.items()} == pytest.approx(
        {name: scores[name]["value"] for name in ("sap", "explicitness")}
    )
    with xr.open_dataset(folder / "codes.nc") as codes:
        assert codes["rho"].sizes == {"latent": 7, "factor": 3}
        assert dict(zip(codes["factor"].values, codes["period"].values, strict=True))["angle"] == 180
    scaling = run_folder.load(folder, run).scaling
    assert scaling.factor_low["angle_sin"] == -1
    assert set(rows.aux(run.variables, scaling)[:, :3].unique().tolist()) == {0, 1}


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


def test_rows_and_shards_see_the_same_variables(tmp_path):
    store = written(tmp_path, **DECLARED)
    training = {"epochs": 1, "batch": 32, "order": "shards"}
    run = study_of(config_of(store, training=training))[1].runs[0]
    opened = Store(store, run.dataset)
    by_shards = prepare(run, opened)
    by_rows = prepare(replace(run, training=replace(run.training, order="rows")), opened)
    assert by_shards[0].factor_low == by_rows[0].factor_low
    for part in (1, 2):
        torch.testing.assert_close(by_shards[part].aux(run, by_shards[0]), by_rows[part].aux(run, by_rows[0]))


@pytest.mark.parametrize("method", ["aux_mine", "cvae", "ivae", "aux_mmd"])
def test_methods_with_networks_of_the_variables_train(tmp_path, method):
    store = written(tmp_path, **DECLARED)
    run = study_of(config_of(store, runs=[{"method": method, "coverages": "both"}]))[1].runs[0]
    loop.train_run(run, store, tmp_path, torch.device("cpu"))
    assert (tmp_path / "runs" / run.id / "model.safetensors").is_file()


def test_an_empirical_prior_has_a_latent_for_each_variable(tmp_path):
    store = written(tmp_path, **DECLARED)
    group = {"method": "ae_mmd", "prior": {"kind": "empirical", "factors": ["type", "angle"]}}
    with pytest.raises(Refused, match="a prior of 5 dimensions"):
        study_of(config_of(store, runs=[group]))
    assert study_of(config_of(store, runs=[group], network={"name": "components", "latents": 5}))[1].runs


REFUSED = {
    "circular without a period": ({"circular": ["angle"]}, "a circular factor has a period"),
    "a period of 0": ({"circular": ["angle=0"]}, "a period is a number above 0"),
    "a period in words": ({"circular": ["angle=full"]}, "a period is a number above 0"),
    "circular and unknown": ({"circular": ["angel=180"]}, "did you mean 'angle'?"),
    "categorical and unknown": ({"categorical": ["tipe"]}, "did you mean 'type'?"),
    "both": ({"circular": ["type=3"], "categorical": ["type"]}, "a factor is declared once"),
    "a number for a class": ({"categorical": ["angle"]}, "40 values in 40 rows"),
    "a class that training lacks": ({"categorical": ["rare"]}, "no training row of class"),
    "two periods": ({"circular": ["angle=180", "angle=360"]}, "a factor is declared once"),
    "a period in another unit": ({"circular": ["angle=1"]}, "all values are the same"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_kind_is_refused_in_a_sentence(tmp_path, case):
    options, expected = REFUSED[case]
    columns = {"angle": np.arange(40.0), "type": np.arange(40) % 3, "rare": np.arange(40) == 3}
    columns["split"] = np.where(np.arange(40) < 20, 1, 0) + np.where(np.arange(40) < 10, 1, 0)
    np.savez(tmp_path / "x.npz", image=np.ones((40, 28, 28)), **columns)
    with pytest.raises(Refused) as refused:
        convert(tmp_path / "x.npz", tmp_path / "d.zarr", "image", "", [], "none", 0, **options)
    assert len(refused.value.faults) == 1 and expected in str(refused.value)
    assert not (tmp_path / "d.zarr").exists()


def test_a_config_that_cannot_hold_them_is_refused(tmp_path):
    store = written(tmp_path, **DECLARED)
    with pytest.raises(Refused, match="needs a latent for each of its 5 auxiliary variables"):
        study_of(config_of(store, network={"name": "components", "latents": 4}))
    lds_alone = {"method": "vae", "select": "mse_lds", "weights": {"kl": [1, 2]}}
    (tmp_path / "two").mkdir()
    np.savez(tmp_path / "two/x.npz", image=np.ones((160, 28, 28)), type=np.arange(160) % 7)
    convert(tmp_path / "two/x.npz", tmp_path / "two/d.zarr", "image", "", [], "poisson", 0, categorical=["type"])
    with pytest.raises(Refused, match="LDS says nothing"):
        study_of(config_of(tmp_path / "two/d.zarr", coverages={}, runs=[lds_alone]))
    select = {"method": "aux_vae", "coverages": "both", "select": "leakage", "weights": {"explicitness": [1, 2]}}
    with pytest.raises(Refused, match="none is residual"):
        study_of(config_of(store, network={"name": "components", "latents": 5}, runs=[select]))
    prior = {"method": "aux_vae", "coverages": "both", "prior": {"kind": "mixture"}, "weights": {"kl": 1}}
    assert study_of(config_of(store, runs=[prior]))[1].runs[0].variables


BROKEN = [
    *({"period": each} for each in (-1, "x", 10**400, True)),
    *({"factor": each} for each in ("angel", "type")),
    *({"classes": each, "period": None} for each in ([2, 1], [1])),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_seal_with_other_kinds_is_refused(tmp_path, broken):
    store = written(tmp_path, **DECLARED)
    seal = json.loads((store / "seal.json").read_text())
    seal["facts"]["kinds"][0].update(broken)
    (store / "seal.json").write_text(json.dumps(seal))
    with pytest.raises(Refused, match="a broken seal"):
        study_of(config_of(store))


def test_names_that_would_stand_twice_are_refused(tmp_path):
    g = np.random.default_rng(0)
    columns = {"angle": g.random(80), "angle_cos": g.random(80)}
    np.savez(tmp_path / "x.npz", image=g.poisson(9, (80, 28, 28)), **columns)
    convert(tmp_path / "x.npz", tmp_path / "d.zarr", "image", "", [], "poisson", 0, circular=["angle=1"])
    with pytest.raises(Refused, match="has it too"):
        study_of(config_of(tmp_path / "d.zarr", coverages={"both": ["angle"]}))

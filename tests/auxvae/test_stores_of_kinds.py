"""Stores that declare angles and classes: converted, checked, trained on, scored, and refused in sentences."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from auxvae.analysis.analyse import analyse
from auxvae.analysis.scoring import read_codes
from auxvae.config.kinds import variables_of
from auxvae.data import run_folder
from auxvae.data.preparation import prepare
from auxvae.data.store import Store
from auxvae.metrics.columns import shown_in
from auxvae.metrics.suite import suite
from auxvae.report.page import factors
from auxvae.training import loop
from foundation.faults import Refused
from foundation.files import read_json
from simulations.convert import convert
from tests.conftest import ROOT, study_of

PERIOD = 180.0


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


def test_a_report_has_a_column_for_each_variable_where_a_score_is_one_of_a_variable(tmp_path):
    study = study_of(config_of(written(tmp_path, **DECLARED)))[1]
    shown = shown_in("calibration", factors(study))
    assert {"covered_68_angle_cos", "covered_95_type_2", "width_mass"} <= {*shown}


def test_the_residual_latents_of_a_conditional_vae_are_asked_what_they_tell(tmp_path):
    """Its auxiliary latents are copies of the variables, without a posterior to score."""
    store = written(tmp_path, **DECLARED)
    study = study_of(config_of(store, runs=[{"method": "cvae", "coverages": "both"}]))[1]
    run = study.runs[0]
    loop.train_run(run, store, tmp_path, torch.device("cpu"))
    analyse(run, study.config.analyses, "cpu", store, tmp_path)
    scores = read_json(tmp_path / "runs" / run.id / "scores.json", "scores")
    assert {"leakage", "leakage_chance", "recon_tells_mass", "recon_active"} <= scores.keys()
    assert not {"kl_aux", "covered_68_angle_cos"} & scores.keys()
    assert scores["kl_recon"]["value"] == pytest.approx(scores["kl"]["value"], rel=1e-5)


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
    run = study_of(config_of(store, runs=[group], network={"name": "components", "latents": 5}))[1].runs[0]
    assert len(run.prior_factors) == 5
    assert set(run.prior_factors) == set(variables_of(("type", "angle"), run.dataset.kinds))


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

"""`measure` and `domain` on a small run: coverage of new images, controls that are noticed, refusals before a file."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import zarr

from auxvae.analysis.domain import reconstructed
from auxvae.analysis.measure import LEVELS
from auxvae.analysis.measure_command import measure
from auxvae.analysis.survey_commands import domain as domain_command
from auxvae.analysis.surveyed import judged_rows, read_trained
from auxvae.data import survey
from auxvae.data.store import Store
from auxvae.data.survey import open_survey, pixel_scale
from auxvae.metrics.domain import Domain, combined, share_outside
from auxvae.training.loop import train_run
from foundation.faults import Refused
from simulations.convert import convert
from simulations.draw import simulate
from simulations.facts import read_declared
from simulations.sources.options import Options
from tests.conftest import ROOT, study_of


def uniform(low, high, unit=""):
    return {"distribution": "uniform", "low": low, "high": high, "unit": unit}


DRAWN = {
    "radius": uniform(0.15, 0.35, "arcsec"),
    "g1": uniform(-0.2, 0.2),
    "g2": uniform(-0.2, 0.2),
    "flux": uniform(20_000, 60_000, "ph"),
    "psf_fwhm": uniform(0.6, 0.8, "arcsec"),
}
FACTORS = tuple(DRAWN)
GALAXIES = {  # of few shapes on few pixels, which a small network learns from few of them
    "preset": "paper",
    "galaxies": 1000,
    "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
    "scene": {"stamp": 21},
    "factors": DRAWN,
}
OTHERS = {
    "survey": {"seed": 8, "galaxies": 800, "image_true": True},
    "calibration": {"seed": 9, "galaxies": 400},
    "scale_of_run": {"seed": 10},
    "scale": {"scene": {"stamp": 21, "pixel_scale": 0.25}},
    "stamp": {"scene": {"stamp": 35}},
    "noise": {"noise": {"kind": "gaussian", "sigma": 5.0}},
    "sky": {"noise": {"kind": "poisson", "sky": 10.0}},
    "seeing": {"factors": {**DRAWN, "psf_fwhm": uniform(1.0, 1.2, "arcsec")}, "galaxies": 300},
}
TRAINING = {"batch": 32, "learning_rate": 0.01, "beta2": 0.99, "schedule": "one_cycle", "clip": 2e4, "keep": "last"}
CONFIG = {
    "study": "small",
    "datasets": {"galaxies": GALAXIES},
    "coverages": {"full": [*FACTORS]},
    "network": {"name": "components", "latents": 8},
    "training": {"epochs": 20, **TRAINING},
    "runs": [
        {
            "method": "aux_vae",
            "coverages": "full",
            "weights": {"calibration": 1, "explicitness": 0, "intra": 0},
            "activation": "gelu",
        },
        {"method": "beta_vae", "training": {"epochs": 1}},
        {"method": "cvae", "coverages": "full", "training": {"epochs": 1}},
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study's folder with its runs, and stores of other data sets beside it."""
    results = tmp_path_factory.mktemp("small")
    declared, study = study_of(CONFIG)
    simulate(declared.simulated["galaxies"], declared.facts["galaxies"], results / "data" / "galaxies.zarr")
    for run in study.runs:
        train_run(run, results / "data" / "galaxies.zarr", results, torch.device("cpu"))
        (results / run.method).symlink_to(results / "runs" / run.id)
    others = {name: {**GALAXIES, "galaxies": 40, **changes} for name, changes in OTHERS.items()}
    declared = read_declared({"datasets": others}, [])
    for name, dataset in declared.simulated.items():
        simulate(dataset, declared.facts[name], results / f"{name}.zarr")
    images = zarr.open_group(results / "survey.zarr", mode="r")["image"][:250]
    np.savez(results / "x.npz", image=images, mass=np.arange(250.0))
    convert(
        results / "x.npz",
        results / "no_factors.zarr",
        "image",
        "mass",
        [],
        "poisson",
        0,
        options=Options(pixel_scale="0.2"),
    )
    return results


def run_in(folder, method="aux_vae"):
    return (folder / method).resolve()


@pytest.fixture(scope="module")
def trained(folder):
    return read_trained(run_in(folder), None)


@pytest.fixture(scope="module")
def measured(folder, tmp_path_factory):
    """The survey's measurements, and what was printed."""
    out = tmp_path_factory.mktemp("out") / "measured.parquet"
    command = [sys.executable, "-m", "auxvae", "measure", run_in(folder), folder / "survey.zarr", "--out", out]
    ended = subprocess.run(
        [*command, "--limits", "60", "--shapes"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return pd.read_parquet(out), ended.stdout


def test_the_file_has_a_row_per_image_and_intervals_in_order(measured):
    table, _ = measured
    hsm = [f"hsm_{name}" for name in ("sigma", "e1", "e2", "g1", "g2")]
    columns = [f"{name}{end}" for name in FACTORS for end in ("", "_low68", "_high68", "_low95", "_high95", "_std")]
    assert list(table) == ["row", *columns, *hsm]
    assert table["row"].tolist() == list(range(800))
    for name in FACTORS:
        ordered = table[[f"{name}_low95", f"{name}_low68", name, f"{name}_high68", f"{name}_high95"]].to_numpy()
        assert (np.diff(ordered, axis=1) > 0).all()
    assert table.attrs["units"] == {"radius": "arcsec", "g1": "", "g2": "", "flux": "ph", "psf_fwhm": "arcsec"}


def test_intervals_hold_as_often_as_they_say_and_are_no_wider_than_they_must(measured, folder):
    """Within four standard errors of 800 new images and 200 calibration rows."""
    table, _ = measured
    group = zarr.open_group(folder / "survey.zarr", mode="r")
    for name in FACTORS:
        true = group[name][:]
        for level in LEVELS:
            low, high = (table[f"{name}_{end}{level * 100:.0f}"] for end in ("low", "high"))
            covered = ((low <= true) & (true <= high)).mean()
            assert abs(covered - level) < 4 * np.sqrt(level * (1 - level) * (1 / 800 + 1 / 200))
        assert (table[f"{name}_high68"] - table[f"{name}_low68"]).median() < 0.3 * np.ptp(true)
        assert np.corrcoef(table[name], true)[0, 1] > 0.9


def test_the_table_says_how_good_they_are(measured):
    _, printed = measured
    lines = printed.splitlines()
    assert lines[0] == "survey.zarr: 800 rows, calibrated on 200 others"
    assert [line.split()[0] for line in lines[2:7]] == [*FACTORS]
    assert "with prior" in lines[1]
    assert sum(line.startswith(("run g", "HSM g")) for line in lines) == 4
    # Nothing may be better than the noise allows, but by chance.
    ratios = [line.replace("±", " ").split()[-4:] for line in lines[2:7]]
    for *_, with_prior, error in ratios:
        assert float(with_prior) > 1 - 3 * float(error)


def test_in_the_runs_data_set_test_rows_are_judged(folder, tmp_path):
    printed = measure(run_in(folder), folder / "data/galaxies.zarr", tmp_path / "m.parquet", None, None, 0, False)
    assert printed.startswith("galaxies.zarr: 200 test rows, calibrated on 200 others")
    table = pd.read_parquet(tmp_path / "m.parquet")
    assert table["split"].value_counts().to_dict() == {"train": 600, "validation": 200, "test": 200}


def test_another_store_calibrates(folder, tmp_path):
    printed = measure(
        run_in(folder), folder / "survey.zarr", tmp_path / "m.parquet", folder / "calibration.zarr", None, 0, False
    )
    assert "calibrated on 200 others" in printed
    assert "of limit" not in printed


def test_images_without_factors_have_measurements_alone(folder, tmp_path):
    printed = measure(run_in(folder), folder / "no_factors.zarr", tmp_path / "m.parquet", None, None, 5, False)
    assert "median half width" in printed
    assert len(pd.read_parquet(tmp_path / "m.parquet")) == 250


def test_a_measurement_depends_on_its_image_alone(folder, measured, monkeypatch, tmp_path):
    monkeypatch.setattr(survey, "BLOCK", 77)
    measure(run_in(folder), folder / "survey.zarr", tmp_path / "m.parquet", None, None, 0, False)
    again = pd.read_parquet(tmp_path / "m.parquet")
    for name in again:
        np.testing.assert_allclose(again[name], measured[0][name], rtol=1e-3, atol=1e-4)


def test_false_alarms_hold_on_new_rows_and_controls_are_noticed(folder, trained):
    rate = 0.04
    fitted = Domain.of(reconstructed(trained, trained.store, trained.store.numbers("validation")))

    def share(store, rows=None):
        values = reconstructed(trained, store, np.arange(len(store.split)) if rows is None else rows)
        return share_outside(combined(fitted.p_values(values)) <= rate, rate, fitted.rows)

    alike = open_survey(folder / "survey.zarr", trained.store)
    for each in (share(alike), share(trained.store, judged_rows(trained, trained.store))):
        assert each.verdict == "inside"
        assert each.outside / each.images < each.alarms
    assert share(open_survey(folder / "seeing.zarr", trained.store)).outside > 0.5 * 300
    for name, control in CONTROLS.items():
        other = Altered(alike, control)
        assert share(other).outside > 0.5 * 800, name


class Altered(Store):
    """A store whose images are altered as they are read."""

    def __init__(self, store, control):
        vars(self).update(vars(store), control=control)

    def images(self, variable, *several):
        read = super().images
        both = zip(read(variable, *several), read("image_true", *several), strict=True)
        return [self.control(images.clone(), truth.clamp(min=0)) for images, truth in both]


def bright_column(images, truth):
    images[..., 10] += 40
    return images


CONTROLS = {
    "blend": lambda images, truth: images + images.flip(0).roll((-3, 6), (2, 3)),
    "bright column": bright_column,
    "twice the noise": lambda images, truth: 4 * torch.poisson(truth / 4, generator=torch.Generator().manual_seed(0)),
}


def test_the_command_writes_a_row_per_image(folder, tmp_path, capsys):
    out = tmp_path / "domain.parquet"
    domain_command(run_in(folder), folder / "survey.zarr", out, None, 0.04)
    table, printed = pd.read_parquet(out), capsys.readouterr().out
    assert printed.splitlines()[-1] == "survey.zarr: inside"
    assert len(table) == 800
    assert (table["outside"] == (table["p"] <= 0.04)).all()
    assert abs((table["nats"] - table["nats_noise"] - table["excess"]).abs().max()) < 1e-3
    domain_command(run_in(folder, "beta_vae"), folder / "survey.zarr", None, None, 0.04)


def refusal(command, *arguments):
    with pytest.raises(Refused) as refused:
        command(*arguments)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("scale", "0.25 arcsec, but the run was trained on pixels of 0.2 arcsec"),
        ("stamp", "1 x 35 x 35 pixels, but the run was trained on 1 x 21 x 21"),
        ("noise", "gaussian noise, but the run was trained on poisson noise over a sky of 0"),
        ("sky", "a sky of 10, but the run was trained on poisson noise over a sky of 0"),
        ("absent", "no folder, but a sealed store is read here"),
    ],
)
def test_images_of_another_kind_are_refused(folder, tmp_path, name, sentence):
    out = tmp_path / "m.parquet"
    for said in (
        refusal(measure, run_in(folder), folder / f"{name}.zarr", out, None, None, 0, False),
        refusal(domain_command, run_in(folder), folder / f"{name}.zarr", out, None, 0.04),
    ):
        assert sentence in said
        assert len(said.splitlines()) == 1
    assert not out.exists()


def test_pixels_that_the_likelihood_does_not_take_are_refused(folder, trained):
    store = open_survey(folder / "survey.zarr", trained.store)

    def negative(images, truth):
        return images - 5

    def missing(images, truth):
        images[3, 0, 2, 2] = torch.nan
        return images

    for control, sentence in (
        (negative, "no fewer photons than none"),
        (missing, "not finite in 1 images, first in row 3"),
    ):
        assert sentence in refusal(reconstructed, trained, Altered(store, control), np.arange(40))


REFUSALS = {
    "of another method": ({"run": "beta_vae"}, "measured by the auxiliary latents of aux_vae"),
    "that sees the factors": ({"run": "cvae"}, "measured by the auxiliary latents of aux_vae"),
    "that is none": ({"run": "data"}, "no finished run"),
    "nowhere to write": ({"out": "absent/m.parquet"}, "no folder"),
    "another name": ({"out": "m.csv"}, "*.parquet"),
    "its own calibration": ({"calibration": "survey.zarr"}, "the store that is measured"),
    "few rows": ({"calibration": "scale_of_run.zarr"}, "20 rows to calibrate on, but a calibration needs 100"),
    "no factors": (
        {"calibration": "no_factors.zarr"},
        "no radius, g1, g2, flux, psf_fwhm in the unit of the run's store",
    ),
}


@pytest.mark.parametrize(("changes", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_measured_is_refused_in_a_sentence(folder, tmp_path, changes, sentence):
    run = run_in(folder, changes.get("run", "aux_vae"))
    calibration = folder / changes["calibration"] if "calibration" in changes else None
    out = tmp_path / changes.get("out", "m.parquet")
    said = refusal(measure, run, folder / "survey.zarr", out, calibration, None, 0, False)
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert not [*tmp_path.iterdir()]


def test_what_cannot_be_judged_is_refused_in_a_sentence(folder, tmp_path):
    def said(method, rate):
        return refusal(domain_command, run_in(folder, method), folder / "survey.zarr", None, None, rate)

    assert "images are judged by runs of vae" in said("cvae", 0.04)
    few = said("aux_vae", 0.01)
    assert "200 validation rows, but a false-alarm rate of 0.01 needs 598; raise --false-alarms to 0.03 or more" in few


def test_a_converted_store_states_its_pixel_scale(folder, tmp_path, trained):
    np.savez(tmp_path / "y.npz", image=np.ones((8, 21, 21)), mass=np.arange(8.0))
    convert(
        tmp_path / "y.npz", tmp_path / "y.zarr", "image", "mass", [], "poisson", 0, options=Options(pixel_scale="0.5")
    )
    assert "0.5 arcsec" in refusal(open_survey, tmp_path / "y.zarr", trained.store)
    convert(tmp_path / "y.npz", tmp_path / "z.zarr", "image", "mass", [], "poisson", 0)
    assert pixel_scale(open_survey(tmp_path / "z.zarr", trained.store)) is None


def test_a_broken_seal_is_refused(folder, tmp_path, trained):
    shutil.copytree(folder / "scale.zarr", tmp_path / "s.zarr")
    seal = json.loads((tmp_path / "s.zarr/seal.json").read_text())
    del seal["facts"]["stamp"]
    (tmp_path / "s.zarr/seal.json").write_text(json.dumps(seal))
    assert "facts that cannot be read" in refusal(open_survey, tmp_path / "s.zarr", trained.store)

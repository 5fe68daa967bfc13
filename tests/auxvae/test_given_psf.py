"""Trained runs that are given the PSF beside every image: read back, scored, and taken to surveys with their own."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from auxvae.analysis.analyse import analyse
from auxvae.analysis.explored import explored
from auxvae.analysis.measure_command import measure
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.survey_commands import domain
from auxvae.analysis.surveyed import beside, read_trained
from auxvae.config.analyses import Analyses
from auxvae.data.store import open_store
from auxvae.data.survey import open_survey, rows_for
from auxvae.training import loop
from foundation.faults import Refused
from simulations.convert import convert
from simulations.draw import simulate
from simulations.facts import read_declared
from simulations.sources.options import Options
from tests.auxvae.models import CPU
from tests.auxvae.test_inputs import SIDE, round_stamps
from tests.auxvae.test_measure import CONFIG, DRAWN, GALAXIES, uniform
from tests.conftest import study_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two trained runs, given the PSF's width as a factor, and its stamp as a column of a converted store; surveys."""
    results = tmp_path_factory.mktemp("given")
    others = {"survey": {"seed": 8}, "wide": {"seed": 9, "factors": {**DRAWN, "psf_fwhm": uniform(1.0, 1.2, "arcsec")}}}
    datasets = {"galaxies": GALAXIES, **{name: {**GALAXIES, "galaxies": 200, **each} for name, each in others.items()}}
    declared = read_declared({"datasets": datasets}, [])
    for name, dataset in declared.simulated.items():
        simulate(dataset, declared.facts[name], results / "data" / f"{name}.zarr")
    for name, options in CONVERTED.items():
        converted(results, *options, results / "data" / f"{name}.zarr")
    config = {**CONFIG, "coverages": {"most": ["radius", "g1", "g2", "flux"]}}
    config["datasets"] = {"galaxies": GALAXIES, "stamps": {"store": str(results / "data" / "stamps.zarr")}}
    group = {"method": "aux_vae", "coverages": "most", "activation": "gelu"}
    short = {"epochs": 3}
    config["runs"] = [{**group, "dataset": "galaxies", "inputs": "psf_fwhm"},
                      {**group, "dataset": "stamps", "inputs": "psf", "training": short}]  # fmt: skip
    runs = study_of(config)[1].runs
    for run, name in zip(runs, ("width", "stamp"), strict=True):
        loop.train_run(run, results / "data" / f"{run.dataset.name}.zarr", results, CPU)
        (results / name).symlink_to(results / "runs" / run.id)
    return results


CONVERTED = {  # by name: from, columns, unit of the width
    "stamps": ("galaxies", ("psf", "psf_fwhm"), "arcsec"),
    "columns": ("survey", ("psf", "psf_fwhm"), "arcsec"),
    "none": ("survey", (), "arcsec"),
    "pixels": ("survey", ("psf_fwhm",), "deg"),
    "large": ("survey", ("psf",), "arcsec"),
}


def converted(results, source, columns, unit, path):
    """The images of a simulated store as a survey has them, with what its PSF is beside them."""
    store = xr.open_zarr(results / "data" / f"{source}.zarr")
    table = {name: store[name].values for name in ("image", "radius", "g1", "g2", "flux", "split")}
    side = 2 * SIDE - 1 if path.stem == "large" else SIDE
    extra = {"psf": round_stamps(store["psf_fwhm"].values / 0.2 / 2.355, side), "psf_fwhm": store["psf_fwhm"].values}
    np.savez(results / "x.npz", **table, **{name: extra[name] for name in columns})
    options = Options(pixel_scale="0.2", **{name: name for name in columns})
    units = [f"psf_fwhm={unit}"] if "psf_fwhm" in columns else []
    convert(results / "x.npz", path, "image", "radius,g1,g2,flux", ["radius=arcsec", "flux=ph", *units], "poisson", 0,
            options=options)  # fmt: skip


def read_back(folder, name):
    """A trained run beside the test rows of its store."""
    run = read_trained((folder / name).resolve(), None).run
    store = open_store(folder / "data" / f"{run.dataset.name}.zarr", run.dataset)
    return TrainedModel(folder / "runs" / run.id, run, store, store.read("test"), CPU), store


@pytest.mark.parametrize("name", ["width", "stamp"])
def test_a_trained_run_is_read_back_with_the_inputs_of_its_rows(name, folder):
    model, store = read_back(folder, name)
    numbers = model.numbers_of(model.run.settings.inputs[0])
    width = xr.open_zarr(store.path)["psf_fwhm"].values[store.numbers("test")]
    assert abs(np.corrcoef(numbers[:, 0], width)[0, 1]) > 0.98
    mean, _ = model.encode()
    images = model.decode(mean)
    places = np.array([7, 3, 3])
    torch.testing.assert_close(model.decode(mean[places], places), images[places], rtol=1e-4, atol=1e-4)
    assert (model.decode(mean[places]) - images[places]).abs().max() > 1e-3  # of the first rows, with their inputs


def test_the_psf_of_another_galaxy_is_worse(folder):
    """The images of the rows, and the radius that is read from them."""
    model, _ = read_back(folder, "width")
    other = read_back(folder, "width")[0]
    other.inputs = other.inputs.flip(0)
    nats = [each.nats(each.decode(each.encode()[0])).mean() for each in (model, other)]
    u = model.rows.aux(("radius",), model.scaling).numpy()[:, 0]
    errors = [np.square(each.encode()[0][:, 0] - u).mean() for each in (model, other)]
    assert nats[0] < nats[1] - 5 and errors[0] < errors[1]


@pytest.mark.parametrize("name", ["width", "stamp"])
def test_a_run_is_scored_and_what_its_codes_hold_of_an_input_too(name, folder):
    model, store = read_back(folder, name)
    analyses = Analyses(bootstrap=20)
    analyse(
        model.run, replace(analyses, sensitivity=replace(analyses.sensitivity, images=8)), "cpu", store.path, folder
    )
    scores = json.loads((folder / name / "scores.json").read_text())
    assert scores[f"recon_tells_{model.run.settings.inputs[0]}"]["value"] <= 1
    with pytest.raises(Refused, match="the page decodes latents alone"):
        explored(model.run, folder / name, store, model.rows)


@pytest.mark.parametrize("survey", ["survey", "columns"])
def test_a_survey_brings_its_own(survey, folder, tmp_path):
    """A width is the same from a factor of a simulated store and from a column of a converted one."""
    trained = read_trained((folder / "width").resolve(), None)
    measure((folder / "width").resolve(), folder / f"data/{survey}.zarr", tmp_path / "m.parquet", None, None, 0, False)
    opened = open_survey(folder / f"data/{survey}.zarr", trained.store, ("psf_fwhm",))
    model = beside(trained, opened, rows_for(trained.run, opened, np.arange(9, 60)))
    width = xr.open_zarr(folder / "data" / "survey.zarr")["psf_fwhm"].values[9:60]
    of_train = trained.store.column("psf_fwhm", trained.store.numbers("train"))
    np.testing.assert_allclose(model.inputs[:, 0], (width - of_train.mean()) / of_train.std(), atol=1e-5)


REFUSED = {
    "no width": ("width", "none", "found no psf_fwhm, but the run is given it beside every image"),
    "another unit": ("width", "pixels", "unit of psf_fwhm: found deg, but the run was given arcsec"),
    "no stamp": ("stamp", "survey", "found no psf, but the run is given it beside every image"),
    "another stamp": ("stamp", "large", "shape of psf: found 21x21, but the run was given 11x11"),
}


@pytest.mark.parametrize(("run", "survey", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_survey_without_them_is_refused_before_a_file(run, survey, sentence, folder, tmp_path):
    where, out = (folder / run).resolve(), tmp_path / "m.parquet"
    for command, arguments in ((measure, (out, None, None, 0, False)), (domain, (out, None, 0.04))):
        with pytest.raises(Refused) as refused:
            command(where, folder / f"data/{survey}.zarr", *arguments)
        assert sentence in str(refused.value) and len(str(refused.value).splitlines()) == 1
    assert not out.exists()


def test_widths_beyond_those_of_the_training_are_said(folder, caplog):
    trained = read_trained((folder / "width").resolve(), None)
    with caplog.at_level("INFO"):
        open_survey(folder / "data/survey.zarr", trained.store, ("psf_fwhm",))
        assert "lies outside" not in caplog.text
        open_survey(folder / "data/wide.zarr", trained.store, ("psf_fwhm",))
    assert "psf_fwhm of 200 of 200 images lies outside of 0.6" in caplog.text


def test_stores_of_earlier_versions_have_their_columns(folder, tmp_path):
    """Their facts do not state them, and the files in their seal do."""
    path = shutil.copytree(folder / "data" / "stamps.zarr", tmp_path / "old.zarr")
    seal = json.loads((path / "seal.json").read_text())
    assert seal["facts"].pop("columns") == ["psf", "psf_fwhm"]
    (path / "seal.json").write_text(json.dumps(seal))
    assert read_declared({"datasets": {"old": {"store": str(path)}}}, []).facts["old"].columns == ("psf", "psf_fwhm")

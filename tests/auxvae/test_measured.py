"""Measurements in place of the truth: what an error weighs, what a gap counts, and what a latent follows."""

import numpy as np
import pytest
import torch
import xarray as xr

from auxvae.analysis.analyse import analyse
from auxvae.config.methods import METHODS
from auxvae.config.run import Fleet
from auxvae.config.settings import Settings
from auxvae.data.encoding import limits
from auxvae.data.preparation import prepare
from auxvae.data.store import Store
from auxvae.losses.divergences import calibration
from auxvae.metrics.followed import followed_scores
from auxvae.models.priors import squared_errors
from auxvae.training import fleet
from auxvae.training.loop import Trainer
from foundation.faults import Refused
from foundation.files import read_json
from simulations.convert import convert
from simulations.draw import simulate
from simulations.sources.options import Options
from tests.auxvae.test_terms import FIXED, inputs_of
from tests.conftest import refusal, study_of

CPU = torch.device("cpu")
ROWS, SIDE = 320, 28
G = np.random.default_rng(5)
BLOB = np.exp(-0.02 * ((np.indices((SIDE, SIDE)) - 13.5) ** 2).sum(0))
A, B = G.uniform(1, 3, ROWS), G.uniform(0, 1, ROWS)
IMAGES = A[:, None, None] * 20 * BLOB + 10 * B[:, None, None] * BLOB**4 + G.normal(size=(ROWS, SIDE, SIDE))
ERRORS = G.uniform(0.01, 0.2, ROWS)
MEASURED = B + ERRORS * G.normal(size=ROWS)
LOST = G.random(ROWS) < 0.3
GALAXIES = {
    "galaxies": 256,
    "scene": {"galaxy": "exponential", "psf": "gaussian", "stamp": 32, "pixel_scale": 0.1},
    "noise": {"kind": "gaussian", "sigma": 30.0},
    "factors": {
        "flux": {"unit": "ph", "distribution": "uniform", "low": 5e3, "high": 2e4},
        "radius": {"unit": "arcsec", "distribution": "uniform", "low": 0.2, "high": 0.4},
        "g1": {"distribution": "uniform", "low": -0.3, "high": 0.3},
        "g2": {"distribution": "uniform", "low": -0.3, "high": 0.3},
        "psf_fwhm": {"unit": "arcsec", "distribution": "uniform", "low": 0.2, "high": 0.3},
    },
    "measurements": ["kron_flux", "hsm_g1"],
}


def config_of(dataset, *groups):
    return {
        "study": "s",
        "datasets": {"d": dataset},
        "coverages": {"both": ["a", "b"], "shear": ["flux", "g1"]},
        "network": {"name": "components", "latents": 4, "components": 8},
        "training": {"epochs": 2, "batch": 32},
        "runs": [*groups],
        "analyses": {"sensitivity": {"images": 8}, "bootstrap": 20, "traversal": {"steps": 2}},
    }


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """A store whose factor b is a measurement with errors and gaps, marked by -99."""
    folder = tmp_path_factory.mktemp("survey")
    columns = {"b": np.where(LOST, -99, MEASURED), "b_err": np.where(LOST, -99, ERRORS)}
    np.savez(folder / "x.npz", image=IMAGES, a=A, **columns)
    options = Options(errors={"b": "b_err"}, gaps=("b",))
    convert(folder / "x.npz", folder / "d.zarr", "image", "", [], "gaussian:1", 0, options=options)
    return folder / "d.zarr"


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory):
    """A simulated store with measurements of flux and g1."""
    path = tmp_path_factory.mktemp("galaxies") / "d.zarr"
    declared, _ = study_of(config_of(GALAXIES, {"method": "beta_vae"}) | {"coverages": {}})
    simulate(declared.simulated["d"], declared.facts["d"], path)
    return path


def survey_run(survey, **group):
    group = {"method": "aux_vae", "coverages": "both", **group}
    return study_of(config_of({"store": str(survey)}, group) | {"coverages": {"both": ["a", "b"]}})[1].runs[0]


def galaxy_run(**group):
    config = config_of(GALAXIES, {"method": "aux_vae", "coverages": "shear", **group})
    return study_of(config | {"coverages": {"shear": ["flux", "g1"]}})[1].runs[0]


def test_a_survey_keeps_errors_and_gaps_and_scores_complete_rows_alone(survey):
    with xr.open_zarr(survey) as store:
        assert np.array_equal(np.isnan(store["b"].values), LOST)
        assert np.array_equal(np.isnan(store["b_error"].values), LOST)
        assert np.allclose(store["b_error"].values[~LOST], ERRORS[~LOST])
        assert not store["split"].values[LOST].any()
    opened = Store(survey, survey_run(survey).dataset)
    assert len(opened.read("train").numbers) < len(opened.numbers("train"))
    assert all(np.isfinite(opened.read(name).factors["b"]).all() for name in ("train", "validation", "test"))


@pytest.mark.parametrize("errors", ["of_image", "independent", "ignored"])
def test_the_prior_of_a_row_widens_by_its_error_and_is_that_of_all_where_there_is_none(survey, errors, tmp_path):
    run = survey_run(survey, errors=errors)
    trainer = Trainer(run, Store(survey, run.dataset), tmp_path, CPU)
    data, model = trainer.loader.data, trainer.model
    prior = model._prior_of(*model._auxiliaries(data.aux, data.error))
    rows, j = data.rows.numpy(), run.variables.index("b")
    lost, width = LOST[rows], trainer.scaling.factor_high["b"] - trainer.scaling.factor_low["b"]
    error = 0 if errors == "ignored" else ERRORS[rows] / width
    expected = torch.tensor(run.prior_variance + error**2, dtype=torch.float32).expand(len(rows))
    assert prior.variance[~lost, j].allclose(expected[~lost], rtol=1e-4)
    known = data.aux[~lost, j]
    assert prior.mean[lost, j].allclose(known.mean(), atol=1e-5) and torch.equal(prior.mean[~lost, j], known)
    assert prior.variance[lost, j].allclose(known.var(unbiased=False), atol=1e-5)
    other = run.variables.index("a")
    assert prior.variance[:, other].allclose(torch.tensor(run.prior_variance), atol=1e-9)


def test_a_run_is_given_the_measurement_and_judged_by_the_truth(galaxies):
    run = galaxy_run(measured=["hsm_g1"])
    store = Store(galaxies, run.dataset)
    scaling, train, _ = prepare(run, store)
    aux, columns = train.aux(run, scaling), store.measured_of("train")
    low, width = scaling.factor_low["g1"], scaling.factor_high["g1"] - scaling.factor_low["g1"]
    assert (low, low + width) == tuple(each["g1"] for each in limits(store.factors("train"), ()))
    known = aux.error[:, 1].isfinite()
    expected = torch.tensor((columns["hsm_g1"] - low) / width, dtype=torch.float32)
    assert known.float().mean() > 0.5 and torch.equal(aux.values[known, 1], expected[known])
    assert aux.error[known, 1].allclose(torch.tensor(columns["hsm_g1_error"] / width)[known].float())
    truth = store.read("train").aux(run.variables, scaling)
    assert torch.equal(aux.values[:, 0], truth[:, 0]) and not aux.error[:, 0].any()
    assert truth[:, 1].min() == 0 and truth[:, 1].max() == 1


def test_values_far_outside_count_as_missing(galaxies):
    from auxvae.data.measured import measured

    run = galaxy_run(measured=["hsm_g1"])
    scaling, _, _ = prepare(run, Store(galaxies, run.dataset))
    low, high = scaling.factor_low["g1"], scaling.factor_high["g1"]
    values = np.array([low, high + 0.9 * (high - low), high + 1.1 * (high - low), np.nan, low])
    columns = {"hsm_g1": values, "hsm_g1_error": np.array([0.1, 0.1, 0.1, np.nan, np.inf])}
    both = measured(run, torch.zeros(5, 2), columns, scaling)
    assert both.error[:, 1].isfinite().tolist() == [True, True, False, False, False]
    assert both.values[:, 1].tolist() == pytest.approx([0, 1.9, 0, 0, 0])


def best_width(errors, error, distance):
    """The log variance at which `calibration` is least, by its formula's derivative, of one latent."""
    inputs = inputs_of(0, [0], torch.float64, CPU)
    rows = inputs.aux.shape
    inputs = inputs._replace(
        error=torch.full(rows, error, dtype=torch.float64),
        aux=inputs.posterior.mean + distance,
        progress=torch.tensor(1.0),
    )
    grid = torch.linspace(-12, 2, 1401, dtype=torch.float64)
    fixed = FIXED["default"]._replace(settings=Settings(errors=errors))
    far = inputs._replace(prior=inputs.prior._replace(variance=torch.full(rows, 1e9, dtype=torch.float64)))

    def value(each):
        posterior = far.posterior._replace(log_variance=torch.full(rows, float(each), dtype=torch.float64))
        return float(calibration(far._replace(posterior=posterior), fixed))

    return float(grid[int(np.argmin([value(each) for each in grid]))].exp())


@pytest.mark.parametrize(("errors", "variance"), [("of_image", 0.3**2 + 0.2**2), ("independent", 0.3**2 - 0.2**2)])
def test_the_width_of_the_posterior_is_that_of_the_factor(errors, variance):
    """The KL that calibration takes away has its own pull, 1 against 100 of the score."""
    assert best_width(errors, 0.2, 0.3) == pytest.approx(variance, rel=0.05)


def test_an_unknown_error_weighs_nothing():
    error = torch.tensor([[0.0, 0.5, torch.inf]])
    assert squared_errors(error).tolist() == [[0.0, 0.25, 0.0]]


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_what_a_code_follows_is_measured(slope):
    truth, error = G.uniform(size=4000), 0.2 * G.normal(size=4000)
    measured = np.where(G.random(4000) < 0.1, np.nan, truth + error)
    scores = followed_scores(3 * (truth + slope * error) - 1 + 0.05 * G.normal(size=4000), truth, measured, 100)
    assert scores["followed"].low - 0.01 < slope < scores["followed"].high + 0.01
    assert scores["followed"].high - scores["followed"].low < 0.05
    assert scores["measured"].value == pytest.approx(0.2, rel=0.05)
    assert followed_scores(truth, truth, truth, 10) == {}


@pytest.mark.parametrize("method", ["aux_vae", "regressor"])
def test_the_whole_way_and_alone_as_in_a_fleet(method, galaxies, tmp_path):
    group = {"method": method, "coverages": "shear", "measured": ["kron_flux", "hsm_g1"], "seeds": [0, 1]}
    config = config_of(GALAXIES, group) | {"coverages": {"shear": ["flux", "g1"]}}
    _, study = study_of(config)
    runs = study.runs
    fleet.train(Fleet(runs), galaxies, tmp_path / "both", CPU, workers=1)
    fleet.train(Fleet(runs[1:]), galaxies, tmp_path / "alone", CPU, workers=1)
    both, alone = (tmp_path / name / "runs" / runs[1].id / "model.safetensors" for name in ("both", "alone"))
    assert both.read_bytes() == alone.read_bytes()
    analyse(runs[1], study.config.analyses, "cpu", galaxies, tmp_path / "alone")
    scores = read_json(tmp_path / "alone" / "runs" / runs[1].id / "scores.json", "scores")
    assert {"followed_flux", "followed_g1", "measured_flux", "measured_g1"} <= scores.keys()
    assert all(np.isfinite(score["value"]) for score in scores.values())


def test_a_survey_with_gaps_goes_the_whole_way(survey, tmp_path):
    group = {"method": "aux_vae", "coverages": "both", "errors": "independent"}
    _, study = study_of(config_of({"store": str(survey)}, group) | {"coverages": {"both": ["a", "b"]}})
    fleet.train(study.fleets[0], survey, tmp_path, CPU, 1)
    analyse(study.runs[0], study.config.analyses, "cpu", survey, tmp_path)
    scores = read_json(tmp_path / "runs" / study.runs[0].id / "scores.json", "scores")
    assert "leakage" in scores and all(np.isfinite(score["value"]) for score in scores.values())


def test_runs_that_know_of_no_measurements_are_what_they_were():
    plain, with_columns = GALAXIES.copy(), galaxy_run()
    plain.pop("measurements")
    run = study_of(
        config_of(plain, {"method": "aux_vae", "coverages": "shear"}) | {"coverages": {"shear": ["flux", "g1"]}}
    )[1].runs[0]
    assert run.identity["values"] == with_columns.identity["values"]
    assert galaxy_run(measured=["hsm_g1"]).id != galaxy_run(measured=["hsm_g1"], errors="independent").id


UNABLE = next(name for name, method in METHODS.items() if method.conditional == "learned")


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        ({"measured": ["hsm_g2"]}, "d has the measurements kron_flux, hsm_g1"),
        ({"measured": ["hsm_g1"], "coverages": "flux"}, "it measures g1, which the coverage flux does not give"),
        ({"measured": ["hsm_g1"], "imperfect": {"noise": 0.1}}, "measurements have errors of their own"),
        ({"measured": ["hsm_g1"], "method": UNABLE}, f"{UNABLE} needs exact values in every row"),
        ({"errors": "ignored"}, "no auxiliary variable of these runs has errors"),
        ({"errors": "exact"}, "of_image"),
    ],
)
def test_what_cannot_be_is_refused(group, sentence):
    config = config_of(GALAXIES, {"method": "aux_vae", "coverages": "shear", **group})
    said = refusal(config | {"coverages": {"shear": ["flux", "g1"], "flux": ["flux"]}})
    assert any(sentence in each for each in said), said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"errors": {"c": "b_err"}}, "the factors are a, b"),
        ({"errors": {"b": "b_sd"}}, "the columns are image, a, b, b_err"),
        ({"errors": {"a": "b_err"}}, "errors that are missing or below 0"),
        ({}, "or declare it with --gaps"),
    ],
)
def test_errors_that_are_none_are_refused_and_nothing_is_written(options, sentence, tmp_path):
    np.savez(tmp_path / "x.npz", image=IMAGES, a=A, b=np.where(LOST, -99, MEASURED), b_err=-ERRORS)
    with pytest.raises(Refused, match=sentence):
        target = tmp_path / "d.zarr"
        convert(tmp_path / "x.npz", target, "image", "a,b", [], "gaussian:1", 0, options=Options(**options))
    assert not (tmp_path / "d.zarr").exists()


def test_test_rows_without_a_value_are_refused(tmp_path):
    columns = {"a": A, "b": np.where(LOST, np.nan, MEASURED), "split": np.arange(ROWS) % 3}
    np.savez(tmp_path / "x.npz", image=IMAGES, **columns)
    with pytest.raises(Refused, match="validation or test rows without a value"):
        convert(tmp_path / "x.npz", tmp_path / "d.zarr", "image", "", [], "none", 0, options=Options(gaps=("b",)))


def test_a_factor_that_some_rows_lack_stands_beside_no_image_and_in_no_prior(survey):
    groups = [{"method": "beta_vae", "inputs": ["b"]}, {"method": "ae_mmd", "prior": {"kind": "empirical"}}]
    said = refusal(config_of({"store": str(survey)}, *groups) | {"coverages": {}, "network": {"latents": 2}})
    assert any("runs[0].inputs: found 'b', but some rows have no value" in each for each in said), said
    assert any("runs[1].prior: found 'empirical', but some rows have no value of b" in each for each in said), said


@pytest.mark.parametrize("coverages", [["only", "both"], ["both", "only"]])
def test_a_coverage_without_errors_is_trained_beside_one_with_them_as_alone(coverages, survey, tmp_path):
    """One program of several runs branches for all of them alike."""
    group = {"method": "aux_vae", "coverages": coverages, "weights": {"calibration": 1}}
    config = config_of({"store": str(survey)}, group) | {"coverages": {"both": ["a", "b"], "only": ["a"]}}
    runs = study_of(config)[1].runs
    fleet.train(Fleet(runs), survey, tmp_path / "both", CPU, workers=1)
    for run in runs:
        fleet.train(Fleet((run,)), survey, tmp_path / run.id, CPU, workers=1)
        weights = [tmp_path / name / "runs" / run.id / "model.safetensors" for name in ("both", run.id)]
        assert weights[0].read_bytes() == weights[1].read_bytes(), run.coverage


def test_the_prior_of_an_inversion_leaves_unknown_values_out():
    from auxvae.models.latent_prior import Marginals

    values = torch.rand(500, 1, generator=torch.Generator().manual_seed(2))
    gaps = torch.cat([values, torch.full((300, 1), torch.nan)])
    assert torch.equal(Marginals(gaps, 0.01).centres, Marginals(values, 0.01).centres)

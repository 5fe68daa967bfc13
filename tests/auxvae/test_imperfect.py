"""Imperfect auxiliary variables: what a row gets depends on its address alone, and unknown ones count nothing."""

import numpy as np
import pytest
import torch

from auxvae.config.imperfect import takes_gaps
from auxvae.config.labels import labels
from auxvae.config.methods import METHODS
from auxvae.config.run import Fleet
from auxvae.config.settings import Settings
from auxvae.data.imperfect import imperfect
from auxvae.data.measured import exact
from auxvae.data.store import Store
from auxvae.losses.alignment import explicitness, regression
from auxvae.losses.dependence import r1
from auxvae.losses.divergences import calibration, kl
from auxvae.training import fleet
from auxvae.training.loop import Trainer
from foundation.faults import Refused
from tests.auxvae.test_methods import NARROW, SHORT
from tests.auxvae.test_terms import FIXED, inputs_of
from tests.conftest import TINY, study_of

CPU = torch.device("cpu")
ROWS = 20_000


def run_with(method="aux_vae", coverage="full", **spec):
    group = {"method": method, "coverages": coverage, **({"imperfect": spec} if spec else {})}
    return study_of({**TINY, "runs": [group]})[1].runs[0]


@pytest.fixture(scope="module")
def aux():
    return torch.rand(ROWS, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("spec", [{"noise": 0.1}, {"bias": 0.2, "observed": 0.3}, {"noise": 0.1, "of": ["g1"]}])
def test_a_row_depends_on_its_address_alone(spec, aux):
    run, rows = run_with(**spec), np.arange(ROWS)
    whole, part = imperfect(run, exact(aux), rows), imperfect(run, exact(aux[500:900]), rows[500:900])
    assert torch.equal(whole.values[500:900], part.values) and torch.equal(whole.error[500:900], part.error)


def test_noise_bias_exchanges_and_gaps_have_the_size_that_was_asked_for(aux):
    rows = np.arange(ROWS)
    noisy = imperfect(run_with(noise=0.1, bias=-0.3), exact(aux), rows).values - aux
    assert noisy.mean(0).allclose(torch.full((5,), -0.3), atol=0.005)
    assert noisy.std(0).allclose(torch.full((5,), 0.1), atol=0.003)
    assert (torch.corrcoef(noisy.T) - torch.eye(5)).abs().max() < 0.05
    swapped = imperfect(run_with(swapped=0.2), exact(aux), rows).values
    assert ((swapped != aux).float().mean(0) - 0.2).abs().max() < 0.02
    assert np.isin(swapped[:, 0].numpy(), aux[:, 0].numpy()).all()
    gaps = imperfect(run_with(observed=0.1, of=["flux"]), exact(aux), rows).error.isfinite().float()
    assert gaps[:, [0, 1, 2, 4]].all() and abs(float(gaps[:, 3].mean()) - 0.1) < 0.01


def test_without_it_nothing_changes(aux):
    plain = imperfect(run_with(), exact(aux), np.arange(ROWS))
    assert torch.equal(plain.values, aux) and not plain.error.any()
    assert "imperfect" not in run_with().identity["values"]
    assert run_with(noise=0.1).id != run_with(noise=0.2).id


def test_the_true_factors_are_what_a_run_is_scored_on(tiny_store):
    run = run_with(noise=5)
    store = Store(tiny_store, run.dataset)
    trainer = Trainer(run, store, tiny_store.parent / "work", CPU)
    assert trainer.loader.data.aux.max() > 2
    truth = store.read("train").aux(run.variables, trainer.scaling)
    assert truth.min() == 0 and truth.max() == 1


def gaps(inputs, share=0.5):
    known = (torch.rand(inputs.aux.shape, generator=torch.Generator().manual_seed(1)) < share).to(inputs.aux)
    return inputs._replace(error=torch.where(known > 0, 0.0, torch.inf).to(inputs.aux))


def test_unknown_rows_count_nothing_in_explicitness_regression_and_calibration():
    inputs = gaps(inputs_of(0, [0, 2], torch.float64, CPU))
    known = inputs.observed[:, 0] > 0
    alone = r1(inputs.posterior.sample[known], inputs.aux[known], 1)[0]
    fixed = FIXED["default"]._replace(settings=Settings())
    first = inputs._replace(is_aux=torch.zeros_like(inputs.is_aux).index_fill(0, torch.tensor(0), 1))
    assert float(explicitness(first, fixed)) == pytest.approx(float(alone), abs=1e-6)
    other = first._replace(aux=torch.where(inputs.observed > 0, inputs.aux, 77.0))
    for term in (explicitness, regression, calibration):
        assert float(term(other, fixed)) == pytest.approx(float(term(first, fixed)), rel=1e-9)


def test_all_rows_known_is_the_term_itself():
    inputs = inputs_of(0, [0, 2], torch.float64, CPU)._replace(progress=torch.tensor(1.0))
    every = inputs._replace(error=torch.zeros_like(inputs.aux))
    for term in (explicitness, regression, calibration, kl):
        assert float(term(every, FIXED["default"])) == pytest.approx(float(term(inputs, FIXED["default"])), rel=1e-9)


def test_the_prior_of_an_unknown_variable_is_its_distribution(tiny_store):
    run = run_with(observed=0.5)
    trainer = Trainer(run, Store(tiny_store, run.dataset), tiny_store.parent / "work", CPU)
    data, model = trainer.loader.data, trainer.model
    aux, error = model._auxiliaries(data.aux, data.error)
    prior = model._prior_of(aux, error)
    for j in range(5):
        known = data.error[:, j].isfinite()
        assert 0.3 < known.float().mean() < 0.7
        assert torch.equal(prior.mean[known, j], data.aux[known, j])
        assert prior.mean[~known, j].allclose(data.aux[known, j].mean(), atol=1e-6)
        assert prior.variance[~known, j].allclose(data.aux[known, j].var(unbiased=False), atol=1e-6)
        assert prior.variance[known, j].allclose(torch.tensor(run.prior_variance), atol=1e-9)
    assert torch.equal(prior.variance[:, 5:], torch.ones_like(prior.variance[:, 5:]))


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if takes_gaps(method)])
def test_alone_as_in_a_fleet(method, tiny_store, tmp_path):
    group = {"method": method, "coverages": "two", "seeds": [0, 1], "imperfect": {"noise": 0.1, "observed": 0.3}}
    if METHODS[method].family == "score":
        group["network"] = {"name": "unet"}
    runs = study_of({**TINY, **NARROW, **SHORT, "runs": [group]})[1].runs
    fleet.train(Fleet(runs), tiny_store, tmp_path / "both", CPU, workers=1)
    fleet.train(Fleet(runs[1:]), tiny_store, tmp_path / "alone", CPU, workers=1)
    both, alone = (tmp_path / name / "runs" / runs[1].id / "model.safetensors" for name in ("both", "alone"))
    assert both.read_bytes() == alone.read_bytes()


def test_a_run_without_a_label_is_named_by_what_is_wrong_with_its_variables():
    groups = [{}, {"imperfect": {"noise": 0.1}}, {"imperfect": {"observed": 0.5, "of": "flux"}}]
    runs = study_of({**TINY, "runs": [{"method": "aux_vae", "coverages": "full", **each} for each in groups]})[1].runs
    names = ["aux_vae full", "aux_vae full, noise 0.1", "aux_vae full, observed 0.5, of (flux)"]
    assert list(labels(runs).values()) == names


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        ({"imperfect": {}}, "found nothing imperfect"),
        ({"imperfect": {"noise": 0.1, "of": ["mass"]}}, "the models are not given it"),
        ({"coverages": "two", "imperfect": {"noise": 0.1, "of": ["flux"]}}, "the coverage two has g1, g2"),
        ({"imperfect": {"observed": 0}}, "above 0"),
        ({"imperfect": {"observed": 0.01}}, "of 192 training rows 10 at least must keep their value"),
        ({"method": "aux_hsic", "imperfect": {"observed": 0.5}}, "needs every auxiliary variable"),
        ({"method": "beta_vae", "imperfect": {"noise": 0.5}}, "beta_vae has no term that reads it"),
    ],
)
def test_what_cannot_be_meant_is_refused(group, sentence):
    group = {"method": "aux_vae", "coverages": "full", **group}
    group = {key: value for key, value in group.items() if not (group["method"] == "beta_vae" and key == "coverages")}
    with pytest.raises(Refused, match=sentence):
        study_of({**TINY, "runs": [group]})

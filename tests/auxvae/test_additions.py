"""docs/architecture.md says what to touch to add something; each addition is made here, in the places it names."""

import numpy as np
import pytest
import torch

from auxvae.config.methods import METHODS, Method
from auxvae.config.networks import BACKBONES, Backbone
from auxvae.config.priors import PRIORS, PriorKind
from auxvae.config.terms import TERMS, Term
from auxvae.metrics.metric import Column, Metric
from auxvae.metrics.representation import representation
from auxvae.metrics.suite import suite
from auxvae.metrics.table import METRICS
from auxvae.models.model import draws_at
from tests.auxvae.models import PLAIN, any_batch, model_of, run_of
from tests.conftest import study_of

HERE = "tests.auxvae.additions"


@pytest.fixture
def ids(config):
    """The ids of some runs before an addition."""
    return {method: run_of(method, config).id for method in PLAIN}


def terms_of(run):
    """The terms of one batch of a run."""
    model = model_of(run)
    draws = draws_at(model.draw(0, "latents", 0, 1, 16), 0)
    terms = model.loss(any_batch(run, 16), draws, torch.tensor(0.5)).terms
    assert all(bool(value.isfinite()) for value in terms.values())
    return terms


def test_a_loss_term_is_an_entry_and_a_function(config, monkeypatch, ids):
    monkeypatch.setitem(TERMS, "sparsity", Term(f"{HERE}:sparsity"))
    monkeypatch.setitem(METHODS, "sparse_vae", Method({"reconstruction": 1, "kl": 1, "sparsity": 0.1}, "none"))
    run = run_of("sparse_vae", config)
    assert float(terms_of(run)["sparsity"].detach()) > 0 and HERE in run.modules
    assert {method: run_of(method, config).id for method in ids} == ids


def test_a_prior_is_an_entry_and_a_class(config, monkeypatch, ids):
    monkeypatch.setitem(PRIORS, "triangular", PriorKind(f"{HERE}:Triangular", has_density=False))
    run = run_of("ae_mmd", config, prior="triangular")
    assert terms_of(run).keys() == set(run.terms) and HERE in run.modules
    assert {method: run_of(method, config).id for method in ids} == ids


def test_a_network_is_an_entry_and_a_function(config, monkeypatch, ids):
    monkeypatch.setitem(BACKBONES, "shallow", Backbone(f"{HERE}:shallow", 1e6))
    run = run_of("beta_vae", config, network={"name": "shallow"})
    assert study_of(config)[1].core_hours() > 0
    assert terms_of(run).keys() == {"reconstruction", "kl"} and HERE in run.modules
    assert {method: run_of(method, config).id for method in ids} == ids


def test_a_metric_is_an_entry_and_a_function_of_arrays(monkeypatch, config, ids):
    entry = Metric({"size": Column("0", "suite")}, "means", "codes", "", "how large codes are", measure=f"{HERE}:size")
    monkeypatch.setitem(METRICS, "size", entry)
    assert suite(representation(np.ones((50, 2))), ["size"])["size"].value == 1
    assert {method: run_of(method, config).id for method in ids} == ids

"""A run's id follows what its method reads and nothing else; what nothing reads is a fault."""

import copy
import dataclasses
import json
from dataclasses import replace

import pytest
import torch

from auxvae.config import identity
from auxvae.config.diffusion import Diffusion
from auxvae.config.imperfect import Imperfect
from auxvae.config.latents import PriorSpec
from auxvae.config.methods import METHODS, Method
from auxvae.config.module import Module
from auxvae.config.networks import BACKBONES, COMPANIONS, Backbone
from auxvae.config.priors import PRIORS, PriorKind
from auxvae.config.terms import TERMS, Term
from auxvae.config.training import Training
from auxvae.models.prior_checks import residual_prior
from auxvae.models.priors import Prior
from foundation.faults import Refused
from tests.auxvae.models import PLAIN
from tests.conftest import TINY, study_of

CHANGED = {
    "measured": ("hsm_g1",),
    "errors": "ignored",
    "likelihood": "poisson",
    "sigma": 2.0,
    "prior": PriorSpec("laplace"),
    "encoder": None,  # the one that the method does not have
    "capacity": 3.0,
    "imperfect": Imperfect(noise=0.1),
    "cooling": 3.0,
    "cooling_from": 0.2,
    "cooling_until": 0.7,
    "prior_variance": 0.5,
    "degree": 5,
    "aux_degree": 5,
    "correlation": "absolute",
    "earlier": 32,
    "normalise": False,
    "interactions": True,
    "activation": "gelu",
    "contexts": ("obs",),
    "inputs": ("flux",),
    "module": Module(units=3),
    "diffusion": Diffusion(steps=3),
}
CHANGED_MMD = {"kernel": "rbf", "bandwidth": 2.0, "scales": (3.0,), "block": 16, "queue": 32, "width": 0.3, "pairs": 3}
CHANGED_NETWORK = {"name": "mlp", "latents": 8, "width": 8, "components": 9, "second": 16}
CHANGED_TRAINING = {
    "epochs": 3,
    "batch": 16,
    "order": "shards",
    "augment": True,
    "learning_rate": 0.1,
    "second_learning_rate": 0.1,
    "beta2": 0.99,
    "schedule": "cosine",
    "clip": 3.0,
    "patience": 3,
    "keep": "last",
    "gpu_precision": "tf32",
}


def config_of(*groups, **sections):
    return {**copy.deepcopy(TINY), **sections, "runs": list(groups)}


def runs_of(*groups):
    return study_of(config_of(*groups))[1].runs


@pytest.fixture(scope="module")
def by_method():
    groups = [{"method": name, **({"coverages": "two"} if METHODS[name].needs_aux else {})} for name in PLAIN]
    return {run.method: run for run in runs_of(*groups)}


def with_network(run, **value):
    """Every key of the section is read by a network on components."""
    return replace(run, network=replace(run.network, **{"name": "components", **value}))


def with_mmd(run, **value):
    return replace(run, settings=replace(run.settings, mmd=replace(run.mmd, **{"queue": 0, **value})))


@pytest.mark.parametrize("method", PLAIN)
def test_the_id_changes_with_each_value_that_the_method_reads_and_with_no_other(method, by_method):
    run = by_method[method]
    settings = CHANGED | {"encoder": ("gaussian", "deterministic")[run.encoder == "gaussian"]}
    read = identity.settings_read(METHODS[method]) | identity.keys_read(METHODS[method])
    sections = {
        "": (settings, lambda **value: replace(run, settings=replace(run.settings, **value))),
        "mmd.": (CHANGED_MMD, lambda **value: with_mmd(run, **value)),
        "network.": (CHANGED_NETWORK, lambda **value: with_network(run, **value)),
        "training.": (CHANGED_TRAINING, lambda **value: replace(run, training=replace(run.training, **value))),
    }
    for section, (changes, changed) in sections.items():
        before = changed()
        for key, value in changes.items():
            other = changed(**{key: value})
            assert (other.id != before.id) is (f"{section}{key}" in read), key
            assert other.agrees_with(before.record()) is (other.id == before.id), key


def test_every_setting_is_among_those_that_are_tried():
    assert {each.name for each in dataclasses.fields(identity.Settings)} == {*CHANGED, "mmd"}
    assert {each.name for each in dataclasses.fields(identity.Mmd)} == {*CHANGED_MMD}
    assert {each.name for each in dataclasses.fields(identity.Network)} == {*CHANGED_NETWORK}
    assert {each.name for each in dataclasses.fields(Training)} == {*CHANGED_TRAINING}


def test_every_setting_that_a_term_reads_is_declared():
    declared = {*CHANGED, *(f"mmd.{key}" for key in CHANGED_MMD)}
    assert {key for term in TERMS.values() for key in term.reads} <= declared


def test_additions_to_the_tables_change_no_run(by_method, monkeypatch):
    before = {name: (run.id, run.modules, run.record()) for name, run in by_method.items()}
    monkeypatch.setitem(TERMS, "new", Term("auxvae.losses.new:new", ("degree",)))
    monkeypatch.setitem(PRIORS, "new", PriorKind("auxvae.models.new:New"))
    monkeypatch.setitem(BACKBONES, "new", Backbone("auxvae.models.new:new", 1e6))
    monkeypatch.setitem(COMPANIONS, "new", "auxvae.models.new:New")
    monkeypatch.setitem(METHODS, "new", Method({"new": 1.0}, "nobody", companion="new"))
    assert {name: (run.id, run.modules, run.record()) for name, run in by_method.items()} == before
    added = replace(by_method["vae"], method="new", weights={"new": 1.0})
    assert {"auxvae.losses.new", "auxvae.models.new"} <= {*added.modules}


def test_a_new_key_changes_no_id_and_is_no_difference_to_an_older_record(by_method, monkeypatch):
    field = ("momentum", float, dataclasses.field(default=0.0))
    wider = dataclasses.make_dataclass("Wider", [field], bases=(Training,), frozen=True)
    before = {name: (run.id, json.loads(json.dumps(run.record()))) for name, run in by_method.items()}
    monkeypatch.setattr(identity, "Training", wider)
    for name, run in by_method.items():
        today = replace(run, training=wider(**vars(run.training)))
        assert today.id == before[name][0]
        assert today.agrees_with(before[name][1])
        assert run.agrees_with(json.loads(json.dumps(today.record())))
        assert replace(run, training=wider(**vars(run.training), momentum=0.9)).id != run.id


def test_a_new_field_of_the_methods_changes_no_id(by_method, monkeypatch):
    field = ("guided", bool, dataclasses.field(default=False))
    wider = dataclasses.make_dataclass("Wider", [field], bases=(Method,), frozen=True)
    before = {name: run.id for name, run in by_method.items()}
    for name in before:
        monkeypatch.setitem(METHODS, name, wider(**vars(METHODS[name])))
    assert {name: run.id for name, run in by_method.items()} == before


@pytest.mark.parametrize(
    ("method", "key", "noticed"),
    [("annealed_vae", "capacity", True), ("vae", "capacity", False), ("vae", "training.clip", True)],
)
def test_a_changed_default_is_noticed_where_it_is_read(method, key, noticed, by_method):
    record = json.loads(json.dumps(by_method[method].record()))
    record["read"] |= {key: 7} if key in record["read"] else {}
    assert by_method[method].agrees_with(record) is not noticed


def test_a_changed_default_of_a_prior_is_noticed(monkeypatch):
    run = runs_of({"method": "ae_mmd", "prior": {"kind": "product", "of": ["uniform", "mixture"]}})[0]
    record = json.loads(json.dumps(run.record()))
    assert run.agrees_with(record)
    monkeypatch.setitem(PRIORS, "mixture", replace(PRIORS["mixture"], settings={"components": 5, "std": 0.2}))
    assert not run.agrees_with(record)


def test_a_default_written_out_is_the_same_run():
    plain, written = (
        runs_of({"method": "ae_mmd"}),
        runs_of({"method": "ae_mmd", "mmd": {"queue": 768}, "prior": "normal"}),
    )
    assert plain[0].id == written[0].id


def test_a_citation_changes_no_id(by_method, monkeypatch):
    before = by_method["vae"].id
    monkeypatch.setitem(METHODS, "vae", replace(METHODS["vae"], citation="another edition"))
    assert by_method["vae"].id == before


def test_the_modules_of_a_run_are_those_that_it_uses(by_method):
    priors, terms, critics = "auxvae.models.priors", "auxvae.losses.divergences", "auxvae.models.critics"
    assert {priors, terms} <= {*by_method["vae"].modules}
    assert critics not in by_method["vae"].modules and critics in by_method["factor_vae"].modules
    assert "auxvae.losses.independence" in by_method["beta_tcvae"].modules
    assert "auxvae.losses.independence" not in by_method["vae"].modules
    assert priors not in by_method["regressor"].modules
    rooms = ("auxvae.models", "auxvae.losses")
    assert all(name.startswith(rooms) for run in by_method.values() for name in run.modules)


UNREAD = {
    "degree of a vae": ({"method": "vae", "degree": 3}, "runs[0].degree: found 3, but vae has no term that reads it"),
    "cooling of a beta_vae": (
        {"method": "beta_vae", "cooling": 5},
        "runs[0].cooling: found 5, but beta_vae has no term",
    ),
    "cooling of a term without weight": (
        {"method": "vae", "cooling": 5},
        "runs[0].cooling: found 5, but kl_early, which alone reads it, has a weight of 0; write weights: {kl_early: 1}",
    ),
    "a single-latent width of a joint kernel": (
        {"method": "wae_mmd", "mmd": {"width": 2}},
        "runs[0].mmd.width: found 2, but wae_mmd has no term that reads it",
    ),
    "a variance without auxiliary latents": ({"method": "beta_vae", "prior_variance": 1}, "runs[0].prior_variance: "),
    "a degree of hsic": ({"method": "aux_hsic", "coverages": "two", "degree": 2}, "runs[0].degree: "),
    "units of no network": (
        {"method": "vae", "network": {"second": 512}},
        "runs[0].network.second: found 512, but vae trains no second network; take it away",
    ),
    "a rate of no network": (
        {"method": "vae", "training": {"second_learning_rate": 0.1}},
        "runs[0].training.second_learning_rate: ",
    ),
    "an mmd of a vae": ({"method": "vae", "mmd": {"kernel": "rbf", "width": 1}}, "runs[0].mmd: found settings"),
}


def test_a_setting_by_which_a_model_is_sampled_is_read_whatever_its_terms_weigh():
    assert study_of(config_of({"method": "vae", "prior": "laplace", "weights": {"kl": 0}}))


@pytest.mark.parametrize("case", UNREAD)
def test_a_setting_that_nothing_reads_is_one_fault(case):
    group, sentence = UNREAD[case]
    with pytest.raises(Refused) as refused:
        study_of(config_of(group))
    assert len(refused.value.faults) == 1
    assert sentence in str(refused.value)


def test_a_malformed_setting_that_nothing_reads_is_one_fault():
    with pytest.raises(Refused) as refused:
        study_of(config_of({"method": "vae", "capacity": "much"}))
    assert len(refused.value.faults) == 1


def test_settings_of_a_preset_are_no_faults():
    assert runs_of({"method": "vae", "preset": "paper"})[0].settings.degree == 3


def test_a_second_network_of_the_study_is_for_any_of_its_methods():
    sections = {"network": {"second": 32}, "training": {"second_learning_rate": 0.1}}
    study_of(config_of({"method": "vae"}, {"method": "factor_vae"}, **sections))
    with pytest.raises(Refused, match="no method of the study trains a second network") as refused:
        study_of(config_of({"method": "vae"}, **sections))
    assert [fault.where for fault in refused.value.faults] == ["network.second", "training.second_learning_rate"]


class Triangular(Prior):
    """A prior of the tests: the sum of two uniforms, rescaled to unit variance."""

    def __init__(self, dimensions, std):
        super().__init__(dimensions)
        self.std = std

    def sample(self, u, source):
        return self.std * sum(torch.rand(len(u), self.dimensions, generator=source) - 0.5 for _ in range(2)) * 6**0.5


def test_a_prior_is_added_by_one_entry_and_one_class(monkeypatch):
    kind = PriorKind("tests.auxvae.test_identity:Triangular", {"std": 1.0}, has_density=False)
    monkeypatch.setitem(PRIORS, "triangular", kind)
    run = runs_of({"method": "ae_mmd", "prior": {"kind": "triangular", "std": 2.0}})[0]
    assert "tests.auxvae.test_identity" in run.modules
    assert float(residual_prior(run, {})[1].mean()) == pytest.approx(4, rel=0.1)
    with pytest.raises(Refused, match="needs a density for every z"):
        runs_of({"method": "vae", "prior": "triangular"})
    with pytest.raises(Refused, match="the prior triangular takes std"):
        runs_of({"method": "ae_mmd", "prior": {"kind": "triangular", "levels": 3}})

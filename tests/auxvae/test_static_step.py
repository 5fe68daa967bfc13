"""A step is a fixed sequence of operations on fixed tensors: repeated without its Python, it gives the same bytes."""

from dataclasses import replace

import pytest
import torch

from auxvae.training import stack
from auxvae.training.loop import follow_nothing, open_trainer
from auxvae.training.static_step import StackedModel, TrainingStep, ValidationStep
from tests.auxvae.models import PLAIN, run_of
from tests.auxvae.tape import Tape, TapeReplay
from tests.auxvae.test_train import bytes_of

CPU = torch.device("cpu")
NETWORK = {"name": "components", "latents": 6, "width": 4}


def runs_of(method, config, count=2, **settings):
    settings = {"network": NETWORK, "training": {"epochs": 2, "batch": 32}} | settings
    run = run_of(method, config, **settings)
    return [replace(run, seed=seed) for seed in range(count)]


def repeats(runs, store, folder, monkeypatch):
    """Whether a stack whose steps are recorded and repeated ends in the bytes of one whose steps are not."""
    stack.train_stack(runs, store, folder / "python", CPU)
    before = TapeReplay.repeated
    monkeypatch.setattr(stack, "repeated", TapeReplay)
    stack.train_stack(runs, store, folder / "tape", CPU)
    assert TapeReplay.repeated > before + 5
    return all(bytes_of(folder / "python" / "runs" / r.id) == bytes_of(folder / "tape" / "runs" / r.id) for r in runs)


@pytest.mark.parametrize("method", PLAIN)
def test_every_method(method, config, tiny_store, tmp_path, monkeypatch):
    assert repeats(runs_of(method, config), tiny_store, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["conv4", "residual", "mlp"])
def test_every_network(name, config, tiny_store, tmp_path, monkeypatch):
    runs = runs_of("aux_vae", config, network={**NETWORK, "name": name}, training={"epochs": 2, "batch": 32, "clip": 5})
    assert repeats(runs, tiny_store, tmp_path, monkeypatch)


SETTINGS = {
    "mixture": {"method": "beta_vae", "prior": "mixture"},
    "blocks": {
        "method": "beta_vae",
        "prior": {"kind": "blocks", "of": [{"kind": k, "latents": 3} for k in ("laplace", "mixture")]},
    },
    "median": {"method": "ae_mmd", "mmd": {"bandwidth": "median", "kernel": "laplace"}},
    "queue": {"method": "ae_mmd", "mmd": {"queue": 40}},
    "inputs": {"method": "aux_vae", "inputs": ["psf_fwhm", "flux"]},
    "pairs": {"method": "aux_mmd", "mmd": {"pairs": 4}},
    "cosine": {"method": "vae", "training": {"epochs": 2, "batch": 32, "schedule": "cosine", "clip": None}},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_with_code_of_their_own(name, config, tiny_store, tmp_path, monkeypatch):
    assert repeats(runs_of(config=config, **SETTINGS[name]), tiny_store, tmp_path, monkeypatch)


def test_a_step_that_reads_python_is_noticed(config, tiny_store, tmp_path, monkeypatch):
    """The check itself can fail: learning rates that Python computes stay those of the recorded step."""
    step = TrainingStep.__call__

    def by_python(self):
        self.numbers.rates.fill_(1e-3 / (1 + self.trainers[0].state.step))
        step(self)

    monkeypatch.setattr(TrainingStep, "__call__", by_python)
    assert not repeats(runs_of("vae", config), tiny_store, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "forbidden",
    [lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: torch.tensor(1.0) + x],
    ids=["item", "mask", "nonzero", "constant"],
)
def test_what_no_graph_holds_is_noticed(forbidden):
    with pytest.raises(AssertionError, match="cannot be part of a graph"), Tape():
        forbidden(torch.ones(3))


@pytest.mark.parametrize("method", ["vae", "aux_mmd", "factor_vae", "idvae", "cvae"])
def test_stacked_validation_agrees_with_the_plain_loop(method, config, tiny_store, tmp_path):
    """Terms and posterior means, by Python and repeated."""
    trainers = [open_trainer(run, tiny_store, tmp_path, CPU, follow_nothing) for run in runs_of(method, config)]
    for trainer in trainers:
        trainer.validation.size, trainer.validation.steps = 4, len(trainer.validation.data.images) // 4
    expected = [trainer._validate() for trainer in trainers]
    step = ValidationStep(StackedModel(trainers), trainers)
    validate = TapeReplay(step)
    for _ in range(trainers[0].validation.steps):
        validate()
    assert validate.done > 3
    for k, (terms, means) in enumerate(expected):
        torch.testing.assert_close(step.values[k].mean(0), terms, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(step.means[k].flatten(0, 1), means, rtol=1e-4, atol=1e-5)

"""One training step of everything on a device that only pretends to compute, so that a tensor left on the CPU is found.

torch can register a device without kernels; with fake tensors the operations check devices, types and shapes alone, and
an operation on tensors of two devices raises FakeTensorDeviceMismatchError, as a GPU would.
"""

import copy

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from auxvae.config.methods import METHODS
from auxvae.config.networks import BACKBONES
from auxvae.models.model import draws_at
from auxvae.models.priors import Prior
from auxvae.training.optimiser import adam
from tests.auxvae.models import any_batch, model_of, run_of

ROWS = 32
NETWORK = {"latents": 6, "width": 8}


@pytest.fixture(scope="module")
def pretend():
    """The device that tests/conftest.py registers when pytest starts."""
    return torch.device("pretend")


def moved(value, mode, device):
    """Every tensor of a nested value on the device; other values as they are."""
    if isinstance(value, torch.Tensor):
        return mode.from_tensor(value.detach()).to(device)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(moved(each, mode, device) for each in value))
    if isinstance(value, Prior):
        value = copy.copy(value)
        vars(value).update({name: moved(each, mode, device) for name, each in vars(value).items()})
    return value


def on_device(model, mode, device):
    """A model built on the CPU, with all its tensors moved; the network's by replacing them, as Module.to cannot."""
    for module in model.network.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                module._parameters[name] = torch.nn.Parameter(moved(parameter, mode, device))
        for name, buffer in list(module._buffers.items()):
            module._buffers[name] = moved(buffer, mode, device)
    model.prior_features
    for name, value in list(vars(model).items()):
        if name not in ("network", "aux_rows"):
            setattr(model, name, moved(value, mode, device))
    model.device = device
    return model


def one_step(run, device):
    """Forward, terms, backward, clip, optimiser and hook of one step, then encode and decode."""
    model, batch = model_of(run), any_batch(run, ROWS)
    draws = draws_at(model.draw(0, "latents", 0, 1, ROWS), 0)
    weights = torch.tensor([run.weights[name] for name in run.terms])
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        model = on_device(model, mode, device)
        batch, draws, weights, progress = (
            moved(each, mode, device) for each in (batch, draws, weights, torch.tensor(0.5))
        )
        optimiser = adam(model, run.training, fused=False)
        for group in optimiser.param_groups:
            group["lr"] = group["largest"]  # Adam without its fused step reads a tensor's value, and there is none
        loss = model.loss(batch, draws, progress)
        values = torch.stack([loss.terms[name] for name in run.terms])
        assert values.device.type == loss.codes.mean.device.type == device.type
        (values @ weights).backward()
        for group in optimiser.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
        optimiser.step()
        with torch.no_grad():
            model.after_step(loss.codes)
            mean, _ = model.encode(batch)
            assert model.decode(mean).device.type == device.type


@pytest.mark.parametrize("method", METHODS)
def test_every_method(method, config, pretend):
    one_step(run_of(method, config, network={**NETWORK, "name": "mlp"}), pretend)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone(name, config, pretend):
    one_step(run_of("aux_mmd", config, network={**NETWORK, "name": name}), pretend)


PRIORS = [
    "normal",
    "uniform",
    "laplace",
    "mixture",
    "grid",
    {"kind": "product", "of": ["uniform", "laplace"]},
    {"kind": "blocks", "of": [{"kind": "empirical", "latents": 5}, {"kind": "grid", "latents": 1}]},
]
KERNELS = [{"kernel": name} for name in ("imq", "rbf", "laplace", "rational_quadratic")]
MMDS = [*KERNELS, {"bandwidth": "median"}, {"bandwidth": 3.0}, {"block": 8, "queue": 0}, {"pairs": 4}, {"queue": 40}]


@pytest.mark.parametrize("prior", PRIORS, ids=str)
def test_every_prior(prior, config, pretend):
    one_step(run_of("ae_mmd", config, prior=prior, network={**NETWORK, "name": "mlp"}), pretend)


@pytest.mark.parametrize("prior", ["laplace", "mixture"])
def test_every_density(prior, config, pretend):
    one_step(run_of("beta_vae", config, prior=prior, network={**NETWORK, "name": "mlp"}), pretend)


@pytest.mark.parametrize("mmd", MMDS, ids=str)
def test_every_kernel(mmd, config, pretend):
    one_step(run_of("ae_mmd", config, mmd=mmd, network={**NETWORK, "name": "mlp"}), pretend)


def test_a_tensor_left_on_the_cpu_is_found(config, pretend, monkeypatch):
    """The check itself can fail: a model that keeps its mask of auxiliary latents on the CPU."""
    from auxvae.losses import objective

    left = property(lambda self: torch.ones(6), lambda self, value: None)
    monkeypatch.setattr(objective.AutoencoderModel, "is_aux", left, raising=False)
    with pytest.raises(Exception, match="device"):
        one_step(run_of("aux_vae", config, network={**NETWORK, "name": "mlp"}), pretend)

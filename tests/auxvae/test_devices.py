"""One training step of everything on a device that only pretends to compute, so that a tensor left on the CPU is found.

torch can register a device without kernels; with fake tensors the operations check devices, types and shapes alone, and
an operation on tensors of two devices raises FakeTensorDeviceMismatchError, as a GPU would.
"""

import copy
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from auxvae.data.device import choose_device
from auxvae.models.model import draws_at
from auxvae.models.priors import Prior
from auxvae.training.loop import follow_nothing, open_trainer
from auxvae.training.optimiser import adam
from auxvae.training.static_step import StackedModel, TrainingStep
from foundation.faults import Refused
from tests.auxvae.models import NETWORKS, PLAIN, any_batch, model_of, run_of
from tests.conftest import ROOT

ROWS = 32
NETWORK = {"latents": 6, "width": 8}


def moved(value, mode, device):
    """Every tensor of a nested value on the device; other values as they are."""
    if isinstance(value, torch.Tensor):
        return mode.from_tensor(value.detach()).to(device)
    if isinstance(value, tuple):
        several = (moved(each, mode, device) for each in value)
        return type(value)(*several) if hasattr(value, "_fields") else tuple(several)
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
            model.after_step(batch, loss.codes)
            mean, _ = model.encode(batch)
            assert model.decode(mean, inputs=batch.inputs).device.type == device.type


@pytest.mark.parametrize("method", PLAIN)
def test_every_method(method, config, pretend):
    one_step(run_of(method, config, network={**NETWORK, "name": "mlp"}), pretend)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_backbone(name, config, pretend):
    one_step(run_of("aux_mmd", config, network={**NETWORK, "name": name}), pretend)


def test_what_is_beside_the_image(config, pretend, tiny_store, tmp_path):
    run = run_of("aux_vae", config, network={**NETWORK, "name": "mlp"}, training={"batch": 32}, inputs="psf_fwhm")
    one_step(run, pretend)
    one_stacked_step(run, pretend, tiny_store, tmp_path)


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


class NoCopies(TorchDispatchMode):
    """Refuses copies between devices: a CUDA graph holds none (training.replay)."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        outputs = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and isinstance(args[0], torch.Tensor):
            assert outputs.device == args[0].device, f"a copy from {args[0].device} to {outputs.device}"
        return outputs


class NoOptimiser:
    """Groups of parameters without a step: torch's fused Adam has no kernel on the pretended device."""

    def __init__(self, groups):
        self.param_groups = groups

    def zero_grad(self, set_to_none):
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    def step(self):
        assert all(parameter.grad is not None for parameter in self.param_groups[0]["params"])


def one_stacked_step(run, device, store, folder):
    """A step of a stack as it is recorded on a GPU: no tensor of another device, no copy between devices."""
    runs = [replace(run, seed=seed) for seed in range(2)]
    trainers = [open_trainer(each, store, folder, torch.device("cpu"), follow_nothing) for each in runs]
    step = TrainingStep(StackedModel(trainers), trainers)
    step.load(0, 0)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        model, names = step.model, {id(parameter): name for name, parameter in step.model.parameters.items()}
        groups = [[names[id(p)] for p in group["params"]] for group in step.optimiser.param_groups]
        model.parameters = {name: moved(each, mode, device).requires_grad_() for name, each in model.parameters.items()}
        on_device(model.model, mode, device)
        for part in (model, step, step.rows):
            for name, value in list(vars(part).items()):
                nested = isinstance(value, dict) and name != "parameters"
                value = {n: moved(v, mode, device) for n, v in value.items()} if nested else moved(value, mode, device)
                setattr(part, name, value)
        rate = step.weights.new_zeros(())
        step.optimiser = NoOptimiser([{"params": [model.parameters[n] for n in group], "lr": rate} for group in groups])
        with NoCopies():
            step()
        assert step.values.device.type == device.type


@pytest.mark.parametrize("method", PLAIN)
def test_every_method_in_a_stack(method, config, pretend, tiny_store, tmp_path):
    run = run_of(method, config, network={**NETWORK, "name": "mlp"}, training={"batch": 32})
    one_stacked_step(run, pretend, tiny_store, tmp_path)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_backbone_in_a_stack(name, config, pretend, tiny_store, tmp_path):
    run = run_of("aux_vae", config, network={**NETWORK, "name": name}, training={"batch": 32})
    one_stacked_step(run, pretend, tiny_store, tmp_path)


@pytest.mark.parametrize("prior", ["laplace", "mixture"])
def test_every_density_in_a_stack(prior, config, pretend, tiny_store, tmp_path):
    run = run_of("beta_vae", config, prior=prior, network={**NETWORK, "name": "mlp"}, training={"batch": 32})
    one_stacked_step(run, pretend, tiny_store, tmp_path)


def test_a_copy_between_devices_is_noticed(pretend):
    """The check itself can fail."""
    with FakeTensorMode() as mode:
        constant = mode.from_tensor(torch.ones(6))
        with pytest.raises(AssertionError, match="a copy from cpu to pretend"), NoCopies():
            constant.to(pretend)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine has a CUDA GPU")
def test_a_gpu_that_is_not_there_is_said():
    with pytest.raises(Refused, match="device: found 'cuda', but torch sees no CUDA GPU on this machine; write cpu"):
        choose_device("cuda")
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    ended = subprocess.run([sys.executable, ROOT / "benchmarks" / "gpu.py"], capture_output=True, text=True)
    assert ended.returncode == 2 and "sees no CUDA GPU" in ended.stderr and ended.stderr.count("\n") == 1


def test_a_tensor_left_on_the_cpu_is_found(config, pretend, monkeypatch):
    """The check itself can fail: a model that keeps its mask of auxiliary latents on the CPU."""
    from auxvae.losses import objective

    left = property(lambda self: torch.ones(6), lambda self, value: None)
    monkeypatch.setattr(objective.AutoencoderModel, "is_aux", left, raising=False)
    with pytest.raises(Exception, match="device"):
        one_step(run_of("aux_vae", config, network={**NETWORK, "name": "mlp"}), pretend)

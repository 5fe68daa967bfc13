"""A stack larger than the memory splits itself, says so, and gives the same bytes."""

import logging
import math
from dataclasses import replace

import pytest
import torch

from auxvae.data.device import free_memory
from auxvae.training import loop, stack, stack_size
from auxvae.training.static_step import TrainingStep
from foundation.faults import Refused
from tests.auxvae.models import run_of
from tests.auxvae.test_train import bytes_of

CPU = torch.device("cpu")
EPOCHS = 2


@pytest.fixture
def runs(config):
    network = {"name": "components", "latents": 8, "width": 8}
    run = run_of("aux_mmd", config, network=network, training={"epochs": EPOCHS, "batch": 32})
    return [replace(run, seed=seed) for seed in range(4)]


@pytest.fixture
def whole(runs, tiny_store, tmp_path):
    """The bytes of the runs from one stack."""
    stack.train_stack(runs, tiny_store, tmp_path / "whole", CPU)
    return trained(runs, tmp_path / "whole")


def trained(runs, results):
    return [bytes_of(results / "runs" / run.id) for run in runs]


def fails_above(most, after, monkeypatch, error):
    """Steps of stacks above a size fail when so many steps of them are done."""
    step, steps = TrainingStep.__call__, []

    def limited(self):
        steps.append(len(self.trainers))
        if len(self.trainers) > most and steps.count(len(self.trainers)) > after:
            raise error
        step(self)

    monkeypatch.setattr(TrainingStep, "__call__", limited)
    return steps


ERRORS = [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "cpu"])
@pytest.mark.parametrize("most", [1, 2])
def test_out_of_memory_halves_the_stack(most, error, runs, whole, tiny_store, tmp_path, monkeypatch, caplog):
    steps = fails_above(most, 0, monkeypatch, error)
    with caplog.at_level(logging.INFO):
        stack.train_stack(runs, tiny_store, tmp_path / "split", CPU)
    assert "4 runs do not fit into the memory of cpu: 2 at a time" in caplog.text
    assert max(size for size in steps if steps.count(size) > 2) == most
    assert trained(runs, tmp_path / "split") == whole


def test_half_a_stack_goes_on_from_its_checkpoints(runs, whole, tiny_store, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(stack, "CHECKPOINT_SHARE", math.inf)
    steps = fails_above(2, 7, monkeypatch, ERRORS[0])
    stack.train_stack(runs, tiny_store, tmp_path / "split", CPU)
    of_an_epoch = loop.open_trainer(runs[0], tiny_store, tmp_path / "new", CPU, loop.follow_nothing).loader.steps
    assert steps.count(4) == 7 + 1 and steps.count(2) == 2 * (EPOCHS * of_an_epoch - 7)
    assert trained(runs, tmp_path / "split") == whole


def test_another_error_is_no_lack_of_memory(runs, tiny_store, tmp_path, monkeypatch):
    fails_above(0, 0, monkeypatch, RuntimeError("shapes"))
    with pytest.raises(RuntimeError, match="shapes"):
        stack.train_stack(runs, tiny_store, tmp_path, CPU)


def test_one_run_that_does_not_fit_is_refused(runs, tiny_store, tmp_path, monkeypatch):
    fails_above(0, 0, monkeypatch, ERRORS[0])
    with pytest.raises(Refused, match=r"does not fit into the memory of cpu.*lower training\.batch") as refused:
        stack.train_stack(runs, tiny_store, tmp_path, CPU)
    assert len(refused.value.faults) == len(runs)


def test_the_estimate_splits_a_stack_before_it_fails(runs, whole, tiny_store, tmp_path, monkeypatch, caplog):
    size = stack_size.run_bytes(loop.open_trainer(runs[0], tiny_store, tmp_path, CPU, loop.follow_nothing))
    steps = fails_above(2, 0, monkeypatch, AssertionError("a larger stack"))
    with caplog.at_level(logging.INFO):
        stack.train_stack(runs, tiny_store, tmp_path, CPU, memory=2.5 * size)
    assert "trained 2 at a time" in caplog.text and set(steps) == {2}
    assert trained(runs, tmp_path) == whole


def test_the_estimate_counts_what_a_step_keeps(config, tiny_store, tmp_path, monkeypatch):
    """Weights, gradients and moments exactly; a larger batch at least by what its first layer gives."""

    def estimate(width, batch):
        network = {"name": "conv4", "latents": 8, "width": width}
        run = run_of("vae", config, network=network, training={"epochs": 1, "batch": batch})
        trainer = loop.open_trainer(run, tiny_store, tmp_path, CPU, loop.follow_nothing)
        return stack_size.run_bytes(trainer), sum(each.numel() for each in trainer.model.network.parameters())

    (small, parameters), (rows, _) = estimate(8, 32), estimate(8, 64)
    assert rows - small > 2 * 32 * 8 * 16 * 16 * 4 > 0  # output of the first layer, 8 channels of 16 x 16 pixels
    assert free_memory(CPU) > 1e8
    monkeypatch.setattr(stack_size, "_kept_for_backward", lambda trainer, draws: 0)
    (small, parameters), (wide, more) = estimate(8, 32), estimate(16, 32)
    assert wide - small == 16 * (more - parameters) > 0

"""A stack trains as the plain loop does, and a member's bytes depend neither on the others nor on a kill."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from auxvae.config.methods import METHODS
from auxvae.training import fleet, loop, stack
from foundation.faults import Refused
from tests.auxvae.models import NETWORKS, PLAIN, run_of
from tests.auxvae.test_train import STACKED, bytes_of, killed_and_whole

CPU = torch.device("cpu")
NETWORK = {"name": "components", "latents": 8, "width": 8}


def small(method, config, **settings):
    """A run of a method on components, two epochs.

    Of 256 units in each of six layers one comes within rounding of the kink of its leaky ReLU, where gradients part.
    """
    companion = {"second": 8} if METHODS[method].companion else {}
    training = {"epochs": 2, "batch": 32}
    return run_of(method, config, network={**NETWORK, **companion}, training=training, **settings)


def seeds_of(run, count):
    return [replace(run, seed=seed) for seed in range(count)]


@pytest.mark.parametrize("method", PLAIN)
def test_a_stack_agrees_with_the_plain_loop(method, config, tiny_store, tmp_path):
    agree_with_the_plain_loop(seeds_of(small(method, config), 2), tiny_store, tmp_path)


def agree_with_the_plain_loop(runs, tiny_store, tmp_path):
    """Every term of every epoch, to 1e-4 of its size."""
    stack.train_stack(runs, tiny_store, tmp_path / "stack", CPU)
    for run in runs:
        loop.train_run(run, tiny_store, tmp_path / "alone", CPU)
        two, one = (
            pd.read_parquet(tmp_path / each / "runs" / run.id / "history.parquet") for each in ("stack", "alone")
        )
        pd.testing.assert_frame_equal(two, one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["aux_mmd", "factor_vae"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_can_be_stacked(name, method, config, tiny_store, tmp_path):
    """As on a GPU, where convolutions are stacked, too."""
    run = run_of(method, config, network={**NETWORK, "name": name}, training={"epochs": 1, "batch": 32})
    agree_with_the_plain_loop(seeds_of(run, 2), tiny_store, tmp_path)


@pytest.mark.parametrize("method", PLAIN)
def test_a_members_bytes_do_not_depend_on_its_stack(method, config, tiny_store, tmp_path):
    runs = seeds_of(small(method, config), 5)
    for name, together in (("five", runs), ("two", runs[1:3]), ("one", runs[1:2])):
        stack.train_stack(together, tiny_store, tmp_path / name, CPU)
    five, two, one = (bytes_of(tmp_path / name / "runs" / runs[1].id) for name in ("five", "two", "one"))
    assert five == two == one


def test_coverages_and_weights_share_a_stack(tiny, config, tiny_store, tmp_path):
    run = small("aux_vae", config)
    other = replace(run, coverage="full", aux=tuple(run.dataset.factors), weights={**run.weights, "kl": 3.0})
    assert stack.composition(run) == stack.composition(other) != stack.composition(small("vae", config))
    stack.train_stack([run, other], tiny_store, tmp_path / "both", CPU)
    stack.train_stack([other], tiny_store, tmp_path / "one", CPU)
    both, one = (bytes_of(tmp_path / name / "runs" / other.id) for name in ("both", "one"))
    assert both == one


def test_a_run_that_diverges_leaves_its_stack(config, tiny_store, tmp_path):
    run = small("vae", config)
    broken = replace(run, weights={**run.weights, "reconstruction": 3e38}, seed=7)
    with pytest.raises(Refused, match="every term must be finite"):
        stack.train_stack([run, broken], tiny_store, tmp_path / "both", CPU)
    assert not (tmp_path / "both" / "runs" / broken.id).exists()
    stack.train_stack([run], tiny_store, tmp_path / "one", CPU)
    both, one = (bytes_of(tmp_path / name / "runs" / run.id) for name in ("both", "one"))
    assert both == one


def test_a_run_that_cannot_be_opened_leaves_its_stack(config, tiny_store, tmp_path):
    """A broken checkpoint is refused; the other members train as if it were not there."""
    runs = seeds_of(small("vae", config), 2)
    checkpoint = tmp_path / "both" / "work" / runs[0].id / "checkpoint.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"broken")
    with pytest.raises(Refused, match="a broken checkpoint"):
        stack.train_stack(runs, tiny_store, tmp_path / "both", CPU)
    stack.train_stack(runs[1:], tiny_store, tmp_path / "one", CPU)
    both, one = (bytes_of(tmp_path / name / "runs" / runs[1].id) for name in ("both", "one"))
    assert both == one


def test_patience_ends_each_run_by_itself(config, tiny_store, tmp_path):
    run = run_of(
        "vae", config, network=NETWORK, training={"epochs": 12, "batch": 32, "patience": 1, "learning_rate": 0.05}
    )
    runs = seeds_of(run, 4)
    stack.train_stack(runs, tiny_store, tmp_path / "stack", CPU)
    epochs = [len(pd.read_parquet(tmp_path / "stack" / "runs" / run.id / "history.parquet")) for run in runs]
    assert len(set(epochs)) > 1 and min(epochs) < 12


def test_runs_that_have_ended_may_stay_in_a_stack(config, tiny_store, tmp_path, monkeypatch):
    """As on a GPU, where stacking anew is dear: what a stack goes on to do to them changes nothing of theirs."""
    training = {"epochs": 12, "batch": 32, "patience": 1, "learning_rate": 0.05}
    runs = seeds_of(run_of("aux_mmd", config, network=NETWORK, training=training), 4)
    broken = replace(runs[0], weights={**runs[0].weights, "reconstruction": 3e38}, seed=7)
    stacks = []
    monkeypatch.setattr(stack, "Stack", lambda *arguments, new=stack.Stack: stacks.append(1) or new(*arguments))
    for name, share in (("anew", 1.0), ("kept", 0.0)):
        monkeypatch.setattr(stack, "least_share", lambda device, share=share: share)
        with pytest.raises(Refused, match="every term must be finite"):
            stack.train_stack([broken, *runs], tiny_store, tmp_path / name, CPU)
        stacks.append(0)
    assert stacks[-2:] == [1, 0] and sum(stacks) > 3
    for run in runs:
        anew, kept = (bytes_of(tmp_path / name / "runs" / run.id) for name in ("anew", "kept"))
        assert anew == kept


def test_a_killed_stack_ends_in_the_same_bytes(config, tiny_store, tmp_path):
    """The kill may come between the checkpoints of two members, so that they are resumed at different steps."""
    runs = seeds_of(run_of("aux_mmd", config, network=NETWORK, training={"epochs": 6, "batch": 32}), 3)
    killed, whole = killed_and_whole(runs, tiny_store, tmp_path, STACKED)
    assert killed == whole


def test_a_fleet_is_cut_into_stacks_for_its_workers(tiny, config):
    runs = [*seeds_of(small("vae", config), 5), tiny.runs[0], *seeds_of(small("aux_vae", config), 2)]
    assert [len(group) for group in fleet.groups(runs, 2)] == [4, 2, 1, 1]
    assert [len(group) for group in fleet.groups(runs, 1)] == [5, 2, 1]
    assert [len(group) for group in fleet.groups(runs, 8)] == [3, 2, 2, 1]


def test_on_a_gpu_every_network_is_stacked(tiny, config, monkeypatch):
    """tiny's runs are on conv4: two of one method, given other factors, stand in one stack there."""
    monkeypatch.setattr(fleet, "LARGEST_ON_GPU", 3)
    runs = [*seeds_of(tiny.runs[1], 4), *seeds_of(small("vae", config), 2)]
    assert [len(group) for group in fleet.groups(runs, 1)] == [2, 1, 1, 1, 1]
    assert [len(group) for group in fleet.groups(runs, 1, torch.device("cuda"))] == [3, 2, 1]

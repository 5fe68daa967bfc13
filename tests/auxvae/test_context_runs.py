"""Runs with a context module, on galaxies in contexts: what is trained when, restarts, stacks, sets, bad configs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from auxvae.data.preparation import prepare
from auxvae.data.store import Store
from auxvae.models.autoencoder import build
from auxvae.training import loop, stack
from foundation.faults import Refused
from tests.auxvae.in_contexts import CPU, drawn, run_of, trained_of, trainer_of, with_contexts
from tests.auxvae.test_devices import one_stacked_step, one_step
from tests.auxvae.test_stack import agree_with_the_plain_loop, seeds_of
from tests.auxvae.test_static_step import repeats
from tests.auxvae.test_train import STACKED, bytes_of, killed_and_whole
from tests.conftest import refusal

METHODS = ["context", "context_pooled"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The store of galaxies in contexts."""
    return drawn(tmp_path_factory.mktemp("contexts"))


def test_concepts_are_the_contexts_that_intervene_and_sets_follow_their_order():
    run = run_of(method="context")
    assert [each.name for each in run.dataset.contexts] == ["both", "brighter", "larger", "obs"]
    assert [each.name for each in run.concepts] == ["brighter", "larger"]
    assert run.sets == ((1, 1), (1, 0), (0, 1), (0, 0))
    assert run_of(method="context_pooled").sets == ((0, 0),) * 4
    assert run_of(method="context", contexts=["obs", "brighter"]).sets == ((1,), (1,), (0,), (0,))
    assert run_of(method="vae").concepts == ()


@pytest.mark.parametrize("contexts", [(), ("obs",), ("larger", "obs")])
@pytest.mark.parametrize("method", ["vae", *METHODS])
def test_a_run_reads_rows_of_its_contexts_alone_and_the_module_one_context_a_batch(method, contexts, store, tmp_path):
    if method != "vae" and contexts == ("obs",):
        return
    run = run_of(method=method, contexts=list(contexts)) if contexts else run_of(method=method)
    names = [each.name for each in run.dataset.contexts]
    _, train, validation = prepare(run, Store(store, run.dataset))
    for rows in (train, validation):
        read = {names[number] for number in rows.of(run).context}
        assert read == {*(contexts or ("obs", "larger", "brighter"))}
    trainer = trainer_of(run, store, tmp_path)
    several = len(contexts) != 1
    for loader, apart in ((trainer.loader, method == "context"), (trainer.validation, False)):
        mixed = any(len(batch.context.unique()) > 1 for batch in loader.batches(0, 1))
        assert mixed == (several and not apart)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("settings", [{}, {"mask": "intervened", "cut": "all", "depth": 3}])
def test_a_stack_agrees_with_the_plain_loop(method, settings, store, tmp_path):
    agree_with_the_plain_loop(seeds_of(run_of(method=method, module=settings), 2), store, tmp_path)


def test_a_members_bytes_do_not_depend_on_its_stack_or_on_a_kill(store, tmp_path):
    runs = seeds_of(run_of(method="context"), 3)
    longer = [replace(run, training=replace(run.training, epochs=6)) for run in runs]
    killed, whole = killed_and_whole(longer, store, tmp_path, STACKED)
    assert killed == whole
    stack.train_stack(longer[1:2], store, tmp_path / "one", CPU)
    assert bytes_of(tmp_path / "one" / "runs" / longer[1].id) == whole[1]


@pytest.mark.parametrize("method", METHODS)
def test_weights_follow_the_seed(method):
    run = run_of(method=method)
    one, two, other = (
        dict(build(each, 0.0, 1.0, False).named_parameters()) for each in (conv(run), conv(run), conv(run, 1))
    )
    for name, values in one.items():
        assert torch.equal(values, two[name])
        assert "module.scales" in name or "module.shifts" in name or not torch.equal(values, other[name])


def conv(run, seed=0):
    return replace(run, seed=seed, network=replace(run.network, name="conv4"))


def gradients(run, store, folder, context):
    """The names of the parameters that a step on one context trains."""
    trainer = trainer_of(run, store, folder)
    batches = [each for each in trainer.loader.batches(0, 1) if (each.context == context).all()]
    batch = batches[0] if batches else next(trainer.loader.batches(0, 1))
    draws = trainer.draws("latents", 0, 1, len(batch.rows))
    loss = trainer.model.loss(batch, draws._make(each[0] for each in draws), torch.tensor(0.9))
    sum(loss.terms.values()).backward()
    named = trainer.model.network.named_parameters()
    return {name for name, each in named if each.grad is not None and (each.grad != 0).any()}, trainer


@pytest.mark.parametrize("method", METHODS)
def test_gradients_reach_what_a_context_uses_and_nothing_else(method, store, tmp_path):
    observational, trainer = gradients(run_of(method=method), store, tmp_path, 3)
    every = {name for name, _ in trainer.model.network.named_parameters()}
    assert every - observational == {"module.intervened", "module.effects_intervened"}
    if method == "context":
        brighter, _ = gradients(run_of(method=method), store, tmp_path, 1)
        assert every - brighter == {"module.effects_observed"}  # the other concept hears this one alone


@torch.no_grad()
def weights_at(trainer):
    return {name: each.clone() for name, each in trainer.model.network.named_parameters()}


@pytest.mark.parametrize(("start", "release"), [(0.5, 0.75), (0.5, 1.0), (0.0, 0.0)])
@pytest.mark.parametrize("stacked", [False, True])
def test_the_module_waits_for_its_start_and_the_autoencoder_for_its_release(start, release, stacked, store, tmp_path):
    run = run_of(method="context", module={"start": start, "release": release}, training={"keep": "last"})
    trainer = trainer_of(replace(run, training=replace(run.training, epochs=4)), store, tmp_path)
    epoch = stack.Stack([trainer], lambda trainer: None).epoch if stacked else trainer._epoch
    trainer.saved, trainer.pause, changed = 0.0, float("inf"), []
    for _ in range(4):
        before = weights_at(trainer)
        epoch()
        after = weights_at(trainer)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        changed.append((any("module" in name for name in moved), any("module" not in name for name in moved)))
    done = np.arange(4) / 4
    assert [each for each, _ in changed] == (done >= start).tolist()
    assert [each for _, each in changed] == [not start <= share < release for share in done]


def test_effects_are_clamped_in_training_and_moments_are_followed(store, tmp_path):
    run = run_of(method="context")
    loop.train_run(run, store, tmp_path, CPU)
    module = trained_of(run, store, tmp_path).model.network.module
    for effects in (module.effects_observed, module.effects_intervened):
        assert (
            effects.min() >= 0 and effects.max() <= 1 and torch.equal(effects * (1 - module.off_diagonal), 0 * effects)
        )
    assert not torch.equal(module.get_buffer("mean_0"), torch.zeros_like(module.get_buffer("mean_0")))
    assert (module.get_buffer("variance_0") != 1).any(1).all()  # of every trained set


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"contexts": ["obs", "briter"]}, "runs[0].contexts[1]: found 'briter', but galaxies has training rows of"),
        ({"contexts": ["both"]}, "runs[0].contexts[0]: found 'both', but galaxies has training rows of"),
        ({"contexts": ["obs"]}, "runs[0].method: found 'context', but context learns a concept from each context"),
        ({"network": {"latents": 7}}, "runs[0].network.latents: found 7, but context divides the latents among 2"),
        ({"module": {"start": 1}}, "runs[0].module.start: found 1"),
        ({"module": {"start": 0.5}}, "runs[0].training.keep: found 'best', but the bound is least before module.start"),
        (
            {"module": {"start": 0.5}, "training": {"keep": "last", "patience": 3, "batch": 16}},
            "runs[0].training.patience: found 3, but the bound is least before module.start",
        ),
        ({"module": {"start": 0.5, "release": 0.5}}, "runs[0].module.release: found 0.5"),
        ({"contexts": ["obs", "larger", "obs"]}, "runs[0].contexts: found 'obs', but a context stands once"),
        ({"training": {"batch": 64}}, "training.batch: found 64, but galaxies (context brighter) has 60 training rows"),
        (
            {"method": "vae", "contexts": ["obs", "larger"], "training": {"batch": 128}},
            "training.batch: found 128, but galaxies (contexts obs, larger) has 120 training rows",
        ),
        ({"module": {"units": 0}}, "runs[0].module.units: found 0"),
        ({"training": {"order": "shards"}}, "batches of chosen contexts are taken from images in memory"),
        ({"method": "vae", "module": {"units": 4}}, "module"),
    ],
)
def test_what_cannot_be_trained_is_refused(change, expected):
    assert any(expected in fault for fault in refusal(with_contexts(**{"method": "context", **change})))


def test_a_store_that_numbers_its_contexts_otherwise_is_refused(store):
    source = run_of(method="context").dataset
    with pytest.raises(Refused, match="the contexts both, brighter, larger, obs, but the run numbers them otherwise"):
        Store(store, replace(source, contexts=source.contexts[::-1]))


def test_data_without_contexts_are_refused(config):
    config["runs"] = [{"method": "context"}]
    assert any("context learns a concept from each context that intervenes" in fault for fault in refusal(config))
    config["runs"] = [{"method": "vae", "contexts": ["obs"]}]
    assert any("runs[0].contexts[0]: found 'obs', but galaxies has no contexts" in fault for fault in refusal(config))


@pytest.mark.parametrize("method", METHODS)
def test_a_recorded_step_repeats(method, store, tmp_path, monkeypatch):
    runs = seeds_of(run_of(method=method, module={"start": 0.5, "release": 0.75}, training={"keep": "last"}), 2)
    assert repeats(runs, store, tmp_path, monkeypatch)


@pytest.mark.parametrize("method", METHODS)
def test_every_tensor_follows_its_device(method, pretend, store, tmp_path):
    run = run_of(method=method, network={"name": "mlp", "latents": 8, "width": 8})
    one_step(run, pretend)
    one_stacked_step(run, pretend, store, tmp_path)


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_weights_that_are_kept_are_of_a_module_that_takes_part(start, store, tmp_path):
    run = run_of(method="context", module={"start": start}, training={"keep": "last" if start else "best"})
    loop.train_run(run, store, tmp_path, CPU)
    trained, fresh = (
        dict(each.module.named_parameters()) for each in (trained_of(run, store, tmp_path).model.network, build_of(run))
    )
    assert all(not torch.equal(trained[name], fresh[name]) for name in trained)


def build_of(run):
    """The network before its first step."""
    return build(conv(run), 0.0, 1.0, False)


def test_the_id_changes_with_the_module_and_the_contexts_that_are_read():
    runs = [{"module": {"units": 3}}, {"module": {"cut": "all"}}, {"contexts": ["obs", "larger"]}, {}]
    assert len({run_of(method="context", **each).id for each in runs}) == 4
    assert run_of(method="context", module={"units": 8}).id == run_of(method="context").id

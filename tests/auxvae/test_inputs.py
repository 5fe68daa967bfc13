"""What a run is given beside every image: networks that read it, batches that carry it, surveys that have their own."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from auxvae.config.inputs import takes_inputs
from auxvae.config.kinds import Kind
from auxvae.config.methods import METHODS
from auxvae.config.run import read_run
from auxvae.data import inputs as scaled
from auxvae.data import preparation, run_folder
from auxvae.data.inputs import input_scaling, scaled_inputs
from auxvae.data.preparation import prepare
from auxvae.data.store import open_store
from auxvae.training import loop, stack
from foundation.faults import Refused
from tests.auxvae import in_contexts
from tests.auxvae.models import CPU, NETWORKS, PLAIN, any_batch, model_of, run_of
from tests.auxvae.test_train import bytes_of
from tests.conftest import refusal

NETWORK = {"latents": 6, "width": 8}
SIDE = 11  # of the stamps of the PSF


def is_read(run):
    """The networks of a run depend on the inputs, in every row on its own and on no other."""
    model, batch = model_of(run), any_batch(run, 8)
    other = batch._replace(inputs=batch.inputs.clone())
    other.inputs[3] += 1.0
    (mean, _), (moved, _) = model.encode(batch), model.encode(other)
    assert mean.shape == (8, run.network.latents)
    images, changed = model.decode(mean, inputs=batch.inputs), model.decode(mean, inputs=other.inputs)
    rows = torch.arange(8) != 3
    copied = len(run.variables) if run.composition.conditional == "copied" else 0
    for one, two in ((mean[:, copied:], moved[:, copied:]), (images, changed)):
        torch.testing.assert_close(one[rows], two[rows])
        assert (one[3] - two[3]).abs().max() > 1e-6
    with pytest.raises(LookupError, match="beside every image"):
        model.decode(mean)
    drawn = [model.sample(4, torch.Generator().manual_seed(1)) for _ in range(2)]
    model.input_rows = model.input_rows + 1.0
    assert torch.equal(*drawn) and not torch.equal(drawn[0], model.sample(4, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("method", PLAIN)
def test_every_method_reads_them(method, config):
    is_read(run_of(method, config, network={**NETWORK, "name": "mlp"}, inputs="psf_fwhm"))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_reads_them(name, config):
    is_read(run_of("aux_vae", config, network={**NETWORK, "name": name}, inputs=["psf_fwhm", "flux"]))


def test_a_run_without_inputs_is_what_it_was(config):
    run = run_of("aux_vae", config)
    assert "inputs" not in run.identity["values"]
    record = json.loads(json.dumps(asdict(run)))
    del record["settings"]["inputs"]  # as runs of earlier versions are kept
    assert read_run(record) == run
    assert not any("inputs" in name for name in model_of(run).network.state_dict())
    assert run_of("aux_vae", config, inputs="psf_fwhm").id != run.id


def test_methods_that_read_them():
    assert {name for name, method in METHODS.items() if takes_inputs(method)} == {*PLAIN}


FAULTS = {
    "unknown": ({"inputs": "psf_fhwm"}, "runs[0].inputs", "found 'psf_fhwm'", "did you mean 'psf_fwhm'?"),
    "no such column": ({"inputs": ["g1", "psf"]}, "runs[0].inputs[1]", "galaxies has beside every image radius, g1,"),
    "twice": ({"inputs": ["flux", "flux"]}, "runs[0].inputs[1]", "an input stands once"),
    "a latent too": ({"inputs": ["flux", "g1"], "method": "aux_vae", "coverages": "two"}, "runs[0].inputs[1]",
                     "found 'g1', but the coverage two has a latent for it"),
    "a module": ({"inputs": "flux", "method": "context"}, "runs[0].inputs", "context reads the image alone"),
    "a score": ({"inputs": "flux", "method": "sami"}, "runs[0].inputs", "sami reads the image alone"),
    "turned": ({"inputs": ["flux", "g1"], "training": {"augment": True}}, "runs[0].inputs", "found 'g1', but augment"),
    "no list": ({"inputs": 3}, "runs[0].inputs", "found 3"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "place", "words"), [(f[0], f[1], f[2:]) for f in FAULTS.values()], ids=FAULTS)
def test_faults_are_said_before_the_first_job(changes, place, words, config):
    config["runs"] = [{"method": "beta_vae", **changes}]
    said = [each for each in refusal(config) if each.startswith(place)]
    assert len(said) == 1 and all(each in said[0] for each in words)


def test_augmentation_of_what_no_turn_changes(config):
    assert run_of("beta_vae", config, inputs="psf_fwhm", training={"augment": True}).settings.inputs == ("psf_fwhm",)


# Numbers


def values_of(table):
    return lambda name, at: np.asarray(table[name])[at]


def columns_of(table, kinds=(), rows=None):
    """Constants from the whole table, and its numbers."""
    count = len(next(iter(table.values())))
    constants = input_scaling([*table], kinds, values_of(table), count, "data")
    return constants, scaled_inputs(constants, kinds, values_of(table), count, "data").numpy()


def round_stamps(widths, side=SIDE):
    """Stamps of round PSFs of these standard deviations in pixels, (N, side, side)."""
    x = np.arange(side) - side // 2
    squared = x[:, None] ** 2 + x**2
    return np.exp(-squared / (2 * np.asarray(widths)[:, None, None] ** 2)) / np.asarray(widths)[:, None, None] ** 2


def test_numbers_are_standardised_and_angles_and_classes_are_their_variables():
    g = np.random.default_rng(0)
    table = {"a": g.normal(5, 3, 500), "angle": g.uniform(0, 180, 500), "type": g.integers(0, 3, 500).astype(float)}
    kinds = (Kind("angle", 180.0), Kind("type", None, (0.0, 1.0, 2.0)))
    constants, numbers = columns_of({**table, "bands": g.normal(0, 1, (500, 2))}, kinds)
    assert constants.names == ("a", "angle", "angle", "type", "type", "type", "bands", "bands")
    np.testing.assert_allclose(numbers.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(numbers.std(0), 1, rtol=1e-5)
    turn = np.cos(2 * np.pi * table["angle"] / 180)
    np.testing.assert_allclose(numbers[:, 1], (turn - turn.mean()) / turn.std(), atol=1e-5)


@pytest.mark.parametrize("block", [7, 4096])
def test_stamps_are_their_leading_components(block, monkeypatch):
    """One number that varies is one or few components, whatever the flux of a stamp or the rows read at a time."""
    monkeypatch.setattr(scaled, "BLOCK", block)
    g = np.random.default_rng(1)
    widths = g.uniform(1.2, 2.0, 300)
    constants, numbers = columns_of({"psf": round_stamps(widths)[:, None]})
    assert 1 <= numbers.shape[1] <= 3 and {*constants.names} == {"psf"}
    np.testing.assert_allclose(numbers.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(numbers.std(0, ddof=1), 1, rtol=1e-4)
    assert abs(np.corrcoef(numbers[:, 0], widths)[0, 1]) > 0.98
    brighter = {"psf": g.uniform(1, 9, (300, 1, 1, 1)) * round_stamps(widths)[:, None]}
    np.testing.assert_allclose(scaled_inputs(constants, (), values_of(brighter), 300, "").numpy(), numbers, atol=1e-4)


def test_noise_in_stamps_has_few_components():
    noisy = round_stamps(np.full(200, 1.5)) + 1e-3 * np.random.default_rng(2).normal(size=(200, SIDE, SIDE))
    assert columns_of({"psf": noisy})[1].shape[1] == scaled.MOST


@pytest.mark.parametrize("name", ["a", "psf"])
def test_what_does_not_vary_or_is_no_number_is_refused(name):
    constant = {"a": np.full(20, 0.1), "psf": round_stamps(np.full(20, 1.5))}
    with pytest.raises(Refused, match="the same in every training row"):
        columns_of({name: constant[name]})
    varying = {"a": np.arange(20.0), "psf": round_stamps(np.linspace(1, 2, 20))}
    constants, _ = columns_of({name: varying[name]})
    varying[name][4] = np.nan
    with pytest.raises(Refused, match="not finite in 1 rows"):
        scaled_inputs(constants, (), values_of(varying), 20, "survey")


# Training


def given(config, **settings):
    """A run on the tiny study's galaxies that is given two of their factors."""
    training = {"epochs": 2, "batch": 32, **settings.pop("training", {})}
    network = {**NETWORK, "name": "components"}
    return run_of("aux_vae", config, network=network, inputs=["psf_fwhm", "flux"], training=training, **settings)


@pytest.mark.parametrize("order", ["rows", "shards"])
@pytest.mark.parametrize("augment", [False, True])
def test_every_batch_has_those_of_its_rows(order, augment, config, tiny_store, monkeypatch):
    monkeypatch.setattr(preparation, "HELD", 0)
    preparation._prepare.cache_clear()
    run = given(config, training={"order": order, "augment": augment})
    store = open_store(tiny_store, run.dataset)
    scaling, train, validation = prepare(run, store)
    table = np.stack([store.dataset[name].values for name in run.settings.inputs], 1)
    of_train = table[store.numbers("train")]
    wanted = (table - of_train.mean(0)) / of_train.std(0)
    for split in (train, validation):
        batches = split.batches(run, scaling, CPU)
        for batch in (*batches.batches(0, 1), *batches.in_order()):
            np.testing.assert_allclose(batch.inputs, wanted[batch.rows], atol=1e-5)


def test_a_stack_agrees_with_the_plain_loop_and_a_member_with_itself(config, tiny_store, tmp_path):
    runs = [replace(given(config), seed=seed) for seed in range(3)]
    for name, together in (("three", runs), ("one", runs[1:2])):
        stack.train_stack(together, tiny_store, tmp_path / name, CPU)
    loop.train_run(runs[1], tiny_store, tmp_path / "plain", CPU)
    three, one, plain = (tmp_path / name / "runs" / runs[1].id for name in ("three", "one", "plain"))
    assert bytes_of(three) == bytes_of(one)
    weights = [run_folder.load(folder, runs[1]).weights for folder in (three, plain)]
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], rtol=1e-2, atol=1e-3)
    without = replace(runs[0].settings, inputs=())
    assert stack.composition(runs[0]) != stack.composition(replace(runs[0], settings=without))


def test_stopped_and_started_again_it_ends_in_the_same_bytes(config, tiny_store, tmp_path, monkeypatch):
    monkeypatch.setenv("AUXVAE_CHECKPOINT_SECONDS", "0")
    run, step = given(config), loop.Trainer._step
    loop.train_run(run, tiny_store, tmp_path / "whole", CPU)

    def interrupted(trainer, *arguments):
        if trainer.state.step == 8:
            raise KeyboardInterrupt
        step(trainer, *arguments)

    monkeypatch.setattr(loop.Trainer, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.train_run(run, tiny_store, tmp_path / "stopped", CPU)
    monkeypatch.setattr(loop.Trainer, "_step", step)
    loop.train_run(run, tiny_store, tmp_path / "stopped", CPU)
    stopped, whole = (bytes_of(tmp_path / name / "runs" / run.id) for name in ("stopped", "whole"))
    assert stopped == whole


def test_noise_and_functions_of_factors_may_be_given(config, tiny_store):
    """A control of which nothing can be learned; equal addresses are equal numbers, whatever the rows."""
    config["auxiliaries"] = {"control": {"kind": "noise"}, "area": {"kind": "product", "of": {"radius": 2}}}
    run = run_of("beta_vae", config, network={**NETWORK, "name": "mlp"}, inputs=["control", "area"])
    scaling, train, _ = prepare(run, store := open_store(tiny_store, run.dataset))
    size = store.dataset["radius"].values[train.numbers] ** 2
    np.testing.assert_allclose(train.inputs[:, 1], (size - size.mean()) / size.std(), atol=1e-5)
    some = preparation.run_inputs(run, store, scaling, preparation.Numbered(train.numbers[5:9], {}))
    torch.testing.assert_close(some, train.inputs[5:9])
    assert len(run.identity["auxiliaries"]) == 2
    config["auxiliaries"]["control"]["seed"] = 1
    assert run_of("beta_vae", config, network={**NETWORK, "name": "mlp"}, inputs=["control", "area"]).id != run.id


def test_in_contexts(tmp_path, monkeypatch):
    """Of the contexts that are read the rows keep their inputs, and images of a context are drawn with those of it."""
    path = in_contexts.drawn(tmp_path)
    run = in_contexts.run_of(method="vae", inputs=["radius", "flux"], contexts=["obs", "larger"])
    store = open_store(path, run.dataset)
    scaling, train, _ = prepare(run, store)
    chosen = train.of(run)
    assert 0 < len(chosen.numbers) < len(train.numbers)
    torch.testing.assert_close(chosen.inputs, preparation.run_inputs(run, store, scaling, chosen))
    model = in_contexts.trainer_of(replace(run, settings=replace(run.settings, contexts=())), path, tmp_path).model
    monkeypatch.setattr(model, "_images_of", lambda z, inputs, context, source: inputs[:, :, None, None])
    numbers = {context.name: k for k, context in enumerate(run.dataset.contexts)}
    for name, of_radius, of_flux in (("larger",) * 3, ("obs",) * 3, ("both", "larger", "brighter")):
        drawn = model.sample(200, torch.Generator().manual_seed(0), numbers[name])[:, :, 0, 0]
        for column, context in enumerate((of_radius, of_flux)):  # "both" has no rows, and is composed of the other two
            assert set(drawn[:, column].tolist()) <= set(
                train.inputs[train.context == numbers[context], column].tolist()
            )

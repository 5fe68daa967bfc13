"""An augmented image is the drawing of its augmented factors, at an address that no order, stack or restart changes."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from auxvae.config.run import Symmetry
from auxvae.data import augmentation
from auxvae.data.loader import Batch
from auxvae.data.preparation import prepare
from auxvae.data.store import Store
from auxvae.training import loop, stack
from auxvae.training.static_step import StackedModel, TrainingStep
from foundation.faults import Refused
from simulations import store as writing
from simulations.check import OPERATIONS
from simulations.draw import simulate
from simulations.galaxy import draw, parameters
from tests.auxvae.models import run_of
from tests.auxvae.test_devices import one_stacked_step
from tests.auxvae.test_stack import agree_with_the_plain_loop
from tests.auxvae.test_static_step import repeats
from tests.auxvae.test_train import bytes_of
from tests.conftest import TINY, study_of

CPU = torch.device("cpu")
NETWORK = {"name": "components", "latents": 6, "width": 4}
TRAINING = {"epochs": 2, "batch": 32, "augment": True}


@pytest.fixture
def run(config):
    """Aux-VAE given every factor, augmented."""
    full = {"method": "aux_vae", "coverages": "full", "training": TRAINING, "network": NETWORK}
    return study_of({**config, "runs": [full]})[1].runs[0]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The tiny store in six shards."""
    declared, _ = study_of(TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "SHARD_BYTES", 1.0)
        patch.setattr(writing, "CHUNK_BYTES", 1.0)
        path = tmp_path_factory.mktemp("shards") / "d.zarr"
        simulate(declared.simulated["galaxies"], declared.facts["galaxies"], path)
    return path


def streamed(run):
    return replace(run, training=replace(run.training, order="shards"))


def batches_of(run, path):
    """The training and the validation batches of a run."""
    scaling, *splits = prepare(run, Store(path, run.dataset))
    return [each.batches(run, scaling, CPU) for each in splits]


def by_row(batches):
    """All batches as one, in the order of the row numbers."""
    whole = Batch(*(torch.cat(each) for each in zip(*batches, strict=True)))
    return whole.take(whole.rows.argsort())


def test_an_augmented_image_is_that_of_its_augmented_factors(run, tiny_store):
    """Noise-free twins and u under each of the eight elements, against the galaxy that GalSim draws of the new u."""
    simulated = study_of(TINY)[0].simulated["galaxies"]
    store = Store(tiny_store, run.dataset)
    scaling, train, _ = prepare(run, store)
    change = train.batches(run, scaling, CPU).augmentation
    rows = store.read("train", truth=True)
    truth, u = rows.truth[:6], rows.aux(run.aux, scaling)[:6].double()
    assert len(change.pixels) == 8
    for g in range(8):
        elements = torch.full((6,), g)
        images, changed = change.images(truth, elements), change.aux(u, elements)
        for image, scaled in zip(images, changed.tolist(), strict=True):
            low, high = scaling.factor_low, scaling.factor_high
            factors = {n: low[n] + x * (high[n] - low[n]) for n, x in zip(run.aux, scaled, strict=True)}
            drawn = torch.tensor(draw(simulated.scene, parameters(simulated, factors)))
            torch.testing.assert_close(image[0], drawn, rtol=0, atol=1e-5 * float(drawn.max()))


def test_operations_are_those_of_the_simulations():
    """Neither imports the other: their contract is the name."""
    stamp = torch.arange(25.0).view(5, 5)
    assert augmentation.OPERATIONS.keys() == OPERATIONS.keys()
    for name, operation in augmentation.OPERATIONS.items():
        assert (operation(stamp).numpy() == OPERATIONS[name](stamp.numpy())).all()


def test_elements_are_uniform_and_addressed(run, tiny_store):
    change = batches_of(run, tiny_store)[0].augmentation._replace(rows=80_000)
    drawn = change.elements(0, 0)
    counts = drawn.bincount(minlength=8).double()
    assert len(counts) == 8 and float((counts - 1e4).square().sum() / 1e4) < 24.3  # chi^2 of 7 degrees, 0.1 %
    assert torch.equal(drawn, change.elements(0, 0))
    for seed, epoch in ((0, 1), (1, 0)):
        assert 0.1 < float((drawn == change.elements(seed, epoch)).double().mean()) < 0.15


def test_training_batches_alone_are_augmented(run, tiny_store):
    plain, augmented = (
        batches_of(replace(run, training=replace(run.training, augment=on)), tiny_store) for on in (False, True)
    )
    before, after = (by_row(each[0].batches(0, 0)) for each in (plain, augmented))
    changed = (before[0] != after[0]).flatten(1).any(1)
    assert 0.75 < float(changed.double().mean()) < 0.97 and not torch.equal(before[1], after[1])
    assert torch.equal(before[0].flatten(1).sort().values, after[0].flatten(1).sort().values)
    assert torch.equal(before[1][~changed], after[1][~changed])
    for one, two in zip(plain[1].in_order(), augmented[1].in_order(), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_factors_that_no_symmetry_flips_stay(run, tiny_store):
    plain = batches_of(replace(run, training=replace(run.training, augment=False)), tiny_store)[0]
    before, after = (by_row(each.batches(0, 0))[1] for each in (plain, batches_of(run, tiny_store)[0]))
    stays = {name: torch.equal(before[:, k], after[:, k]) for k, name in enumerate(run.aux)}
    assert stays == {"radius": True, "g1": False, "g2": False, "flux": True, "psf_fwhm": True}


def test_rows_in_memory_and_rows_from_the_store_are_augmented_alike(run, shards):
    """By seed, epoch and row, not by the order in which rows come; batches of 32 divide the 192 rows."""
    one, two = (by_row(batches_of(each, shards)[0].batches(3, 1)) for each in (run, streamed(run)))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("order", ["rows", "shards"])
def test_from_any_step_on_the_batches_are_the_same(order, run, shards):
    batches = batches_of(streamed(run) if order == "shards" else run, shards)[0]
    whole = list(batches.batches(0, 1))
    tail = list(batches.batches(0, 1, 4))
    assert len(tail) == len(whole) - 4 == 2
    for one, two in zip(tail, whole[4:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


TRAIN = {
    "alone": lambda runs, path, results: loop.train_run(runs[0], path, results, CPU),
    "streamed": lambda runs, path, results: loop.train_run(streamed(runs[0]), path, results, CPU),
    "stacked": lambda runs, path, results: stack.train_stack(runs, path, results, CPU),
}


@pytest.mark.parametrize("case", TRAIN)
def test_stopped_after_any_checkpoint_it_ends_in_the_same_bytes(case, run, shards, tmp_path, monkeypatch):
    """A checkpoint after every step, taken up by another start; one of a stack, while the other members have none."""
    runs = [replace(run, seed=seed) for seed in range(2)]
    TRAIN[case](runs, shards, tmp_path / "whole")
    checkpoint = loop.Trainer.checkpoint

    def stopping(trainer, i):
        checkpoint(trainer, i)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
        patch.setattr(loop.Trainer, "checkpoint", stopping)
        for _ in range(8):
            with pytest.raises(KeyboardInterrupt):
                TRAIN[case](runs, shards, tmp_path / "stopped")
    TRAIN[case](runs, shards, tmp_path / "stopped")
    for folder in (tmp_path / "whole" / "runs").iterdir():
        assert bytes_of(folder) == bytes_of(tmp_path / "stopped" / "runs" / folder.name)


def test_a_stack_agrees_with_the_plain_loop(run, config, tiny_store, tmp_path):
    """Runs of one stack that are given other factors have other signs."""
    other = run_of("aux_vae", config, network=NETWORK, training=TRAINING)
    assert stack.composition(run) == stack.composition(other) and run.aux != other.aux
    agree_with_the_plain_loop([run, replace(other, seed=1)], tiny_store, tmp_path)


def test_a_members_bytes_do_not_depend_on_its_stack(run, tiny_store, tmp_path):
    runs = [replace(run, seed=seed) for seed in range(4)]
    for name, together in (("four", runs), ("one", runs[1:2])):
        stack.train_stack(together, tiny_store, tmp_path / name, CPU)
    four, one = (bytes_of(tmp_path / name / "runs" / runs[1].id) for name in ("four", "one"))
    assert four == one


@pytest.mark.parametrize("method", ["aux_vae", "cvae"])
def test_a_step_is_a_fixed_sequence_of_operations(method, config, tiny_store, tmp_path, monkeypatch):
    run = run_of(method, config, network=NETWORK, training=TRAINING)
    assert repeats([run, replace(run, seed=1)], tiny_store, tmp_path, monkeypatch)


def test_a_step_leaves_no_tensor_on_the_cpu(run, pretend, tiny_store, tmp_path):
    one_stacked_step(run, pretend, tiny_store, tmp_path)


def test_a_step_of_a_stack_reads_the_batches_of_the_plain_loop(run, tiny_store, tmp_path):
    trainers = [loop.open_trainer(replace(run, seed=s), tiny_store, tmp_path, CPU, loop.follow_nothing) for s in (0, 1)]
    step = TrainingStep(StackedModel(trainers), trainers)
    step.load(2, 1)
    stacked = step.rows.batch(*step.numbers.at(step.step).plans)
    for k, trainer in enumerate(trainers):
        alone = next(trainer.loader.batches(k, 2, 1))
        assert torch.equal(stacked.images[k], alone.images)
        assert torch.equal(stacked.aux[k, :, : len(run.aux)], alone.aux)


def test_the_id_holds_the_symmetries_of_an_augmented_run_alone(run):
    plain = replace(run, training=replace(run.training, augment=False))
    fewer = (Symmetry("half_turn", ()),)
    for each, same in ((plain, True), (run, False)):
        other = replace(each, dataset=replace(each.dataset, symmetries=fewer))
        assert (other.id == each.id) is same
    assert "symmetries" not in plain.identity and "training.augment" not in plain.identity["values"]
    assert plain.id != run.id


@pytest.mark.parametrize("place", ["", "runs[0]."])
def test_a_data_set_without_symmetries_is_refused(place, config):
    config["datasets"]["galaxies"] |= {"scene": {"psf": "gaussian", "constants": {"offset_x": 0.2, "offset_y": 0.3}}}
    (config["runs"][0] if place else config).setdefault("training", {})["augment"] = True
    with pytest.raises(Refused) as refused:
        study_of(config)
    sentence = f"{place}training.augment: found true, but galaxies declares no symmetries; take it away"
    assert {str(fault) for fault in refused.value.faults} == {sentence}


def test_a_store_says_its_symmetries_and_one_of_an_earlier_version_has_none(tiny_store, config, tmp_path):
    path = shutil.copytree(tiny_store, tmp_path / "d.zarr")
    config |= {"datasets": {"galaxies": {"store": str(path)}}, "training": {"augment": True, "batch": 32}}
    assert len(study_of(config)[1].runs[0].dataset.symmetries) == 7
    seal = json.loads((path / "seal.json").read_text())
    del seal["facts"]["symmetries"]
    (path / "seal.json").write_text(json.dumps(seal))
    with pytest.raises(Refused, match="galaxies declares no symmetries"):
        study_of(config)

"""Images that are read shard by shard: the same rows, constants and bytes, whatever the memory and the restarts."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from auxvae.analysis.analyse import analyse
from auxvae.data import components, preparation, stream
from auxvae.data.imperfect import Auxiliaries
from auxvae.data.loader import Loader
from auxvae.data.preparation import prepare
from auxvae.data.store import Store
from auxvae.data.stored_images import StoredImages
from auxvae.data.stream import Stream
from auxvae.training import fleet, loop
from foundation.faults import Refused
from simulations import store as writing
from simulations.convert import convert
from simulations.draw import simulate
from tests.auxvae.test_kinds import SERSIC
from tests.auxvae.test_train import bytes_of, killed_and_whole
from tests.conftest import study_of

CPU = torch.device("cpu")
SHARD = 64  # rows in a chunk of every store here, and in a shard but for colours
COLOURS = 3 * 28 * 28 * 4  # bytes of an image of three bands


def photons(g, shape):
    """Images whose rows differ in brightness."""
    return g.poisson(g.uniform(10, 100, (shape[0], *[1] * (len(shape) - 1))), shape)


def converted(folder, images, noise):
    g = np.random.default_rng(1)
    np.savez(folder / "x.npz", image=images, a=g.random(len(images)), b=g.random(len(images)))
    convert(folder / "x.npz", folder / "d.zarr", "image", "", [], noise, 0)
    return folder / "d.zarr"


def of_noise_by_image(folder):
    declared, _ = study_of({"study": "s", "datasets": {"d": {**SERSIC, "galaxies": 320}}, "runs": [{"method": "vae"}]})
    simulate(declared.simulated["d"], declared.facts["d"], folder / "d.zarr")
    return folder / "d.zarr"


def of_one_band(folder):
    """Ten shards, the last of them incomplete."""
    return converted(folder, photons(np.random.default_rng(0), (601, 28, 28)), "poisson:4")


def of_three_bands(folder):
    """Shards of three chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "SHARD_BYTES", 3.0 * SHARD * COLOURS)
        return converted(folder, photons(np.random.default_rng(0), (400, 3, 28, 28)), "poisson")


def of_probabilities(folder):
    return converted(folder, np.random.default_rng(0).random((400, 28, 28)), "none")


MAKERS = {"bands": of_three_bands, "photons": of_one_band, "noise": of_noise_by_image, "unit": of_probabilities}
CASES = {  # store, and what the runs say of the likelihood
    "poisson over a sky": ("photons", {}),
    "colours": ("bands", {}),
    "noise of each image": ("noise", {}),
    "counts": ("photons", {"likelihood": "counts"}),
    "log10": ("photons", {"likelihood": "log10"}),
    "gaussian": ("unit", {"likelihood": "gaussian", "sigma": 0.1}),
    "bernoulli": ("unit", {"likelihood": "bernoulli"}),
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A store of each kind in several small shards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "SHARD_BYTES", 1.0)
        patch.setattr(writing, "CHUNK_BYTES", 1.0)
        return {name: make(tmp_path_factory.mktemp(name)) for name, make in MAKERS.items()}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Two chunks of colours are read together, so that blocks and shards end at different rows."""
    monkeypatch.setattr("auxvae.data.store.BLOCK_BYTES", 2.0 * SHARD * COLOURS)


def streamed(path, network="conv4", epochs=2, method="vae", **group):
    """A run in the order of shards."""
    config = {
        "study": "s",
        "datasets": {"d": {"store": str(path)}},
        "network": {"name": network, "latents": 4, "width": 8},
        "training": {"epochs": epochs, "batch": 28, "order": "shards"},
        "runs": [{"method": method, **group}],
        "analyses": {"sensitivity": {"images": 8}, "bootstrap": 20, "traversal": {"steps": 2}},
    }
    return study_of(config)[1].runs[0]


def in_rows(run):
    """The same run in the order of rows."""
    return replace(run, training=replace(run.training, order="rows"))


def batches_of(path, case=None):
    """The training and validation batches of a run on a store, none of them held."""
    run = streamed(path, **(case or {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "HELD", 0)
        preparation._prepare.cache_clear()
        scaling, train, validation = prepare(run, Store(path, run.dataset))
    return [each.batches(run, scaling, CPU) for each in (train, validation)]


def rows_of(batches):
    return torch.cat([batch.rows for batch in batches])


def same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.fixture
def training(stores):
    return batches_of(stores["photons"])[0]


def test_an_epoch_visits_every_row_once(stores, monkeypatch):
    """With batches of 28 or of one row; windows do not end with a batch."""
    run = streamed(stores["photons"])
    monkeypatch.setattr(stream, "SHARDS", 3)
    _, train, _ = prepare(run, Store(stores["photons"], run.dataset))
    for size in (1, 28):
        batches = Stream(train.images, Auxiliaries(*torch.zeros(2, len(train.numbers), 0)), size, CPU)
        rows = rows_of(batches.batches(0, 0))
        assert len(rows) == batches.steps * size > len(train.numbers) - size and len(rows.unique()) == len(rows)
        assert set(rows.tolist()) <= set(train.numbers.tolist())
    sizes = [stream._rows(window) for window in batches.windows(0, 0)]
    assert len(sizes) == 4 and all(size % 28 for size in sizes)


def test_a_batch_mixes_the_shards_of_its_window(training):
    first = next(training.batches(0, 0)).rows // SHARD
    assert len(first.unique()) == stream.SHARDS
    assert not torch.equal(first, first.sort().values)


def test_the_order_is_that_of_seed_and_epoch(stores, training):
    other = batches_of(stores["photons"])[0]
    addressed = {address: rows_of(training.batches(*address)) for address in ((0, 0), (0, 1), (1, 0))}
    assert torch.equal(addressed[0, 0], rows_of(other.batches(0, 0)))
    for each in ((0, 1), (1, 0)):
        assert not torch.equal(addressed[0, 0], addressed[each])
        assert training.windows(0, 0) != training.windows(*each)


def test_from_any_step_on_the_batches_are_the_same(training):
    whole = list(training.batches(3, 1))
    for first in range(training.steps + 1):
        tail = list(training.batches(3, 1, first))
        assert len(tail) == len(whole) - first
        assert all(same(one, two) for one, two in zip(tail, whole[first:], strict=True))


def test_a_restart_reads_no_window_before_its_step(training, monkeypatch):
    read = []
    monkeypatch.setattr(StoredImages, "read", spied(StoredImages.read, read))
    step = training.steps - 1
    next(training.batches(0, 0, step))
    assert read == [training.windows(0, 0)[-1]]


def spied(function, calls):
    def spy(images, several):
        calls.append(several)
        return function(images, several)

    return spy


@pytest.mark.parametrize("case", CASES)
def test_a_batch_holds_the_rows_of_the_store(case, stores):
    """Training and validation batches against images that were read whole, on the likelihood's scale."""
    name, group = CASES[case]
    run = in_rows(streamed(stores[name], **group))
    scaling, *held = prepare(run, Store(stores[name], run.dataset))
    for whole, batches in zip(held, batches_of(stores[name], group), strict=True):
        data = whole.batches(run, scaling, CPU).data
        assert isinstance(batches, Stream)
        for batch in batches.batches(0, 0):
            torch.testing.assert_close(batch, data.take(torch.searchsorted(data.rows, batch.rows)))
        for one, two in zip(batches.in_order(), Loader(data, 28).in_order(), strict=True):
            torch.testing.assert_close(one, two)


SEEN = [  # log10 is not for components
    (case, network, exact)
    for case in CASES
    for network, exact in (("conv4", 0), ("components", 4000), ("components", 0))
    if (case, network) != ("log10", "components")
]


@pytest.mark.parametrize(("case", "network", "exact"), SEEN)
def test_constants_are_those_of_all_rows_at_once(case, network, exact, stores, monkeypatch):
    """Components of all pixels at once, and by incremental PCA in blocks."""
    monkeypatch.setattr(components, "EXACT", exact)
    name, group = CASES[case]
    run = streamed(stores[name], network, **group)
    constants = []
    for each in (run, in_rows(run)):
        preparation._prepare.cache_clear()
        constants.append(prepare(each, Store(stores[name], run.dataset))[0])
    visited, whole = (vars(each).copy() for each in constants)
    parts = [each.pop("components") for each in (visited, whole)]
    torch.testing.assert_close(visited, whole, rtol=1e-5, atol=1e-6)
    if network == "components":
        torch.testing.assert_close(parts[0].mean, parts[1].mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(parts[0].variances, parts[1].variances, rtol=1e-3, atol=1e-5)
        assert parts[0].inputs == parts[1].inputs
        leading = [each.directions[:1] * each.variances[0].sqrt() for each in parts]
        torch.testing.assert_close(*leading, rtol=0, atol=1e-3 * float(leading[0].norm()))


def test_killed_and_started_again_it_ends_in_the_same_bytes(stores, tmp_path):
    killed, whole = killed_and_whole([streamed(stores["photons"], epochs=3)], stores["photons"], tmp_path)
    assert killed == whole


def test_stopped_at_any_step_it_ends_in_the_same_bytes(stores, tmp_path, monkeypatch):
    """A checkpoint after every step; each is taken up by another start."""
    run = streamed(stores["unit"], "components", likelihood="bernoulli")
    loop.train_run(run, stores["unit"], tmp_path / "whole", CPU)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    checkpoint = loop.Trainer.checkpoint

    def stopping(trainer, i):
        checkpoint(trainer, i)
        raise KeyboardInterrupt

    steps = loop.open_trainer(run, stores["unit"], tmp_path / "probe", CPU, loop.follow_nothing).total
    monkeypatch.setattr(loop.Trainer, "checkpoint", stopping)
    for _ in range(steps):
        with pytest.raises(KeyboardInterrupt):
            loop.train_run(run, stores["unit"], tmp_path / "stopped", CPU)
    loop.train_run(run, stores["unit"], tmp_path / "stopped", CPU)
    assert bytes_of(tmp_path / "stopped" / "runs" / run.id) == bytes_of(tmp_path / "whole" / "runs" / run.id)


@pytest.mark.parametrize("network", ["conv4", "components"])
def test_bytes_do_not_depend_on_what_is_held_nor_on_the_company(network, stores, tmp_path, monkeypatch):
    runs = [replace(streamed(stores["photons"], network), seed=seed) for seed in (0, 1)]
    for each in runs:
        fleet.train_group((each,), stores["photons"], tmp_path / "held", CPU)
    monkeypatch.setattr(preparation, "HELD", 0)
    preparation._prepare.cache_clear()
    loop.train_run(runs[0], stores["photons"], tmp_path / "streamed", CPU)
    held, alone = (bytes_of(tmp_path / name / "runs" / runs[0].id) for name in ("held", "streamed"))
    assert held == alone


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_streamed_runs_are_not_stacked(stores, device):
    runs = [replace(streamed(stores["photons"], "components"), seed=seed) for seed in range(9)]
    assert {len(group) for group in fleet.groups(runs, 1, torch.device(device))} == {1}
    assert [len(group) for group in fleet.groups([in_rows(run) for run in runs], 1, torch.device(device))] == [9]


def test_it_goes_the_whole_way(stores, tmp_path, monkeypatch):
    """And its evaluation is refused where the memory is too small for it."""
    path = stores["bands"]
    run = streamed(path, "components")
    fleet.train_group((run,), path, tmp_path, CPU)
    config = {"study": "s", "datasets": {"d": {"store": str(path)}}, "runs": [{"method": "vae"}]}
    small = {"analyses": {"sensitivity": {"images": 8}, "bootstrap": 20, "traversal": {"steps": 2}}}
    analyses = study_of({**config, **small})[1].config.analyses
    analyse(run, analyses, "cpu", path, tmp_path)
    scores = json.loads((tmp_path / "runs" / run.id / "scores.json").read_text())
    assert all(np.isfinite(score["value"]) for score in scores.values())
    monkeypatch.setattr("auxvae.data.store.memory_limit", lambda: 10_000_000)
    with pytest.raises(Refused, match="test images: found images that need 0.0118 GB .* fewer test rows"):
        analyse(run, analyses, "cpu", path, tmp_path)


def test_a_store_beyond_memory_is_refused_with_the_remedy(stores, monkeypatch):
    run, path = streamed(stores["photons"]), stores["photons"]
    preparation._prepare.cache_clear()
    monkeypatch.setattr("auxvae.data.store.memory_limit", lambda: 3_000_000)
    with pytest.raises(Refused, match=r"found images that need .* but there are 0.003 GB; .*order: shards"):
        prepare(in_rows(run), Store(path, run.dataset))
    assert prepare(run, Store(path, run.dataset))


def test_a_flipped_bit_is_refused_while_a_model_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "SHARD_BYTES", 1.0)
    path = of_probabilities(tmp_path)
    run = streamed(path, likelihood="bernoulli")
    trainer = loop.Trainer(run, Store(path, run.dataset), tmp_path, CPU)
    for file in (path / "image" / "c").rglob("*"):
        if file.is_file():
            data = bytearray(file.read_bytes())
            data[len(data) // 3] ^= 1
            file.write_bytes(data)
    with pytest.raises(Refused, match="every chunk must match its checksum"):
        trainer.train()


def test_reading_a_split_holds_its_rows_and_few_shards(stores, monkeypatch):
    """All images are 1.9 MB, the validation rows 0.24 MB, a shard 0.2 MB."""
    monkeypatch.setattr("auxvae.data.store.BLOCK_BYTES", 1.0)
    run = streamed(stores["photons"])
    store = Store(stores["photons"], run.dataset)
    store.read("test")
    tracemalloc.start()
    rows = store.read("validation")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    objects = 16_384  # of Python, beside the images
    assert peak < rows.images.nbytes + 4 * SHARD * 28 * 28 * 4 + objects
    images = xr.open_zarr(stores["photons"])["image"].values[rows.numbers]
    np.testing.assert_array_equal(rows.images[:, 0], images)


def test_the_order_of_rows_is_in_no_identity(stores):
    run = streamed(stores["photons"])
    assert "training.order" not in in_rows(run).identity["values"]
    assert run.identity["values"]["training.order"] == "shards" and run.id != in_rows(run).id

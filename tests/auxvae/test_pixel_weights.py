"""Weights of pixels: what does not count changes nothing; what counts, counts by its inverse variance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from skimage.metrics import structural_similarity

from auxvae.analysis.analyse import analyse
from auxvae.analysis.domain import reconstructed
from auxvae.analysis.reconstructions import Compared
from auxvae.analysis.surveyed import beside, read_trained
from auxvae.config.cost import training_memory
from auxvae.data import preparation
from auxvae.data.likelihoods import Bernoulli, Counts, Gaussian, Log10, Poisson
from auxvae.data.preparation import prepare
from auxvae.data.scaling import Scaling
from auxvae.data.store import Store
from auxvae.data.survey import blocks, open_survey
from auxvae.metrics.images import mse, psnr, ssim_to
from auxvae.training import fleet
from foundation.faults import Refused
from foundation.files import read_json
from simulations.convert import convert
from simulations.sources.options import Options
from tests.conftest import refusal, study_of

CPU = torch.device("cpu")
ROWS, SIDE = 320, 28
G = np.random.default_rng(3)
A = G.uniform(1, 3, ROWS)
BLOB = np.exp(-0.02 * ((np.indices((SIDE, SIDE)) - 13.5) ** 2).sum(0))
STD = G.uniform(0.5, 1.5, (ROWS, SIDE, SIDE))
IMAGES = A[:, None, None] * 20 * BLOB + STD * G.normal(size=STD.shape)
GOOD = np.ones(STD.shape, bool)
GOOD[np.arange(ROWS), 5:8, G.integers(0, 20, ROWS)] = False
ANY_SCALING = Scaling(0.0, 1.0, 0.0, 1.0, {}, {}, torch.zeros(1, 14, 14))
LIKELIHOODS = {
    "gaussian": Gaussian(2.0),
    "poisson": Poisson(3.0),
    "counts": Counts(3.0),
    "log10": Log10(0.0, 40.0),
    "bernoulli": Bernoulli(),
}


def stored(folder, images=IMAGES, noise="none", **layers):
    """A store of images with an inverse variance, a mask, or both."""
    folder.mkdir(parents=True)
    np.savez(folder / "x.npz", image=images, a=A, **layers)
    named = {name: {"mask": "mask=good"}.get(name, name) for name in layers}
    convert(folder / "x.npz", folder / "d.zarr", "image", "a", [], noise, 0, options=Options(**named))
    return folder / "d.zarr"


def config_of(path, method="vae", order="rows", **group):
    return {
        "study": "s",
        "datasets": {"d": {"store": str(path)}},
        "network": {"name": "conv4", "latents": 4, "width": 8},
        "training": {"epochs": 2, "batch": 28, "order": order},
        "runs": [{"method": method, **group}],
        "analyses": {"sensitivity": {"images": 8}, "bootstrap": 20, "traversal": {"steps": 2}},
    }


def run_of(path, **settings):
    return study_of(config_of(path, **settings))[1].runs[0]


@pytest.mark.parametrize("kind", LIKELIHOODS.values(), ids=LIKELIHOODS)
def test_the_nats_of_an_image_are_those_of_its_pixels_by_their_weights(kind):
    g = torch.Generator().manual_seed(0)
    counts = torch.rand(5, 2, 8, 8, generator=g) if kind.bounded else torch.poisson(torch.full((5, 2, 8, 8), 6.0), g)
    images, weights = kind.to_scale(counts), torch.rand(5, 2, 8, 8, generator=g).round()
    other = (images + 0.1 * torch.rand(images.shape, generator=g)).clamp(max=1 if kind.bounded else 99)
    pixels = [(..., slice(i, i + 1), slice(j, j + 1)) for i in range(8) for j in range(8)]
    single = [weights[at][:, 0].flatten() * kind.nats(images[at], other[at]) for at in pixels]
    together = kind.nats(images, other, weights[:, :1].expand_as(images))
    torch.testing.assert_close(together, torch.stack(single).sum(0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(kind.nats(images, other, torch.ones_like(images)), kind.nats(images, other))
    torch.testing.assert_close(kind.nats(images, other, torch.full((5,), 3.0)), 3 * kind.nats(images, other))


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Two stores that differ in masked pixels alone."""
    garbage = np.where(GOOD, IMAGES, G.uniform(50, 500, IMAGES.shape))
    folder, variances = tmp_path_factory.mktemp("twins"), STD**-2 * (G.random(STD.shape) < 0.995)
    layers = {"inverse_variance": variances, "mask": GOOD.astype(np.int8)}
    return [stored(folder / name, images, **layers) for name, images in (("plain", IMAGES), ("other", garbage))]


def test_masked_pixels_change_no_weight_and_no_score(twins, tmp_path):
    both = []
    for path in twins:
        _, study = study_of(config_of(path))
        results, run = tmp_path / path.parent.name, study.runs[0]
        fleet.train(study.fleets[0], path, results, CPU, 1)
        analyse(run, study.config.analyses, "cpu", path, results)
        both.append(read_json(results / "runs" / run.id / "scores.json", "scores"))
    assert both[0].keys() == both[1].keys() and {"nats", "mse", "ssim", "psnr"} <= both[0].keys()
    for name, score in both[0].items():
        assert score["value"] == both[1][name]["value"], name


def trained_on(path, folder, **group):
    """A run that was trained on a store, and its results."""
    _, study = study_of(config_of(path, **group))
    fleet.train(study.fleets[0], path, folder, CPU, 1)
    return read_trained(folder / "runs" / study.runs[0].id, path)


def test_another_store_is_judged_by_its_own_weights(twins, tmp_path):
    """Garbage in masked pixels changes nothing, and a pixel that the other store masks counts nothing there alone."""
    trained = trained_on(twins[0], tmp_path)
    masked = GOOD.copy()
    masked[:, :4] = False
    layers = {"inverse_variance": STD**-2, "mask": masked.astype(np.int8)}
    third = stored(tmp_path / "third", np.where(masked, IMAGES, 1e3), **layers)
    one, two, other = (
        reconstructed(trained, open_survey(path, trained.store), np.arange(ROWS)) for path in (*twins, third)
    )
    assert np.array_equal(one.nats, two.nats) and np.array_equal(one.mean, two.mean)
    assert other.noise == pytest.approx(0.5 * masked.sum((1, 2)))
    assert np.median(other.nats) < 2 * np.median(one.nats)


def test_a_store_without_weights_has_none_beside_a_run_of_one_that_has(tmp_path):
    group = {"likelihood": "gaussian", "sigma": 1.0}
    trained = trained_on(stored(tmp_path / "a", mask=GOOD.astype(np.int8)), tmp_path, **group)
    plain = open_survey(stored(tmp_path / "b"), trained.store)
    (rows,) = blocks(trained.run, plain, np.arange(8))
    assert trained.model.good is not None and beside(trained, plain, rows).likelihood.precision is None


def test_a_survey_without_the_inverse_variances_of_the_run_is_refused(twins, tmp_path):
    trained = trained_on(twins[0], tmp_path)
    with pytest.raises(Refused, match="inverse variances: found none, but the run was trained on some"):
        open_survey(stored(tmp_path / "b"), trained.store)


def test_a_job_asks_for_the_memory_of_weights(twins, tmp_path):
    with_them, without = (run_of(path, likelihood="gaussian", sigma=1.0) for path in (twins[0], stored(tmp_path / "b")))
    more = training_memory([big(with_them)], 1) - training_memory([big(without)], 1)
    assert more == pytest.approx(4e-6 * 100_000 * SIDE**2, abs=2)


def big(run):
    return replace(run, dataset=replace(run.dataset, train=100_000))


def test_there_is_no_ssim_where_an_image_has_a_masked_pixel_in_every_window():
    good = np.ones((3, 1, 14, 14), bool)
    good[1, 0, ::4, ::4] = False
    compared = Compared(G.random(good.shape), None, ANY_SCALING, good)
    scores = compared.fidelity(G.random(good.shape), G.random(good.shape))
    assert np.isnan(scores["ssim"].value) and set(compared.measured(scores)) == {"mse"}


def test_what_is_no_number_is_taken_in_masked_pixels_alone(tmp_path):
    path = stored(tmp_path / "s", np.where(GOOD, IMAGES, np.nan), mask=GOOD.astype(np.int8), noise="gaussian:1")
    assert np.array_equal(xr.open_zarr(path)["image"].values, np.where(GOOD, IMAGES, 0).astype(np.float32))
    with pytest.raises(Refused, match="are not finite"):
        stored(tmp_path / "t", np.where(A[:, None, None] < 1.1, np.nan, IMAGES), mask=GOOD.astype(np.int8))


def test_an_image_without_a_good_pixel_is_refused(tmp_path):
    """Masked everywhere, or wherever its inverse variance is above 0."""
    masked, variances = GOOD.astype(np.int8), STD**-2
    masked[3], masked[5, :14], variances[5, 14:] = 0, 0, 0
    with pytest.raises(Refused, match="2 images without a good pixel in rows 0 to"):
        stored(tmp_path / "s", mask=masked, inverse_variance=variances)
    assert not (tmp_path / "s" / "d.zarr").exists()


def test_equal_variances_are_the_noise_of_all_images(tmp_path):
    """The scale and the weights are those of a store whose one standard deviation is stated."""
    one = stored(tmp_path / "one", inverse_variance=np.full(IMAGES.shape, 0.25))
    two = stored(tmp_path / "two", noise="gaussian:2")
    (weighed, *_), (stated, *_) = (parts(path) for path in (one, two))
    assert weighed.likelihood.sigma == pytest.approx(stated.likelihood.sigma) == 2
    assert torch.allclose(weighed.likelihood.precision, torch.ones(1))
    torch.testing.assert_close(weighed.images, stated.images)


def parts(path, **settings):
    return prepared(path, **settings)[1:]


def prepared(path, **settings):
    run = run_of(path, **settings)
    preparation._prepare.cache_clear()
    return prepare(run, Store(path, run.dataset))


def batches_of(path, **settings):
    scaling, *splits = prepared(path, **settings)
    run = run_of(path, **settings)
    return [batch for split in splits for batch in split.batches(run, scaling, CPU).in_order()]


def test_weights_are_inverse_variances_in_units_of_their_mean_over_training_pixels(twins):
    path = twins[0]
    train, validation = parts(path)
    store = Store(path, run_of(path).dataset)
    rows, good = (store.numbers(name) for name in ("train", "validation")), GOOD
    train_rows, validation_rows = rows
    ivar = np.asarray(store.dataset["inverse_variance"].values) * good
    mean = ivar[train_rows][ivar[train_rows] > 0].mean()
    assert train.likelihood.sigma == pytest.approx(mean**-0.5, rel=1e-6)
    np.testing.assert_allclose(train.likelihood.precision[:, 0], ivar[train_rows] / mean, rtol=1e-5)
    np.testing.assert_allclose(validation.likelihood.precision[:, 0], ivar[validation_rows] / mean, rtol=1e-5)


@pytest.mark.parametrize("likelihood", [{}, {"likelihood": "gaussian", "sigma": 1.0}], ids=["noise", "gaussian"])
def test_images_read_shard_by_shard_have_the_same_weights(twins, likelihood, monkeypatch):
    monkeypatch.setattr(preparation, "HELD", 0)
    whole, streamed = (batches_of(twins[0], order=order, **likelihood) for order in ("rows", "shards"))
    assert len(whole) == len(streamed)
    for one, two in zip(whole, streamed, strict=True):
        torch.testing.assert_close(one.precision, two.precision)
        torch.testing.assert_close(one.images, two.images)


def test_image_metrics_leave_masked_pixels_out():
    x, y = IMAGES[:6, None], IMAGES[:6, None] + G.normal(size=(6, 1, SIDE, SIDE))
    good = G.random(x.shape) < 0.98
    expected = [((a - b) ** 2)[m].mean() for a, b, m in zip(x, y, good, strict=True)]
    np.testing.assert_allclose(mse(x, y, good), expected)
    np.testing.assert_allclose(psnr(x, y, 3.0, good), 10 * np.log10(9 / np.array(expected)))
    similar = []
    for a, b, m in zip(x[:, 0], y[:, 0], good[:, 0], strict=True):
        _, index = structural_similarity(a, b, data_range=3.0, full=True)
        whole = np.lib.stride_tricks.sliding_window_view(m, (7, 7)).all((-2, -1))
        similar.append(index[3:-3, 3:-3][whole].mean())
    np.testing.assert_allclose(ssim_to(x, 3.0, good)(y), similar, atol=1e-7)


FAULTS = {
    "no likelihood": (
        {"method": "sami", "likelihood": "gaussian", "sigma": 1.0},
        {"mask": 1},
        "has mask of its pixels",
    ),
    "no variance": ({}, {"mask": 1}, "no likelihood follows from it"),
}


@pytest.mark.parametrize(("group", "layers", "sentence"), FAULTS.values(), ids=FAULTS)
def test_what_weights_cannot_be_used_for_is_said_before_anything_runs(tmp_path, group, layers, sentence):
    path = stored(tmp_path / "s", **{name: np.ones(IMAGES.shape, np.int8) for name in layers})
    config = config_of(path, **group)
    config["network"]["name"] = "unet" if group else "conv4"
    assert any(sentence in each for each in refusal(config))


def test_training_pixels_that_all_count_nothing_are_refused(twins, monkeypatch):
    monkeypatch.setattr(Store, "good", lambda self, rows: torch.zeros(len(rows), 1, SIDE, SIDE))
    with pytest.raises(Refused, match="0 in every good pixel"):
        parts(twins[0])

"""Every method of the table, trained for real on a tiny store: alone as in a fleet, falling, saved and read back."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.utils._python_dispatch import TorchDispatchMode

from auxvae.analysis.analyse import analyse
from auxvae.analysis.model import TrainedModel
from auxvae.config.methods import METHODS
from auxvae.config.run import Fleet
from auxvae.data.store import Store
from auxvae.models.model import draws_at
from auxvae.training import fleet, loop
from foundation.files import read_json
from tests.auxvae.models import PLAIN, any_batch, model_of
from tests.auxvae.test_train import CPU, bytes_of, killed_and_whole
from tests.conftest import TINY, study_of

NARROW = {"network": {"name": "mlp", "latents": 6, "width": 8}}
SHORT = {"training": {"epochs": 4, "batch": 32, "learning_rate": 2.0e-3, "clip": 1.0e4}}


def group(method, **settings):
    coverage = {"coverages": ["two"]} if METHODS[method].needs_aux else {}
    return {"method": method, **coverage, **settings}


@pytest.fixture(scope="module")
def study():
    config = {**copy.deepcopy(TINY), **NARROW, **SHORT, "runs": [group(method) for method in PLAIN]}
    return study_of(config)[1]


@pytest.fixture(scope="module")
def trained(study, tiny_store, tmp_path_factory):
    results = tmp_path_factory.mktemp("methods")
    fleet.train(study.fleets[0], tiny_store, results, CPU, workers=2)
    return results


@pytest.mark.parametrize("method", PLAIN)
def test_alone_as_in_a_fleet(method, study, tiny_store, trained, tmp_path):
    run = next(run for run in study.runs if run.method == method)
    fleet.train(Fleet((run,)), tiny_store, tmp_path, CPU, workers=1)
    assert bytes_of(tmp_path / "runs" / run.id) == bytes_of(trained / "runs" / run.id)


@pytest.mark.parametrize("method", PLAIN)
def test_the_loss_falls(method, study, trained):
    """The reconstruction on held-out rows, which every method has, and the whole loss on the first batches."""
    run = next(run for run in study.runs if run.method == method)
    history = pd.read_parquet(trained / "runs" / run.id / "history.parquet")
    names = {name for name in run.terms if name not in ("kl", "kl_told", "kl_free", "capacity")}
    loss = sum(
        run.weights[name] * history[f"train_{name}"] for name in names
    )  # a divergence may rise as codes begin to say something
    assert history["validation_reconstruction"].iloc[-1] < history["validation_reconstruction"].iloc[0]
    assert loss.iloc[-1] < loss.iloc[0]


@pytest.mark.parametrize("method", PLAIN)
def test_saved_and_read_back_it_gives_the_same_codes(method, study, tiny_store, trained):
    run = next(run for run in study.runs if run.method == method)
    store = Store(tiny_store, run.dataset)
    model = TrainedModel(trained / "runs" / run.id, run, store, store.read("test"), CPU)
    again = TrainedModel(trained / "runs" / run.id, run, store, store.read("test"), CPU)
    mean, log_variance = model.encode()
    np.testing.assert_array_equal(mean, again.encode()[0])
    assert np.isfinite(mean).all() and np.isfinite(log_variance).all()
    assert (mean.std(0) > 0).all()
    assert model.decode_counts(mean).shape == (32, 1, 33, 33)


def kl_by_distributions(run, model, mean, log_variance):
    """KL of each image by torch.distributions, latent by latent; None where there is no density to compare with."""
    count, latents = len(run.aux), run.network.latents
    u, q = model.rows.aux(run.aux, model.scaling), Normal(mean, (log_variance / 2).exp())
    if run.composition.conditional == "learned":
        prior = model.model.network.companion(torch.nn.functional.pad(u, (0, latents - count)))
        return kl_divergence(q, Normal(prior.mean, prior.variance.sqrt())).sum(1)
    if not run.prior.has_density():
        return None
    centre, width = torch.zeros_like(mean), torch.ones_like(mean)
    centre[:, :count], width[:, :count] = u, run.prior_variance**0.5
    by_latent = kl_divergence(q, Normal(centre, width))
    return by_latent[:, count:].sum(1) if run.composition.conditional == "copied" else by_latent.sum(1)


@pytest.mark.parametrize("method", PLAIN)
@torch.no_grad()
def test_the_kl_of_a_run_is_that_from_its_own_prior(method, study, tiny_store, trained):
    run = next(run for run in study.runs if run.method == method)
    if run.encoder == "deterministic":
        return
    store = Store(tiny_store, run.dataset)
    model = TrainedModel(trained / "runs" / run.id, run, store, store.read("test"), CPU)
    mean, log_variance = model.encode()
    expected = kl_by_distributions(run, model, *(torch.from_numpy(each) for each in (mean, log_variance)))
    measured = model.divergence(mean, log_variance)
    assert (measured is None) == (expected is None) == (method == "aux_mmd")
    if expected is not None:
        np.testing.assert_allclose(measured, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["aux_mine", "ae_mmd"])
def test_killed_with_a_companion_network_or_a_queue_it_ends_in_the_same_bytes(method, tiny_store, tmp_path):
    settings = {"mmd": {"queue": 64}} if method == "ae_mmd" else {}
    config = {
        **copy.deepcopy(TINY),
        **NARROW,
        "training": {"epochs": 12, "batch": 32},
        "runs": [group(method, **settings)],
    }
    run = study_of(config)[1].runs[0]
    killed, whole = killed_and_whole([run], tiny_store, tmp_path)
    assert killed == whole


UNPAIRED = {"weights": {"mmd_pairs": 0}}  # a term of pairs is refused where there is none
SETTINGS = {
    "a posterior, different marginals, drawn pairs": {
        "method": "ae_mmd",
        "encoder": "gaussian",
        "prior": {"kind": "product", "of": ["uniform", "laplace", {"kind": "mixture", "components": 3}]},
        "mmd": {"kernel": "rational_quadratic", "bandwidth": "median", "pairs": 5, "queue": 0},
    },
    "blocks of factors and levels, a mean over blocks, a residual network": {
        "method": "ae_mmd",
        "prior": {"kind": "blocks", "of": [{"kind": "empirical", "latents": 5}, {"kind": "grid", "latents": 1}]},
        "mmd": {"block": 8, "queue": 0},
        "network": {"name": "residual"},
    },
    "a divergence without a closed form": {"method": "beta_vae", "prior": {"kind": "mixture", "std": 0.4}},
    "no latent left": {"method": "aux_mmd", "coverages": ["full"], "network": {"latents": 5}, **UNPAIRED},
    "a single latent left": {"method": "aux_mmd", "coverages": ["full"], **UNPAIRED},
    "a single latent": {"method": "ae_mmd", "network": {"latents": 1}, **UNPAIRED},
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_go_the_whole_way(case, tiny_store, tmp_path):
    config = {**copy.deepcopy(TINY), **NARROW, "runs": [{**SETTINGS[case], "training": {"epochs": 1}}]}
    study = study_of(config)[1]
    fleet.train(study.fleets[0], tiny_store, tmp_path, CPU, workers=1)
    run = study.runs[0]
    analyse(run, study.config.analyses, "cpu", tiny_store, tmp_path)
    scores = read_json(tmp_path / "runs" / run.id / "scores.json", "scores")
    assert all(np.isfinite(score["value"]) for score in scores.values())
    assert ("prior_distance" in scores) is (len(run.aux) < run.network.latents)
    has_density = run.prior.has_density() or len(run.aux) == run.network.latents
    assert ("kl" in scores) is (run.encoder == "gaussian" and has_density)


def test_a_queue_is_filled_and_then_holds_the_latest_codes(tiny_store, tmp_path, monkeypatch):
    """Codes of earlier batches stand beside a batch, from epoch to epoch, in an array of one shape."""
    config = {**copy.deepcopy(TINY), **NARROW, **SHORT, "runs": [group("ae_mmd", mmd={"queue": 80})]}
    run = study_of(config)[1].runs[0]
    trainer = loop.Trainer(run, Store(tiny_store, run.dataset), tmp_path / "work", CPU)
    filled, batches, after_step = [], [], trainer.model.after_step

    def watched(batch, codes):
        queue = trainer.model.queue
        filled.append(int(queue.filled.sum()))
        batches.append(codes.sample.clone())
        after_step(batch, codes)
        latest = torch.cat(batches)[-80:]
        assert queue.codes.shape == (80, 6)
        assert sorted(queue.codes[queue.filled > 0].tolist()) == sorted(latest.tolist())

    monkeypatch.setattr(trainer.model, "after_step", watched)
    trainer.train()
    assert filled == [0, 32, 64, *[80] * 21]


def test_no_term_makes_an_array_of_rows_by_rows_by_latents(study):
    """The largest array of a step, forwards and backwards, at 192 rows and 6 latents."""
    rows, latents = 192, 6
    for run in study.runs:
        model, batch = model_of(run), any_batch(run, rows)
        draws = draws_at(model.draw(0, "latents", 0, 1, rows), 0)
        with Largest() as largest:
            loss = model.loss(batch, draws, torch.tensor(0.5))
            sum(run.weights[name] * value for name, value in loss.terms.items()).backward()
        assert largest.size < max(rows * rows * latents, batch.images.numel() + 1), (run.method, largest.size)


class Largest(TorchDispatchMode):
    """Remembers the size of the largest array that any operation gives."""

    size = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for each in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(each, torch.Tensor):
                self.size = max(self.size, each.untyped_storage().nbytes() // each.element_size())
        return result

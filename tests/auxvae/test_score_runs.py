"""Runs of score-based autoencoders: the laws of every method, what learns from what, and what decides a run's bytes."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from auxvae.analysis.decoder_layers import decoder_layers
from auxvae.analysis.model import TrainedModel
from auxvae.config.diffusion import Diffusion
from auxvae.config.methods import METHODS
from auxvae.config.run import Fleet
from auxvae.data.store import Store
from auxvae.losses import score
from auxvae.models.model import draws_at
from auxvae.models.score_network import LARGEST
from auxvae.training import fleet
from auxvae.training.loop import Trainer, follow_nothing, open_trainer
from auxvae.training.optimiser import adam, rate, rates
from auxvae.training.state import weights
from foundation.faults import Refused
from tests.auxvae.models import CPU, any_batch, any_data, model_of, seeded
from tests.auxvae.test_devices import moved, on_device
from tests.auxvae.test_train import bytes_of, killed_and_whole
from tests.conftest import TINY, refusal, study_of

SCORE = [name for name, method in METHODS.items() if method.family == "score"]
EVERY = pytest.mark.parametrize("method", SCORE)
STEPS = {"steps": 3}


def config_of(*groups):
    """The tiny study on a small network."""
    return {
        **copy.deepcopy(TINY),
        "network": {"name": "unet", "latents": 4, "width": 8},
        "training": {"epochs": 3, "batch": 32, "learning_rate": 3.0e-3, "keep": "last"},
        "runs": list(groups),
    }


def group(method, **settings):
    coverage = {"coverages": ["two"]} if METHODS[method].needs_aux else {}
    return {"method": method, **coverage, "diffusion": {**STEPS, **settings.pop("diffusion", {})}, **settings}


def run_of(method="sami", **settings):
    """The only run of such a study."""
    return study_of(config_of(group(method, **settings)))[1].runs[0]


@pytest.fixture(scope="module")
def trained(tiny_store, tmp_path_factory):
    """Every method in one fleet."""
    study = study_of(config_of(*map(group, SCORE)))[1]
    results = tmp_path_factory.mktemp("score")
    fleet.train(study.fleets[0], tiny_store, results, CPU, workers=2)
    return study, results


def of(method, trained, store):
    """A trained run beside the test rows."""
    study, results = trained
    run = next(run for run in study.runs if run.method == method)
    opened = Store(store, run.dataset)
    return run, TrainedModel(results / "runs" / run.id, run, opened, opened.read("test"), CPU)


@EVERY
def test_alone_as_in_a_fleet(method, trained, tiny_store, tmp_path):
    run, _ = of(method, trained, tiny_store)
    fleet.train(Fleet((run,)), tiny_store, tmp_path, CPU, workers=1)
    assert bytes_of(tmp_path / "runs" / run.id) == bytes_of(trained[1] / "runs" / run.id)


@EVERY
def test_the_denoiser_learns_and_its_average_follows(method, trained, tiny_store):
    run, model = of(method, trained, tiny_store)
    history = pd.read_parquet(trained[1] / "runs" / run.id / "history.parquet")
    assert history["train_denoising"].iloc[-1] < history["train_denoising"].iloc[0]
    network = model.model.network
    one, other = (torch.cat([p.flatten() for p in part.parameters()]) for part in (network.denoiser, network.average))
    assert not torch.equal(one, other) and torch.corrcoef(torch.stack([one, other]))[0, 1] > 0.9


@EVERY
def test_codes_and_images_are_the_same_again_whatever_stands_beside_them(method, trained, tiny_store):
    _, model = of(method, trained, tiny_store)
    mean, log_variance = model.encode()
    assert np.isfinite(mean).all() and np.isfinite(log_variance).all() and (mean.std(0) > 0).all()
    images = model.decode(mean)
    assert images.shape == (32, 1, 33, 33) and images.isfinite().all()
    torch.testing.assert_close(model.decode(mean), images, rtol=0, atol=0)
    torch.testing.assert_close(model.decode(mean[5:7], np.array([5, 6])), images[5:7], rtol=1e-3, atol=1e-3)
    assert model.sample_counts(3).shape == (3, 1, 33, 33)


@EVERY
def test_killed_and_resumed_it_ends_in_the_same_bytes(method, tiny_store, tmp_path):
    run = run_of(method)
    killed, whole = killed_and_whole([run], tiny_store, tmp_path)
    assert killed == whole


@EVERY
def test_gradients_reach_every_parameter_but_the_average(method):
    model = model_of(run_of(method))
    seeded(model.network)  # layers that start at 0 hide those before them
    loss = loss_of(model, 16)
    sum(loss.terms.values()).backward()
    for name, parameter in model.network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert not any(parameter.requires_grad for parameter in model.network.average.parameters())


def loss_of(model, rows, progress=0.5):
    """The terms of one batch."""
    draws = draws_at(model.draw(0, "latents", 0, 1, rows), 0)
    return model.loss(any_batch(model.run, rows), draws, torch.tensor(progress))


@pytest.mark.parametrize(("learning", "reaches"), [("apart", False), ("first", False), ("joint", True)])
def test_the_guided_term_teaches_the_denoiser_only_if_they_learn_jointly(learning, reaches):
    model = model_of(run_of(diffusion={"learning": learning}))
    loss_of(model, 16).terms["guided"].backward()
    gradients = [parameter.grad for parameter in model.network.denoiser.parameters()]
    assert any(each is not None and each.abs().sum() > 0 for each in gradients) is reaches
    assert all(parameter.grad is not None for parameter in model.network.inference.linear.parameters())


def test_the_denoiser_is_frozen_where_it_has_learned_first(tiny_store, tmp_path, monkeypatch):
    run = run_of(diffusion={"learning": "first", "start": 0.34})  # of three epochs
    trainer, close = open_trainer(run, tiny_store, tmp_path, CPU, follow_nothing), Trainer.close_epoch
    after = []  # weights after each epoch, and before the first
    monkeypatch.setattr(Trainer, "close_epoch", lambda self: after.append(weights(self.model)) or close(self))
    after.append(weights(trainer.model))
    trainer.train()
    assert changed("denoiser", *after[:2]) and not changed("inference", *after[:2])
    assert changed("inference", *after[2:]) and not changed("denoiser", *after[2:])


def test_an_encoder_that_is_not_trained_yet_guides_nothing():
    model = model_of(run_of(diffusion={"learning": "first", "start": 0.5}))
    before, after = (loss_of(model, 16, progress).terms for progress in (0.49, 0.5))
    assert torch.equal(before["guided"], before["denoising"])
    assert not before["guided"].requires_grad and after["guided"].requires_grad


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_where_the_denoiser_learns_first_both_have_the_whole_schedule_of_the_learning_rate(schedule):
    model = model_of(run_of(diffusion={"learning": "first", "start": 0.25}))
    optimiser = adam(model, model.run.training)
    _, encoder, denoiser = zip(*(rates(optimiser, schedule, step, 400) for step in range(400)), strict=True)
    largest = model.run.training.learning_rate
    assert denoiser == pytest.approx([largest * rate(schedule, i / 100) for i in range(100)] + [0.0] * 300)
    assert encoder == pytest.approx([0.0] * 100 + [largest * rate(schedule, i / 300) for i in range(300)])


def changed(part, one, other):
    return any(not torch.equal(one[name], other[name]) for name in one if name.startswith(part))


def test_without_guidance_both_losses_are_the_same_and_free_bits_hold():
    model = model_of(run_of(diffusion={"low": -8.0, "guided_until": -7.999, "free_bits": 0.25, "warm_up": 0.5}))
    terms = loss_of(model, 64, progress=1.0).terms
    assert float(terms["guided"].detach()) == pytest.approx(float(terms["denoising"].detach()), rel=1e-3)
    assert float(terms["kl_floored"].detach()) >= 4 * 0.25
    assert float(loss_of(model, 64, progress=0.25).terms["kl_floored"].detach()) == pytest.approx(
        0.5 * float(terms["kl_floored"].detach())
    )


@pytest.mark.parametrize("schedule", ["uniform", "cosine", "linear"])
def test_the_bound_of_an_untrained_denoiser_does_not_depend_on_the_schedule(schedule):
    """Velocity 0: eps_theta = sigma x_t, and the loss of a level is that of images of variance 1."""
    model = model_of(run_of(diffusion={"schedule": schedule, "low": -6.0, "high": 2.0, "guided_until": -5.9}))
    batch = any_batch(model.run, 256)
    model.network.mean, model.network.std = float(batch.images.mean()), float(batch.images.std())
    done = torch.tensor(1.0)
    values = [
        float(model.loss(batch, draws_at(model.draw(k, "latents", 0, 1, 256), 0), done).terms["denoising"].detach())
        for k in range(20)
    ]
    level = torch.linspace(-6, 2, 10_001)
    # eps - sigma x_t = alpha (alpha eps - sigma x), whose square is alpha^2 a pixel
    expected = 0.5 * 33**2 * float(torch.trapezoid(torch.sigmoid(level), level))
    assert np.mean(values) == pytest.approx(expected, rel=0.02)


def test_the_identity_holds_the_diffusion_and_nothing_of_an_autoencoder():
    run = run_of()
    other = replace(run, settings=replace(run.settings, diffusion=Diffusion(steps=4)))
    assert other.id != run.id
    assert replace(run, settings=replace(run.settings, activation="relu")).id == run.id


@EVERY
def test_on_another_device(method, pretend, monkeypatch):
    monkeypatch.setattr(score, "noise_of", lambda seed, images: torch.randn_like(images))
    run = run_of(method)
    model, batch = score.ScoreModel(run, any_data(run), CPU), any_batch(run, 8)
    draws = draws_at(model.draw(0, "latents", 0, 1, 8), 0)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        model = on_device(model, mode, pretend)
        batch, draws, progress = (moved(each, mode, pretend) for each in (batch, draws, torch.tensor(0.5)))
        loss = model.loss(batch, draws, progress)
        assert all(value.device.type == pretend.type for value in loss.terms.values())
        sum(loss.terms.values()).backward()
        with torch.no_grad():
            model.after_step(batch, loss.codes)
            assert model.decode(model.encode(batch)[0]).device.type == pretend.type


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"network": {"name": "conv4"}}, "sami takes the network unet; write unet"),
        ({"diffusion": {"low": 3}}, "the cleanest level is 2.5"),
        ({"diffusion": {"low": 2.49}}, "they span 1 or more"),
        ({"diffusion": {"learning": "first", "start": 1}}, "denoiser and encoder both learn for a while"),
        ({"diffusion": {"learning": "first", "start": 0.7, "warm_up": 0.4}}, "the encoder learns for 0.3 of"),
        ({"diffusion": {"denoiser": ""}}, "it is the name of a folder"),
        ({"diffusion": {"sha256": "ab"}}, "it is the digest of a denoiser"),
        ({"diffusion": {"guided_until": -10}}, "levels go from -9 to 2.5"),
        ({"diffusion": {"start": 0.3}}, "the denoiser is trained throughout unless it learns first"),
        ({"activation": "relu"}, "sami has no term that reads it"),
        ({"encoder": "deterministic"}, "sami has no term that reads it"),
        ({"prior": "laplace"}, "sami has no term that reads it"),
        ({"diffusion": {"steps": 0}}, "steps"),
        ({"weights": {"kl_floored": [0.2, 1.0]}}, "kl_floored: found 1.0, but a latent of this weight or more costs"),
    ],
)
def test_what_cannot_be_is_refused(written, expected):
    assert expected in " ".join(refusal(config_of({"method": "sami", **written})))


def test_an_autoencoder_takes_no_unet():
    expected = "vae takes the networks components, conv4, residual, mlp; write components"
    assert expected in " ".join(refusal(config_of({"method": "vae"})))


def test_ancestral_samples_have_noise_of_their_own_and_decoded_images_the_same(trained, tiny_store):
    _, model = of("sami", trained, tiny_store)
    network = model.model.network
    network.diffusion = replace(network.diffusion, sampler="ancestral")
    shapes = [next(network._fresh(7, source)).shape for source in (None, torch.Generator().manual_seed(0))]
    assert [shape[0] for shape in shapes] == [1, 7]
    z = torch.zeros(3, 4)
    same, own = network.decode(z), network.decode(z, torch.Generator().manual_seed(0))
    torch.testing.assert_close(same[0], same[1])
    assert not torch.allclose(own[0], own[1], atol=1e-2)


def test_the_average_forgets_the_weights_that_nothing_trained():
    network = model_of(run_of()).network
    start = network.average.first.weight.clone()
    with torch.no_grad():
        network.denoiser.first.weight.add_(1.0)
    for _ in range(30):
        network.follow(0.998)
    left = float((network.denoiser.first.weight - network.average.first.weight).detach().mean())
    assert left < 0.01 and not torch.equal(start, network.average.first.weight)


def test_what_contexts_refuse_is_refused_of_every_family():
    assert "contexts" in " ".join(refusal(config_of({"method": "sami", "contexts": ["nothere"]})))
    config = {**config_of({"method": "vae", "contexts": ["nothere"]}), "network": {"name": "mlp", "latents": 4}}
    assert "contexts" in " ".join(refusal(config))


def test_the_explorer_refuses_a_sampler_in_a_sentence():
    run = run_of()
    with pytest.raises(Refused, match="ScoreNetwork"):
        decoder_layers(model_of(run), any_data(run).likelihood, "runs/ID")


def test_a_scale_that_diverges_is_refused_in_a_sentence(trained, tiny_store):
    _, model = of("sami", trained, tiny_store)
    network, codes = copy.deepcopy(model.model.network), model.encode()[0]
    model.model.network = network
    network.diffusion = replace(network.diffusion, scale=1e6, steps=20)
    assert network.standard(network.decode(torch.randn(3, 4))).abs().max() <= 1.001 * LARGEST
    with pytest.raises(Refused, match=r"found most images .* guidance of scale 1e\+06 in 20 steps diverges"):
        model.decode(codes)
    network.refuse_divergence(torch.tensor([0.1, 0.2, 1e9])[:, None, None, None])  # one of three


def test_padding_is_said():
    notes = study_of(config_of(group("sami")))[1].notes
    assert "note: datasets.galaxies: a U-Net halves sides of multiples of 8, and pads 33 pixels to 40" in notes
    even = config_of(group("sami"))
    even["datasets"]["galaxies"]["scene"] = {"stamp": 32}
    assert not any("U-Net" in note for note in study_of(even)[1].notes)

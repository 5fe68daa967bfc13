"""The networks take every stamp and any channels, and their weights come from the run's seed alone."""

from dataclasses import replace

import pytest
import torch

from auxvae.config.methods import METHODS
from auxvae.models.autoencoder import build
from auxvae.models.backbones import ACTIVATIONS
from tests.auxvae.models import NETWORKS, components_of


def network_of(run, name="conv4", channels=1, stamp=33, activation="silu", bounded=False):
    """A narrow network for other images than those of the run."""
    shaped = replace(run.dataset, channels=channels, stamp=stamp)
    narrow = replace(run.network, name=name, width=8, latents=6)
    settings = replace(run.settings, activation=activation)
    run = replace(run, dataset=shaped, network=narrow, settings=settings)
    return build(run, 0.0, 1.0, bounded, components_of(run, bounded))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_stamp_comes_back_in_its_size(name, tiny):
    for stamp in range(28, 129):
        network = network_of(tiny.runs[0], name, stamp=stamp)
        posterior, image = network(torch.zeros(1, 1, stamp, stamp), torch.zeros(1, 6), torch.zeros(1, 6))
        assert posterior.mean.shape == (1, 6)
        assert image.shape == (1, 1, stamp, stamp)


def test_a_residual_network_takes_every_width(tiny):
    for width in range(4, 41):
        narrow = replace(tiny.runs[0].network, name="residual", width=width)
        network = build(replace(tiny.runs[0], network=narrow), 0.0, 1.0, False)
        assert network.encoder[1].change[0].num_channels == width


def test_critics_start_as_other_layers_do(tiny):
    run = replace(tiny.runs[1], method="aux_mine", weights=dict(METHODS["aux_mine"].weights))
    for layer, inputs in zip(list(build(run, 0.0, 1.0, False).companion.critics)[::2], (2, 16, 16), strict=True):
        for parameter in layer.parameters():
            assert parameter.abs().max() <= inputs**-0.5 and parameter.abs().max() > 0.8 * inputs**-0.5


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_any_channels_and_activation(name, activation, channels, tiny):
    network = network_of(tiny.runs[0], name, channels, activation=activation)
    image = network(torch.zeros(2, channels, 33, 33), torch.zeros(2, 6), torch.zeros(2, 6))[1]
    assert image.shape == (2, channels, 33, 33)


def test_the_decoder_of_33_pixels_has_the_published_steps(tiny):
    sizes = []
    network = build(tiny.runs[0], 0.0, 1.0, False)
    image = torch.zeros(1, 10)
    for layer in network.decoder:
        image = layer(image)
        sizes.append(image.shape[-1])
    assert sizes[1::2] == [2, 4, 8, 33]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_bounded_output_lies_in_the_unit_interval(name, tiny):
    network = network_of(tiny.runs[0], name, bounded=True)
    image = network.decode(100 * torch.randn(8, 6, generator=torch.Generator().manual_seed(0)))
    assert image.min() >= 0 and image.max() <= 1


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_weights_follow_the_seed_and_leave_the_global_generator_alone(method, name, tiny):
    before = torch.get_rng_state()
    weights = dict(METHODS[method].weights)
    run = replace(
        tiny.runs[1], method=method, weights=weights, network=replace(tiny.runs[0].network, name=name, width=8)
    )
    one, two, other = (
        build(r, 0.0, 1.0, False, components_of(r)).state_dict() for r in (run, run, replace(run, seed=1))
    )
    assert torch.equal(torch.get_rng_state(), before)
    for key, values in one.items():
        assert torch.isfinite(values).all()
        assert torch.equal(values, two[key])
        assert "change.0" in key or "change.3" in key or not torch.equal(values, other[key])


def test_weights_spread_as_torch_draws_them(tiny):
    network = build(tiny.runs[0], 0.0, 1.0, False)
    ours = network.encoder[2].weight.detach()
    theirs = torch.nn.Conv2d(32, 64, 4).weight.detach()
    assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.05)


def test_who_sees_the_factors(tiny):
    """Codes change with u where the table says that the encoder sees it, and only there; copied latents are u."""
    images = torch.rand(3, 1, 33, 33, generator=torch.Generator().manual_seed(0))
    u = torch.rand(3, 10, generator=torch.Generator().manual_seed(1))
    for method, entry in METHODS.items():
        run = replace(tiny.runs[1], method=method, weights=dict(entry.weights))
        run = replace(run, settings=replace(run.settings, encoder=entry.encoder))
        network = build(run, 0.0, 1.0, False)
        with torch.no_grad():
            one, two = network.encode(images, u)[0], network.encode(images, 0 * u)[0]
        assert torch.equal(one, two) is not entry.encoder_sees_aux, method
        if entry.conditional == "copied":
            assert torch.equal(one[:, : len(run.aux)], u[:, : len(run.aux)])

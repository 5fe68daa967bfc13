"""The network takes every stamp and any channels, and its weights come from the run's seed alone."""

from dataclasses import replace

import pytest
import torch

from auxvae.networks import ACTIVATIONS, Conv4, build


@pytest.mark.parametrize("stamp", range(28, 129))
def test_every_stamp_comes_back_in_its_size(stamp):
    network = Conv4(1, stamp, 3, "silu", 0.0, 1.0)
    posterior, image = network(torch.zeros(1, 1, stamp, stamp), torch.zeros(1, 3))
    assert posterior.mean.shape == (1, 3)
    assert image.shape == (1, 1, stamp, stamp)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_any_channels_and_activation(channels, activation):
    network = Conv4(channels, 33, 4, activation, 0.0, 1.0)
    assert network(torch.zeros(2, channels, 33, 33), torch.zeros(2, 4))[1].shape == (2, channels, 33, 33)


def test_the_decoder_of_33_pixels_has_the_published_steps():
    sizes = []
    network = Conv4(1, 33, 10, "relu", 0.0, 0.0)
    image = torch.zeros(1, 10, 1, 1)
    for layer in network.decoder:
        image = layer(image)
        sizes.append(image.shape[-1])
    assert sizes[::2] == [2, 4, 8, 33]


def test_a_bounded_output_lies_in_the_unit_interval():
    network = Conv4(1, 33, 10, "relu", 0.0, 0.0)
    image = network.decode(100 * torch.randn(8, 10, generator=torch.Generator().manual_seed(0)))
    assert image.min() >= 0 and image.max() <= 1


def test_weights_follow_the_seed_and_leave_the_global_generator_alone(tiny):
    before = torch.get_rng_state()
    run = tiny.runs[0]
    one, two, other = (build(r, 0.0, 1.0, False).state_dict() for r in (run, run, replace(run, seed=1)))
    assert torch.equal(torch.get_rng_state(), before)
    for name, weights in one.items():
        assert torch.equal(weights, two[name])
        assert not torch.equal(weights, other[name])


def test_weights_spread_as_torch_draws_them(tiny):
    network = build(tiny.runs[0], 0.0, 1.0, False)
    ours = network.encoder[2].weight.detach()
    theirs = torch.nn.Conv2d(32, 64, 4).weight.detach()
    assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.05)

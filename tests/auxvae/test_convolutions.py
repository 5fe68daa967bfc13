"""Convolutions by matrix products against torch's own in double precision: values, gradients, second derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from auxvae.models import convolutions
from auxvae.models.backbones import uniform_weights
from auxvae.models.convolutions import Conv2d, ConvTranspose2d

#   class, torch's own, channels in and out, kernel, stride, padding, (rows, columns)
LAYERS = [
    pytest.param(Conv2d, nn.Conv2d, 3, 5, 4, 2, 1, (4, 4), id="last of the encoder, 33 pixels"),
    pytest.param(Conv2d, nn.Conv2d, 3, 5, 4, 2, 1, (3, 5), id="odd sizes"),
    pytest.param(Conv2d, nn.Conv2d, 2, 3, 3, 1, 1, (2, 2), id="3 x 3"),
    pytest.param(ConvTranspose2d, nn.ConvTranspose2d, 6, 4, 2, 1, 0, (1, 1), id="first of the decoder"),
    pytest.param(ConvTranspose2d, nn.ConvTranspose2d, 6, 4, 4, 2, 1, (2, 2), id="second of the decoder"),
    pytest.param(ConvTranspose2d, nn.ConvTranspose2d, 5, 1, 5, 4, 0, (8, 8), id="last of the decoder, 33 pixels"),
    pytest.param(ConvTranspose2d, nn.ConvTranspose2d, 5, 1, 4, 2, 1, (3, 4), id="one channel with padding"),
]


def pair(ours, torchs, sizes, shape):
    """Both layers with equal weights, and an image of three rows, in double precision and channels last."""
    source = torch.Generator().manual_seed(0)
    layers = [make(*sizes).double().to(memory_format=torch.channels_last) for make in (ours, torchs)]
    uniform_weights(layers[0], source)
    layers[1].load_state_dict(layers[0].state_dict())
    image = torch.randn(3, sizes[0], *shape, generator=source, dtype=torch.float64)
    image = image.to(memory_format=torch.channels_last)
    return *layers, image.requires_grad_()


def never(*_, **__):
    raise AssertionError("torch's own convolution was called")


@pytest.mark.parametrize(("ours", "torchs", "into", "out", "kernel", "stride", "padding", "shape"), LAYERS)
def test_values_and_gradients_are_those_of_torch(ours, torchs, into, out, kernel, stride, padding, shape, monkeypatch):
    layer, reference, image = pair(ours, torchs, (into, out, kernel, stride, padding), shape)
    expected = reference(image)
    upstream = torch.linspace(-1, 1, expected.numel(), dtype=expected.dtype).sin().view(expected.shape)
    wanted = torch.autograd.grad(expected, [image, *reference.parameters()], upstream)
    monkeypatch.setattr(torchs, "forward", never)
    values = layer(image)
    found = torch.autograd.grad(values, [image, *layer.parameters()], upstream)
    for one, other in zip((values, *found), (expected, *wanted), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("ours", "torchs", "into", "out", "kernel", "stride", "padding", "shape"), LAYERS)
def test_second_derivatives_hold(ours, torchs, into, out, kernel, stride, padding, shape):
    layer, _, image = pair(ours, torchs, (into, out, kernel, stride, padding), shape)
    assert torch.autograd.gradgradcheck(lambda x, w: functional_call(layer, {"weight": w}, (x,)), (image, layer.weight))


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize(("ours", "torchs", "into", "out", "kernel", "stride", "padding", "shape"), LAYERS)
def test_runs_can_be_stacked(ours, torchs, into, out, kernel, stride, padding, shape):
    layer, _, image = pair(ours, torchs, (into, out, kernel, stride, padding), shape)
    weights = torch.stack([layer.weight, 2 * layer.weight])
    images = torch.stack([image, image + 1])
    together = vmap(lambda x, w: functional_call(layer, {"weight": w}, (x,)))(images, weights)
    alone = [functional_call(layer, {"weight": w}, (x,)) for x, w in zip(images, weights, strict=True)]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-12, atol=1e-12)


def test_a_row_does_not_depend_on_the_weights_memory_layout():
    layer, _, image = pair(Conv2d, nn.Conv2d, (3, 5, 4, 2, 1), (4, 4))
    expected = torch.autograd.grad(layer(image).square().sum(), [image, layer.weight])
    layer.to(memory_format=torch.contiguous_format)
    found = torch.autograd.grad(layer(image.contiguous()).square().sum(), [image, layer.weight])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("rows", "own"), [(4, True), (6, False)])
def test_many_positions_are_left_to_torch(rows, own, monkeypatch):
    monkeypatch.setattr(convolutions.Gather, "apply", never)
    layer, _, image = pair(Conv2d, nn.Conv2d, (3, 5, 4, 2, 1), (rows, rows))
    if own:
        with pytest.raises(AssertionError):
            layer(image)
    else:
        assert layer(image).shape == (3, 5, 3, 3)

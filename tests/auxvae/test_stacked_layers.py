"""Convolutions as matrix products equal torch's, alone and under vmap, forwards and backwards."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from auxvae.models.backbones import ACTIVATIONS, Shape, conv4, residual
from auxvae.models.stacked_layers import PRODUCTS, in_bfloat16, stackable
from auxvae.training import convolution_choice
from auxvae.training.loop import follow_nothing, open_trainer
from tests.auxvae.models import run_of

RUNS, ROWS = 3, 2

LAYERS = {
    "stride 2": (nn.Conv2d(3, 5, 4, 2, 1), 9),
    "stride 1": (nn.Conv2d(3, 5, 3, 1, 1), 7),
    "one pixel": (nn.Conv2d(3, 5, 4, 2, 1), 2),
    "from one pixel": (nn.ConvTranspose2d(3, 5, 3), 1),
    "doubled": (nn.ConvTranspose2d(3, 5, 4, 2, 1), 4),
    "last": (nn.ConvTranspose2d(3, 1, 5, 4), 4),
    "gaps": (nn.ConvTranspose2d(3, 2, 2, 3), 4),
}


def outputs_and_gradients(layer, x, weights):
    """Outputs of every run, and gradients of a function of them with respect to inputs and weights."""
    x, weights = x.clone().requires_grad_(), {name: each.clone().requires_grad_() for name, each in weights.items()}
    y = vmap(lambda w, rows: functional_call(layer, w, (rows,)))(weights, x)
    (y.sin() * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)).sum().backward()
    return [y.detach(), x.grad, *(each.grad for each in weights.values())]


@pytest.mark.parametrize("name", LAYERS)
def test_a_product_is_the_convolution(name):
    layer, size = LAYERS[name]
    layer = layer.double()
    g = torch.Generator().manual_seed(0)
    x = torch.randn(RUNS, ROWS, 3, size, size, generator=g, dtype=torch.float64)
    weights = {n: torch.randn(RUNS, *p.shape, generator=g, dtype=torch.float64) for n, p in layer.named_parameters()}
    product = PRODUCTS[type(layer)](layer)
    torch.testing.assert_close(product(x[0]), layer(x[0]))
    for one, other in zip(*(outputs_and_gradients(each, x, weights) for each in (product, layer)), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("stamp", [28, 33, 64])
@pytest.mark.parametrize("backbone", [conv4, residual])
def test_a_whole_network_as_products(backbone, stamp):
    network = nn.ModuleList(backbone(Shape(2, stamp, 4, 8), ACTIVATIONS["silu"])[:2]).double()
    convolutions = frozenset(name for name, layer in network.named_modules() if type(layer) in PRODUCTS)
    assert len(convolutions) >= 8
    products = stackable(network, convolutions)
    assert not any(type(layer) in PRODUCTS for layer in products.modules())
    assert [name for name, _ in products.named_parameters()] == [name for name, _ in network.named_parameters()]
    g = torch.Generator().manual_seed(1)
    images = torch.randn(ROWS, 2, stamp, stamp, generator=g, dtype=torch.float64)
    codes = torch.randn(ROWS, 4, generator=g, dtype=torch.float64)
    torch.testing.assert_close(products[0](images), network[0](images))
    torch.testing.assert_close(products[1](codes), network[1](codes))


def test_the_lower_precision_is_that_of_encoder_and_decoder(config):
    """Close to float32 and not equal, with gradients; what comes out is float32."""
    network = nn.Module()
    network.encoder, network.decoder = nn.Linear(64, 64), nn.Linear(64, 64)
    x = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    exact, lower = network.decoder(network.encoder(x)), in_bfloat16(stackable(network), "cpu")
    coarse = lower.decoder(lower.encoder(x))
    assert coarse.dtype == torch.float32 and 0 < (coarse - exact).abs().max() < 0.02
    coarse.sum().backward()
    assert lower.encoder.weight.grad.isfinite().all()


def test_the_faster_form_of_each_layer_is_chosen(config, tiny_store, tmp_path, monkeypatch):
    """As on a GPU, with times that are made up: a product for the layers of more than one input channel."""
    run = run_of("vae", config, network={"name": "conv4", "latents": 4, "width": 8}, training={"batch": 32})
    trainers = [open_trainer(run, tiny_store, tmp_path, torch.device("cpu"), follow_nothing)] * 2
    assert convolution_choice.chosen_products(trainers) == frozenset()
    shapes = convolution_choice.input_shapes(trainers[0])
    assert shapes["encoder.0"] == (32, 1, 33, 33) and len(shapes) == 8
    calls = []

    def seconds(layer, shape, runs, device):
        calls.append((type(layer), shape))
        return float(type(layer) in PRODUCTS) if shape[1] > 1 else 0.5 - float(type(layer) in PRODUCTS)

    monkeypatch.setattr(convolution_choice, "seconds_of", seconds)
    monkeypatch.setattr(convolution_choice, "input_shapes", lambda trainer: shapes)
    trainers[0].device = torch.device("cuda")
    assert convolution_choice.chosen_products(trainers) == shapes.keys() - {"encoder.0"}
    assert len(calls) == 2 * len(shapes) == len(set(calls))


@pytest.mark.parametrize("name", ["stride 2", "doubled"])
def test_both_forms_can_be_timed(name):
    layer, size = LAYERS[name]
    layer = layer.float()
    for each in (layer, PRODUCTS[type(layer)](layer)):
        assert convolution_choice.seconds_of(each, (2, 3, size, size), 2, torch.device("cpu")) > 0

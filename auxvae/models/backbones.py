"""Networks by name: an encoder of images to features and a decoder of latents to images.

    conv4     C -> w, 2w, 4w, 8w channels, kernel 4, stride 2, padding 1; decoder z -> m, 2m, 4m, S pixels with 4w, 2w,
              w, C channels, m = max(2, round(S / 16)), the last stride floor(S / 4m) and the kernel that ends at S
    residual  the same with a residual block (two 3 x 3 convolutions after GroupNorm) after every stride
    mlp       pixels -> 8w -> 4w units and back (released dSprites network of arXiv 2507.00298)

with w = `network.width`, 32 by default: 1, 2, 4, 8, 33 pixels as published for S = 33, and 1, 4, 8, 16, 64 for S = 64.
Deviation: smooth activations by default, since ReLU stalls at the mean image on faint galaxies.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from auxvae.data.components import Components
from auxvae.models.convolutions import Conv2d, ConvTranspose2d

ACTIVATIONS = {"silu": nn.SiLU, "gelu": nn.GELU, "relu": nn.ReLU}
Activation = type[nn.Module]


class Backbone(NamedTuple):
    """Encoder (B, C, S, S) -> (B, features), decoder (B, d_Z) -> (B, C, S, S), and the number of features."""

    encoder: nn.Sequential
    decoder: nn.Sequential
    features: int


class Shape(NamedTuple):
    """What a backbone is built for: channels C, stamp S, latents d_Z, width w, components of the training images."""

    channels: int
    stamp: int
    latents: int
    width: int
    components: Components | None = None


class Residual(nn.Module):
    """x + f(x), two convolutions after GroupNorm and activation, at the same size."""

    def __init__(self, channels: int, act: Activation) -> None:
        """At most eight equal groups, each of at least four channels."""
        super().__init__()
        groups = next(g for g in (8, 4, 2, 1) if channels % g == 0 and (channels // g >= 4 or g == 1))
        half = [nn.GroupNorm(groups, channels), act(), Conv2d(channels, channels, 3, 1, 1)]
        again = [nn.GroupNorm(groups, channels), act(), Conv2d(channels, channels, 3, 1, 1)]
        self.change = nn.Sequential(*half, *again)

    def forward(self, x: Tensor) -> Tensor:
        """Any (B, channels, h, w)."""
        changed: Tensor = self.change(x)
        return x + changed


def conv4(shape: Shape, act: Activation) -> Backbone:
    """The 4-layer network for square stamps of 28 to 128 pixels and any number of channels."""
    return _convolutions(shape, act, lambda channels: [act()])


def residual(shape: Shape, act: Activation) -> Backbone:
    """conv4 with a residual block after every stride."""
    return _convolutions(shape, act, lambda channels: [Residual(channels, act), act()])


def _convolutions(shape: Shape, act: Activation, after: Callable[[int], list[nn.Module]]) -> Backbone:
    widths = (shape.channels, *(shape.width * 2**i for i in range(4)))
    down = [layer for a, b in itertools.pairwise(widths) for layer in (Conv2d(a, b, 4, 2, 1), *after(b))]
    left = shape.stamp // 16
    return Backbone(nn.Sequential(*down, nn.Flatten()), nn.Sequential(*_up(shape, after)), widths[-1] * left * left)


def _up(shape: Shape, after: Callable[[int], list[nn.Module]]) -> list[nn.Module]:
    channels, stamp, latents, w = shape[:4]
    first = max(2, round(stamp / 16))
    stride = stamp // (4 * first)
    kernel = stamp - (4 * first - 1) * stride
    return [
        nn.Unflatten(1, (latents, 1, 1)),
        ConvTranspose2d(latents, 4 * w, first),
        *after(4 * w),
        ConvTranspose2d(4 * w, 2 * w, 4, 2, 1),
        *after(2 * w),
        ConvTranspose2d(2 * w, w, 4, 2, 1),
        *after(w),
        ConvTranspose2d(w, channels, kernel, stride),
    ]


def mlp(shape: Shape, act: Activation) -> Backbone:
    """Two hidden layers down, two up."""
    pixels, first, second = shape.channels * shape.stamp**2, 8 * shape.width, 4 * shape.width
    down = [nn.Flatten(), nn.Linear(pixels, first), act(), nn.Linear(first, second), act()]
    up = [nn.Linear(shape.latents, second), act(), nn.Linear(second, first), act(), nn.Linear(first, pixels)]
    image = nn.Unflatten(1, (shape.channels, shape.stamp, shape.stamp))
    return Backbone(nn.Sequential(*down), nn.Sequential(*up, image), second)


class ParallelLinear(nn.Module):
    """Several linear layers in parallel, (networks, rows, inputs) to (networks, rows, outputs)."""

    def __init__(self, networks: int, inputs: int, outputs: int) -> None:
        """One weight matrix and one bias per network."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(networks, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(networks, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """One batched matrix product."""
        return torch.baddbmm(self.bias, x, self.weight)


def uniform_weights(network: nn.Module, source: torch.Generator) -> None:
    """Weights and biases uniform within +-1/sqrt(fan-in), as torch's, from one generator; norms are the identity."""
    for layer in network.modules():
        if isinstance(layer, nn.GroupNorm):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            _within(layer.parameters(), layer.weight[0].numel(), source)
        elif isinstance(layer, ParallelLinear):
            _within([layer.weight, layer.bias], layer.weight.shape[1], source)


def _within(parameters: object, fan_in: int, source: torch.Generator) -> None:
    bound = 1 / math.sqrt(fan_in)
    with torch.no_grad():
        for parameter in parameters:  # type: ignore[attr-defined]
            parameter.uniform_(-bound, bound, generator=source)

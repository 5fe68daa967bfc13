"""A trained decoder as a list of plain layers and one array of numbers, for a program that is not torch.

    linear             y = W x + b, then to `shape` if it has one
    silu, gelu, relu   element by element
    unflatten          to (C, h, w)
    convolution        y[i] = b + sum_k w[k] x[s i + k - p]          weight (out, in, k, k)
    transposed         its adjoint                                   weight (in, out, k, k)
    norm               GroupNorm: each group to mean 0 and variance 1, then a scale and a shift for each channel
    residual           x + f(x), with the layers of f
    affine             y = a x + b      the scale of the images, or the link of a bounded scale:
    sigmoid            y = 1 / (1 + exp(-x))

then photons from the likelihood's scale (auxvae.data.likelihoods):

    affine             c = a y + b
    table              the unbiased inverse of Anscombe's square root less the sky: a table at equal steps, read
                       linearly (to 1e-6 photons), and beyond it the series of auxvae.data.anscombe
    rate               c = (log(1 + exp y) + DARKEST)^2 / 4, less the sky

A layer names its arrays by (offset, length) in the array of all numbers, float32. A decoder with any other layer is
refused: an entry of EXPORTS, and one of `layers` in auxvae/report/explorer_page/decoder.js, teach the page a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auxvae.data import anscombe
from auxvae.data.likelihoods import DARKEST, Bernoulli, Counts, Gaussian, Likelihood, Log10, Poisson
from auxvae.models.autoencoder import Autoencoder
from auxvae.models.backbones import Residual
from auxvae.models.component_networks import FromComponents
from auxvae.models.model import Model
from foundation.faults import Fault, Refused, Words

Layer = dict[str, Any]
STEPS = 8192  # of the table of the inverse of Anscombe's square root


class Numbers:
    """Arrays one after the other, float32."""

    def __init__(self) -> None:
        """Without any yet."""
        self.parts: list[NDArray[np.float32]] = []
        self.length = 0

    def add(self, values: Tensor) -> tuple[int, int]:
        """Append an array in row-major order: its offset and length."""
        flat = values.detach().cpu().contiguous().reshape(-1).numpy().astype(np.float32)
        self.parts.append(flat)
        self.length += len(flat)
        return self.length - len(flat), len(flat)

    def whole(self) -> NDArray[np.float32]:
        """All of them."""
        return np.concatenate(self.parts) if self.parts else np.zeros(0, np.float32)


def decoder_layers(model: Model, likelihood: Likelihood, where: str) -> tuple[list[Layer], NDArray[np.float32]]:
    """The layers from latents (d_Z,) to photons (C, H, W), and their numbers; an unknown layer is refused."""
    numbers, network = Numbers(), model.network
    if not isinstance(network, Autoencoder):
        raise Refused(_unknown(where, network))
    if network.module is not None:
        raise Refused(_unknown(where, network.module))
    layers = [_exported(layer, numbers, where) for layer in network.decoder]
    scale = {"kind": "affine", "a": network.std, "b": network.mean} if network.std else {"kind": "sigmoid"}
    return [*layers, scale, to_photons(likelihood, numbers, where)], numbers.whole()


def _exported(layer: nn.Module, numbers: Numbers, where: str) -> Layer:
    if isinstance(layer, Residual):
        return {"kind": "residual", "layers": [_exported(each, numbers, where) for each in layer.change]}
    for kind, export in EXPORTS.items():
        if isinstance(layer, kind):
            return export(layer, numbers)
    raise Refused(_unknown(where, layer))


def _unknown(where: str, layer: nn.Module) -> Fault:
    value = Words(f"a decoder with {type(layer).__name__}")
    return Fault(where, value, "the page does not know this layer", "add it to auxvae/analysis/decoder_layers.py")


def _linear(layer: Any, numbers: Numbers) -> Layer:
    return {"kind": "linear", "weight": numbers.add(layer.weight), "bias": numbers.add(layer.bias)}


def _components(layer: Any, numbers: Numbers) -> Layer:
    """Coefficients to images: a linear layer that ends in their shape."""
    arrays = {"weight": numbers.add(layer.basis.T), "bias": numbers.add(layer.mean)}
    return {"kind": "linear", **arrays, "shape": list(layer.sides)}


def _convolution(kind: str) -> Callable[[Any, Numbers], Layer]:
    def export(layer: Any, numbers: Numbers) -> Layer:
        sizes = {
            "channels": layer.out_channels,
            "kernel": layer.kernel_size[0],
            "stride": layer.stride[0],
            "padding": layer.padding[0],
        }
        return {"kind": kind, "weight": numbers.add(layer.weight), "bias": numbers.add(layer.bias), **sizes}

    return export


def _norm(layer: Any, numbers: Numbers) -> Layer:
    sizes = {"groups": layer.num_groups, "epsilon": layer.eps}
    return {"kind": "norm", "weight": numbers.add(layer.weight), "bias": numbers.add(layer.bias), **sizes}


def _unflatten(layer: Any, numbers: Numbers) -> Layer:
    return {"kind": "unflatten", "shape": list(layer.unflattened_size)}


def _activation(name: str) -> Callable[[Any, Numbers], Layer]:
    return lambda layer, numbers: {"kind": name}


EXPORTS: dict[type[nn.Module], Callable[[Any, Numbers], Layer]] = {
    nn.Linear: _linear,
    FromComponents: _components,
    nn.ConvTranspose2d: _convolution("transposed"),
    nn.Conv2d: _convolution("convolution"),
    nn.GroupNorm: _norm,
    nn.Unflatten: _unflatten,
    nn.SiLU: _activation("silu"),
    nn.GELU: _activation("gelu"),
    nn.ReLU: _activation("relu"),
}


def to_photons(likelihood: Likelihood, numbers: Numbers, where: str) -> Layer:
    """What `likelihood.to_counts` does, as the last layer."""
    if isinstance(likelihood, Counts):
        return {"kind": "rate", "darkest": DARKEST, "sky": likelihood.sky}
    if isinstance(likelihood, Poisson):
        return _inverse_of_anscombe(likelihood.sky, numbers)
    if isinstance(likelihood, Gaussian):
        return {"kind": "affine", "a": likelihood.sigma, "b": 0.0}
    if isinstance(likelihood, Log10):
        return {"kind": "affine", "a": likelihood.high - likelihood.low, "b": likelihood.low}
    if isinstance(likelihood, Bernoulli):
        return {"kind": "affine", "a": 1.0, "b": 0.0}
    value = Words(f"the likelihood {type(likelihood).__name__}")
    raise Refused(
        Fault(where, value, "the page does not know its scale", "add it to auxvae/analysis/decoder_layers.py")
    )


def _inverse_of_anscombe(sky: float, numbers: Numbers) -> Layer:
    ends = anscombe.expectation(torch.tensor([0.0, anscombe.LARGEST], dtype=torch.float64))
    first, last = map(float, ends)
    values = anscombe.unbiased_inverse(torch.linspace(first, last, STEPS, dtype=torch.float64))
    series = list(anscombe.SERIES)
    return {
        "kind": "table",
        "table": numbers.add(values),
        "first": first,
        "last": last,
        "series": series,
        "sky": sky,
    }

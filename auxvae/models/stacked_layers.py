r"""Layers of a network whose weights have a first axis of K runs (training.stack), where torch's own do not serve.

    convolution   y = sum_cuv w_ocuv x_c(s i + u - p, s j + v - p) + b_o         stride s, padding p, kernel k x k
    transposed    its adjoint: y_o(s i + u - p, s j + v - p) = sum_c w_couv x_c(i, j) + b_o

`torch.func.vmap` makes one convolution with K groups of it, which cuDNN is slow at for some shapes. As a product, the
k x k patches of the input are the rows of a matrix: K products of (B h w) x (c k k) and (c k k) x o, in one call.
Both are the same sum in another order. Which is faster depends on shape and device: training.convolution_choice.

Group norm: the input is made contiguous first, since vmap serves torch's in that layout alone.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm, pad

from auxvae.models import convolutions


class ProductConvolution(nn.Module):
    """A convolution as a matrix product over patches, with the weights of the layer that it replaces."""

    def __init__(self, layer: nn.Conv2d) -> None:
        """Square kernels, strides and paddings."""
        super().__init__()
        assert layer.bias is not None, "a layer without a bias is none of our networks'"
        self.weight, self.bias = layer.weight, layer.bias
        self.kernel, self.stride, self.padding = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, H, W) to (B, o, h, w)."""
        wide = pad(x, (self.padding,) * 4)
        patches = wide.unfold(2, self.kernel, self.stride).unfold(3, self.kernel, self.stride)
        rows, channels, height, width = patches.shape[:4]
        matrix = patches.permute(0, 2, 3, 1, 4, 5).reshape(rows * height * width, channels * self.kernel**2)
        outputs = matrix @ self.weight.flatten(1).T + self.bias
        return outputs.view(rows, height, width, -1).permute(0, 3, 1, 2)


class ProductTransposed(nn.Module):
    """A transposed convolution as a matrix product and a sum of shifted images, with the replaced layer's weights."""

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        """Square kernels, strides and paddings."""
        super().__init__()
        assert layer.bias is not None, "a layer without a bias is none of our networks'"
        self.weight, self.bias = layer.weight, layer.bias
        self.kernel, self.stride, self.padding = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, H, W) to (B, o, h, w)."""
        rows, channels, height, width = x.shape
        outputs = x.permute(0, 2, 3, 1).reshape(rows * height * width, channels) @ self.weight.flatten(1)
        patches = outputs.view(rows, height, width, -1, self.kernel, self.kernel).permute(0, 3, 1, 2, 4, 5)
        image = _overlap(patches, self.kernel if height == width == 1 else self.stride)
        bottom, right = ((n - 1) * self.stride + self.kernel - self.padding for n in (height, width))
        return image[:, :, self.padding : bottom, self.padding : right] + self.bias[:, None, None]


def _overlap(patches: Tensor, stride: int) -> Tensor:
    """The sum (B, o, ., .) of patches (B, o, H, W, k, k) that start a stride apart, in tiles of stride x stride."""
    kernel = patches.shape[-1]
    tiles = -(-kernel // stride)
    patches = pad(patches, (0, tiles * stride - kernel) * 2)
    shifted = []
    for a, b in itertools.product(range(tiles), repeat=2):
        tile = patches[..., a * stride : (a + 1) * stride, b * stride : (b + 1) * stride]
        dense = tile.permute(0, 1, 2, 4, 3, 5).flatten(4, 5).flatten(2, 3)
        after = (tiles - 1 - a) * stride, (tiles - 1 - b) * stride
        shifted.append(pad(dense, (b * stride, after[1], a * stride, after[0])))
    return reduce(torch.add, shifted)


class ContiguousGroupNorm(nn.Module):
    """Group norm of a contiguous copy of the input, with the weights of the layer that it replaces."""

    def __init__(self, layer: nn.GroupNorm) -> None:
        """Keep groups and weights."""
        super().__init__()
        self.weight, self.bias, self.groups, self.eps = layer.weight, layer.bias, layer.num_groups, layer.eps

    def forward(self, x: Tensor) -> Tensor:
        """Any (B, c, h, w)."""
        return group_norm(x.contiguous(), self.groups, self.weight, self.bias, self.eps)


PRODUCTS: Mapping[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: ProductConvolution,
    convolutions.Conv2d: ProductConvolution,
    nn.ConvTranspose2d: ProductTransposed,
    convolutions.ConvTranspose2d: ProductTransposed,
}


def stackable(network: nn.Module, products: frozenset[str] = frozenset()) -> nn.Module:
    """A copy of the network for torch.func.functional_call under vmap, with the same names of parameters.

    products: the names of the convolutions that are carried out as matrix products.
    """
    network = copy.deepcopy(network)
    for name, layer in list(network.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.GroupNorm):
            setattr(network.get_submodule(parent), last, ContiguousGroupNorm(layer))
        elif name in products:
            setattr(network.get_submodule(parent), last, PRODUCTS[type(layer)](layer))
    return network


def in_bfloat16(network: nn.Module, device: str) -> nn.Module:
    """The network with encoder and decoder computed in bfloat16 where torch.autocast does so; all else is float32."""
    for part in map(network.get_submodule, ("encoder", "decoder")):
        part.forward = _lower(part.forward, device)  # type: ignore[method-assign, assignment]
    return network


def _lower(forward: Callable[[Tensor], Tensor], device: str) -> Callable[[Tensor], Tensor]:
    def lower(x: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16, cache_enabled=False):  # a cache would outlive a CUDA graph's step
            outputs = forward(x)
        return outputs.float()

    return lower

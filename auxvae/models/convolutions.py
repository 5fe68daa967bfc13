r"""Convolutions of images of a few pixels as matrix products, for a CPU.

    y[i] = b + sum_k w[k] x[s i + k - p]     over those taps k alone whose pixel lies in the image

i, k: position and tap, (row, column); s: stride; p: padding; x[.] a vector of C channels, w[k] a matrix D x C. The taps
of one kernel row lie beside each other in memory, channels last, so that each (position, kernel row) is one matrix
product without a copy. With G (gather: the convolution), S (scatter: its adjoint) and O (outer products), all bilinear,

    convolution   y = G(x, w)   dx = S(dy, w)   dw = O(dy, x)
    transposed    y = S(x, w)   dx = G(dy, w)   dw = O(x, dy)

Library kernels are made for many positions, and multiply the padding, too: for a kernel of 4 x 4, stride 2, on 4 x 4
pixels, 7 of 16 products are by zeros. Numbers: benchmarks/convolutions.py. The layers hold the parameters of torch's
own, and are torch's own wherever there are more than FEW positions, or on another device. A transposed convolution to
one channel is a single product and torch's `fold`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import fold

FEW = 4  # positions up to which the products are faster than the library, at any batch

Size = tuple[int, int]  # (rows, columns)
Small = Float[Tensor, "B h w D"]
Large = Float[Tensor, "B H W C"]
Kernel = Float[Tensor, "D k l C"]


class Geometry(NamedTuple):
    """How a convolution moves: stride, padding."""

    stride: Size
    padding: Size


class Tap(NamedTuple):
    """One kernel row at one position: pixels (row, columns) of the large image, (kernel_row, kernel_columns)."""

    position: Size
    row: int
    columns: slice
    kernel_row: int
    kernel_columns: slice


def taps(small: Size, large: Size, kernel: Size, geometry: Geometry) -> Iterator[Tap]:
    """Every kernel row at every position of the small image that meets the large one."""
    for i, j in ((i, j) for i in range(small[0]) for j in range(small[1])):
        top, left = i * geometry.stride[0] - geometry.padding[0], j * geometry.stride[1] - geometry.padding[1]
        first, last = max(0, left), min(large[1], left + kernel[1])
        for row in range(max(0, top), min(large[0], top + kernel[0])):
            yield Tap((i, j), row, slice(first, last), row - top, slice(first - left, last - left))


def _size(image: Tensor) -> Size:
    """Rows and columns of an image or a kernel whose channels come last."""
    return image.shape[1], image.shape[2]


def gather(x: Large, w: Kernel, size: Size, geometry: Geometry) -> Small:
    """The convolution of x (B, H, W, C) with w (D, k, l, C) without a bias: (B, *size, D)."""
    y = x.new_zeros(len(x), *size, len(w))
    for tap in taps(size, _size(x), _size(w), geometry):
        row, kernel = x[:, tap.row, tap.columns].flatten(1), w[:, tap.kernel_row, tap.kernel_columns].flatten(1)
        y[:, *tap.position].addmm_(row, kernel.T)
    return y


def scatter(y: Small, w: Kernel, size: Size, geometry: Geometry) -> Large:
    """The adjoint of `gather`, from y (B, h, w, D) to (B, *size, C)."""
    x = y.new_zeros(len(y), *size, w.shape[3])
    for tap in taps(_size(y), size, _size(w), geometry):
        kernel = w[:, tap.kernel_row, tap.kernel_columns].flatten(1)
        x[:, tap.row, tap.columns].view(len(x), -1).addmm_(y[:, *tap.position], kernel)
    return x


def outer(y: Small, x: Large, kernel: Size, geometry: Geometry) -> Kernel:
    """Gradient of sum(y * gather(x, w)) with respect to w, (D, *kernel, C)."""
    w = y.new_zeros(y.shape[3], *kernel, x.shape[3])
    for tap in taps(_size(y), _size(x), kernel, geometry):
        row = x[:, tap.row, tap.columns].flatten(1)
        w[:, tap.kernel_row, tap.kernel_columns].view(len(w), -1).addmm_(y[:, *tap.position].T, row)
    return w


class Bilinear(torch.autograd.Function):
    """A function of an image and a kernel that keeps both for its gradients."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Save the inputs."""
        ctx.save_for_backward(*inputs[:2])
        ctx.geometry = inputs[3]

    @classmethod
    def of(cls, x: Tensor, w: Tensor, size: Size, geometry: Geometry) -> Tensor:
        """The value, with gradients."""
        value: Tensor = cls.apply(x, w, size, geometry)  # type: ignore[no-untyped-call]
        return value


class Gather(Bilinear):
    """`gather` and its gradients."""

    @staticmethod
    def forward(x: Tensor, w: Tensor, size: Size, geometry: Geometry) -> Tensor:
        """From (B, H, W, C) and (D, k, l, C) to (B, *size, D)."""
        return gather(x, w, size, geometry)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """The adjoint and the outer products."""
        (x, w), dy = ctx.saved_tensors, gradients[0]
        return scatter(dy, w, _size(x), ctx.geometry), outer(dy, x, _size(w), ctx.geometry), None, None


class Scatter(Bilinear):
    """`scatter` and its gradients."""

    @staticmethod
    def forward(x: Tensor, w: Tensor, size: Size, geometry: Geometry) -> Tensor:
        """From (B, h, w, D) and (D, k, l, C) to (B, *size, C)."""
        return scatter(x, w, size, geometry)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """The convolution and the outer products."""
        (x, w), dy = ctx.saved_tensors, gradients[0]
        return gather(dy, w, _size(x), ctx.geometry), outer(x, dy, _size(w), ctx.geometry), None, None


class Conv2d(nn.Conv2d):
    """torch's own, by matrix products where the output has few positions."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Images (B, C, H, W) to (B, D, h, w)."""
        geometry = _geometry(self)
        sizes = zip(input.shape[2:], self.kernel_size, *geometry, strict=True)
        h, w = ((size + 2 * padding - kernel) // stride + 1 for size, kernel, stride, padding in sizes)
        if h * w > FEW or input.device.type != "cpu":
            return super().forward(input)
        return _images(Gather.of(*_channels_last(input, self.weight), (h, w), geometry), self.bias)


class ConvTranspose2d(nn.ConvTranspose2d):
    """torch's own, by matrix products where the input has few positions or the output has one channel."""

    def forward(self, input: Float[Tensor, "B D h w"]) -> Float[Tensor, "B C H W"]:  # type: ignore[override]
        """Images (B, D, h, w) to (B, C, H, W)."""
        few = math.prod(input.shape[2:]) <= FEW
        if input.device.type != "cpu" or not (few or self.out_channels == 1):
            return super().forward(input)
        geometry = _geometry(self)
        sizes = zip(input.shape[2:], self.kernel_size, *geometry, strict=True)
        h, w = ((size - 1) * stride + kernel - 2 * padding for size, kernel, stride, padding in sizes)
        x, weight = _channels_last(input, self.weight)
        transposed = Scatter.of if few else _folded
        return _images(transposed(x, weight, (h, w), geometry), self.bias)


def _folded(x: Small, w: Kernel, size: Size, geometry: Geometry) -> Large:
    """`scatter` to one channel: every tap at every position by one product, then torch's sum of what overlaps."""
    every_tap = x.flatten(1, 2) @ w.flatten(1)
    summed = fold(every_tap.mT, size, _size(w), padding=geometry.padding, stride=geometry.stride)
    return summed.permute(0, 2, 3, 1)


def _geometry(layer: nn.Conv2d | nn.ConvTranspose2d) -> Geometry:
    return Geometry(layer.stride, layer.padding)  # type: ignore[arg-type]


def _channels_last(image: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    return image.permute(0, 2, 3, 1), kernel.permute(0, 2, 3, 1)


def _images(y: Tensor, bias: Tensor | None) -> Tensor:
    """Channels-last values and a bias as images (B, C, H, W)."""
    return (y if bias is None else y + bias).permute(0, 3, 1, 2)

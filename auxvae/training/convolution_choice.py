"""Which convolutions of a stack are carried out as matrix products: each layer is timed on the device, once.

    time(forward and backward of K runs) by groups     vmap's convolution with K groups
                                         by product    models.stacked_layers

Both give the same to rounding. A choice holds for one process: another card, number of runs or version of cuDNN may
choose otherwise, so results on a GPU are claimed to rounding alone. On a CPU nothing is timed: by groups.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from auxvae.data.loader import held
from auxvae.models.model import draws_at
from auxvae.models.stacked_layers import PRODUCTS
from auxvae.training.loop import Trainer
from auxvae.training.replay import WARM_UP, Step, repeated
from foundation.console import log

TIMED = 5  # steps of each kind, after those of the warm-up

Sides = tuple[int, ...]


def chosen_products(trainers: Sequence[Trainer]) -> frozenset[str]:
    """The names of the convolutions that are faster as products on the device of these runs."""
    first = trainers[0]
    if first.device.type == "cpu":
        return frozenset()
    inputs, layers = input_shapes(first), dict(first.model.network.named_modules())
    return frozenset(
        name for name, shape in inputs.items() if _is_faster(Layer(layers[name]), shape, len(trainers), first.device)
    )


@torch.no_grad()
def input_shapes(trainer: Trainer) -> dict[str, Sides]:
    """The shape of what each convolution is given in a step of one run, by the layer's name."""
    layers = {name: layer for name, layer in trainer.model.network.named_modules() if type(layer) in PRODUCTS}
    shapes: dict[nn.Module, Sides] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        shapes[layer] = tuple(inputs[0].shape)

    hooks = [layer.register_forward_pre_hook(note) for layer in layers.values()]
    rows = torch.arange(trainer.loader.size, device=trainer.device)
    draws = draws_at(trainer.draws("latents", 0, 1, trainer.loader.size), 0)
    trainer.model.loss(held(trainer.loader).data.take(rows), draws, torch.ones((), device=trainer.device))
    for hook in hooks:
        hook.remove()
    return {name: shapes[layer] for name, layer in layers.items()}


class Layer:
    """A convolution that equals others of the same sizes, so that each size is timed once."""

    def __init__(self, layer: nn.Module) -> None:
        """Keep the layer; its text names kind, channels, kernel, stride and padding."""
        self.layer, self.text = layer, repr(layer)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layer) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


@lru_cache(None)
def _is_faster(kind: Layer, shape: Sides, runs: int, device: torch.device) -> bool:
    """Whether the product is faster; both times are logged."""
    product = PRODUCTS[type(kind.layer)](kind.layer)
    groups, matrix = (seconds_of(each, shape, runs, device) for each in (kind.layer, product))
    log.info(f"{kind.text} of {shape}, {runs} runs: {groups * 1e6:.0f} us by groups, {matrix * 1e6:.0f} as a product")
    return matrix < groups


def seconds_of(layer: nn.Module, shape: Sides, runs: int, device: torch.device) -> float:
    """Seconds of a forward and backward pass of so many runs through a layer."""
    step = repeated(passes(layer, shape, runs, device), device)
    for _ in range(WARM_UP + 1):
        step()
    _wait(device)
    start = time.perf_counter()
    for _ in range(TIMED):
        step()
    _wait(device)
    return (time.perf_counter() - start) / TIMED


def passes(layer: nn.Module, shape: Sides, runs: int, device: torch.device) -> Step:
    """A forward and a backward pass of so many runs on inputs of a shape."""
    x = torch.zeros(runs, *shape, device=device, requires_grad=True)
    weights = {
        name: each.detach().to(device).expand(runs, *each.shape).clone().requires_grad_()
        for name, each in layer.named_parameters()
    }
    call = vmap(lambda w, rows: functional_call(layer, w, (rows,)))

    def both() -> None:
        for each in (x, *weights.values()):
            each.grad = None
        outputs: Tensor = call(weights, x)
        outputs.backward(torch.ones_like(outputs))

    return both


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

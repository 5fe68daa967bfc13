"""What changes while a run is trained, as one flat mapping of tensors by name; saved and resumed without special cases.

    network.*    weights and buffers of the model        memory.*   further tensors of the model, such as a queue
    best.*       those of the best validation epoch      adam.i.*   moments of parameter i
    values       terms of each step of the epoch that is going on, (steps, terms)
    counters     step, best epoch
    best_bound   validation bound of the best epoch

The history, one row of numbers by name for each finished epoch, is JSON beside them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from auxvae.models.model import Model

Tensors = dict[str, Tensor]
History = list[dict[str, float]]


@dataclass
class State:
    """The state of one run: its model and optimiser, changed in place, and what was measured so far."""

    model: Model
    optimiser: torch.optim.Adam
    values: Tensor
    best: Tensors
    step: int = 0
    best_epoch: int = 0
    best_bound: float = math.inf
    history: History = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """How many epochs are finished."""
        return len(self.history)

    def tensors(self) -> Tensors:
        """Everything but the history, on the CPU."""
        return {
            **_prefixed("network.", weights(self.model)),
            **_prefixed("memory.", _on_cpu(self.model.memory())),
            **_prefixed("best.", self.best),
            **_prefixed("adam.", self._moments()),
            "values": self.values.cpu(),
            "counters": torch.tensor([self.step, self.best_epoch]),
            "best_bound": torch.tensor(self.best_bound, dtype=torch.float64),
        }

    def restore(self, tensors: Tensors, history: History) -> None:
        """Take up the state that an earlier start of this run saved."""
        self.model.network.load_state_dict(_below("network.", tensors))
        for name, tensor in self.model.memory().items():
            tensor.copy_(tensors[f"memory.{name}"])
        self.best = _below("best.", tensors)
        self._restore_moments(_below("adam.", tensors))
        self.values.copy_(tensors["values"])
        self.step, self.best_epoch = tensors["counters"].tolist()
        self.best_bound, self.history = float(tensors["best_bound"]), history

    def _moments(self) -> Tensors:
        moments = self.optimiser.state_dict()["state"]
        return {f"{i}.{k}": v.cpu().contiguous() for i, each in moments.items() for k, v in each.items()}

    def _restore_moments(self, tensors: Tensors) -> None:
        """Adam's moments in the memory layout of their weights, which its fused step takes for granted."""
        moments: dict[int, Tensors] = {}
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        for name, tensor in tensors.items():
            index, key = name.split(".")
            like = torch.empty_like(parameters[int(index)].detach()).copy_(tensor) if tensor.ndim else tensor
            moments.setdefault(int(index), {})[key] = like
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})


def weights(model: Model) -> Tensors:
    """A copy of the network's parameters and buffers on the CPU, each contiguous."""
    return _on_cpu(model.network.state_dict())


def _on_cpu(tensors: Tensors) -> Tensors:
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}


def _prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _below(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

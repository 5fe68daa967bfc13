"""The tensors of runs in training together: each has a first axis of K runs, and each run's own are views of it.

Weights and Adam's moments, saved buffers, attributes that vary between runs, weights of the terms, values of the terms:
whatever a run's Trainer holds and a step changes. Changing the stack's tensor changes the run's, so that checkpoints,
validation and the run's folder are those of a run alone. On a CPU a run that is alone is stacked with a copy of itself,
since a batched product of one takes another path than one of several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from auxvae.data.augmentation import stacked_augmentation
from auxvae.data.loader import Batch, Batches, held
from auxvae.models.model import Model

Tensors = dict[str, Tensor]
MOMENTS = ("exp_avg", "exp_avg_sq")


def stacked(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors of all runs; on a CPU those of a run that is alone twice."""
    return torch.stack(doubled(tensors), dim)


def doubled(values: Sequence[Any]) -> list[Any]:
    """The values of all runs, tensors or records of tensors; on a CPU those of a run that is alone twice."""
    first = values[0] if isinstance(values[0], Tensor) else values[0][0]
    return [*values] * (2 if len(values) == 1 and first.device.type == "cpu" else 1)


def bind(tensors: list[Tensor]) -> Tensor:
    """The tensors stacked; each of them is made a view of its place in the stack."""
    together = stacked([each.detach() for each in tensors])
    for k, each in enumerate(tensors):
        each.data = together[k]
    return together


def bind_network(networks: Sequence[nn.Module]) -> tuple[Tensors, Tensors]:
    """Parameters and saved buffers by name; other buffers are constants that all runs share."""
    members = [dict(network.state_dict(keep_vars=True)) for network in networks]
    together = {name: bind([member[name] for member in members]) for name in members[0]}
    parameters = dict(networks[0].named_parameters())
    trained = {name: each.requires_grad_() for name, each in together.items() if name in parameters}
    return trained, {name: each for name, each in together.items() if name not in parameters}


def bind_attribute(models: Sequence[Model], name: str) -> Any:
    """An attribute of the models, a tensor or a record of tensors."""
    values = [getattr(model, name) for model in models]
    if isinstance(values[0], Tensor):
        return bind(values)
    return type(values[0])(*(bind(list(each)) for each in zip(*values, strict=True)))


def bind_optimisers(
    optimisers: Sequence[torch.optim.Adam], network: nn.Module, parameters: Tensors
) -> torch.optim.Adam:
    """One Adam for the parameters of all runs, with their moments; the moments of each run become views of them."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = [{**group, "params": [parameters[names[id(p)]] for p in group["params"]]}
              for group in optimisers[0].param_groups]  # fmt: skip
    joint = torch.optim.Adam(groups, lr=groups[0]["lr"], fused=groups[0]["fused"])
    for g, group in enumerate(joint.param_groups):
        group["capturable"] = group["params"][0].device.type == "cuda"  # a step may then be part of a CUDA graph
        for i, together in enumerate(group["params"]):
            members = [(each, each.param_groups[g]["params"][i]) for each in optimisers]
            joint.state[together] = _bind_moments(members)
    return joint


def _bind_moments(members: list[tuple[torch.optim.Adam, Tensor]]) -> Tensors:
    """Adam's moments of one parameter of all runs; those of each run become views of them."""
    each_run = [optimiser.state[p] or _no_moments(p) for optimiser, p in members]
    moments = {"step": each_run[0]["step"], **{name: bind([each[name] for each in each_run]) for name in MOMENTS}}
    for k, (optimiser, p) in enumerate(members):
        optimiser.state[p] = {"step": moments["step"], **{name: moments[name][k] for name in MOMENTS}}
    return moments


def _no_moments(parameter: Tensor) -> Tensors:
    step = torch.zeros((), dtype=torch.float32, device=parameter.device)
    return {"step": step, **{name: torch.zeros_like(parameter) for name in MOMENTS}}


class StackedRows:
    """The rows of one split as K runs read them: images once, auxiliary variables by run with a column per latent."""

    def __init__(self, sources: Sequence[Batches], latents: int) -> None:
        """Runs of one composition and data set: they differ in their auxiliary variables alone."""
        data = doubled([held(source).data for source in sources])
        self.shared, self.count = data[0], len(data[0].images)
        self.aux, self.error = (
            torch.cat([pad(each, (0, latents - each.shape[1])) for each in columns])
            for columns in ([each.aux for each in data], [each.error for each in data])
        )
        runs = torch.arange(len(data), device=self.aux.device)[:, None]
        self.starts = self.count * runs
        augmentations = [source.augmentation for source in sources if source.augmentation]
        self.augmentation = stacked_augmentation(doubled(augmentations), latents) if augmentations else None
        self.first_elements = len(augmentations[0].pixels) * runs if augmentations else runs

    def batch(self, order: Tensor, elements: Tensor | None = None) -> Batch:
        """The batch of every run, each tensor (K, B, ...), from the positions (K, B) of its rows.

        elements (K, B): of an augmented run, one for each row.
        """
        of_run = order + self.starts
        shared = self.shared
        batch = Batch(
            images=shared.images[order],
            aux=self.aux[of_run],
            error=self.error[of_run],
            context=shared.context[order],
            rows=shared.rows[order],
            precision=shared.precision[order],
            inputs=shared.inputs[order],
        )
        if self.augmentation is None or elements is None:
            return batch
        return batch.augmented(self.augmentation, elements + self.first_elements)

"""Adam with one learning rate for the model and one for its companion network, and the schedules of both.

one_cycle   rises linearly over the first tenth of the steps, then falls with a cosine
cosine      falls with a cosine
constant    stays

over the whole training, or of a model that learns in phases over the phase of each group of parameters.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from auxvae.config.training import Training
from auxvae.models.model import Model

COMPANION_BETAS = (0.5, 0.9)  # of a companion network (arXiv 1802.05983, 2007.00830)
WARM_UP = 0.1  # share of the steps over which one_cycle rises
WHOLE = (0.0, 1.0)
LOWEST = 0.02  # share of the largest rate at which one_cycle starts


def adam(model: Model, training: Training, fused: bool = True) -> torch.optim.Adam:
    """Adam for the model's parameters, and with a shorter memory for those of its companion network."""
    companion, resting = model.companion_parameters(), model.resting()
    apart = {id(p) for group in (companion, *(parameters for parameters, _ in resting)) for p in group}
    others = [p for p in model.network.parameters() if id(p) not in apart]
    betas, largest = {"betas": (0.9, training.beta2)}, training.learning_rate
    groups = [_group(others, largest) | betas] if others else []
    groups += [
        _group(parameters, largest) | betas | {"rest": rest, "phase": _phase(rest) if model.in_phases else WHOLE}
        for parameters, rest in resting
    ]
    if companion:
        groups.append(_group(companion, training.second_learning_rate) | {"betas": COMPANION_BETAS})
    return torch.optim.Adam(groups, lr=training.learning_rate, fused=fused)


def _group(parameters: list[torch.nn.Parameter], largest: float) -> dict[str, object]:
    """Parameters with a learning rate that is a tensor, so that runs which differ in it can be stacked."""
    rate = parameters[0].detach().new_full((), largest)
    return {"params": parameters, "largest": largest, "lr": rate, "rest": (0.0, 0.0), "phase": WHOLE}


def _phase(rest: tuple[float, float]) -> tuple[float, float]:
    """The shares of the training between which parameters learn that rest at its beginning or to its end."""
    first, end = rest
    return (0.0, first) if first else (end, 1.0)


def rates(optimiser: torch.optim.Adam, schedule: str, step: int, steps: int) -> list[float]:
    """The learning rate of each group at a step; 0 while the group rests."""
    return [_rate_of(group, schedule, step / steps) for group in optimiser.param_groups]


def _rate_of(group: dict[str, Any], schedule: str, done: float) -> float:
    (rest, again), (first, end) = group["rest"], group["phase"]
    if rest <= done < again:
        return 0.0
    largest: float = group["largest"]
    return largest * rate(schedule, (done - first) / (end - first))


def set_rates(optimiser: torch.optim.Adam, values: list[float]) -> None:
    """Every group's learning rate."""
    for group, value in zip(optimiser.param_groups, values, strict=True):
        group["lr"].fill_(value)


def rate(schedule: str, done: float) -> float:
    """Learning rate as a share of the largest, in (0, 1], when this share of its schedule is done."""
    if schedule == "constant":
        return 1.0
    rise = WARM_UP if schedule == "one_cycle" else 0.0
    if done < rise:
        return max(done / rise, LOWEST)
    return 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))

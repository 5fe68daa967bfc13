"""Adam with one learning rate for the model and one for its companion network, and the schedules of both.

one_cycle   rises linearly over the first tenth of the steps, then falls with a cosine
cosine      falls with a cosine
constant    stays
"""

from __future__ import annotations

import math

import torch

from auxvae.config.training import Training
from auxvae.models.model import Model

COMPANION_BETAS = (0.5, 0.9)  # of a companion network (arXiv 1802.05983, 2007.00830)
WARM_UP = 0.1  # share of the steps over which one_cycle rises
LOWEST = 0.02  # share of the largest rate at which one_cycle starts


def adam(model: Model, training: Training, fused: bool = True) -> torch.optim.Adam:
    """Adam for the model's parameters, and with a shorter memory for those of its companion network."""
    companion = model.companion_parameters()
    apart = {id(parameter) for parameter in companion}
    groups = [_group([p for p in model.network.parameters() if id(p) not in apart], training.learning_rate)]
    groups[0]["betas"] = (0.9, training.beta2)
    if companion:
        groups.append(_group(companion, training.second_learning_rate) | {"betas": COMPANION_BETAS})
    return torch.optim.Adam(groups, lr=training.learning_rate, fused=fused)


def _group(parameters: list[torch.nn.Parameter], largest: float) -> dict[str, object]:
    """Parameters with a learning rate that is a tensor, so that runs which differ in it can be stacked."""
    rate = parameters[0].detach().new_full((), largest)
    return {"params": parameters, "largest": largest, "lr": rate}


def set_rate(optimiser: torch.optim.Adam, share: float) -> None:
    """Every learning rate as this share of its largest value."""
    for group in optimiser.param_groups:
        group["lr"].fill_(group["largest"] * share)


def rate(schedule: str, step: int, steps: int) -> float:
    """Learning rate of a step as a share of the largest, in (0, 1]."""
    if schedule == "constant":
        return 1.0
    done = step / steps
    rise = WARM_UP if schedule == "one_cycle" else 0.0
    if done < rise:
        return max(done / rise, LOWEST)
    return 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))

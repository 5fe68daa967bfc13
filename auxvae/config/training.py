"""How long and how a run is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from foundation.declare import Count, Positive, Range


@dataclass(frozen=True)
class Training:
    """How long and how a run is trained; every run of a fleet alike.

    schedule: one_cycle rises linearly over the first tenth and falls with a cosine; cosine only falls; constant
    stays. clip bounds the norm of a run's gradient. patience stops a run after so many epochs without a better
    validation loss. keep says which weights are scored: those of the best validation epoch or the last. A companion
    (discriminator, critics, learned prior) has its own learning rate, on the same schedule.
    """

    epochs: Count = 18
    batch: Annotated[int, Range(2)] = 64
    learning_rate: Positive = 5e-3
    second_learning_rate: Positive = 1e-3
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    clip: Positive | None = 2e4
    patience: Count | None = None
    keep: Literal["best", "last"] = "best"

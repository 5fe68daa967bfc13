"""Stand-in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Stand-in."""

    likelihood: str = "noise"
    sigma: float | None = None
    capacity: float = 25.0
    cooling: float = 133.0
    degree: int = 3
    aux_degree: int = 1
    normalise: bool = True
    interactions: bool = False
    activation: str = "silu"

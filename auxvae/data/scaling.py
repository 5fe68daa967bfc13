"""The constants from the training rows alone that are kept beside a run, and auxiliary variables scaled by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from auxvae.data.components import Components
from auxvae.data.encoding import Columns
from auxvae.data.inputs import InputScaling


@dataclass(frozen=True)
class Scaling:
    """Constants from the training rows: of the images (photons per pixel), of what the network sees, of the factors.

    factor_low, factor_high: limits of every auxiliary variable, by name. mean_image (C, H, W): in photons per pixel.
    components: of the images, where the network is made of them. inputs: of what is beside them, if anything is.
    """

    count_low: float
    count_high: float
    mean: float
    std: float
    factor_low: dict[str, float]
    factor_high: dict[str, float]
    mean_image: Tensor
    components: Components | None = None
    inputs: InputScaling | None = None


def scaled_factors(variables: Columns, rows: int, names: tuple[str, ...], scaling: Scaling) -> Tensor:
    """Auxiliary variables (N,) by name, min-max scaled to [0, 1] by the training rows, shape (N, names)."""
    low, high = scaling.factor_low, scaling.factor_high
    columns = [(variables[n] - low[n]) / (high[n] - low[n]) for n in names]
    return torch.tensor(np.stack(columns, 1), dtype=torch.float32) if columns else torch.zeros(rows, 0)

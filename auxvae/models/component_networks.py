"""Networks that see images as they vary: principal components in, principal components out.

    a_j = g lambda_j^(-alpha/2) v_j . (x - m)               what the encoder is given, j = 1 .. K, alpha = 0.7
    y   = m + G sum_j lambda_j^(beta/2) b_j v_j             what the decoder returns, b its outputs, beta = 0.5, G = 3

with mean m, directions v_j and variances lambda_j of the training images (data.components), and g such that the a_j
have a root mean square of 0.5. With alpha = 1 every component would weigh as much as the first, with alpha = 0 the
first few would hide the others. Between them: two hidden layers of 8 w units each way. Only what varies is written,
so that there is no noise to memorise in the pixels that do not. On images in [0, 1] the output is a logit, and m the
mean's. The two exponents and gains were chosen on validation rows of the paper's galaxies (LOG.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auxvae.data.components import Components
from auxvae.models.backbones import Activation, Backbone, Shape

ALPHA, BETA = 0.7, 0.5
INPUT_RMS, OUTPUT_GAIN = 0.5, 3.0
DARKEST = 0.02  # the mean of a pixel in [0, 1] is at least so far from 0 and 1 where its logit is taken


class ToComponents(nn.Module):
    """Images (B, C, S, S) to K scaled components (B, K)."""

    mean: Tensor
    basis: Tensor

    def __init__(self, components: Components) -> None:
        """Keep the mean image and the scaled directions, which are saved with the run's scaling, not its weights."""
        super().__init__()
        variances = components.variances[: components.inputs]
        rms = (variances ** (1 - ALPHA)).mean().sqrt()
        basis = components.directions[: components.inputs] * (INPUT_RMS / rms * variances ** (-ALPHA / 2))[:, None]
        self.register_buffer("mean", components.mean, persistent=False)
        self.register_buffer("basis", basis.T.contiguous(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """One matrix product."""
        return (images.flatten(1) - self.mean) @ self.basis


class FromComponents(nn.Module):
    """Coefficients (B, K) to images (B, C, S, S), or to their logits."""

    mean: Tensor
    basis: Tensor

    def __init__(self, components: Components, shape: Shape) -> None:
        """Keep the scaled directions and the mean image, as a logit where the images are in [0, 1]."""
        super().__init__()
        self.sides = (shape.channels, shape.stamp, shape.stamp)
        mean = torch.logit(components.mean, DARKEST) if components.bounded else components.mean
        basis = components.directions * OUTPUT_GAIN * components.variances[:, None] ** (BETA / 2)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("basis", basis.contiguous(), persistent=False)

    def forward(self, coefficients: Tensor) -> Tensor:
        """One matrix product."""
        pixels = torch.addmm(self.mean, coefficients, self.basis)
        return pixels.view(-1, *self.sides)


def components(shape: Shape, act: Activation) -> Backbone:
    """Components in, two hidden layers each way, components out."""
    if shape.components is None:
        raise ValueError("a network on components needs the components of the training images")
    units, outputs = 8 * shape.width, len(shape.components.variances)
    down = [nn.Linear(shape.components.inputs, units), act(), nn.Linear(units, units), act()]
    up = [nn.Linear(shape.latents, units), act(), nn.Linear(units, units), act(), nn.Linear(units, outputs)]
    encoder = nn.Sequential(ToComponents(shape.components), *down)
    return Backbone(encoder, nn.Sequential(*up, FromComponents(shape.components, shape)), units)

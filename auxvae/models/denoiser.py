r"""The denoiser of a score-based autoencoder: a small U-Net that predicts the noise in images and sees no latents.

    x_t = alpha x + sigma eps,    eps_theta(x_t, l) = sigma x_t + alpha v_theta(x_t, l)

v is the velocity alpha eps - sigma x (Salimans & Ho, arXiv:2202.00512). A v of 0 thereby predicts the noise of the
noisiest images well. Pixels are gathered in blocks of 2 x 2 first, and the network halves these twice more:

    C -> w at S/2, 2w at S/4, 2w at S/8 and back, a residual block at each; GroupNorm, SiLU, and a scale and shift of
    every channel by the level of noise in every block

with w = `network.width`. Images whose sides are not multiples of 8 are padded by their edges, and cut again.
Deviations: no attention, one block where the paper's networks have two, and 128 channels of theirs for the width.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, pixel_shuffle, pixel_unshuffle, silu

from auxvae.config.networks import HALVED
from auxvae.models.schedules import alpha, sigma

FREQUENCIES = 16
Images = Float[Tensor, "B C H W"]
Level = Float[Tensor, " B"]


class Denoiser(nn.Module):
    """eps_theta: noisy images and their levels to the noise in them."""

    def __init__(self, channels: int, width: int) -> None:
        """For images of any size with so many channels."""
        super().__init__()
        features = 4 * width
        self.level = nn.Sequential(nn.Linear(2 * FREQUENCIES, features), nn.SiLU(), nn.Linear(features, features))
        self.first = nn.Conv2d(4 * channels, width, 3, padding=1)
        widths = (width, 2 * width, 2 * width)
        self.down = nn.ModuleList(Block(a, b, features) for a, b in zip((width, *widths), widths, strict=False))
        self.middle = Block(widths[-1], widths[-1], features)
        self.up = nn.ModuleList(
            Block(a + b, b, features) for a, b in zip((widths[-1], *widths[:0:-1]), widths[::-1], strict=True)
        )
        self.last = nn.Sequential(_norm(width), nn.SiLU(), nn.Conv2d(width, 4 * channels, 3, padding=1))

    def forward(self, noisy: Images, level: Level) -> Images:
        """The noise eps in images x_t at levels of noise (B,)."""
        at = level[:, None, None, None]
        return sigma(at) * noisy + alpha(at) * self.velocity(noisy, level)

    def velocity(self, noisy: Images, level: Level) -> Images:
        """The velocity alpha eps - sigma x."""
        height, width = noisy.shape[2:]
        padded = pad(noisy, _to_multiple(width) + _to_multiple(height), mode="replicate")
        features, x = silu(self.level(_waves(level))), self.first(pixel_unshuffle(padded, 2))
        passed: list[Tensor] = []
        for k, block in enumerate(self.down):
            x = block(x if k == 0 else nn.functional.avg_pool2d(x, 2), features)
            passed.append(x)
        x = self.middle(x, features)
        for k, block in enumerate(self.up):
            x = block(torch.cat([x if k == 0 else interpolate(x, scale_factor=2.0), passed[-1 - k]], 1), features)
        top, left = _to_multiple(height)[0], _to_multiple(width)[0]
        velocity: Tensor = pixel_shuffle(self.last(x), 2)
        return velocity[:, :, top : top + height, left : left + width]


class Block(nn.Module):
    """x + f(x), two convolutions with a scale and shift by the level between them."""

    def __init__(self, inputs: int, outputs: int, features: int) -> None:
        """Of so many channels, from features of the level."""
        super().__init__()
        self.before, self.first = _norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.between, self.second = _norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.by_level = nn.Linear(features, 2 * outputs)
        self.past = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Float[Tensor, "B c h w"], features: Float[Tensor, "B f"]) -> Float[Tensor, "B o h w"]:
        """Any size."""
        scale, shift = self.by_level(features)[:, :, None, None].chunk(2, 1)
        changed = self.between(self.first(silu(self.before(x)))) * (1 + scale) + shift
        sum_of_both: Tensor = self.past(x) + self.second(silu(changed))
        return sum_of_both


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(8, channels), channels)


def _waves(level: Level) -> Float[Tensor, "B w"]:
    """Sines and cosines of a level, with periods from 1 to 1,000."""
    frequencies = 2 * math.pi * torch.logspace(-3, 0, FREQUENCIES, device=level.device)
    angles = level[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


def _to_multiple(side: int) -> tuple[int, int]:
    """Pixels to add at either end of a side."""
    missing = -side % HALVED
    return missing // 2, missing - missing // 2


def reset(denoiser: Denoiser) -> None:
    """Second convolutions of all blocks and the last one of 0, so that the velocity is 0 at first."""
    for layer in (*(block.second for block in denoiser.modules() if isinstance(block, Block)), denoiser.last[2]):
        nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

"""Turns and mirror images of the training images, with the signs of the factors that they flip.

    x_i -> T_g x_i,    u_ij -> s_gj u_ij + t_gj        g = g(seed, epoch, i), uniform on the group

The group is the identity and the symmetries that a data set declares (for a galaxy without offset, the eight of the
square: Dieleman, Willett and Dambre 2015, arXiv 1503.07077). T_g exchanges pixels; s_gj is -1 for each factor j whose
sign the operation flips and 1 for the others. With u = (v - low) / (high - low) the factor -v has

    t_gj = -2 low_j / (high_j - low_j),        and t_gj = 0 where s_gj = 1

so that u leaves [0, 1] by as much as the least and the greatest training row are not each other's negatives.

i is the number of the row in its store: neither the order of the rows, nor a restart, nor the other runs of a stack
change g. The noise of a pixel goes with the pixel, so that no likelihood changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from auxvae.config.run import Run
from auxvae.data.randomness import generator
from auxvae.data.scaling import Scaling

OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mirror_x": lambda image: image.flip(-1),
    "mirror_y": lambda image: image.flip(-2),
    "half_turn": lambda image: image.flip(-2, -1),
    "transpose": lambda image: image.mT,
    "antitranspose": lambda image: image.flip(-2, -1).mT,
    "quarter_turn": lambda image: image.rot90(1, (-2, -1)),
    "three_quarter_turn": lambda image: image.rot90(3, (-2, -1)),
}


class Augmentation(NamedTuple):
    """The G elements of a group, the identity first, as they act on a run's images and auxiliary variables.

    pixels (G, P): where each of the P pixels of a channel comes from. signs, shifts (G, a): s and t. rows: rows of the
    store up to the last training row.
    """

    pixels: Int[Tensor, "G P"]
    signs: Float[Tensor, "G a"]
    shifts: Float[Tensor, "G a"]
    rows: int

    def elements(self, seed: int, epoch: int) -> Int[Tensor, " rows"]:
        """The element for each row of the store in an epoch."""
        drawn = torch.randint(len(self.pixels), (self.rows,), generator=generator(seed, "symmetries", epoch))
        return drawn.to(self.pixels.device)

    def images(self, images: Float[Tensor, "*B C H W"], elements: Int[Tensor, "*B"]) -> Float[Tensor, "*B C H W"]:
        """T_g x, each image by its element."""
        flat = images.flatten(-2)
        return flat.gather(-1, self.pixels[elements].unsqueeze(-2).expand_as(flat)).view_as(images)

    def aux(self, aux: Float[Tensor, "*B a"], elements: Int[Tensor, "*B"]) -> Float[Tensor, "*B a"]:
        """s_g u + t_g, each row by its element."""
        return self.signs[elements] * aux + self.shifts[elements]


def augmentation_of(run: Run, scaling: Scaling, side: int, rows: int, device: torch.device) -> Augmentation | None:
    """The augmentation of a run whose images have so many pixels along a side; None where the run asks for none."""
    if not run.training.augment:
        return None
    pixels = torch.arange(side * side).view(side, side)
    moved = [pixels, *(OPERATIONS[each.operation](pixels) for each in run.dataset.symmetries)]
    flips: list[tuple[str, ...]] = [(), *(each.flips for each in run.dataset.symmetries)]
    flipped = torch.tensor([[name in names for name in run.variables] for names in flips])
    limits = (scaling.factor_low, scaling.factor_high)
    low, high = (torch.tensor([each[name] for name in run.variables]) for each in limits)
    signs, shifts = 1 - 2 * flipped.float(), -2 * low / (high - low) * flipped
    return Augmentation(torch.stack(moved).flatten(1).to(device), signs.to(device), shifts.to(device), rows)


def stacked_augmentation(augmentations: Sequence[Augmentation], latents: int) -> Augmentation:
    """Those of K runs as one of K G elements, with a column for each latent; element g of run k is k G + g."""
    first = augmentations[0]
    signs, shifts = (
        torch.cat([pad(each, (0, latents - each.shape[1]), value=neutral) for each in several])
        for several, neutral in (([a.signs for a in augmentations], 1.0), ([a.shifts for a in augmentations], 0.0))
    )
    return Augmentation(first.pixels.repeat(len(augmentations), 1), signs, shifts, first.rows)

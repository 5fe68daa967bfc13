r"""The bank: what a denoiser that is not trained gets wrong in noisy versions of the training images, kept for reuse.

    version k of row i:   y = x_i + s(l_ki) eps_ki,    error_ki = eps_ki - eps_theta(alpha y, l_ki),    k = epoch mod K

Such a denoiser has the same errors in every epoch. Levels and noise of a version belong to (seed, k, row), and errors
are computed image by image: those of a batch would depend in their last bits on what stands beside an image, and a run
that was killed fills its bank again from other batches. The K levels of a row lie at equal times, those of two rows are
independent. The first K epochs take three times as long as with new noise, all others a quarter of that
(benchmarks/README.md).

Noise and errors are kept, and used, in half precision: those that were just computed are rounded, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from auxvae.data.randomness import generator

Images = Float[Tensor, "B C H W"]
Times = Float[Tensor, " B"]
ErrorOf = Callable[[Images, Times, int], Images]  # noise and time for the image at a position of the batch to its error


class Noisy(NamedTuple):
    """Noise for images, the times of its levels (auxvae.models.schedules), and the error of a denoiser on them."""

    time: Times
    eps: Images
    error: Images


class Bank:
    """Errors of one denoiser on K versions of the training rows; empty at first, filled as rows are asked for."""

    def __init__(self, versions: int, rows: int, image_shape: tuple[int, int, int], seed: int) -> None:
        """`rows`: how many there are. Memory is taken by those that are asked for alone."""
        self.versions, self.seed = versions, seed
        self.place: dict[int, int] = {}  # of each row in the tensors
        self.filled = torch.zeros(versions, rows, dtype=torch.bool)
        self.time = torch.empty(versions, rows)
        self.eps, self.error = (torch.empty(versions, rows, *image_shape, dtype=torch.float16) for _ in range(2))

    def read(self, epoch: int, rows: Int[Tensor, " B"], error_of: ErrorOf) -> Noisy:
        """The version of these rows in an epoch."""
        k = epoch % self.versions
        at = k, torch.tensor([self.place.setdefault(row, len(self.place)) for row in rows.tolist()])
        for position, (row, place) in enumerate(zip(rows.tolist(), at[1].tolist(), strict=True)):
            if not self.filled[k, place]:
                self._fill(k, row, place, position, error_of)
        return Noisy(*(kept[at].float().to(rows.device) for kept in (self.time, self.eps, self.error)))

    def _fill(self, k: int, row: int, place: int, position: int, error_of: ErrorOf) -> None:
        time, eps = self._drawn(k, row)
        self.time[k, place], self.eps[k, place] = time, eps.half()
        error = error_of(self.eps[k, place][None].float(), self.time[k, place][None], position)
        self.error[k, place] = error[0].half().cpu()
        self.filled[k, place] = True

    def _drawn(self, k: int, row: int) -> tuple[Float[Tensor, ""], Float[Tensor, "C H W"]]:
        """Time and noise of a version of a row."""
        first = torch.rand((), generator=generator(self.seed, "bank times", row))
        eps = torch.randn(self.eps.shape[2:], generator=generator(self.seed, f"bank {k}", row))
        return (first + k / self.versions) % 1, eps

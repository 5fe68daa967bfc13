r"""The bank: what a denoiser that rests gets wrong in noisy versions of the training images, kept and used again.

    version k of row i:   y = x_i + s(l_ki) eps_ki,    error_ki = eps_ki - eps_theta(alpha y, l_ki),    k = epoch mod K

A step of the encoder alone takes a fifth of the time that it takes with the denoiser (benchmarks/README.md), and a
denoiser that rests has the same errors in every epoch. Levels and noise of a version belong to (seed, k, row), so that
a run that was killed fills its bank with the same numbers again. Levels of a version are stratified over all rows.

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

    def read(self, epoch: int, rows: Int[Tensor, " B"], error_of: Callable[[Images, Times], Images]) -> Noisy:
        """The version of these rows in an epoch; error_of: noise and times to the denoiser's errors."""
        k = epoch % self.versions
        at = k, torch.tensor([self.place.setdefault(row, len(self.place)) for row in rows.tolist()])
        if not self.filled[at].all():  # all of them again: errors are those of a whole batch, to the last bit
            drawn = [self._drawn(k, row) for row in rows.tolist()]
            self.time[at] = torch.stack([time for time, _ in drawn])
            self.eps[at] = torch.stack([eps for _, eps in drawn]).half()
            eps, time = self.eps[at].float(), self.time[at]
            self.error[at] = error_of(eps.to(rows.device), time.to(rows.device)).half().cpu()
            self.filled[at] = True
        return Noisy(*(kept[at].float().to(rows.device) for kept in (self.time, self.eps, self.error)))

    def _drawn(self, k: int, row: int) -> tuple[Float[Tensor, ""], Float[Tensor, "C H W"]]:
        """Time and noise of a version of a row."""
        first = torch.rand((), generator=generator(self.seed, "bank times", row))
        eps = torch.randn(self.eps.shape[2:], generator=generator(self.seed, f"bank {k}", row))
        return (first + k / self.versions) % 1, eps

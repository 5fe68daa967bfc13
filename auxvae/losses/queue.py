"""Codes of the latest batches in a ring buffer of fixed shape, so that the state of a run keeps its shape."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Queue(NamedTuple):
    """codes (Q, d): the latest codes, in any order. pushed: codes pushed so far; the first `pushed` rows are in use."""

    codes: Float[Tensor, "Q d"]
    pushed: Int[Tensor, ""]

    @property
    def filled(self) -> Float[Tensor, " Q"]:
        """1 for the rows in use, 0 for those that are still empty."""
        return (torch.arange(len(self.codes), device=self.codes.device) < self.pushed).to(self.codes.dtype)

    def push(self, codes: Float[Tensor, "B d"]) -> None:
        """Overwrite the oldest codes in place with those of a batch, of which at most the last Q are kept."""
        size = len(self.codes)
        latest = codes[-size:] if size else codes[:0]
        first = self.pushed + len(codes) - len(latest)
        rows = (first + torch.arange(len(latest), device=codes.device)) % max(size, 1)
        self.codes[rows] = latest
        self.pushed.add_(len(codes))


def empty_queue(size: int, latents: int, device: torch.device | None = None) -> Queue:
    """A queue with room for `size` codes, empty."""
    return Queue(torch.zeros(size, latents, device=device), torch.tensor(0, device=device))

"""Randomness by address: a generator belongs to (seed, purpose, index), never to an order of calls.

All draws are made on the CPU, so that a run sees the same batches and the same latent noise on every device.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def generator(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A CPU generator that belongs to one address."""
    text = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(text[:8], "little", signed=True))


def order(seed: int, epoch: int, rows: int) -> Tensor:
    """The order in which an epoch visits the training rows, shape (rows,)."""
    return torch.randperm(rows, generator=generator(seed, "order", epoch))


def shard_order(seed: int, epoch: int, shards: int) -> Tensor:
    """The order in which an epoch visits the shards of a store, shape (shards,)."""
    return torch.randperm(shards, generator=generator(seed, "shards", epoch))


def window_order(seed: int, epoch: int, window: int, rows: int) -> Tensor:
    """The order in which an epoch visits the rows of its window of that number, shape (rows,)."""
    return torch.randperm(rows, generator=generator(seed, f"shards {epoch}", window))


def normal(seed: int, purpose: str, index: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers of one address."""
    return torch.randn(shape, generator=generator(seed, purpose, index))

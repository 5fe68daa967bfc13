"""Randomness by address: a generator belongs to (seed, purpose, index), never to an order of calls.

All draws are made on the CPU, so that a run sees the same batches and the same latent noise on every device. `of_rows`
goes further: each row of a store has a number of its own, whatever rows are asked for beside it.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor


def generator(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A CPU generator that belongs to one address."""
    return torch.Generator().manual_seed(int.from_bytes(_key(seed, purpose, index), "little", signed=True))


def of_rows(seed: int, purpose: str, rows: Int[ndarray, " N"], normally: bool = False) -> Float[ndarray, " N"]:
    """A number for each row of a store: uniform in [0, 1), or standard normal. The stream is read from row 0 on."""
    stream = np.random.Generator(np.random.Philox(int.from_bytes(_key(seed, purpose, 0), "little")))
    draw = stream.standard_normal if normally else stream.random
    return np.asarray(draw(int(rows.max()) + 1)[rows])


def _key(seed: int, purpose: str, index: int) -> bytes:
    return hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()[:8]


def order(seed: int, epoch: int, rows: int) -> Tensor:
    """The order in which an epoch visits the training rows, shape (rows,)."""
    return torch.randperm(rows, generator=generator(seed, "order", epoch))


def batch_order(seed: int, epoch: int, batches: int) -> Tensor:
    """The order in which an epoch visits batches of one context each, shape (batches,)."""
    return torch.randperm(batches, generator=generator(seed, "batches", epoch))


def shard_order(seed: int, epoch: int, shards: int) -> Tensor:
    """The order in which an epoch visits the shards of a store, shape (shards,)."""
    return torch.randperm(shards, generator=generator(seed, "shards", epoch))


def window_order(seed: int, epoch: int, window: int, rows: int) -> Tensor:
    """The order in which an epoch visits the rows of its window of that number, shape (rows,)."""
    return torch.randperm(rows, generator=generator(seed, f"shards {epoch}", window))


def normal(seed: int, purpose: str, index: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers of one address."""
    return torch.randn(shape, generator=generator(seed, purpose, index))

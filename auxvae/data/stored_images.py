"""The images of one split, read from the store when they are needed, never all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.data.likelihoods import Likelihood
from auxvae.data.pixel_weights import PixelWeights
from auxvae.data.read_ahead import read_ahead
from auxvae.data.store import Store

BLOCK = 512  # rows that are read together in the order of the store


class StoredImages:
    """The images of one split on the likelihood's scale; a position is the place of a row among those of the split."""

    def __init__(self, store: Store, name: str, likelihood: Likelihood, weights: PixelWeights | None = None) -> None:
        """The training, validation or test images of a store, and the likelihood of their rows, pixels apart."""
        self.store, self.numbers, self.likelihood, self.weights = store, store.numbers(name), likelihood, weights
        self.context = store.context(name)

    @property
    def shape(self) -> torch.Size:
        """(n, C, H, W)."""
        return torch.Size((len(self.numbers), *self.store.image_shape))

    def shards(self) -> list[slice]:
        """The positions that lie in each shard of the store, of those shards that hold any."""
        return self._together(slice(0, len(self.numbers)), self.store.shard)

    def _together(self, positions: slice, size: int) -> list[slice]:
        """The positions cut where their row numbers pass a multiple of the size."""
        cuts = positions.start + np.flatnonzero(np.diff(self.numbers[positions] // size, prepend=-1))
        return [slice(*ends) for ends in pairwise([*cuts.tolist(), positions.stop])]

    def counts(self, positions: slice) -> Float[Tensor, "n C H W"]:
        """Images in photons."""
        return self.store.images("image", self.numbers[positions])[0]

    def precision(self, several: Sequence[slice]) -> Float[Tensor, "n *pixel"]:
        """The precision of the images at several ranges of positions, or of their pixels, one after the other."""
        whole = self.likelihood.precision
        of_images = torch.ones(len(self.numbers)) if whole is None else whole
        chosen = torch.cat([of_images[each] for each in several])
        if self.weights is None:
            return chosen
        return chosen[:, None, None, None] * torch.cat([self.weights.of(self.numbers[each]) for each in several])

    def read(self, several: Sequence[slice]) -> Float[Tensor, "n C H W"]:
        """The images at several ranges of positions, one after the other."""
        images = torch.empty(sum(each.stop - each.start for each in several), *self.shape[1:])
        start = 0
        for each in (block for positions in several for block in self._together(positions, self.store.block)):
            scaled = self.likelihood.to_scale(self.counts(each))
            images[start : start + len(scaled)] = scaled
            start += len(scaled)
        return images

    def split(self, size: int, /) -> Iterator[Tensor]:
        """Blocks of so many images in order, the last one smaller."""
        return read_ahead(lambda block: self.read([block]), cut(len(self.numbers), size))


def cut(rows: int, size: int) -> list[slice]:
    """The positions 0 ... rows - 1 in blocks of one size, the last one smaller."""
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]

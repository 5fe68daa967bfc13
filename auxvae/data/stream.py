"""Batches of rows that are read shard by shard while the model is trained, for stores larger than memory.

    epoch     the shards in an order addressed by (seed, epoch), cut into windows of SHARDS shards
    window    its rows in an order addressed by (seed, epoch, window)
    batch     the next B rows of that sequence, so that some batches lie in two windows

Every row of the split is visited once in an epoch, but for those of a last, incomplete batch. A thread reads the next
window while the present one is trained on: two are in memory, whatever the size of the store. A restart reads from the
window of its next step. Tensors of a few numbers per row (row numbers, auxiliary variables, inputs) are held whole.

Deviation from an order of all rows: a batch mixes the rows of SHARDS shards. Where a store is sorted, by a factor say,
its batches are less alike than rows of one shard, but are no independent draws.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

import torch
from torch import Tensor

from auxvae.data.augmentation import Augmentation
from auxvae.data.loader import Batch, Batches, batch_of
from auxvae.data.measured import Auxiliaries
from auxvae.data.randomness import shard_order, window_order
from auxvae.data.read_ahead import read_ahead
from auxvae.data.stored_images import BLOCK, StoredImages, cut

SHARDS = 4  # in a window: about 160 MB of images

Window = list[slice]


class Stream(Batches):
    """Batches of equal size, read from the store; the last, incomplete batch is left out."""

    def __init__(
        self,
        images: StoredImages,
        aux: Auxiliaries,
        size: int,
        device: torch.device,
        augmentation: Augmentation | None = None,
        inputs: Tensor | None = None,
    ) -> None:
        """Batches of `size` rows, or of all rows where there are fewer; auxiliary variables and inputs are of all."""
        super().__init__(len(aux.values), size, augmentation)
        self.images, self.aux, self.device = images, aux, device
        self.inputs = torch.zeros(len(aux.values), 0) if inputs is None else inputs

    def windows(self, seed: int, epoch: int) -> list[Window]:
        """The windows of an epoch, each as the positions of its shards in the order of the store."""
        shards = self.images.shards()
        order = shard_order(seed, epoch, len(shards)).tolist()
        return [[shards[i] for i in sorted(order[each])] for each in cut(len(order), SHARDS)]

    def shuffled(self, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from that step on; windows before it are not read."""
        windows = self.windows(seed, epoch)
        starts = [0, *accumulate(_rows(window) for window in windows)]
        skipped = bisect_right(starts, first * self.size) - 1
        orders = [window_order(seed, epoch, i, _rows(windows[i])) for i in range(skipped, len(windows))]
        orders[:1] = [order[first * self.size - starts[skipped] :] for order in orders[:1]]
        parts = zip(read_ahead(self._read, windows[skipped:]), orders, strict=True)
        return _cut(((rows, order.to(self.device)) for rows, order in parts), self.size)

    def in_order(self) -> Iterator[Batch]:
        """The batches in the order of the rows."""
        at_once = self.size * max(1, BLOCK // self.size)
        blocks = [[each] for each in cut(self.steps * self.size, at_once)]
        for rows in read_ahead(self._read, blocks):
            yield from (rows.take(each) for each in cut(len(rows.rows), self.size))

    def _read(self, window: Window) -> Batch:
        """The rows of a window on the device."""
        numbers, contexts = torch.from_numpy(self.images.numbers), torch.from_numpy(self.images.context)
        every = (*self.aux, numbers, contexts, self.inputs)
        aux, error, rows, context, inputs = (torch.cat([each[positions] for positions in window]) for each in every)
        precision = self.images.precision(window)
        return batch_of(self.images.read(window), aux, rows, precision, error, context, inputs).to(self.device)


def _rows(window: Window) -> int:
    return sum(each.stop - each.start for each in window)


def _cut(parts: Iterable[tuple[Batch, Tensor]], size: int) -> Iterator[Batch]:
    """Batches of one size from parts, each of them rows and the order in which they are taken."""
    begun: list[Batch] = []
    for rows, order in parts:
        lacking = size - sum(len(each.rows) for each in begun)
        for index in (order[:lacking], *order[lacking:].split(size)):
            begun.append(rows.take(index))
            if sum(len(each.rows) for each in begun) == size:
                yield _joined(begun)
                begun = []


def _joined(parts: list[Batch]) -> Batch:
    """Rows of several parts as one batch."""
    return parts[0] if len(parts) == 1 else Batch(*(torch.cat(each) for each in zip(*parts, strict=True)))

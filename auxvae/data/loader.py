"""The rows of one split as batches on the device, in an order addressed by (seed, epoch).

Two sources of batches: `Loader` here, whose rows are all in memory, and auxvae.data.stream, which reads them from the
store in passing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from auxvae.config.run import Run
from auxvae.data.augmentation import Augmentation
from auxvae.data.likelihoods import Likelihood
from auxvae.data.measured import Auxiliaries, measured
from auxvae.data.randomness import batch_order, order
from auxvae.data.scaling import Scaling
from auxvae.data.store import Rows


class Batch(NamedTuple):
    """Some rows of a split.

    images (B, C, H, W): on the likelihood's scale. aux (B, a): auxiliary variables, min-max scaled to [0, 1] by the
    training rows. error (B, a): standard error of each, 0 where it is exact, infinite where it is unknown.
    context (B,): number of the context (interventions) that the row was drawn in, 0 where a store has none. rows (B,):
    row numbers in the store.
    precision (B,) or (B, C, H, W): inverse variance of the noise of an image or pixel on the scale, relative to that of
    the likelihood: 1 unless each has a noise of its own (data.likelihoods). inputs (B, p): what the networks are given
    beside each image, of mean 0 and variance 1 over the training rows (data.inputs).
    """

    images: Float[Tensor, "B C H W"]
    aux: Float[Tensor, "B a"]
    error: Float[Tensor, "B a"]
    context: Int[Tensor, " B"]
    rows: Int[Tensor, " B"]
    precision: Float[Tensor, "B *pixel"]
    inputs: Float[Tensor, "B p"]

    def take(self, index: Tensor | slice) -> Batch:
        """The rows of these positions."""
        return Batch(*(each[index] for each in self))

    def augmented(self, augmentation: Augmentation, elements: Int[Tensor, "*B"]) -> Batch:
        """Images and auxiliary variables, each row by its element."""
        images, aux = augmentation.images(self.images, elements), augmentation.aux(self.aux, elements)
        weighed = self.precision.ndim == self.images.ndim
        precision = augmentation.images(self.precision, elements) if weighed else self.precision
        return self._replace(images=images, aux=aux, precision=precision)

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(*(each.to(device) for each in self))


def batch_of(
    images: Float[Tensor, "B C H W"],
    aux: Float[Tensor, "B a"],
    rows: Int[Tensor, " B"],
    precision: Float[Tensor, "B *pixel"] | None = None,
    error: Float[Tensor, "B a"] | None = None,
    context: Int[Tensor, " B"] | None = None,
    inputs: Float[Tensor, "B p"] | None = None,
) -> Batch:
    """A batch; precision is 1, every auxiliary variable exact, the context 0 and no input there, if nothing is said."""
    count = len(aux)
    return Batch(
        images,
        aux,
        torch.zeros_like(aux) if error is None else error,
        torch.zeros(count, dtype=torch.long) if context is None else context,
        rows,
        torch.ones(count) if precision is None else precision,
        torch.zeros(count, 0) if inputs is None else inputs,
    )


def whole_split(
    run: Run, rows: Rows, scaling: Scaling, likelihood: Likelihood, inputs: Float[Tensor, "N p"] | None = None
) -> Batch:
    """All rows of a split as one batch on the CPU, with their images on the scale of their likelihood."""
    images, aux = likelihood.to_scale(rows.images), measured_rows(run, rows, scaling)
    numbers, context = torch.from_numpy(rows.numbers), torch.from_numpy(rows.context)
    return batch_of(images, aux.values, numbers, likelihood.precision, aux.error, context, inputs)


def measured_rows(run: Run, rows: Rows, scaling: Scaling) -> Auxiliaries:
    """The auxiliary variables of rows as a run is given them, but for what is made imperfect on purpose."""
    return measured(run, rows.aux(run.variables, scaling), rows.measured, scaling)


class Batches(ABC):
    """Batches of equal size of the rows of one split; a last, incomplete batch is left out.

    size: rows in a batch. steps: batches in an epoch. augmentation: of the shuffled batches, if any.
    """

    def __init__(self, rows: int, size: int, augmentation: Augmentation | None = None) -> None:
        """Batches of `size` rows, or of all rows where there are fewer."""
        self.size = min(size, rows)
        self.steps = rows // self.size
        self.augmentation = augmentation

    def batches(self, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, shuffled and augmented by (seed, epoch), from the step `first` on."""
        shuffled = self.shuffled(seed, epoch, first)
        if self.augmentation is None:
            return shuffled
        augmentation, elements = self.augmentation, self.augmentation.elements(seed, epoch)
        return (batch.augmented(augmentation, elements[batch.rows]) for batch in shuffled)

    @abstractmethod
    def shuffled(self, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, shuffled by (seed, epoch), from the step `first` on."""

    @abstractmethod
    def in_order(self) -> Iterator[Batch]:
        """The batches in the order of the rows."""


class Loader(Batches):
    """Batches of rows that stay on the device; `apart`: each of the rows of one context alone."""

    def __init__(self, data: Batch, size: int, augmentation: Augmentation | None = None, apart: bool = False) -> None:
        """Batches of `size` rows, or of all rows, or of all of the smallest context, where there are fewer."""
        counts = [n for n in data.context.cpu().bincount().tolist() if n] if apart else [len(data.images)]
        super().__init__(len(data.images), min(size, *counts), augmentation)
        self.data, self.apart, self.steps = data, apart, sum(count // self.size for count in counts)

    def plan(self, seed: int, epoch: int) -> Int[Tensor, "steps B"]:
        """Positions of the rows of each batch of an epoch, by (seed, epoch)."""
        shuffled, device = order(seed, epoch, len(self.data.images)), self.data.images.device
        if not self.apart:
            return self._cut(shuffled).to(device)
        context = self.data.context.cpu()[shuffled]
        batches = torch.cat([self._cut(shuffled[context == each]) for each in context.unique()])
        return batches[batch_order(seed, epoch, self.steps)].to(device)

    def _cut(self, positions: Int[Tensor, " n"]) -> Int[Tensor, "m B"]:
        """Positions as whole batches; the last, incomplete one is left out."""
        return positions[: len(positions) // self.size * self.size].view(-1, self.size)

    def plans(self, seed: int, epoch: int) -> tuple[Int[Tensor, "steps B"], ...]:
        """The plan of an epoch, and of augmented batches the element of each row."""
        plan = self.plan(seed, epoch)
        if self.augmentation is None:
            return (plan,)
        return plan, self.augmentation.elements(seed, epoch)[self.data.rows[plan]]

    def shuffled(self, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from the step `first` on."""
        return (self.data.take(index) for index in self.plan(seed, epoch)[first:])

    def in_order(self) -> Iterator[Batch]:
        """The batches in the order of the rows."""
        for step in range(self.steps):
            yield self.data.take(slice(step * self.size, (step + 1) * self.size))


def held(batches: Batches) -> Loader:
    """The source as one that holds its rows, which a stack of runs reads all from one tensor."""
    if not isinstance(batches, Loader):
        raise TypeError("runs that read shard by shard are not stacked")
    return batches

"""Which images are inverted: rows of a store, where their second sources are, and sources that are blended in here.

Images of single sources become blends on request, row k of the N that are chosen with row k + N // 2 modulo N, moved:
photons without a sky add up to photons, so that such a blend is one that a telescope could have seen, and the truth of
both sources is known. The noise of anything else would be counted twice.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from auxvae.analysis.blending import shifted
from auxvae.analysis.invert_options import Wanted, offsets_of
from auxvae.analysis.surveyed import Trained
from auxvae.config.run import Run
from auxvae.data.store import Rows, Store
from auxvae.data.survey import blocks
from foundation.faults import Fault, Refused, Words

Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class Sample:
    """Numbers of rows (N,), offsets of second sources (N, 2), and the rows (N,) that are blended in; None for none."""

    store: Store
    numbers: Numbers
    offsets: Int[Tensor, "N 2"] | None
    partners: Numbers | None

    def take(self, part: slice) -> Sample:
        """Some of them."""
        offsets = None if self.offsets is None else self.offsets[part]
        partners = None if self.partners is None else self.partners[part]
        return Sample(self.store, self.numbers[part], offsets, partners)

    def rows(self, run: Run) -> Rows:
        """Their images, blended where that is asked for."""
        rows = _read(run, self.store, self.numbers)
        if self.partners is None or self.offsets is None:
            return rows
        others = _read(run, self.store, self.partners)
        return dataclasses.replace(rows, images=rows.images + shifted(others.images, self.offsets))


def _read(run: Run, store: Store, numbers: Numbers) -> Rows:
    """Rows in any order, a few; stores are read in theirs."""
    ordered, place = np.unique(numbers, return_inverse=True)
    rows = next(blocks(run, store, ordered))
    std = None if rows.noise_std is None else rows.noise_std[place]
    return dataclasses.replace(rows, numbers=numbers, images=rows.images[place], noise_std=std)


def partners_of(numbers: Numbers) -> Numbers:
    """The row that is blended with each, half of them further on."""
    return np.roll(numbers, -(len(numbers) // 2))


def sample_of(store: Store, numbers: Numbers, wanted: Wanted) -> Sample:
    """The rows of a survey that are inverted."""
    offsets = offsets_of(wanted.second, store, numbers)
    if not wanted.blend:
        return Sample(store, numbers, offsets, None)
    if offsets is None:
        text = "a second source is blended in at an offset"
        raise Refused(Fault("--blend", Words("no --second"), text, "add --second DOWN,RIGHT"))
    _refuse_blending(store, "--blend", "leave --blend out")
    if len(numbers) < 2:
        raise Refused(Fault("--rows", Words("one row"), "each is blended with another one", "name two or more"))
    return Sample(store, numbers, offsets, partners_of(numbers))


def calibration_sample(trained: Trained, sample: Sample, count: int) -> Sample:
    """So many validation rows of the run's own store at equal steps, blended like those of the sample."""
    every = trained.store.numbers("validation")
    numbers = every if len(every) <= count else every[np.arange(count) * len(every) // count]
    if sample.offsets is None:
        return Sample(trained.store, numbers, None, None)
    _refuse_blending(trained.store, "--calibrate", "write --calibrate 0")
    offsets = torch.from_numpy(np.resize(sample.offsets.numpy(), (len(numbers), 2)))
    return Sample(trained.store, numbers, offsets, partners_of(numbers))


def _refuse_blending(store: Store, option: str, remedy: str) -> None:
    """Refuse images whose sum is no image of two sources."""
    noise, text = store.noise, "photons over no sky add up to an image of two sources, other noise is counted twice"
    if noise.get("kind") != "poisson" or noise.get("sky"):
        value = Words(f"{noise.get('kind', 'no')} noise over a sky of {float(noise.get('sky') or 0):g}")
        raise Refused(Fault(f"{option} {store.path}", value, text, remedy))
    if store.weighs_pixels:
        value = Words("masks or inverse variances")
        raise Refused(Fault(f"{option} {store.path}", value, "those of two images do not add up", remedy))

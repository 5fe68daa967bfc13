r"""The least scatter that noise allows an unbiased estimate of each factor: the bound of Cramér and Rao.

    python -m simulations limits STORE OUT.npz --rows N [--mask SHARE] [--second DOWN,RIGHT]

m(theta) is the noise-free stamp of factors theta, s the sky, both in photons per pixel; the sums are over the pixels
that no mask hides:

    Poisson noise    F_ij = sum (dm/dtheta_i) (dm/dtheta_j) / (m + s)        exact for photons that are counted
    Gaussian noise   F_ij = sum (dm/dtheta_i) (dm/dtheta_j) / sigma^2        sigma is that of the row

    limit_i = sqrt (F^-1)_ii                  all other factors free         C. R. Rao 1945; Cramér 1946
                                              but those that are fixed, without their rows and columns of F
    limit_i with the prior = sqrt ((F + V^-1)^-1)_ii,  V the diagonal of the factors' variances in the store

by central differences of drawings, of the flux exactly, since images are linear in it. The first holds for every
estimate whose bias does not depend on theta. One that knows the range of a factor, as a model does that was trained on
it, may beat it; the second is about the least for such an estimate (the bound of van Trees for a Gaussian prior), and
an approximation where the prior is uniform.
Deviation: where the variance is Poisson's, pixels fainter than FAINTEST of the brightest are left out. They hold about
1e-4 of the information, while what the rounding of a drawing (1e-7 of its peak) divided by their few photons gives can
exceed all of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from foundation.console import counted
from foundation.faults import Fault, Refused, Words, listed, suggest
from foundation.files import atomic_write
from simulations.galaxy import draw, parameters
from simulations.noise import noise_std
from simulations.parameters import PARAMETERS, SERSIC_STEP
from simulations.render import LINEAR, dataset_of
from simulations.spec import Dataset

STEP = 1e-2  # of the spread of a factor over the store, to either side
FAINTEST = 1e-5  # of the brightest pixel, the sky included
SPLITS = {"train": 0, "validation": 1, "test": 2}
EVERY, ENDS = slice(None), ("", "_with_prior")
Floats = NDArray[np.float64]


def limits(
    store: Path,
    out: Path,
    rows: int,
    split: str = "",
    fixed: Sequence[str] = (),
    mask: float = 0.0,
    at: str = "",
    second: str = "",
) -> dict[str, Any]:
    """Write `row` (n,) and for each factor NAME and NAME_with_prior (n,), standard deviations in the factor's unit.

    The rows lie at equal steps in the store, or among the training, validation or test rows; `at` START:STOP takes
    these among them first. fixed: factors whose values are known for every image, as the PSF may be. mask: share of
    the columns, from the left, whose pixels say nothing. second: DOWN,RIGHT in pixels, where row k + n // 2 modulo n of
    those chosen is blended with row k; its factors are second_NAME then. A store of anything but simulated galaxies
    with noise is refused, and so are no factors that are left.
    """
    dataset = dataset_of(store)
    _refuse_without_limit(store, dataset)
    group = zarr.open_group(store, mode="r")
    columns = {name: np.asarray(group[name][:], dtype=np.float64) for name in dataset.factors}  # type: ignore[index]
    chosen = rows_at_steps(np.asarray(group["split"][:]), rows, split, part_of(at))  # type: ignore[index]
    left_out, offset = hidden(dataset.scene.stamp, mask), offset_of(second, dataset.scene.stamp)
    names = [*columns, *(f"second_{name}" for name in columns if offset)]
    free = _free(names, [*columns], fixed)
    spread = np.array([values.std() for values in columns.values()])
    prior, both = np.resize(spread**2, len(names)), np.zeros((2, len(chosen), len(free)))
    with counted(store.name, len(chosen), "rows") as progress:
        for i, pair in enumerate(zip(chosen, np.roll(chosen, -(len(chosen) // 2)), strict=True)):
            one, other = ({name: float(values[row]) for name, values in columns.items()} for row in pair)
            matrix = (
                blended_information(dataset, one, other, offset, spread, left_out)
                if offset
                else information(dataset, one, spread, left_out)
            )
            several = (matrix, matrix + np.diag(1 / prior))
            both[:, i] = [least_errors(each[np.ix_(free, free)]) for each in several]
            progress.advance(1)
    left = [names[k] for k in free]
    named = {f"{name}{end}": both[k][:, j] for k, end in enumerate(ENDS) for j, name in enumerate(left)}
    with atomic_write(out) as part, open(part, "wb") as stream:
        np.savez(stream, row=chosen, **named)  # type: ignore[arg-type]
    return {"rows": len(chosen), "factors": [name for name in columns if name not in fixed]}


def _free(names: list[str], factors: list[str], fixed: Sequence[str]) -> list[int]:
    """The places of the factors that are not fixed, among those of one source or of two."""
    for name in fixed:
        if name not in factors:
            text = f"the factors are {listed(factors)}"
            raise Refused(Fault("--fixed", name, text, suggest(name, factors, "name one of them")))
    free = [k for k, name in enumerate(names) if name.removeprefix("second_") not in fixed]
    if not free:
        raise Refused(Fault("--fixed", listed(fixed), "a factor must be left to estimate", "leave one of them out"))
    return free


def rows_at_steps(split: NDArray[Any], rows: int, name: str = "", part: slice = EVERY) -> NDArray[np.intp]:
    """So many row numbers at equal steps, of all rows or of a part of one split; all of them if there are no more."""
    every = np.flatnonzero(split == SPLITS[name]) if name else np.arange(len(split))
    if part.stop is not None and part.stop > len(every):
        value, text = Words(f"{part.start}:{part.stop}"), f"there are {len(every):,} rows to choose from"
        raise Refused(Fault("--at", value, text, f"stay within 0:{len(every)}"))
    numbers = every[part]
    return numbers if len(numbers) <= rows else numbers[np.arange(rows) * len(numbers) // rows]


def part_of(text: str) -> slice:
    """START:STOP as a slice, all rows if empty; anything else is refused."""
    start, colon, stop = text.partition(":")
    if not text:
        return EVERY
    if not (colon and start.isdecimal() and stop.isdecimal() and int(start) < int(stop)):
        raise Refused(Fault("--at", text, "a part of the rows is START:STOP, counted from 0", "write 0:64"))
    return slice(int(start), int(stop))


def hidden(stamp: int, mask: float) -> NDArray[np.bool_]:
    """Which pixels of a stamp are hidden by a mask of this share of its columns, from the left, (pixels,)."""
    columns = math.floor(mask * stamp + 0.5)
    if not 0 <= columns < stamp:
        value = Words(f"{mask:g}, {columns} of {stamp} columns")
        raise Refused(Fault("--mask", value, "an image needs a pixel that counts", "hide fewer"))
    return np.tile(np.arange(stamp) < columns, stamp)


def offset_of(text: str, stamp: int) -> tuple[int, int] | None:
    """DOWN,RIGHT in whole pixels within a stamp; None if empty."""
    if not text:
        return None
    try:
        down, right = (int(part) for part in text.split(","))
    except ValueError:
        text_of = "an offset is two whole numbers of pixels, DOWN,RIGHT"
        raise Refused(Fault("--second", text, text_of, "write 6,4")) from None
    if not 0 < max(abs(down), abs(right)) < stamp:
        raise Refused(Fault("--second", text, f"it lies elsewhere in a stamp of {stamp} pixels", "name another place"))
    return down, right


def moved(flat: Floats, offset: tuple[int, int], stamp: int) -> Floats:
    """Stamps (..., pixels) moved by whole pixels, (down, right); what comes from beyond an edge is 0."""
    down, right = offset
    padded = np.pad(flat.reshape(-1, stamp, stamp), ((0, 0), (stamp, stamp), (stamp, stamp)))
    cut = padded[:, stamp - down : 2 * stamp - down, stamp - right : 2 * stamp - right]
    return np.asarray(cut.reshape(flat.shape))


def blended_information(
    dataset: Dataset,
    one: Mapping[str, float],
    other: Mapping[str, float],
    offset: tuple[int, int],
    spread: Floats,
    left_out: NDArray[np.bool_],
) -> Floats:
    """F (2 factors, 2 factors) of two galaxies in one image, the other one moved."""
    (stamp, slopes), (stamp_of_other, slopes_of_other) = (slopes_of(dataset, each, spread) for each in (one, other))
    side = dataset.scene.stamp
    both = stamp + moved(stamp_of_other, offset, side)
    return _information(dataset, both, np.concatenate([slopes, moved(slopes_of_other, offset, side)]), ~left_out)


def information(
    dataset: Dataset, factors: Mapping[str, float], spread: Floats, left_out: NDArray[np.bool_] | None = None
) -> Floats:
    """F (factors, factors) of a galaxy with these factors in their declared units, by the pixels that are not left out.

    spread (factors,) sets the steps.
    """
    stamp, slopes = slopes_of(dataset, factors, spread)
    return _information(dataset, stamp, slopes, np.ones(len(stamp), bool) if left_out is None else ~left_out)


def slopes_of(dataset: Dataset, factors: Mapping[str, float], spread: Floats) -> tuple[Floats, Floats]:
    """The noise-free stamp (pixels,) of these factors, and dm/dtheta (factors, pixels)."""
    stamp = _drawn(dataset, factors)
    steps = zip(factors, STEP * spread, strict=True)
    return stamp, np.stack([_slope(dataset, factors, stamp, name, step) for name, step in steps])


def _information(dataset: Dataset, stamp: Floats, slopes: Floats, good: NDArray[np.bool_]) -> Floats:
    """F of a noise-free stamp (pixels,) and its slopes (factors, pixels), by the good pixels."""
    if dataset.noise.kind == "gaussian":
        variance = noise_std(dataset.noise, stamp.astype(np.float32)) ** 2
        return np.asarray(slopes[:, good] @ slopes[:, good].T / variance)
    mean = stamp + (dataset.noise.sky or 0.0)
    bright = good & (mean > FAINTEST * mean.max())
    return np.asarray(slopes[:, bright] / mean[bright] @ slopes[:, bright].T)


def least_errors(matrix: Floats) -> Floats:
    """Square roots of the diagonal of the inverse of an information matrix, (factors,); infinite if it has none."""
    scale = np.sqrt(np.diag(matrix))
    try:
        inverse = np.linalg.inv(matrix / np.outer(scale, scale))  # of factors in units that do not differ by powers
    except np.linalg.LinAlgError:
        return np.full(len(matrix), np.inf)
    variance = np.diag(inverse)
    return np.where(variance > 0, np.sqrt(np.abs(variance)) / scale, np.inf)


def _slope(dataset: Dataset, factors: Mapping[str, float], stamp: Floats, name: str, step: float) -> Floats:
    """dm/dtheta of one factor, (pixels,); from one side only where the other lies beyond the parameter's limits."""
    if name in LINEAR:
        return stamp / factors[name]
    bounds, unit = PARAMETERS[name].limits, PARAMETERS[name].units[dataset.factors[name].unit]
    step = SERSIC_STEP if name == "sersic_index" else step  # it is drawn in such steps
    values = [factors[name] + sign * step for sign in (-1, 1)]
    low, high = (value if bounds.holds(value * unit) else factors[name] for value in values)
    images = [_drawn(dataset, {**factors, name: value}) for value in (low, high)]
    return (images[1] - images[0]) / (high - low)


def _drawn(dataset: Dataset, factors: Mapping[str, float]) -> Floats:
    return draw(dataset.scene, parameters(dataset, factors)).astype(np.float64).ravel()


def _refuse_without_limit(store: Path, dataset: Dataset) -> None:
    if dataset.scene.kind is not None:
        value, allowed = Words(f"a scene of {dataset.scene.kind}"), "the limits are those of galaxies"
    elif dataset.scene.is_catalogued:
        value = Words(f"{dataset.scene.galaxy} galaxies")
        allowed = "a limit with all else free needs factors that say all of a galaxy, and their morphology is none"
    elif dataset.noise.kind == "none":
        value, allowed = Words("images without noise"), "without noise a factor can be measured exactly"
    else:
        return
    raise Refused(Fault(str(store), value, allowed, "name a store of simulated galaxies with noise"))

"""A store as tensors: its seal is verified, and the rows of one split are read, images in photons.

Pixels that are masked, or whose inverse variance is 0, are read as 0 photons: nothing of them reaches a network.

Every scaling constant comes from the training rows alone and is kept beside the run: `Scaling`. The checksums of the
image chunks are verified as they are read; a file that is missing or cut would be read as zeros, so the seal's sizes
are compared first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
import zarr
from numpy.typing import NDArray
from torch import Tensor

from auxvae.config.inputs import STAMP
from auxvae.config.run import Source
from auxvae.data.auxiliaries import variables_of_rows
from auxvae.data.encoding import Columns
from auxvae.data.inputs import absent
from auxvae.data.read_ahead import read_ahead
from auxvae.data.scaling import Scaling, scaled_factors
from auxvae.data.sealed import verify
from foundation.faults import Fault, Refused, Words
from foundation.memory import memory_limit

SPLITS = {"train": 0, "validation": 1, "test": 2}
BLOCK_BYTES = (
    8e6  # of images that are read together: memory of this size is reused, while larger blocks are mapped anew
)


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a store: images (N, C, H, W) in photons; factors in their units, row numbers and contexts (N,).

    measured: measurements of factors and their errors, (N,) each; empty where a store has none.
    """

    numbers: NDArray[np.intp]
    images: Tensor
    factors: dict[str, NDArray[np.float64]]
    truth: Tensor | None
    noise_std: Tensor | None
    context: NDArray[np.intp]
    source: Source
    measured: Columns = field(default_factory=dict)

    @cached_property
    def variables(self) -> Columns:
        """The auxiliary variables, (N,) each."""
        return variables_of_rows(self.source, self.factors, self.numbers)

    def aux(self, names: tuple[str, ...], scaling: Scaling) -> Tensor:
        """Auxiliary variables by name, min-max scaled to [0, 1] by the training rows, shape (N, names)."""
        return scaled_factors(self.variables, len(self.images), names, scaling)


class Store:
    """A sealed store, opened for one source; another data set or a broken file is refused."""

    def __init__(self, path: Path, source: Source) -> None:
        """Verify seal, files and identity, and open."""
        self.path, self.source = path, source
        verify(path, source)
        self.dataset: xr.Dataset = xr.open_zarr(path)
        self.noise: dict[str, Any] = self.dataset.attrs.get("noise", {"kind": "none"})

    @cached_property
    def split(self) -> NDArray[np.int8]:
        """Split of every row: 0 training, 1 validation, 2 test."""
        return np.asarray(self.dataset["split"].values)

    def numbers(self, name: str) -> NDArray[np.intp]:
        """The numbers of the training, validation or test rows, ascending, (N,)."""
        return np.flatnonzero(self.split == SPLITS[name])

    @cached_property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        *channels, height, width = self.dataset["image"].shape[1:]
        return (channels[0] if channels else 1, height, width)

    @property
    def holds_galaxies(self) -> bool:
        """Whether flux, size and shape can be measured: images of one band in photons."""
        return self.dataset["image"].attrs.get("units") == "ph" and self.image_shape[0] == 1

    @property
    def population(self) -> str:
        """The catalogue's galaxies that it shows, `real` or `cosmos`, which differ by more than factors; else empty."""
        galaxy = self.dataset.attrs.get("spec", {}).get("scene", {}).get("galaxy", "")
        return galaxy if galaxy in ("real", "cosmos") else ""

    @property
    def is_noiseless(self) -> bool:
        """Whether its images are their own truth: drawn here, without noise, and no images of a catalogue."""
        return "spec" in self.dataset.attrs and self.noise.get("kind") == "none" and self.population != "real"

    @property
    def has_variances(self) -> bool:
        """Whether every pixel has an inverse variance."""
        return "inverse_variance" in self.dataset.variables

    @property
    def weighs_pixels(self) -> bool:
        """Whether pixels differ in what they count for (auxvae.data.pixel_weights)."""
        return self.has_variances or "mask" in self.dataset.variables

    @cached_property
    def shard(self) -> int:
        """Rows of images per shard, which is one file."""
        array = self._array("image")
        return int((array.shards or array.chunks)[0])

    @cached_property
    def block(self) -> int:
        """Rows of images that are read together: whole chunks, about BLOCK_BYTES."""
        chunk = int(self._array("image").chunks[0])
        return chunk * max(1, round(BLOCK_BYTES / (4 * chunk * math.prod(self.image_shape))))

    def read(self, name: str, truth: bool = False, most: int | None = None) -> Rows:
        """Training, validation or test rows; on request with the noise-free images, if the store has them.

        Those that have a value of every factor; of more than `most`, so many at equal steps.
        """
        return self._rows([name], [_at_most(self.complete(self.numbers(name)), most)], truth)[0]

    def complete(self, numbers: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of these row numbers whose rows have a value of every factor."""
        has_values = [np.isfinite(self._values(name)[numbers]) for name in self.source.factors]
        return numbers[np.all(has_values, axis=0)]

    def read_splits(self, *names: str) -> list[Rows]:
        """All rows of several splits; every shard is read once."""
        return self._rows(names, [self.numbers(name) for name in names])

    def _rows(self, names: Sequence[str], splits: list[NDArray[np.intp]], truth: bool = False) -> list[Rows]:
        """Rows of splits, with those numbers; of every shard only these are kept."""
        with_truth = truth and "image_true" in self.dataset.variables
        images = self.images("image", *splits)
        true = self.images("image_true", *splits) if with_truth else [None] * len(splits)
        columns = {name: self._values(name) for name in self.source.factors}
        return [
            Rows(
                numbers=rows,
                images=image,
                factors={name: values[rows] for name, values in columns.items()},
                truth=without_noise,
                noise_std=self._noise_std(rows),
                context=self._context(rows),
                source=self.source,
                measured=self.measured(rows),
            )
            for name, rows, image, without_noise in zip(names, splits, images, true, strict=True)
        ]

    def images(self, variable: str, *several: NDArray[np.intp]) -> list[Tensor]:
        """Images (N, C, H, W) in photons of several sets of rows, each ascending; nothing is read twice."""
        images = self._layers(variable, *several)
        if self.weighs_pixels and variable in ("image", "image_true"):
            return [each.mul_(self.good(rows)) for rows, each in zip(several, images, strict=True)]
        return images

    def good(self, rows: NDArray[np.intp]) -> Tensor:
        """1 for the pixels of some rows, ascending, that count, 0 for the others, (N, C, H, W)."""
        good = torch.ones(len(rows), *self.image_shape)
        if "mask" in self.dataset.variables:
            good *= self.layer("mask", rows) > 0
        return good * (self.layer("inverse_variance", rows) > 0) if self.has_variances else good

    def layer(self, variable: str, rows: NDArray[np.intp]) -> Tensor:
        """The mask, the inverse variances or the like of some rows, ascending, (N, C or 1, H, W)."""
        return self._layers(variable, rows)[0]

    def _layers(self, variable: str, *several: NDArray[np.intp]) -> list[Tensor]:
        """Values for every pixel, (N, C or 1, H, W), of several sets of rows."""
        array, size = self._array(variable), self.block
        images = [np.empty((len(rows), *array.shape[1:]), dtype=np.float32) for rows in several]
        every = np.unique(np.concatenate(several))
        parts = np.split(every, np.flatnonzero(np.diff(every // size)) + 1)
        blocks = [slice(part[0], part[-1] + 1) for part in parts if len(part)]
        with self._refusing_damage(variable):
            read = read_ahead(lambda at: np.asarray(array[at]).astype(np.float32, copy=False), blocks)
            for place, block in zip(blocks, read, strict=True):
                for rows, kept in zip(several, images, strict=True):
                    at = slice(*np.searchsorted(rows, (place.start, place.stop)))
                    np.take(block, rows[at] - place.start, axis=0, out=kept[at], mode="clip")  # without a second copy
        return [_with_channels(each) for each in images]

    def column(self, name: str, rows: NDArray[np.intp]) -> NDArray[Any]:
        """A factor or another column of some rows, ascending, (N, ...): the stamps of a PSF (N, C or 1, h, w)."""
        if name not in self.dataset.variables:
            raise Refused(absent(name, self.path))
        return self.layer(name, rows).numpy() if name == STAMP else self._values(name)[rows]

    def factors(self, name: str) -> dict[str, NDArray[np.float64]]:
        """The factors of training, validation or test rows, (N,) each, in their units; no image is read."""
        rows = self.numbers(name)
        return {factor: self._values(factor)[rows] for factor in self.source.factors}

    def measured_of(self, name: str) -> Columns:
        """Measurements of factors and their errors of training, validation or test rows, (N,) each."""
        return self.measured(self.numbers(name))

    def measured(self, rows: NDArray[np.intp]) -> Columns:
        """Measurements of factors and their errors of some rows, (N,) each, NaN where there is none."""
        names = dict.fromkeys(name for each in self.source.measurements for name in each.columns)
        return {name: self._values(name)[rows] for name in names}

    def context(self, name: str) -> NDArray[np.intp]:
        """The context of each training, validation or test row, (N,): 0 in a store without contexts."""
        return self._context(self.numbers(name))

    def _context(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        if not self.source.contexts:
            return np.zeros(len(rows), dtype=np.intp)
        return np.asarray(self._values("context")[rows], dtype=np.intp)

    def noise_std(self, name: str) -> Tensor | None:
        """Standard deviation of the noise of each training, validation or test row, (N,), where the store has it."""
        return self._noise_std(self.numbers(name))

    def _noise_std(self, rows: NDArray[np.intp]) -> Tensor | None:
        if "noise_std" not in self.dataset.variables:
            return None
        return torch.tensor(self._values("noise_std")[rows])

    def aux(self, name: str, names: tuple[str, ...], scaling: Scaling) -> Tensor:
        """Auxiliary variables of training, validation or test rows, scaled to [0, 1], (N, names); no image is read."""
        return scaled_factors(self.variables(name), len(self.numbers(name)), names, scaling)

    def columns(self, name: str) -> dict[str, Tensor]:
        """The auxiliary variables of training, validation or test rows in double, unscaled; no image is read."""
        return {n: torch.tensor(values, dtype=torch.float64) for n, values in self.variables(name).items()}

    def variables(self, name: str) -> Columns:
        """The auxiliary variables of training, validation or test rows, (N,) each, unscaled; no image is read."""
        return variables_of_rows(self.source, self.factors(name), self.numbers(name))

    def _array(self, variable: str) -> Any:
        return zarr.open_array(self.path / variable, mode="r")

    def _values(self, name: str) -> NDArray[Any]:
        with self._refusing_damage(name):
            return np.asarray(self.dataset[name].values)

    @contextmanager
    def _refusing_damage(self, name: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError, RuntimeError, KeyError) as error:
            value = Words(f"unreadable bytes ({error})")
            place = f"{self.path}/{name}"
            raise Refused(Fault(place, value, "every chunk must match its checksum", "make the store again")) from None


def _at_most(rows: NDArray[np.intp], most: int | None) -> NDArray[np.intp]:
    """The rows, or so many of them at equal steps."""
    if most is None or len(rows) <= most:
        return rows
    return rows[np.arange(most) * len(rows) // most]


def _with_channels(images: NDArray[np.float32]) -> Tensor:
    """Images (N, C, H, W) of (N, C, H, W) or (N, H, W)."""
    return torch.from_numpy(images if images.ndim == 4 else images[:, None])


@lru_cache(1)
def open_store(path: Path, source: Source) -> Store:
    """A store, verified and opened once for all runs of a process."""
    return Store(path, source)


def refuse_beyond_memory(where: str, needed: int, remedy: str) -> None:
    """Refuse what would need more bytes than this process may use."""
    limit = memory_limit()
    if needed > limit:
        value = Words(f"images that need {needed / 1e9:.3g} GB of memory")
        raise Refused(Fault(where, value, f"there are {limit / 1e9:.3g} GB", remedy))

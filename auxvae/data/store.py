"""A store as tensors: its seal is verified, and the rows of one split are read, images in photons.

Every scaling constant comes from the training rows alone and is kept beside the run: `Scaling`. The checksums of the
image chunks are verified as they are read; a file that is missing or cut would be read as zeros, so the seal's sizes
are compared first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from auxvae.config.run import Source
from auxvae.data.components import Components
from foundation.faults import Fault, Refused, Words
from foundation.files import digest_file, read_json

SPLITS = {"train": 0, "validation": 1, "test": 2}
SMALL = 1_000_000  # files up to this size are hashed at every opening


@dataclass(frozen=True)
class Scaling:
    """Constants from the training rows: of the images (photons per pixel), of what the network sees, of the factors.

    mean_image (C, H, W): in photons per pixel. components: of the images, where the network is made of them.
    """

    count_low: float
    count_high: float
    mean: float
    std: float
    factor_low: dict[str, float]
    factor_high: dict[str, float]
    mean_image: Tensor
    components: Components | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a store: images (N, C, H, W) in photons, factors (N,) in their units, row numbers (N,)."""

    numbers: NDArray[np.intp]
    images: Tensor
    factors: dict[str, NDArray[np.float64]]
    truth: Tensor | None
    noise_std: Tensor | None

    def aux(self, names: tuple[str, ...], scaling: Scaling) -> Tensor:
        """Factors by name, min-max scaled to [0, 1] by the training rows, shape (N, names)."""
        return scaled_factors(self.factors, len(self.images), names, scaling)


def scaled_factors(
    factors: Mapping[str, NDArray[np.float64]], rows: int, names: tuple[str, ...], scaling: Scaling
) -> Tensor:
    """Factors (N,) by name, min-max scaled to [0, 1] by the training rows, shape (N, names)."""
    low, high = scaling.factor_low, scaling.factor_high
    columns = [(factors[n] - low[n]) / (high[n] - low[n]) for n in names]
    return torch.tensor(np.stack(columns, 1), dtype=torch.float32) if columns else torch.zeros(rows, 0)


class Store:
    """A sealed store, opened for one source; another data set or a broken file is refused."""

    def __init__(self, path: Path, source: Source) -> None:
        """Verify seal, files and identity, and open."""
        self.path, self.source = path, source
        _verify(path, source)
        self.dataset: xr.Dataset = xr.open_zarr(path)
        _fits(path, self.dataset["image"].nbytes)
        self.noise: dict[str, Any] = self.dataset.attrs.get("noise", {"kind": "none"})

    @cached_property
    def split(self) -> NDArray[np.int8]:
        """Split of every row: 0 training, 1 validation, 2 test."""
        return np.asarray(self.dataset["split"].values)

    def read(self, name: str, truth: bool = False) -> Rows:
        """Training, validation or test rows; on request with the noise-free images, if the store has them."""
        return self.read_splits(name, truth=truth)[0]

    def read_splits(self, *names: str, truth: bool = False) -> list[Rows]:
        """The rows of several splits, for which every variable is read once."""
        variables = self.dataset.variables
        images, true = (
            self._values("image"),
            self._values("image_true") if truth and "image_true" in variables else None,
        )
        noise_std = self._values("noise_std") if "noise_std" in variables else None
        factors = {name: self._values(name) for name in self.source.factors}
        splits = [np.flatnonzero(self.split == SPLITS[name]) for name in names]
        return [
            Rows(
                numbers=rows,
                images=_with_channels(images[rows]),
                factors={name: values[rows] for name, values in factors.items()},
                truth=None if true is None else _with_channels(true[rows]),
                noise_std=None if noise_std is None else torch.tensor(noise_std[rows]),
            )
            for rows in splits
        ]

    def aux(self, name: str, names: tuple[str, ...], scaling: Scaling) -> Tensor:
        """Auxiliary variables of training, validation or test rows, scaled to [0, 1], (N, names); no image is read."""
        rows = np.flatnonzero(self.split == SPLITS[name])
        return scaled_factors({n: self._values(n)[rows] for n in names}, len(rows), names, scaling)

    def columns(self, name: str) -> dict[str, Tensor]:
        """The factors of training, validation or test rows as tensors, in their units; no image is read."""
        rows = np.flatnonzero(self.split == SPLITS[name])
        return {n: torch.tensor(self._values(n)[rows], dtype=torch.float32) for n in self.source.factors}

    def _values(self, name: str) -> NDArray[Any]:
        try:
            return np.asarray(self.dataset[name].values)
        except (ValueError, OSError, RuntimeError, KeyError) as error:
            value = Words(f"unreadable bytes ({error})")
            place = f"{self.path}/{name}"
            raise Refused(Fault(place, value, "every chunk must match its checksum", "make the store again")) from None


def _with_channels(images: NDArray[np.float32]) -> Tensor:
    """Images (N, C, H, W) of (N, C, H, W) or (N, H, W)."""
    return torch.from_numpy(images if images.ndim == 4 else images[:, None])


@lru_cache(1)
def open_store(path: Path, source: Source) -> Store:
    """A store, verified and opened once for all runs of a process."""
    return Store(path, source)


def _verify(path: Path, source: Source) -> None:
    if not (path / "seal.json").is_file():
        raise Refused(Fault(str(path), Words("no seal"), "an unfinished store is not read", "finish the simulation"))
    seal = read_json(path / "seal.json", "the seal of a store")
    for name, sealed in seal["files"].items():
        file = path / name
        size = file.stat().st_size if file.is_file() else -1
        if size != sealed["bytes"] or (size <= SMALL and digest_file(file) != sealed["sha256"]):
            value = Words("no file" if size < 0 else f"{size} bytes that are not the sealed ones")
            raise Refused(Fault(str(file), value, f"the seal says {sealed['bytes']} bytes", "make the store again"))
    if seal["facts"]["digest"] != source.digest:
        value = Words(f"data set {seal['facts']['digest'][:8]}")
        text = f"the run was declared for {source.name} {source.digest[:8]}"
        raise Refused(Fault(str(path), value, text, "simulate that data set, or name the right store"))


def _fits(path: Path, image_bytes: int) -> None:
    """Refuse images that the machine's memory cannot hold twice, as photons and on the likelihood's scale."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if 2 * image_bytes > memory:
        text = f"they are held in memory twice, and the machine has {memory / 1e9:.3g} GB"
        value = Words(f"{image_bytes / 1e9:.3g} GB of images")
        raise Refused(Fault(str(path), value, text, "train on a larger machine or simulate fewer galaxies"))

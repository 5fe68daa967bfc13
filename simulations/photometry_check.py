"""Whether the measurements of a store are those of its images, and which of its columns may have gaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from foundation.faults import Fault, Words
from simulations.galaxy import Values
from simulations.measured import read_measurements
from simulations.photometry import measure_images
from simulations.spec import Dataset

AGREE = 1e-4  # of a standard error: other libraries of the same algorithms round in other ways


def gaps_in(group: zarr.Group) -> frozenset[str]:
    """The columns in which NaN stands for a missing value."""
    declared = read_measurements(group.attrs.get("measurements", ()), group.attrs["factors"])  # type: ignore[arg-type]
    return frozenset(name for each in declared if each.gaps for name in (each.name, each.error) if name)


def measurement_faults(
    path: Path, dataset: Dataset, group: zarr.Group, columns: Mapping[str, Any], sampled: Iterable[tuple[int, Values]]
) -> Iterator[Fault]:
    """Sampled rows whose measurements differ from those that their stored images give again."""
    for row, values in sampled if dataset.measurements else ():
        image = np.asarray(group["image"][row])[None]  # type: ignore[index]
        sigma = columns["noise_std"][row : row + 1] if "noise_std" in columns else None
        for name, again in measure_images(dataset, [values], image, sigma).items():
            stored = float(columns[name][row])
            width = float(columns[name if name.endswith("_error") else f"{name}_error"][row])
            if not np.isclose(stored, again[0], rtol=AGREE, atol=AGREE * np.nan_to_num(width), equal_nan=True):
                text = f"the stored image measures {again[0]:.8g}"
                yield Fault(f"{path}/{name}[{row}]", Words(f"{stored:.8g}"), text, "make the store again")

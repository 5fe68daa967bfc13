"""Layers of a store: arrays of a row for each image that are neither its pixels nor factors, and what they must hold.

    inverse_variance   finite, 0 or more, above 0 somewhere in every image     0: the pixel says nothing
    mask               0 or 1                                                  1: the pixel is good
    psf                finite, with a sum above 0                              psf_fwhm, pixel_scale: finite, above 0

Texts say where an image comes from, and may be any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Words

WEIGHT: Mapping[str, Any] = {"units": "ph-2", "long_name": "inverse variance of a pixel"}
MASK: Mapping[str, Any] = {"long_name": "whether a pixel is good", "flag_values": [0, 1], "flag_meanings": "bad good"}
CLEAN = "correct or drop those images"


@dataclass(frozen=True)
class Layer:
    """One array: names of its dimensions, shape of a row, type, attributes, and its values for n rows, (n, ...)."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    attributes: Mapping[str, Any]
    read: Callable[[NDArray[np.int64]], NDArray[Any]]


def layer_fault(where: str, name: str, values: NDArray[Any], first: int) -> Fault | None:
    """What is wrong with some rows of the array `name`, of rows `first` and on; None of other arrays than layers."""
    rows = f"in rows {first} to {first + len(values) - 1}"
    within = tuple(range(1, values.ndim))
    if name == "mask":
        bad = int(((values != 0) & (values != 1)).sum())
        return (
            Fault(where, Words(f"{bad} values other than 0 and 1 {rows}"), "a mask is 0 or 1", CLEAN) if bad else None
        )
    if name not in ("inverse_variance", "psf", "psf_fwhm", "pixel_scale"):
        return None
    if bad := int((~np.isfinite(values)).sum()):
        return Fault(where, Words(f"{bad} values that are not finite {rows}"), "all must be finite", CLEAN)
    if name == "inverse_variance" and (bad := int((values < 0).sum())):
        return Fault(where, Words(f"{bad} values below 0 {rows}"), "an inverse variance is 0 or more", CLEAN)
    if name == "inverse_variance" and (bad := int((values <= 0).all(axis=within).sum())):
        value = Words(f"{bad} images whose inverse variance is 0 everywhere {rows}")
        return Fault(where, value, "such images say nothing", "drop those images, or leave --inverse-variance out")
    if name == "psf" and (bad := int((values.sum(axis=(-2, -1), dtype=np.float64) <= 0).sum())):
        return Fault(where, Words(f"{bad} stamps without light {rows}"), "a PSF has a sum above 0", CLEAN)
    if name in ("psf_fwhm", "pixel_scale") and (bad := int((values <= 0).sum())):
        return Fault(where, Words(f"{bad} values that are not above 0 {rows}"), "sizes are above 0", CLEAN)
    return None

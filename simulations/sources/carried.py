"""What a source has of each image beside its pixels and factors, as layers of the store, slice by slice.

    inverse_variance  (N[, channel], y, x)   as the images, cut and binned with them
    mask              (N[, channel], y, x)   1 for good pixels, 0 for bad ones
    psf               (N[, channel], y, x)   stamp of the PSF, binned but not cut
    psf_fwhm          (N[, channel])         in the file's unit
    pixel_scale       (N[, channel])         where it varies; else an attribute of `image`
    source_file, source_row                  the file of an image, and its row (or HDU) there, where rows do not say it
    source_id         (N,)                   text

Where rows of a single file are those of the store, nothing says so; ids that occur more than once are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.console import log
from foundation.faults import Fault, Refused, Words
from simulations.collection import SPAN, Rows, picked
from simulations.layers import MASK, WEIGHT, Layer
from simulations.sources.arranging import Plan, all_good, combined
from simulations.sources.column import Column, as_texts
from simulations.sources.conventions import Roles

PIXELS = ("y", "x")
IN_PIXELS = ("pix", "pixel")


@dataclass(frozen=True)
class Carried:
    """Layers by name, and attributes of the images."""

    layers: dict[str, Layer]
    attributes: dict[str, Any]


def carried(columns: Mapping[str, Column], roles: Roles, plan: Plan, names: tuple[str, ...]) -> Carried:
    """What the source has; columns are those of the file, before they are arranged. names: of all its bands."""
    faults = list(_unfit(columns, roles))
    if faults:
        raise Refused(faults)
    images = plan.arranged(columns[roles.images])
    layers: dict[str, Layer] = {}
    attributes: dict[str, Any] = {}
    if names:
        attributes["bands"] = [names[k] for k in plan.bands] if plan.bands is not None else list(names)
    if roles.inverse_variance:
        column = plan.arranged(columns[roles.inverse_variance], combined)
        layers["inverse_variance"] = _as_images(column, images, "float32", WEIGHT)
    if roles.mask:
        column = plan.arranged(_good(columns[roles.mask], roles.mask_is_good), all_good)
        layers["mask"] = _as_images(column, images, "int8", MASK)
    if roles.psf:
        column = plan.arranged(columns[roles.psf], cut=False)
        layers["psf"] = _stamps(column, images)
    if roles.psf_fwhm:
        layers["psf_fwhm"] = _fwhm(columns[roles.psf_fwhm], images, plan)
    if roles.pixel_scale:
        column = _by_band(columns[roles.pixel_scale], images, plan)
        scale = _one_scale(column)
        if scale is None:
            layers["pixel_scale"] = _numbers(column, float(plan.bin), "side of a pixel")
        else:
            unit = {"pixel_scale_units": column.unit} if column.unit else {}
            attributes |= {"pixel_scale": scale * plan.bin, **unit}
    return Carried(layers | dict(_origin(columns, roles)), attributes)


def _unfit(columns: Mapping[str, Column], roles: Roles) -> Iterator[Fault]:
    """Columns that are not of numbers, of a row for each image, with as many axes as their role has."""
    ranks = {"inverse_variance": (3, 4), "mask": (3, 4), "psf": (3, 4), "psf_fwhm": (1, 2), "pixel_scale": (1, 2)}
    rows = columns[roles.images].shape[0]
    for role, allowed in {**ranks, "identity": (1,)}.items():
        if not (name := getattr(roles, role)):
            continue
        column, what = columns[name], role.replace("_", " ")
        if column.shape[:1] != (rows,) or len(column.shape) not in allowed:
            text = f"there are {rows:,} images, and their {what} has {' or '.join(map(str, allowed))} axes"
            yield Fault(column.where, column.shape, text, "name another column, or correct it")
        elif role != "identity" and column.dtype.kind not in "iufb":
            yield Fault(column.where, str(column.dtype), f"{what} is of real numbers", "name another column")


def _dims(column: Column, images: Column, inner: tuple[str, ...]) -> tuple[str, ...]:
    """The dimensions of what has the channels of the images, or none."""
    channels = (images.shape[1],) if len(images.shape) == 4 else ()
    ranks = len(column.shape) - 1 - len(inner)
    if column.shape[0] != images.shape[0] or column.shape[1 : 1 + ranks] not in ((), channels):
        raise Refused(_unlike(column, images))
    return ("galaxy", *(("channel",) * ranks), *inner)


def _unlike(column: Column, images: Column) -> Fault:
    text = f"the images are {images.shape}, and what belongs to their pixels has that shape, or one without channels"
    return Fault(column.where, column.shape, text, "correct the column, or leave its option out")


def _as_images(column: Column, images: Column, dtype: str, attributes: Mapping[str, Any]) -> Layer:
    if len(column.shape) < 3 or column.shape[-2:] != images.shape[-2:]:
        raise Refused(_unlike(column, images))
    return Layer(_dims(column, images, PIXELS), column.shape[1:], dtype, attributes, partial(picked, column))


def _good(column: Column, is_good: bool) -> Column:
    """A mask whose ones are good pixels; values other than 0 and 1 are refused."""

    def read(rows: slice) -> NDArray[Any]:
        values = column[rows]
        if not ((values == 0) | (values == 1)).all():
            value = Words(f"{values[(values != 0) & (values != 1)].ravel()[0]}")
            remedy = "write a mask of 0 and 1, of those of its bits that count"
            raise Refused(Fault(column.where, value, "a mask is 0 or 1 in every pixel", remedy))
        return values.astype(np.int8) if is_good else 1 - values.astype(np.int8)

    return replace(column, read=read, dtype=np.dtype(np.int8))


def _stamps(column: Column, images: Column) -> Layer:
    attributes = {"units": "1", "long_name": "point spread function"}
    dims = _dims(column, images, ("psf_y", "psf_x"))
    return Layer(dims, column.shape[1:], "float32", attributes, partial(picked, column))


def _by_band(column: Column, images: Column, plan: Plan) -> Column:
    """A column (N,) or (N, channel) with the bands that are kept; (N, 1) of images without channels as (N,)."""
    column = column.flat() if len(images.shape) == 3 else column
    if len(column.shape) != 2 or plan.bands is None:
        return column
    bands = list(plan.bands)
    if max(bands) >= column.shape[1]:
        raise Refused(_unlike(column, images))
    return replace(column, shape=(column.shape[0], len(bands)), read=lambda rows: column[rows][:, bands])


def _fwhm(column: Column, images: Column, plan: Plan) -> Layer:
    in_pixels = column.unit.lower() in IN_PIXELS
    if not column.unit:
        log.info(
            f"{column.where}: a width without a unit; state it with --unit {column.where.rpartition(' ')[2]}=arcsec"
        )
    numbers = _by_band(column, images, plan)
    _dims(numbers, images, ())
    return _numbers(numbers, 1 / plan.bin if in_pixels else 1.0, "full width at half maximum of the PSF")


def _numbers(column: Column, factor: float, long_name: str) -> Layer:
    def read(rows: Rows) -> NDArray[Any]:
        return factor * np.asarray(picked(column, rows), dtype=np.float64)

    dims = ("galaxy", "channel")[: len(column.shape)]
    return Layer(dims, column.shape[1:], "float64", {"units": column.unit, "long_name": long_name}, read)


def _one_scale(column: Column) -> float | None:
    """The side of a pixel that all images have; None where it varies."""
    values = {column[0:1].ravel()[0]} if column.shape[0] else set()
    for start in range(0, column.shape[0], SPAN):
        values |= set(np.unique(column[slice(start, start + SPAN)]))
        if len(values) > 1:
            return None
    value = float(str(values.pop()))  # the digits of single precision, not those of its double
    if not 0 < value < np.inf:
        raise Refused(Fault(column.where, value, "the side of a pixel is above 0", "correct the column"))
    return value


def _origin(columns: Mapping[str, Column], roles: Roles) -> Iterator[tuple[str, Layer]]:
    origin = columns[roles.images].origin
    if origin is not None:
        of_file = {"long_name": "file of the image, in the source"}
        of_row = {"long_name": "row, or HDU, of the image in its file"}
        yield "source_file", Layer(("galaxy",), (), "str", of_file, lambda rows: _texts(origin(_slice(rows))[0]))
        yield "source_row", Layer(("galaxy",), (), "int64", of_row, lambda rows: origin(_slice(rows))[1])
    if roles.identity:
        ids = columns[roles.identity]
        _report_repeats(ids)
        attributes = {"long_name": f"{roles.identity} of the image"}
        yield "source_id", Layer(("galaxy",), (), "str", attributes, lambda rows: _texts(as_texts(picked(ids, rows))))


def _slice(rows: Rows) -> slice:
    return slice(int(rows[0]), int(rows[-1]) + 1)


def _texts(values: list[str]) -> NDArray[Any]:
    return np.array(values, dtype=object)


def _report_repeats(ids: Column) -> None:
    """Say how many ids occur more than once, which is allowed: of each, 8 bytes are compared."""
    marks = [hash(text) for start in range(0, ids.shape[0], SPAN) for text in as_texts(ids[slice(start, start + SPAN)])]
    _, times = np.unique(np.array(marks, dtype=np.int64), return_counts=True)
    if twice := int((times > 1).sum()):
        log.info(f"{ids.where}: {twice:,} ids occur more than once; their images are kept, each as a row")

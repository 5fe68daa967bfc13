"""A source as the store will have it: its images arranged, its ellipticities converted, what else it has as layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from simulations.ellipticity import with_shear
from simulations.layers import Layer
from simulations.sources import bands
from simulations.sources.arranging import Plan, axes_of, shaped
from simulations.sources.carried import Carried, carried
from simulations.sources.column import Column
from simulations.sources.conventions import Roles, roles_of
from simulations.sources.options import Options


@dataclass(frozen=True)
class View:
    """Columns by name, of which `images` are the images; aside: no factors unless they are named.

    used: the columns that are read beside images and factors; sizes: those of them that have a unit.
    classes: the factor that is categorical by convention.
    """

    columns: dict[str, Column]
    images: str
    aside: frozenset[str]
    used: tuple[str, ...]
    sizes: tuple[str, ...]
    layers: dict[str, Layer]
    attributes: dict[str, Any]
    classes: str


def viewed(columns: dict[str, Column], images: str, options: Options) -> View:
    """The view of the columns of a source; a column of images that is not there is left to the checks of columns."""
    columns = with_shear(columns, options.ellipticity)
    roles = roles_of(columns, images, options)
    sizes = tuple(name for name in (roles.psf_fwhm, roles.pixel_scale) if name)
    columns = columns | {name: replace(columns[name], unit=columns[name].unit or roles.unit) for name in sizes}
    more = Carried({}, {})
    if roles.images in columns:
        columns = columns | _shaped(columns, roles, options)
        if len(columns[roles.images].shape) in (3, 4):
            names = bands.names_of(columns[roles.bands]) if roles.bands else ()
            plan = _plan(columns[roles.images], roles, options, names)
            more = carried(columns, roles, plan, names)
            columns = columns | {roles.images: plan.arranged(columns[roles.images])}
    aside = roles.aside | {name for name, column in columns.items() if column.aside}
    used = tuple(sorted(roles.aside - {roles.bands, roles.identity}))
    stated = options.stated_scale
    scale = {} if stated is None else {"pixel_scale": stated * options.bin, "pixel_scale_units": "arcsec"}
    attributes = more.attributes | scale
    return View(columns, roles.images, frozenset(aside), used, sizes, more.layers, attributes, roles.classes)


def _shaped(columns: dict[str, Column], roles: Roles, options: Options) -> dict[str, Column]:
    """Flat lists of images, and of what has their pixels, in the stated shape."""
    of_pixels = [name for name in (roles.inverse_variance, roles.mask) if name and len(columns[name].shape) == 2]
    return {name: shaped(columns[name], options) for name in (roles.images, *of_pixels)}


def _plan(images: Column, roles: Roles, options: Options, names: tuple[str, ...]) -> Plan:
    axes = axes_of(images, options, roles.axes)
    channels = images.shape[axes.index("C")] if "C" in axes else 0
    kept = bands.chosen(options.bands, names, channels, images.where)
    return Plan(axes, kept, options.crop, options.bin)

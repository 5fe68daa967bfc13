"""What the factors of a data set can reach together: shears of 1, radii below 0, galaxies larger than their stamp."""

from __future__ import annotations

import math
from collections.abc import Iterator

from foundation.faults import Fault, Words, listed, suggest
from simulations.parameters import HALF_LIGHT_OF_EXPONENTIAL, PARAMETERS, REQUIRED
from simulations.spec import Dataset


def dataset_faults(dataset: Dataset, where: str) -> list[Fault]:
    """All faults of a data set whose parts are each well-formed; the later checks need the earlier to pass."""
    names = [*_names(dataset, where), *_design(dataset, where), *_split(dataset, where)]
    values = names or list(_limits(dataset, where))
    return values or [*_shear(dataset, where), *_stamp(dataset, where)]


def _names(dataset: Dataset, where: str) -> Iterator[Fault]:
    takes = dataset.scene.takes()
    allowed = f"a {dataset.scene.galaxy} galaxy with a {dataset.scene.psf} PSF takes {listed(takes)}"
    constants = dataset.scene.constants
    places = {f"{where}.factors.{n}": n for n in dataset.factors}
    places |= {f"{where}.scene.constants.{n}": n for n in constants}
    for place, name in places.items():
        if name not in takes:
            yield Fault(place, name, allowed, suggest(name, takes, "rename it or take it away"))
    for name in dataset.factors.keys() & constants.keys():
        yield Fault(f"{where}.scene.constants.{name}", name, "it is a factor as well", "keep one of the two")
    for name in REQUIRED[dataset.scene.galaxy]:
        if name not in dataset.factors and name not in constants:
            yield Fault(f"{where}.factors.{name}", Words("nothing"), f"{allowed}", f"add {name} or a constant for it")
    for name, factor in dataset.factors.items():
        if name in takes and factor.unit not in PARAMETERS[name].units:
            units = listed(repr(u) for u in PARAMETERS[name].units)
            yield Fault(f"{where}.factors.{name}.unit", factor.unit, f"{name} is measured in {units}", "change it")


def _design(dataset: Dataset, where: str) -> Iterator[Fault]:
    if not dataset.factors:
        yield Fault(f"{where}.factors", Words("none"), "at least one factor must vary", "add one")
    if dataset.design == "sobol" and dataset.galaxies & (dataset.galaxies - 1):
        near = 2 ** round(math.log2(dataset.galaxies))
        yield Fault(f"{where}.galaxies", dataset.galaxies, "Sobol points balance at powers of 2", f"write {near}")
    if dataset.design != "grid":
        return
    bare = [name for name, factor in dataset.factors.items() if factor.levels is None]
    for name in bare:
        yield Fault(f"{where}.factors.{name}.levels", Words("nothing"), "a grid needs levels per factor", "add it")
    points = math.prod(factor.levels or 1 for factor in dataset.factors.values())
    if not bare and points != dataset.galaxies:
        yield Fault(f"{where}.galaxies", dataset.galaxies, f"the grid has {points} points", f"write {points}")


def _split(dataset: Dataset, where: str) -> Iterator[Fault]:
    for name, rows in zip(("train", "validation", "test"), dataset.split.counts(dataset.galaxies), strict=True):
        if rows < 1:
            text = f"{dataset.galaxies} galaxies leave {rows} {name} rows and each part needs one"
            yield Fault(f"{where}.split.{name}", getattr(dataset.split, name), text, "raise the share or the number")


def _limits(dataset: Dataset, where: str) -> Iterator[Fault]:
    for name, factor in dataset.factors.items():
        limits, (low, high) = PARAMETERS[name].limits, dataset.parameter_range(name)
        if limits.holds(low) and limits.holds(high):
            continue
        remedy = "take truncated_normal" if factor.distribution == "normal" else "narrow the range"
        text = f"{name} must be {limits} {PARAMETERS[name].unit}".rstrip()
        yield Fault(f"{where}.factors.{name}", Words(f"values from {low:g} to {high:g}"), text, remedy)


def _shear(dataset: Dataset, where: str) -> Iterator[Fault]:
    largest = math.hypot(*(max(map(abs, dataset.parameter_range(name))) for name in ("g1", "g2")))
    if not largest < 1:
        text = "|g| must stay below 1, where an ellipse becomes a line"
        yield Fault(f"{where}.factors.g1", Words(f"|g| up to {largest:.4g}"), text, "narrow g1 or g2")


def largest_half_light(dataset: Dataset) -> float:
    """Half-light radius (arcsec) of the largest galaxy before its shear, which keeps the area of an isophote."""
    radius = dataset.parameter_range("radius")[1]
    if dataset.scene.radius == "scale":
        radius *= HALF_LIGHT_OF_EXPONENTIAL if dataset.scene.galaxy != "sersic" else _sersic_ratio(dataset)
    bulge = dataset.parameter_range("bulge_radius")[1] if dataset.scene.galaxy == "bulge_disk" else 0.0
    return max(radius, bulge)


def _sersic_ratio(dataset: Dataset) -> float:
    """Half-light over scale radius of a Sérsic profile, b^n, with b from Ciotti & Bertin (1999), eq. 18."""
    n = dataset.parameter_range("sersic_index")[1]
    return float((2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n * n)) ** n)


def _stamp(dataset: Dataset, where: str) -> Iterator[Fault]:
    """A stamp must hold half of the light of the largest galaxy: its half-width reaches the half-light radius."""
    scene = dataset.scene
    shift = max(max(map(abs, dataset.parameter_range(name))) for name in ("offset_x", "offset_y"))
    needed = math.ceil(2 * (largest_half_light(dataset) / scene.pixel_scale + shift))
    if scene.stamp < needed:
        text = f"the largest galaxy has a half-light radius of {largest_half_light(dataset):.3g} arcsec"
        yield Fault(f"{where}.scene.stamp", scene.stamp, text, f"write {needed} or more, or make the galaxies smaller")

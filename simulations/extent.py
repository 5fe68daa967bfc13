"""How large the galaxies and PSFs of a data set are: on their stamp, beside a pixel, and in GalSim's memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from foundation.faults import Fault, Words
from simulations.examination import Examination
from simulations.parameters import LARGEST_STAMP
from simulations.spec import Dataset
from simulations.transform import LARGEST, Size, galaxy_extent, half_light, psf_extent, size

INVISIBLE = 0.05  # pixels: the variance of a profile so wide is a hundredth of a pixel's
POINTLIKE = 1e-6  # pixels: GalSim's tables do not reach there
STEPS = 16  # between the least and the greatest size, for the largest transform
PEAKED = 4.0  # Sérsic index of the galaxies that stand for those of a catalogue


def extent_faults(x: Examination) -> Iterator[Fault]:
    """What does not fit on its stamp, cannot be seen in its pixels, or cannot be drawn in memory."""
    if not all(x.sound(f"scene.{key}") for key in ("galaxy", "psf", "radius", "stamp", "pixel_scale")):
        return
    sizes = [*_stamp(x), *visible_faults(x)]
    yield from sizes
    if not sizes and all(math.isfinite(bound) for name in x.dataset.scene.takes() for bound in x.range(name)):
        yield from transform_faults(x)


def largest_half_light(x: Examination) -> float:
    """Half-light radius (arcsec) of the largest galaxy before its shear, which keeps the area of an isophote."""
    values = {name: x.range(name)[1] for name in ("radius", "sersic_index")}
    bulge = x.range("bulge_radius")[1] if x.dataset.scene.galaxy == "bulge_disk" else 0.0
    return max(half_light(x.dataset.scene, values), bulge)


def _stamp(x: Examination) -> Iterator[Fault]:
    """A stamp must hold half of the light of the largest galaxy, and of the widest PSF, if both are round.

    Their half-light radius reaches the half-width of the stamp at most; with a shear, the whole width.
    """
    scene = x.dataset.scene
    shift, shear = max(x.largest("offset_x"), x.largest("offset_y")), math.hypot(x.largest("g1"), x.largest("g2"))
    radius, seeing = largest_half_light(x) / scene.pixel_scale, x.range("psf_fwhm")[1] / scene.pixel_scale
    needs = {
        f"the largest galaxy has a half-light radius of {radius:.3g} pixels": 2 * (radius + shift),
        f"the widest PSF has a FWHM of {seeing:.3g} pixels": seeing + 2 * shift,
    }
    beyond = {text: need for text, need in needs.items() if need > scene.stamp}
    if beyond:
        offset = f", up to {shift:.3g} pixels from the centre" if shift else ""
        text, remedy = " and ".join(beyond) + offset, _larger(max(beyond.values()))
        yield Fault(f"{x.where}.scene.stamp", scene.stamp, text, remedy)
    elif shear < 1 and radius * (stretch := math.sqrt((1 + shear) / (1 - shear))) > scene.stamp:
        length = f"{2 * radius * stretch:.3g} pixels on a stamp of {scene.stamp}"
        text = f"it stretches the half-light ellipse of the largest galaxy to {length}"
        value = Words(f"|g| up to {shear:.4g}")
        yield Fault(x.place("g1"), value, text, "narrow g1 or g2, or make the galaxies smaller")


def _larger(pixels: float) -> str:
    if pixels > LARGEST_STAMP:
        return "make the galaxies or the PSF smaller or the pixels larger, and check their units"
    return f"write {math.ceil(pixels)} or more, or make the galaxies or the PSF smaller"


def visible_faults(x: Examination) -> Iterator[Fault]:
    """A size that varies shows in the pixels; GalSim draws no size that is 0 beside them."""
    scale = x.dataset.scene.pixel_scale
    for name in ("radius", "bulge_radius", "psf_fwhm"):
        low, high = x.range(name)
        if name in x.dataset.factors and high < INVISIBLE * scale:
            text = f"a pixel is {scale:g} arcsec wide, so that no image shows it"
            remedy = "check the units; a constant goes to scene.constants"
            yield Fault(x.place(name), Words(x.written(name)), text, remedy)
        elif low < POINTLIKE * scale:
            text = f"it must be at least {POINTLIKE:g} of a pixel, which is {scale:g} arcsec wide"
            yield Fault(x.place(name), Words(x.written(name)), text, "raise it")


def transform_faults(x: Examination) -> Iterator[Fault]:
    """Images that GalSim draws by a transform larger than memory."""
    largest, limit = largest_transform(x.dataset), f"{LARGEST:,} x {LARGEST:,} fit in memory"
    if largest.image > LARGEST:
        name, what = _widest(x.dataset)
        text = f"GalSim would draw {what} on {largest.image:,} x {largest.image:,} pixels, of which {limit}"
        remedy = "raise psf_beta or narrow the PSF" if name == "psf_beta" else "make it smaller, or the pixels larger"
        if name == "radius" and x.dataset.scene.is_catalogued:
            value = Words(f"half-light radii up to {largest_catalogued(x.dataset):.3g} arcsec")
            yield Fault(f"{x.where}.scene.largest", value, text, "lower it, or make the pixels larger")
        else:
            yield Fault(x.place(name), Words(x.written(name)), text, remedy)
    elif largest.grid > LARGEST:
        waves = f"{largest.grid:,} x {largest.grid:,} wave numbers"
        text = f"GalSim would draw the sharpest image by {waves}, of which {limit}"
        yield Fault(x.place("psf_fwhm"), Words(x.written("psf_fwhm")), text, "widen the PSF, and check its unit")


def _widest(dataset: Dataset) -> tuple[str, str]:
    """The parameter by which an image reaches furthest, and what that is."""
    dataset = with_largest_profiles(dataset)
    values = {name: dataset.parameter_range(name)[1] for name in dataset.scene.takes()}
    lowest = {name: dataset.parameter_range(name)[0] for name in ("psf_beta",) if name in values}
    shear = math.hypot(*(max(map(abs, dataset.parameter_range(name))) for name in ("g1", "g2")))
    galaxy = galaxy_extent(dataset.scene, values).stretched(shear)
    if galaxy.reach > psf_extent(dataset.scene, values | lowest).reach:
        return "radius", "the wings of the largest galaxy"
    return ("psf_beta" if lowest and lowest["psf_beta"] < 2 else "psf_fwhm"), "the wings of the widest PSF"


def largest_transform(dataset: Dataset) -> Size:
    """The largest image and the largest grid of wave numbers that GalSim draws any galaxy of a data set with.

    A profile that grows reaches further and its transform ends earlier, so that the largest grid may be that of a size
    between the least and the greatest.
    """
    dataset = with_largest_profiles(dataset)
    choices = {name: _extremes(name, *dataset.parameter_range(name)) for name in dataset.scene.takes()}
    every = (dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values()))
    sizes = [size(dataset.scene, values) for values in every]
    return Size(max(each.image for each in sizes), max(each.grid for each in sizes))


def with_largest_profiles(dataset: Dataset) -> Dataset:
    """The data set, with the largest of its catalogue's galaxies as a peaked profile in place of them all."""
    return _with_profile(dataset, largest_catalogued(dataset), PEAKED) if dataset.scene.is_catalogued else dataset


def with_typical_profiles(dataset: Dataset) -> Dataset:
    """The data set, with an exponential profile of their median size in place of a catalogue's galaxies."""
    return _with_profile(dataset, median(_radii(dataset)), 1.0) if dataset.scene.is_catalogued else dataset


def largest_catalogued(dataset: Dataset) -> float:
    """The largest half-light radius (arcsec) of the sources."""
    return max(_radii(dataset))


def _radii(dataset: Dataset) -> list[float]:
    """Half-light radii (arcsec) of the sources, as far as they are known; where none is, an eighth of the stamp."""
    radii = [dataset.scene.source_catalogue.half_light[i] for i in dataset.scene.sources]
    return [*filter(math.isfinite, radii)] or [dataset.scene.stamp * dataset.scene.pixel_scale / 8]


def _with_profile(dataset: Dataset, radius: float, index: float) -> Dataset:
    scene = dataset.scene
    constants = {**scene.constants, "radius": radius, "sersic_index": index}
    profile = replace(
        scene, galaxy="sersic", radius="half_light", catalogue=None, largest=None, faintest=None, constants=constants
    )
    return replace(dataset, scene=profile)


def _extremes(name: str, low: float, high: float) -> list[float]:
    """Values of a parameter among which the largest transforms are."""
    if name in ("g1", "g2", "offset_x", "offset_y"):
        return [max(abs(low), abs(high))]
    if low == high or name in ("flux", "bulge_fraction"):
        return [high]
    if name not in ("radius", "bulge_radius", "psf_fwhm"):
        return [low, high]
    return [low * (high / low) ** (step / STEPS) for step in range(STEPS + 1)]

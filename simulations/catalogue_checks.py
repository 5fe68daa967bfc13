r"""What is wrong with a data set of galaxies of a catalogue: its files, sizes, PSFs and noise, before any is drawn.

The noise of a `real` galaxy, scaled with its flux and made white on pixels of A arcsec^2, has at least the power that
the catalogue's noise has at large scales, per pixel

    var >= (flux / light)^2 var_c sum(rho) A / A_c

with light the sum of the pixels of the catalogue's image, var_c and rho the variance and the correlation of its noise
per pixel of A_c arcsec^2. On the COSMOS images the white noise is 5 to 10 % above it; drawing knows it exactly and
refuses what this bound lets pass.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import replace

from foundation.faults import Fault, Refused, Words, reason
from simulations import fits_files
from simulations.catalogue import Catalogue
from simulations.examination import Examination
from simulations.extent import transform_faults, visible_faults
from simulations.psf_width import widest_psf
from simulations.scene_spec import Scene


def catalogue_faults(x: Examination) -> Iterator[Fault]:
    """All faults of a scene of catalogued galaxies, beside those that any galaxies may have."""
    if not x.sound("scene"):
        return
    if not x.dataset.scene.catalogue:
        text = f"{x.dataset.scene.galaxy} galaxies are those of a catalogue"
        yield Fault(f"{x.where}.scene.catalogue", Words("nothing"), text, "add 'catalogue: PATH' of its FITS file")
        return
    try:
        catalogue = x.dataset.scene.source_catalogue
    except Refused as refused:
        yield from (replace(fault, where=f"{x.where}.scene{fault.where}") for fault in refused.faults)
        return
    selection = [*_selection(x, catalogue)]
    yield from selection
    if not selection:
        yield from _sizes(x, catalogue)
    if x.dataset.scene.is_real:
        yield from _images(x, catalogue)


def _selection(x: Examination, catalogue: Catalogue) -> Iterator[Fault]:
    """A selection by sizes that nobody measured, or one that leaves a part of the split without sources."""
    scene = x.dataset.scene
    if scene.largest is not None and not catalogue.sizes:
        text = f"the catalogue has no half-light radii ({catalogue.path.stem}_fits.fits beside it would)"
        yield Fault(f"{x.where}.scene.largest", scene.largest, text, "take it away")
        return
    if not x.sound("split"):
        return
    sources = len(scene.sources)
    if min(x.dataset.split.counts(sources)) < 1:
        of = f"{sources} of the {len(catalogue.identifiers)} galaxies of the catalogue"
        text = "training, validation and test rows show different galaxies, so that each share of them needs one"
        written = [key for key in ("largest", "faintest") if getattr(scene, key) is not None]
        place = next((key for key in written if len(catalogue.selected(**_alone(scene, key))) == sources), "catalogue")
        place = written[-1] if written and place == "catalogue" else place
        remedy = "take a larger catalogue" if place == "catalogue" else "raise it, or take a larger catalogue"
        yield Fault(f"{x.where}.scene.{place}", Words(of), text, remedy)


def _alone(scene: Scene, key: str) -> dict[str, float | None]:
    """One cut without the other."""
    return {name: getattr(scene, name) if name == key else None for name in ("largest", "faintest")}


def _sizes(x: Examination, catalogue: Catalogue) -> Iterator[Fault]:
    """Galaxies or PSFs that the stamp does not hold, that no pixel shows, or that no memory holds."""
    faults = [*_stamp(x, catalogue), *visible_faults(x)]
    yield from faults
    if not faults and all(math.isfinite(bound) for name in x.dataset.scene.takes() for bound in x.range(name)):
        yield from transform_faults(x)


def _stamp(x: Examination, catalogue: Catalogue) -> Iterator[Fault]:
    """Half of the light of every galaxy, if it were round, and the FWHM of the widest PSF, must lie on the stamp."""
    scene = x.dataset.scene
    shift, shear = max(x.largest("offset_x"), x.largest("offset_y")), math.hypot(x.largest("g1"), x.largest("g2"))
    seeing = x.range("psf_fwhm")[1] / scene.pixel_scale + 2 * shift
    if seeing > scene.stamp:
        text = f"the widest PSF has a FWHM of {seeing - 2 * shift:.3g} pixels"
        yield Fault(f"{x.where}.scene.stamp", scene.stamp, text, f"write {math.ceil(seeing)} or more, or narrow it")
        return
    limit = scene.pixel_scale * (scene.stamp / 2 - shift)
    if shear < 1:
        limit = min(limit, scene.pixel_scale * scene.stamp / math.sqrt((1 + shear) / (1 - shear)))
    radii = [catalogue.half_light[i] for i in scene.sources]
    beyond = [radius for radius in radii if radius > limit]
    if beyond:
        value = Words(f"{len(beyond)} of {len(radii)} galaxies with half-light radii up to {max(beyond):.3g} arcsec")
        text = f"with its shears and offsets, a stamp of {scene.stamp} pixels holds half-light radii up to {limit:.3g}"
        largest = math.floor(limit * 100) / 100
        remedy = f"write scene.largest: {largest:g} to leave them out" if largest > 0 else "narrow the offsets"
        yield Fault(f"{x.where}.scene.stamp", value, text, f"{remedy}, or take a larger stamp")


def _images(x: Examination, catalogue: Catalogue) -> Iterator[Fault]:
    """Noise and PSFs that images of galaxies cannot have."""
    dataset, where = x.dataset, x.where
    if dataset.image_true:
        text = "the images of a catalogue have noise of their own, so that nobody knows them without"
        yield Fault(f"{where}.image_true", True, text, "take it away, or take galaxy: cosmos")
    if dataset.noise.kind == "poisson":
        text = "the noise of a catalogue's images can be made white, but not the photon noise of fainter ones"
        remedy = "take gaussian noise or none, or galaxy: cosmos"
        yield Fault(f"{where}.noise.kind", dataset.noise.kind, text, remedy)
    try:
        yield from _seeing(x, widest_psf(catalogue))
        yield from _noise(x, catalogue) if x.sound("noise") else ()
    except (ValueError, OSError) as error:
        text = f"images of PSFs and noise are FITS images, and one cannot be read ({reason(error)})"
        yield Fault(f"{where}.scene.catalogue", dataset.scene.catalogue, text, "get the catalogue's files again")


def _seeing(x: Examination, width: float) -> Iterator[Fault]:
    if x.range("psf_fwhm")[0] < width:
        text = f"the images of the catalogue have a PSF of {width:.3g} arcsec already, which no narrower one undoes"
        remedy = f"begin at {math.ceil(width * 100) / 100:g} arcsec or above"
        yield Fault(x.place("psf_fwhm"), Words(x.written("psf_fwhm")), text, remedy)


def _noise(x: Examination, catalogue: Catalogue) -> Iterator[Fault]:
    """Gaussian noise below that of the catalogue's images at the greatest flux."""
    sigma, flux, scene = x.dataset.noise.sigma, x.range("flux")[1], x.dataset.scene
    if sigma is None or not math.isfinite(flux):
        return
    floors = [flux * white_noise(catalogue, i, scene.pixel_scale) for i in scene.sources]
    beyond = [floor for floor in floors if floor > sigma]
    if beyond:
        value = Words(f"{sigma:g}, where {len(beyond)} of {len(floors)} galaxies have more noise at {flux:g} photons")
        text = f"noise is added to that of the catalogue's images, which is up to {max(beyond):.3g} once it is white"
        remedy = f"write {float(f'{1.2 * max(beyond):.2g}'):g}, lower flux, or leave galaxies out with scene.faintest"
        yield Fault(f"{x.where}.noise.sigma", value, text, remedy)


def white_noise(catalogue: Catalogue, source: int, pixel_scale: float) -> float:
    """Standard deviation per pixel, for a flux of 1, of a source's noise once it is white: about, and at least.

    NaN where the catalogue does not say how bright its images are.
    """
    picture, light = catalogue.pictures[source], catalogue.light[source]
    summed = summed_correlation(catalogue, picture.noise)
    return math.sqrt(picture.variance * summed) / light * pixel_scale / picture.scale


@functools.lru_cache(maxsize=64)
def summed_correlation(catalogue: Catalogue, noise: str) -> float:
    """The sum over all lags of the correlation of a catalogue's noise; 1 where it is not correlated."""
    if not noise:
        return 1.0
    rows = fits_files.image(catalogue.file(noise), 0)
    return max(sum(map(math.fsum, rows)) / max(map(max, rows)), 0.0)

"""A catalogue of galaxies in GalSim's format: what its tables say of every source, read inside the Snakefile too.

    real     galsim.RealGalaxyCatalog: NAME.fits, with the images of galaxies, PSFs and noise beside it
    cosmos   galsim.COSMOSCatalog, parametric fits: NAME_fits.fits, or NAME.fits beside it

A source is a row of the table, by its index from 0. Its half-light radius is that of NAME_fits.fits: `hlr` (arcsec, of
the larger component where two are fitted), else `flux_radius` (pixels); of other catalogues it is not known. Left out
are sources without positive flux or noise, and without a fit where fits are drawn.

The digest is of the bytes of the tables and, for `real`, of the names and sizes of the image files, so that the same
catalogue in another folder is the same one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundation.faults import Fault, Refused, Words, listed, reason
from foundation.files import digest_file, digest_of
from simulations import fits_files

IMAGES = ("IDENT", "MAG", "GAL_FILENAME", "PSF_FILENAME", "GAL_HDU", "PSF_HDU", "PIXEL_SCALE", "NOISE_VARIANCE")
FITS = ("IDENT", "MAG_AUTO", "HLR", "FLUX", "USE_BULGEFIT", "VIABLE_SERSIC", "FIT_STATUS")
OPTIONAL = ("NOISE_FILENAME", "STAMP_FLUX")
PLACE = ".catalogue"
Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Picture:
    """Where the pixels of one source are: files and numbers of their units, arcsec per pixel, variance of the noise."""

    galaxy: tuple[str, int]
    psf: tuple[str, int]
    noise: str
    scale: float
    variance: float


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Per source, in the order of the table: identifier, magnitude, half-light radius (arcsec, or NaN), usability.

    light: the sum of the pixels of its image, NaN where the table does not say. pictures: of `real` catalogues.
    tables: SHA-256 of the tables that were read.
    """

    path: Path
    tables: Sequence[str]
    identifiers: Sequence[int]
    magnitudes: Sequence[float]
    half_light: Sequence[float]
    light: Sequence[float]
    usable: Sequence[bool]
    pictures: Sequence[Picture] = ()

    @property
    def digest(self) -> str:
        """The digest of the tables and of the names and sizes of the image files, as these are now."""
        names = {name for each in self.pictures for name in (each.galaxy[0], each.psf[0], each.noise) if name}
        sizes = {name: self.file(name).stat().st_size for name in sorted(names)}
        return digest_of({"tables": [*self.tables], "files": sizes})

    @property
    def sizes(self) -> bool:
        """Whether half-light radii are known."""
        return any(map(math.isfinite, self.half_light))

    def file(self, name: str) -> Path:
        """One of its files, beside the table."""
        return self.path.parent / name

    @functools.lru_cache(maxsize=16)  # noqa: B019  (there are few catalogues, and they are kept anyhow)
    def selected(self, largest: float | None, faintest: float | None) -> tuple[int, ...]:
        """Indices of the usable sources up to this half-light radius (arcsec) and magnitude."""
        return tuple(
            i
            for i, (usable, radius, magnitude) in enumerate(
                zip(self.usable, self.half_light, self.magnitudes, strict=True)
            )
            if usable and (largest is None or radius <= largest) and (faintest is None or magnitude <= faintest)
        )


def catalogue_of(kind: str, path: str) -> Catalogue:
    """The catalogue at a path; refused with what is wrong with its files. Files are read again once they change."""
    table = Path(path)
    try:
        files = (table, *_fits_of(table))
        state = tuple((each.stat().st_size, each.stat().st_mtime_ns) for each in files if each.is_file())
    except OSError as error:
        raise _refused(path, f"it cannot be read ({reason(error)})", "correct the path") from None
    if not table.is_file():
        raise _refused(path, "the FITS file of a catalogue must be there", "correct the path")
    return _read(kind, path, state)


@functools.lru_cache(maxsize=16)
def _read(kind: str, path: str, state: tuple[tuple[int, int], ...]) -> Catalogue:
    try:
        return READERS[kind](Path(path))
    except (ValueError, LookupError, TypeError, OSError) as error:
        text = f"a catalogue in GalSim's format stands here, and {reason(error)}"
        raise _refused(path, text, "name the FITS file of a catalogue's table, unpacked") from None


def _refused(value: object, allowed: str, remedy: str) -> Refused:
    return Refused(Fault(PLACE, value, allowed, remedy))


def _fits_of(table: Path) -> Iterator[Path]:
    """The table of fits beside a table, if it is there."""
    beside = table.with_name(f"{table.stem}_fits.fits")
    if beside.is_file():
        yield beside


def _columns(path: Path, needed: Sequence[str], others: Sequence[str] = ()) -> Columns:
    columns = fits_files.columns(path, (*needed, *others))
    if absent := [name for name in needed if name not in columns]:
        raise ValueError(f"{path.name} has no column {listed(absent)}")
    return columns


def _real(path: Path) -> Catalogue:
    columns = _columns(path, IMAGES, OPTIONAL)
    rows = len(columns["IDENT"])
    noises = columns.get("NOISE_FILENAME", [""] * rows)
    pictures = tuple(
        Picture((galaxy, int(g)), (psf, int(p)), noise, float(scale), float(variance))
        for galaxy, g, psf, p, noise, scale, variance in zip(
            columns["GAL_FILENAME"], columns["GAL_HDU"], columns["PSF_FILENAME"], columns["PSF_HDU"], noises,
            columns["PIXEL_SCALE"], columns["NOISE_VARIANCE"], strict=True,
        )
    )  # fmt: skip
    _refuse_absent(path, {name for each in pictures for name in (each.galaxy[0], each.psf[0], each.noise) if name})
    fits = next(_fits_of(path), None)
    sizes = _half_light(fits, columns["IDENT"], [each.scale for each in pictures]) if fits else [math.nan] * rows
    light = [float(each) for each in columns.get("STAMP_FLUX", [math.nan] * rows)]
    usable = [not each <= 0 and picture.variance > 0 for each, picture in zip(light, pictures, strict=True)]
    tables = [digest_file(each) for each in (path, *([fits] if fits else []))]
    return Catalogue(path, tables, _whole(columns["IDENT"]), columns["MAG"], sizes, light, usable, pictures)


def _refuse_absent(path: Path, names: set[str]) -> None:
    """Refuse a table without some of its image files beside it."""
    absent = sorted(name for name in names if not (path.parent / name).is_file())
    if absent:
        value = Words(f"{path} without {len(absent)} of its image files ({listed(absent, 2)})")
        raise _refused(value, "the image files lie in the folder of the catalogue", "put or link them there")


def _half_light(fits: Path, identifiers: Sequence[Any], scales: Sequence[float]) -> list[float]:
    """Half-light radii of the table of fits, by identifier."""
    columns = fits_files.columns(fits, ("IDENT", "HLR", "USE_BULGEFIT", "FLUX_RADIUS"))
    if "HLR" in columns:
        twofold = columns.get("USE_BULGEFIT", [0] * len(columns["HLR"]))
        radii = [_larger(each, bool(two)) for each, two in zip(columns["HLR"], twofold, strict=True)]
    else:
        radii = [math.nan if each <= 0 else float(each) for each in columns.get("FLUX_RADIUS", [])]
    of = dict(zip(columns.get("IDENT", []), radii, strict=False))
    units = [1.0] * len(scales) if "HLR" in columns else scales
    return [of.get(each, math.nan) * unit for each, unit in zip(identifiers, units, strict=True)]


def _larger(hlr: Sequence[float], twofold: bool) -> float:
    """Half-light radius of a Sérsic fit, hlr[0], or the larger one of bulge and disk, hlr[1] and hlr[2]."""
    radius = max(hlr[1], hlr[2]) if twofold else hlr[0]
    return float(radius) if 0 < radius < math.inf else math.nan


def _cosmos(path: Path) -> Catalogue:
    table = path if "FIT_STATUS" in fits_files.columns(path, ("FIT_STATUS",)) else next(_fits_of(path), None)
    if table is None:
        raise ValueError(f"{path.stem}_fits.fits, which has the fits, is not beside it")
    columns = _columns(table, FITS)
    twofold, sersic = columns["USE_BULGEFIT"], columns["VIABLE_SERSIC"]
    radii = [_larger(each, bool(two)) for each, two in zip(columns["HLR"], twofold, strict=True)]
    light = [math.nan] * len(radii)
    usable = [
        bool(two or viable) and math.isfinite(radius) and (flux[1] + flux[2] if two else flux[0]) > 0
        for two, viable, radius, flux in zip(twofold, sersic, radii, columns["FLUX"], strict=True)
    ]
    return Catalogue(table, [digest_file(table)], _whole(columns["IDENT"]), columns["MAG_AUTO"], radii, light, usable)


def _whole(identifiers: Sequence[Any]) -> list[int]:
    if not all(isinstance(each, int) for each in identifiers):
        raise ValueError("IDENT is not a column of whole numbers")
    return [*identifiers]


READERS = {"real": _real, "cosmos": _cosmos}

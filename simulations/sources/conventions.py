"""What columns are called in the layouts of surveys, and what each column is for: the roles of one source.

A convention applies where the column of images has one of its names (and the columns in `needs` are there). What an
option names takes its place. Columns with a role other than that of the images are no factors unless they are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from foundation.console import log
from foundation.faults import Fault, Refused, listed, suggest
from simulations.sources.column import Column
from simulations.sources.options import Options

IDENTITIES = ("object_id", "objid", "id", "source_id", "targetid")  # columns of texts that are taken for ids


@dataclass(frozen=True)
class Convention:
    """Names of columns of one layout, "" for what it has not; axes: of images where their shape leaves it open.

    unit: of the width of the PSF and of the pixel scale, where a file states none.
    """

    name: str
    images: tuple[str, ...]
    needs: tuple[str, ...] = ()
    axes: str = ""
    inverse_variance: str = ""
    mask: str = ""
    psf_fwhm: str = ""
    pixel_scale: str = ""
    bands: str = ""
    identity: str = ""
    classes: str = ""
    unit: str = ""


CONVENTIONS = (
    Convention(
        "Multimodal Universe",
        images=("image_array", "image_flux"),
        axes="NCHW",
        inverse_variance="image_ivar",
        mask="image_mask=good",
        psf_fwhm="image_psf_fwhm",
        pixel_scale="image_scale",
        bands="image_band",
        identity="object_id",
        unit="arcsec",
    ),
    Convention(
        "Galaxy10", images=("images",), needs=("ans",), axes="NHWC", pixel_scale="pxscale", classes="ans", unit="arcsec"
    ),
    Convention("FITS_LDAC", images=("VIGNET",)),
)
PLAIN = Convention("plain columns", ())


@dataclass(frozen=True)
class Roles:
    """The column of each role, "" where there is none; mask: the name, and whether 1 marks good pixels."""

    images: str
    axes: str
    inverse_variance: str
    mask: str
    mask_is_good: bool
    psf: str
    psf_fwhm: str
    pixel_scale: str
    bands: str
    identity: str
    classes: str
    unit: str

    @property
    def aside(self) -> set[str]:
        """The columns that are no factors unless they are named."""
        names = (self.inverse_variance, self.mask, self.psf, self.psf_fwhm, self.pixel_scale, self.bands, self.identity)
        return {name for name in names if name}


def roles_of(columns: Mapping[str, Column], images: str, options: Options) -> Roles:
    """The role of every column; a column that an option names and that is not there is refused."""
    convention = _convention(columns, images)
    name = images if images in columns else next((each for each in convention.images if each in columns), images)
    if convention is not PLAIN:
        log.info(f"{columns[name].where}: read as images of the layout {convention.name}")
    faults = list(_absent(columns, options))
    if faults:
        raise Refused(faults)
    mask, _, mark = (options.mask or convention.mask).rpartition("=")
    stated = {
        role: getattr(options, role) or _present(columns, getattr(convention, role))
        for role in ("inverse_variance", "psf_fwhm")
    }
    scale = "" if options.stated_scale else options.pixel_scale or _present(columns, convention.pixel_scale)
    return Roles(
        images=name,
        axes=convention.axes,
        mask=mask if mask in columns else "",
        mask_is_good=mark == "good",
        psf=options.psf,
        bands=_present(columns, convention.bands),
        identity=options.identity or _identity(columns, convention),
        classes=_present(columns, convention.classes),
        unit=convention.unit,
        pixel_scale=scale,
        **stated,
    )


def _convention(columns: Mapping[str, Column], images: str) -> Convention:
    """The convention of the image column: the one that is named, else the only one that is there."""
    names = {images} if images in columns or images != "image" else columns.keys()
    fitting = (each for each in CONVENTIONS if names & {*each.images} & columns.keys())
    return next((each for each in fitting if {*each.needs} <= columns.keys()), PLAIN)


def _present(columns: Mapping[str, Column], name: str) -> str:
    return name if name in columns else ""


def _identity(columns: Mapping[str, Column], convention: Convention) -> str:
    """The column of ids: that of the convention, else the first customary one that holds texts."""
    texts = (name for name in columns if name.lower() in IDENTITIES and columns[name].is_text)
    return _present(columns, convention.identity) or next(texts, "")


def _absent(columns: Mapping[str, Column], options: Options) -> Iterator[Fault]:
    named = {
        "--inverse-variance": options.inverse_variance,
        "--mask": options.mask_name,
        "--psf": options.psf,
        "--psf-fwhm": options.psf_fwhm,
        "--pixel-scale": options.pixel_scale if options.stated_scale is None else "",
        "--id": options.identity,
    }
    for option, name in named.items():
        if name and name not in columns:
            remedy = suggest(name, columns, "name one of them")
            yield Fault(option, name, f"the columns are {listed(columns)}", remedy)

"""What a user states about the layout of images: the options of `convert`, read from their texts, in one record.

    shape      of one image whose numbers lie in a flat list, such as (4, 160, 160)
    axes       NHW, NCHW or NHWC, in the order in which the file has them
    crop       pixels per side of the square in the middle that is kept; 0 keeps all
    bin        pixels per side of the squares whose photons are added
    bands      names of channels, or their numbers from 0, in the order of the store
    catalogue  a CSV or FITS file with a row for each image, in their order unless it names the images' files

The other fields are names of columns, of which pixel_scale may be a number (arcsec). `mask` ends with =good or =bad,
which says what 1 means; `ellipticity` is NAMES=CONVENTION (simulations.ellipticity). `errors` has the column of the
standard errors of a factor by its name, `gaps` the factors that some images lack.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from foundation.faults import Fault, Refused

AXES = ("NHW", "NCHW", "NHWC")
MASKS = ("good", "bad")


@dataclass(frozen=True)
class Options:
    """The options of one conversion; an empty text, 0 or (), and a bin of 1, are options that were not set."""

    shape: tuple[int, ...] = ()
    axes: str = ""
    crop: int = 0
    bin: int = 1
    bands: tuple[str, ...] = ()
    catalogue: Path | None = None
    file_column: str = ""
    hdu_column: str = ""
    identity: str = ""
    inverse_variance: str = ""
    mask: str = ""
    psf: str = ""
    psf_fwhm: str = ""
    pixel_scale: str = ""
    ellipticity: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that no layout can use."""
        faults = list(self._faults())
        if faults:
            raise Refused(faults)

    @property
    def stated_scale(self) -> float | None:
        """The side of a pixel in arcsec, where `pixel_scale` is a number and no column."""
        try:
            return float(self.pixel_scale)
        except ValueError:
            return None

    def _faults(self) -> Iterator[Fault]:
        if self.axes and self.axes not in AXES:
            yield Fault("--axes", self.axes, f"axes are {', '.join(AXES)}", "write one of them")
        if (scale := self.stated_scale) is not None and not 0 < scale < math.inf:
            yield Fault("--pixel-scale", scale, "the side of a pixel is above 0 arcsec", "correct it")
        if self.crop < 0:
            yield Fault("--crop", self.crop, "a side has one pixel at least", "correct it, or leave it out")
        if self.bin < 1:
            yield Fault("--bin", self.bin, "squares have one pixel at least", "correct it, or leave it out")
        if self.shape and (len(self.shape) not in (2, 3) or min(self.shape) < 1):
            yield Fault("--shape", self.shape, "an image is (y, x), or three axes with one of channels", "correct it")
        if self.mask and self.mask.rpartition("=")[2] not in MASKS:
            remedy = f"write {self.mask.partition('=')[0]}=good or {self.mask.partition('=')[0]}=bad"
            yield Fault("--mask", self.mask, "a mask states what 1 means", remedy)
        if len(set(self.bands)) < len(self.bands):
            yield Fault("--bands", ",".join(self.bands), "each band is named once", "take the second away")

    @property
    def incomplete(self) -> frozenset[str]:
        """The columns in which values may be missing."""
        return frozenset((*self.gaps, *(self.errors[name] for name in self.gaps if name in self.errors)))

    @property
    def mask_name(self) -> str:
        """The column of the mask."""
        return self.mask.rpartition("=")[0]

    @property
    def mask_is_good(self) -> bool:
        """Whether 1 marks good pixels."""
        return self.mask.endswith("=good")


def names_in(text: str) -> tuple[str, ...]:
    """The names in a text with commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def shape_in(text: str) -> tuple[int, ...]:
    """The shape in a text such as 4,160,160; refused if it is none."""
    try:
        return tuple(int(each) for each in names_in(text))
    except ValueError:
        raise Refused(Fault("--shape", text, "a shape is whole numbers with commas", "write 4,160,160")) from None


def errors_in(texts: Sequence[str]) -> dict[str, str]:
    """Columns of errors by factor, from texts such as z=z_err; refused where one is none."""
    pairs = [text.partition("=") for text in texts]
    for text, (name, _, column) in zip(texts, pairs, strict=True):
        if not (name and column):
            raise Refused(Fault("--errors", text, "errors are written as FACTOR=COLUMN", f"write {name or 'z'}=..."))
    return {name: column for name, _, column in pairs}

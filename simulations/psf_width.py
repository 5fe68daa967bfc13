"""How wide the PSFs of a catalogue are, told from a few of its images without GalSim or numpy.

The effective full width at half maximum of an image is that of the disk which covers as much as the pixels above half
of the peak, 2 sqrt(A / pi), of the image interpolated by cubics (Catmull & Rom 1974) to steps of 1 / FINE of a pixel.
Linear interpolation would cut the peak of a PSF of three pixels, and widen it by 8 %.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from simulations import fits_files
from simulations.catalogue import Catalogue

FINE = 5  # steps of a pixel
MOST = 8  # PSFs that are looked at when a config is checked; drawing looks at those of all its sources
REACH = 8  # pixels around the peak, several times the half-width of a PSF worth the name


@functools.lru_cache(maxsize=16)
def widest_psf(catalogue: Catalogue) -> float:
    """The largest effective FWHM (arcsec) of PSFs of a catalogue that lie near the beginnings of its files."""
    first = sorted({each.psf: each for each in catalogue.pictures}.values(), key=lambda each: each.psf[1])[:MOST]
    return max(
        effective_fwhm(fits_files.image(catalogue.file(each.psf[0]), each.psf[1])) * each.scale for each in first
    )


def effective_fwhm(pixels: Sequence[Sequence[float]]) -> float:
    """The effective FWHM of an image, rows of pixels, in pixels."""
    _, y, x = max((value, y, x) for y, row in enumerate(pixels) for x, value in enumerate(row))
    rows = pixels[max(y - REACH, 0) : y + REACH + 1]
    square = [row[max(x - REACH, 0) : x + REACH + 1] for row in rows]
    fine = [_refined(column) for column in zip(*map(_refined, square), strict=True)]
    half = max(map(max, fine)) / 2
    return 2 * math.sqrt(sum(value > half for line in fine for value in line) / math.pi) / FINE


def _refined(values: Sequence[float]) -> list[float]:
    """Values and FINE - 1 between any two of them, on cubics with the slopes of their neighbours."""
    steps = [step / FINE for step in range(FINE)]
    padded = [values[0], *values, values[-1]]
    return [_between(padded[i : i + 4], step) for i in range(len(values) - 1) for step in steps]


def _between(four: Sequence[float], t: float) -> float:
    """The cubic at t in [0, 1) from the second to the third of four values."""
    before, a, b, after = four
    rising, bend = b - before, 2 * before - 5 * a + 4 * b - after
    return a + 0.5 * t * (rising + t * (bend + t * (3 * (a - b) + after - before)))

"""Encoded images, PNG, JPEG or TIFF, as arrays: (y, x) of grey ones, (3, y, x) of colours, in the file's own numbers.

The header states size and mode, which are read before any pixel is unpacked. Transparency is dropped, palettes are
looked up, and of several pages or frames none is chosen: such a file is refused.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foundation.faults import Fault, Refused, Words
from simulations.sources.column import readable

FORMATS = ("PNG", "JPEG", "TIFF")
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
LONGEST_SIDE = 8192  # pixels; a larger picture is no cutout, and unpacked it may exceed the memory
GREY = {"1": "L", "LA": "L", "L": "", "I": "", "F": "", "I;16": "", "I;16B": "", "I;16L": ""}  # and what they become


def is_encoded(content: bytes | None) -> bool:
    """Whether bytes begin as an image of one of the formats does."""
    return content is not None and content.startswith(SIGNATURES)


def shape_of(where: str, source: bytes | Path) -> tuple[int, ...]:
    """The shape of an image, from its header alone."""
    with _image(where, source) as image:
        return _shape(image)


def pixels_of(
    where: str, source: bytes | Path, refuse: Callable[[tuple[int, ...]], None] = lambda shape: None
) -> NDArray[Any]:
    """The pixels of an image; `refuse` sees its shape before they are unpacked."""
    with _image(where, source) as image:
        refuse(_shape(image))
        if image.mode in GREY:
            return np.asarray(image.convert(GREY[image.mode]) if GREY[image.mode] else image)
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def other_shape(where: str, shape: tuple[int, ...], first: tuple[int, ...]) -> Fault:
    """An image of another shape than the first."""
    text = f"the first image has the shape {first}, and all have one"
    return Fault(where, shape, text, "leave it out, or cut all to one size with --crop PIXELS")


def _shape(image: Any) -> tuple[int, ...]:
    width, height = image.size
    return (height, width) if image.mode in GREY else (3, height, width)


@contextmanager
def _image(where: str, source: bytes | Path) -> Iterator[Any]:
    with (
        readable(where),
        Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, "r", FORMATS) as image,
    ):
        if max(image.size) > LONGEST_SIDE:
            text = f"a cutout has {LONGEST_SIDE} pixels per side at most"
            raise Refused(Fault(where, image.size, text, "cut it into smaller ones"))
        if (frames := getattr(image, "n_frames", 1)) > 1:
            value = Words(f"{frames} pages or frames")
            raise Refused(Fault(where, value, "a file holds one image", "write each page to a file of its own"))
        yield image

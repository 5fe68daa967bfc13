"""FITS files by the standard library alone: columns of a table, and small images (Pence et al. 2010, A&A 524, A42).

A file is a sequence of units, each a header of 80-character cards in blocks of 2,880 bytes, and data in whole blocks of

    |BITPIX| / 8 * GCOUNT * (PCOUNT + NAXIS1 * ... * NAXISn)  bytes, big-endian

astropy reads the same, but this module runs inside the Snakefile, where neither astropy nor numpy may be installed.
Scaled columns (TSCAL, TZERO) and compressed images are not read; catalogues of galaxies have none.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

BLOCK, CARD = 2880, 80
PIXELS = {8: "B", 16: "h", 32: "i", 64: "q", -32: "f", -64: "d"}  # struct's codes by BITPIX
NUMBERS = {"B": "B", "I": "h", "J": "i", "K": "q", "E": "f", "D": "d"}  # and by the letter of TFORM
WIDTHS = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "A": 1, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}
Header = dict[str, str]


class Unit(NamedTuple):
    """A header as text by keyword, and the byte at which its data begin."""

    header: Header
    start: int

    def number(self, keyword: str, otherwise: int = 0) -> int:
        """A whole number of the header."""
        return int(self.header.get(keyword, otherwise))

    @property
    def bytes(self) -> int:
        """Size of the data, without what fills the last block."""
        axes = [self.number(f"NAXIS{i + 1}") for i in range(self.number("NAXIS"))]
        cells = self.number("GCOUNT", 1) * (self.number("PCOUNT") + math.prod(axes)) if axes else 0
        return abs(self.number("BITPIX", 8)) // 8 * cells


def columns(path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of the first table of a file by name in capitals, those that it has; a ValueError if it is no table."""
    with open(path, "rb") as stream:
        unit = next((u for u in units(stream) if u.header.get("XTENSION") == "BINTABLE"), None)
        if unit is None:
            raise ValueError("it has no table")
        layout, read = _layout(unit, names)
        rows, width = unit.number("NAXIS2"), unit.number("NAXIS1")
        stream.seek(unit.start)
        data = stream.read(rows * width)
    if width < 1 or len(data) < rows * width or struct.calcsize(layout) != width:
        raise ValueError("its table is cut off" if len(data) < rows * width else "its columns do not fill its rows")
    table = [*struct.iter_unpack(layout, data)]
    return {name: [_cell(row[place : place + count]) for row in table] for name, (place, count) in read.items()}


def image(path: Path, number: int) -> list[tuple[float, ...]]:
    """The rows of pixels of unit `number` of a file; a ValueError if there is no image of two axes."""
    with open(path, "rb") as stream:
        unit = next((u for i, u in enumerate(units(stream)) if i == number), None)
        if unit is None or unit.number("NAXIS") != 2 or unit.number("BITPIX") not in PIXELS:
            raise ValueError(f"its unit {number} is no image")
        stream.seek(unit.start)
        data = stream.read(unit.bytes)
    width = unit.number("NAXIS1")
    if len(data) < unit.bytes or width < 1:
        raise ValueError("it is cut off")
    return [*struct.iter_unpack(f">{width}{PIXELS[unit.number('BITPIX')]}", data)]


def units(stream: BinaryIO) -> Iterator[Unit]:
    """The units of an open file, one after the other, without their data; a ValueError if it is not FITS."""
    position = 0
    while (header := _header(stream, position)) is not None:
        unit = Unit(header, stream.tell())
        yield unit
        position = unit.start + -(-unit.bytes // BLOCK) * BLOCK


def _header(stream: BinaryIO, position: int) -> Header | None:
    """The header that begins at a byte, and the stream behind it; None at the end of the file."""
    stream.seek(position)
    header: Header = {}
    while block := stream.read(BLOCK):
        text = block.decode("ascii", "replace")
        if not header and text[:8] not in ("SIMPLE  ", "XTENSION"):
            if position:
                return None
            raise ValueError("it is not a FITS file")
        for i in range(0, len(text), CARD):
            card = text[i : i + CARD]
            if card[:8] == "END     ":
                return header
            if card[8:10] == "= ":
                header[card[:8].strip()] = _value(card[10:])
    if header:
        raise ValueError("its header has no end")
    return None


def _value(text: str) -> str:
    """The value of a card, without its quotes or its comment."""
    quoted = re.match(r"\s*'((?:[^']|'')*)'", text)
    return quoted[1].replace("''", "'").rstrip() if quoted else text.split("/", maxsplit=1)[0].strip()


def _layout(unit: Unit, names: Sequence[str]) -> tuple[str, dict[str, tuple[int, int]]]:
    """The layout of a row, as `struct` writes it, and the place and number of the values of each wanted column."""
    layout, place, read = ">", 0, {}
    for i in range(1, unit.number("TFIELDS") + 1):
        name, form = unit.header.get(f"TTYPE{i}", "").upper(), unit.header[f"TFORM{i}"]
        parts = re.match(r"(\d*)([A-Z])", form)
        if parts is None or (parts[2] not in WIDTHS and parts[2] != "X"):
            raise ValueError(f"its column {name} is a {form}")
        count, letter = int(parts[1] or 1), parts[2]
        if name in names and count and letter in (*NUMBERS, "A"):
            layout += f"{count}{'s' if letter == 'A' else NUMBERS[letter]}"
            read[name] = (place, 1 if letter == "A" else count)
            place += read[name][1]
        else:
            layout += f"{-(-count // 8) if letter == 'X' else count * WIDTHS[letter]}x"
    return layout, read


def _cell(values: tuple[Any, ...]) -> Any:
    """One value, or a tuple of several; text without what fills it."""
    if isinstance(values[0], bytes):
        return values[0].split(b"\0")[0].decode("ascii", "replace").strip()
    return values[0] if len(values) == 1 else values

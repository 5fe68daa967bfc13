"""Tables of text as the page shows them: a value above its interval, a key to sort by, a mark on what is best.

A table of many columns is shown in parts, one below the other, each of which fits a laptop's screen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

LEADING = re.compile(r"^(-?\d[\d.,]*(?:e[+-]?\d+)?)(?:\s*([±\[].*))?$")
SMALL = 6  # columns up to which intervals stand beside their values
MOST = 11  # columns of a part


class Cell(NamedTuple):
    """value: the number, or the whole text where there is none. rest: its interval. key: the number to sort by."""

    value: str
    rest: str
    key: str
    best: bool


class Shown(NamedTuple):
    """A table on the page: the names of its columns, and of each row the label and the cells."""

    heads: list[str]
    rows: list[tuple[str, list[Cell]]]
    wide: bool


def shown(table: pd.DataFrame, best: Mapping[str, set[str]]) -> list[Shown]:
    """The parts of a table of text; best: by column, the labels that are marked."""
    count = -(-len(table.columns) // MOST)
    size = -(-len(table.columns) // max(1, count))
    parts = (table.iloc[:, start : start + size] for start in range(0, len(table.columns), size))
    return [_part(part, best, len(table.columns) > SMALL) for part in parts]


def _part(table: pd.DataFrame, best: Mapping[str, set[str]], wide: bool) -> Shown:
    rows = [
        (str(label), [_cell(str(text), str(label) in best.get(str(name), ())) for name, text in texts.items()])
        for label, texts in table.iterrows()
    ]
    return Shown([str(name) for name in table.columns], rows, wide)


def _cell(text: str, best: bool) -> Cell:
    match = LEADING.match(text)
    if not match:
        return Cell(text, "", "", best)
    return Cell(match[1], match[2] or "", match[1].replace(",", ""), best)

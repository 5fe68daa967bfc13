"""A section of report.html: its place on the page, and the tables and figures in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """tables/NAME.csv, and how to read it."""

    name: str
    legend: str


@dataclass(frozen=True)
class Picture:
    """figures/NAME.png, its caption, and words in place of it for those who do not see it."""

    name: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Section:
    """A part of the page; anchor: its address on the page."""

    anchor: str
    title: str
    parts: tuple[Table | Picture, ...]

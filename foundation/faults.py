"""A fault is one sentence: where it stands, the value there, what is allowed and the remedy.

    coverages.three[0]: found 'sheer1', but the factors are radius, g1, g2; did you mean 'g1'?

Whoever reads a config collects every fault and refuses once, with all of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, with its values kept apart so that a program can read them too."""

    where: str
    value: object
    allowed: str
    remedy: str

    def __str__(self) -> str:
        """The sentence."""
        return f"{self.where}: found {shown(self.value)}, but {self.allowed}; {self.remedy}"


class Refused(Exception):
    """Raised once for all the faults of one input; the commands print the sentences and exit with status 2."""

    def __init__(self, faults: Fault | Iterable[Fault]) -> None:
        """Keep the faults; the message is their sentences, one a line."""
        several = (faults,) if isinstance(faults, Fault) else tuple(faults)
        self.faults = tuple({str(fault): fault for fault in several}.values())  # one sentence once
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[type[Refused], tuple[tuple[Fault, ...]]]:
        """Pickle by faults, so that a refusal crosses from a worker process whole."""
        return Refused, (self.faults,)


def shown(value: object) -> str:
    """A value as a reader would write it, cut to a line; what is said in words is not cut."""
    if isinstance(value, Words):
        return value
    text = "nothing (null)" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class Words(str):
    """A word for what was found when there is no value to show: 'nothing', 'a truncated file'."""


def suggest(name: str, known: Iterable[str], otherwise: str) -> str:
    """'did you mean ...?' where one of the known names is near or stands for the same thing, else `otherwise`."""
    names = list(known)
    near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    near = near or [known for known in names if known[-1:] == str(name)[-1:] and known[:1] == _initial(name)]
    return f"did you mean {near[0]!r}?" if near else otherwise


def _initial(name: str) -> str:
    """The letter by which astronomers abbreviate a spelled-out quantity: shear and sheer are g."""
    return "g" if str(name).lower().startswith(("shear", "sheer", "gamma")) else str(name)[:1].lower()


def listed(names: Iterable[str]) -> str:
    """Names in a row, for a sentence."""
    return ", ".join(map(str, names)) or "none"

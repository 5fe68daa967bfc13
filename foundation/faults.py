"""A fault is one sentence: where it is, the value there, what is allowed and the remedy.

    coverages.three[0]: found 'sheer1', but the factors are radius, g1, g2; did you mean 'g1'?

The reader of a config collects all faults and refuses the config once, naming every one of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, in four separate fields so that programs can read it too."""

    where: str
    value: object
    allowed: str
    remedy: str

    def __str__(self) -> str:
        """The sentence."""
        return f"{self.where}: found {shown(self.value)}, but {self.allowed}; {self.remedy}"


class Refused(Exception):
    """Raised once with all the faults of one input; the commands print the sentences and exit with status 2."""

    def __init__(self, faults: Fault | Iterable[Fault]) -> None:
        """Keep the faults, without repetitions; the message has one sentence per line."""
        several = (faults,) if isinstance(faults, Fault) else tuple(faults)
        self.faults = tuple({str(fault): fault for fault in several}.values())
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[type[Refused], tuple[tuple[Fault, ...]]]:
        """Pickle the faults rather than the message, so that a refusal in a worker process arrives complete."""
        return Refused, (self.faults,)


def shown(value: object) -> str:
    """A value as text of at most 80 characters; `Words` are never shortened."""
    if isinstance(value, Words):
        return value
    text = "nothing (null)" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class Words(str):
    """A description that takes the place of a value in a sentence: 'nothing', 'a truncated file'."""


def reason(error: Exception) -> str:
    """The message of an error, on one line of at most 200 characters; its type if there is none."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def suggest(name: str, choices: Iterable[str], otherwise: str) -> str:
    """'did you mean ...?' if a choice is spelled like the name or abbreviates the same quantity, else `otherwise`."""
    names = list(choices)
    similar = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    similar = similar or [each for each in names if each[-1:] == str(name)[-1:] and each[:1] == _initial(name)]
    return f"did you mean {similar[0]!r}?" if similar else otherwise


def _initial(name: str) -> str:
    """The letter with which astronomers abbreviate a quantity that is spelled out: g for shear (or sheer)."""
    return "g" if str(name).lower().startswith(("shear", "sheer", "gamma")) else str(name)[:1].lower()


def listed(names: Iterable[str]) -> str:
    """Names separated by commas, or 'none'."""
    return ", ".join(map(str, names)) or "none"

"""Values in faults as a config writes them: readers turn 4 into 4.0, and checks meet defaults that nobody wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from foundation.faults import Fault, Words, shown

ABSENT = object()


def as_written(faults: Iterable[Fault], config: Mapping[str, Any]) -> Iterator[Fault]:
    """The faults, with numbers as they stand at their places in the config; of others it is said whose they are."""
    for fault in faults:
        number = isinstance(fault.value, (int, float)) and not isinstance(fault.value, bool)
        yield _as_written(fault, config) if number else fault


def _as_written(fault: Fault, config: Mapping[str, Any]) -> Fault:
    value: Any = config
    origin = "the default"
    for step in re.findall(r"[^.\[\]]+", fault.where):
        origin = "of the preset" if isinstance(value, Mapping) and "preset" in value else origin
        value = _at(value, step)
    if value is ABSENT:
        return replace(fault, value=Words(f"{shown(fault.value)}, {origin}"))
    return replace(fault, value=value) if value == fault.value and not isinstance(value, bool) else fault


def _at(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step, ABSENT)
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return value[int(step)]
    return ABSENT

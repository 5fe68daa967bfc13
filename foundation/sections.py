"""Where a key or a word belongs that does not fit where it stands, found in the declarations of the sections."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing
from typing import Any, Literal

from foundation.faults import suggest
from foundation.fields import OneOf


def branch(kind: Any) -> Any:
    """The branch of a union that holds keys or items, without what annotates it."""
    if typing.get_origin(kind) is typing.Annotated:
        return branch(typing.get_args(kind)[0])
    if isinstance(kind, type) or typing.get_origin(kind) in (tuple, dict):
        return kind
    return next(each for each in typing.get_args(kind) if each is not type(None))


def key_remedy(section: Any, key: str) -> str:
    """What to do with a key that a section does not have: where it belongs, or the key that it may mean.

    A section says in `ELSEWHERE` what stands for keys that other programs have.
    """
    steps = [step for step in re.split(r"[.\[\]]+", key) if step]
    names = [field.name for field in dataclasses.fields(section)]
    if len(steps) > 1 and steps[0] in names:
        return f"write {steps[-1]!r} within {steps[0]!r}, on a line of its own"
    if key in getattr(section, "ELSEWHERE", {}):
        return f"write {section.ELSEWHERE[key]}"
    if (inner := [name for name, fields in _inner(section) if key in fields]) and key not in names:
        return f"it belongs to {inner[0]!r}"
    return suggest(key, names, "take the key away")


@functools.cache
def _inner(section: Any) -> tuple[tuple[str, frozenset[str]], ...]:
    """The sections within a section, or in its lists, each with its keys."""
    sections = []
    for name, kind in typing.get_type_hints(section).items():
        inner: Any = branch(kind)
        if typing.get_origin(inner) is tuple:
            inner = branch(typing.get_args(inner)[0])
        if dataclasses.is_dataclass(inner):
            sections.append((name, frozenset(field.name for field in dataclasses.fields(inner))))
    return tuple(sections)


def word_remedy(section: Any, word: str, otherwise: str) -> str:
    """How to write a word that stands in place of a section: as the key that has it among its choices."""
    if not dataclasses.is_dataclass(section):
        return otherwise
    for name, kind in typing.get_type_hints(section, include_extras=True).items():
        if word in _choices(kind):
            return f"write {{{name}: {word}}}"
    return otherwise


def _choices(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    tables = [each.choices for each in getattr(kind, "__metadata__", ()) if isinstance(each, OneOf)]
    declared = _choices(typing.get_args(kind)[0]) if typing.get_origin(kind) is typing.Annotated else ()
    return (*declared, *(choice for table in tables for choice in table))

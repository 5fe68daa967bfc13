"""Where a key or a word belongs that does not fit where it stands, found in the declarations of the sections."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing
from typing import Any, Literal

from pydantic.fields import FieldInfo

from foundation.faults import MEANT, meant
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
        inner = "".join(f"[{each}]" if each.isdigit() else f".{each}" for each in steps[:-1]).lstrip(".")
        return f"write {steps[-1]!r} within {inner!r}, on a line of its own"
    if key in getattr(section, "ELSEWHERE", {}):
        return f"write {section.ELSEWHERE[key]}"
    if within := [name for name, fields in _inner(section) if key in fields]:
        return f"it belongs to {within[0]!r}"
    if similar := meant(key, names):
        return f"did you mean {similar!r}?"
    for name, fields in _inner(section):
        if key.lower() in MEANT and (similar := meant(key, sorted(fields))):
            return f"write {similar!r} within {name!r}"
    return word_remedy(section, key, "take the key away").replace("{", "").replace("}", "")


@functools.cache
def _inner(section: Any) -> tuple[tuple[str, frozenset[str]], ...]:
    """The sections within a section, or in its lists, each with its keys; of a group, its networks before its prior."""
    sections = []
    for name, kind in typing.get_type_hints(section).items():
        inner: Any = branch(kind)
        if typing.get_origin(inner) is tuple:
            inner = branch(typing.get_args(inner)[0])
        if dataclasses.is_dataclass(inner):
            sections.append((name, frozenset(field.name for field in dataclasses.fields(inner))))
    return tuple(reversed(sections))


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
    notes = getattr(kind, "__metadata__", ())
    tables: list[Any] = [each.choices for each in notes if isinstance(each, OneOf)]
    schemas = [each.json_schema_extra for each in notes if isinstance(each, FieldInfo)]
    tables += [schema["enum"] for schema in schemas if isinstance(schema, dict) and "enum" in schema]
    declared = _choices(typing.get_args(kind)[0]) if typing.get_origin(kind) is typing.Annotated else ()
    return (*declared, *(choice for table in tables for choice in table))

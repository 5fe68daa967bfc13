"""Read a mapping (from YAML or JSON) into declared dataclasses; the declaration is the only list of what is legal.

The dataclasses are pydantic's, their fields of the kinds in foundation.fields. Whatever does not fit becomes a fault, a
sentence with its place; all faults are collected at once, and `read_despite` drops faulty values and validates the
rest.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from foundation.faults import Fault, Refused, Words, as_step, listed
from foundation.fields import EMPTY, ONE, chosen_from, unlisted
from foundation.sections import branch, key_remedy, word_remedy

T = TypeVar("T")
Path = tuple[Any, ...]  # keys and indices from the top of a config to a value

# What stands where a value of another type does, and the remedy, by pydantic's type of error.
EXPECTED = {
    "dataclass_type": ("a section of named settings stands here", "write 'name: value' lines"),
    "dict_type": ("named entries stand here", "write 'name: ...' lines"),
    "tuple_type": ("a list stands here", "write it in square brackets"),
    "bool_type": ("true or false stands here", "write true or false, without quotes"),
    "string_type": ("text stands here", "write it in quotes"),
    "recursion_loop": ("a value does not contain itself", "take the alias away"),
}
MOST = 100  # faults of one reading; who has more sees the others when these are mended


class Wrong:
    """What a reader returns beside its faults, in place of a value."""


WRONG = Wrong()


def read(kind: type[T], value: object, where: str, faults: list[Fault]) -> T | Wrong:
    """`value` as `kind`, or WRONG with what is wrong appended to `faults`."""
    result, misfits = _attempt(kind, value, where)
    faults += (fault for _, fault in misfits)
    return result


def read_whole(kind: type[T], value: object, where: str) -> T:
    """`value` as `kind`, or a refusal with all that is wrong."""
    faults: list[Fault] = []
    result = read(kind, value, where, faults)
    if isinstance(result, Wrong):
        raise Refused(faults)
    return result


def read_despite(kind: type[T], value: object, where: str, faults: list[Fault]) -> T | Wrong:
    """`value` as `kind` without what is wrong in it, which is appended to `faults`, so that checking can go on."""
    result, misfits = _attempt(kind, value, where)
    faults += (fault for _, fault in misfits)
    before: list[Misfit] = []
    while isinstance(result, Wrong) and misfits != before and len(misfits) < MOST and isinstance(value, Mapping):
        value, before = copy.deepcopy(dict(value)), misfits
        for path, _ in reversed(misfits):
            _cut(value, path)
        result, misfits = _attempt(kind, value, where)
    return result


def _cut(value: Any, path: Path) -> None:
    """Delete the value at a path, where an earlier cut has not done so."""
    for step in path[:-1]:
        value = _at(value, step)
    if path and _at(value, path[-1]) is not None:
        del value[path[-1]]


def _at(value: Any, step: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)
    return value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


class Misfit(NamedTuple):
    """A fault and the path, from the top of what is read, to the value that must go for reading to go on."""

    path: Path
    fault: Fault


class Place(NamedTuple):
    """The steps of pydantic's location that are keys and indices of the value, as path and as text (`runs[1].weights`).

    Other steps name branches of a union, an absent field, or parts of a value that stands for a longer form: then the
    place is not `exact`.
    """

    path: Path
    text: str
    exact: bool


def _attempt(kind: type[T], value: object, where: str) -> tuple[T | Wrong, list[Misfit]]:
    try:
        return typing.cast(T, _adapter(typing.cast(Any, kind)).validate_python(value)), []
    except ValidationError as error:
        by_text: dict[str, list[tuple[Place, Any]]] = {}
        for each in error.errors(include_url=False)[:MOST]:
            place = _place(each["loc"], value, where)
            by_text.setdefault(place.text, []).append((place, each))
        return WRONG, _once([misfit for several in by_text.values() for misfit in _misfits(kind, several)])


def _once(misfits: list[Misfit]) -> list[Misfit]:
    """Without keys that are absent because they are misspelt, which their own faults say."""
    said = {(path[:-1], key) for path, fault in misfits for key in _meant_by(fault)}
    last = [fault.where.rpartition(".")[2] for _, fault in misfits]
    return [
        misfit
        for misfit, key in zip(misfits, last, strict=True)
        if misfit.fault.value != "nothing" or (misfit.path, key) not in said
    ]


def _meant_by(fault: Fault) -> list[str]:
    """The key that an unknown key stands for."""
    if fault.value != "this key":
        return []
    return [each[0] or each[1] for each in re.findall(r"^did you mean '(.*)'\?$|^write (\w+): ", fault.remedy)]


def _place(location: Path, value: Any, text: str) -> Place:
    path: list[Any] = []
    for step in location:
        if isinstance(value, Mapping) and (key := _key(value, step)) is not None:
            step = key[0]
            text = f"{text}.{as_step(step)}".lstrip(".")
        elif isinstance(value, (list, tuple)) and isinstance(step, int):
            text = f"{text}[{step}]"
        else:
            return Place(tuple(path), text, False)
        path.append(step)
        value = value[step]
    return Place(tuple(path), text, True)


def _key(value: Mapping[Any, Any], step: Any) -> tuple[Any] | None:
    """The key that a step stands for: pydantic writes one that is neither text nor a whole number as text."""
    if step in value:
        return (step,)
    return next(((key,) for key in value if str(key) == step), None)


def _misfits(kind: Any, errors: list[tuple[Place, Any]]) -> Iterator[Misfit]:
    """The faults at one place; of the branches of a union (choices or a number), that which the value is most like."""
    union = [error for place, error in errors if not place.exact and error["type"] != "missing"]
    chosen: Any = _likeliest(union) if len(union) > 1 else None
    for place, error in errors:
        if chosen is not None and error in union and error is not chosen:
            continue
        for fault in _faults(kind, place.path, error):
            steps = (int(s) if s.isdigit() else s for s in re.findall(r"[^.\[\]]+", fault.where))
            path = (*place.path, *steps)
            whole = f"{place.text}{fault.where}".lstrip(".")
            other = _other_branch(union, error) if error is chosen else ""
            placed = replace(fault, where=whole, allowed=fault.allowed + other)
            yield Misfit(path[:-1] if fault.value == "nothing" else path, placed)


def _likeliest(union: list[Any]) -> Any:
    """The error of the branch for numbers where the value is one, or a text of digits; else that of the choices."""
    value = union[0]["input"]
    number = isinstance(value, (int, float)) or (isinstance(value, str) and re.match(r"[-+.]?\d", value))
    wanted = "faults" if number else "literal_error"
    return next((each for each in union if each["type"] == wanted), union[0])


def _other_branch(union: list[Any], chosen: Any) -> str:
    """What the branch of a union that was not chosen takes: a number, or its choices."""
    if chosen["type"] == "literal_error":
        return ", or a number"
    choices = [error["ctx"]["expected"] for error in union if error["type"] == "literal_error"]
    return "".join(f" (or {each})" for each in choices)


def _faults(kind: Any, path: Path, error: Any) -> list[Fault]:
    """Pydantic's error as faults, their places relative to the path."""
    name, value = error["type"], error["input"]
    if name == "faults":
        several = error["ctx"]["faults"]
        remedies = {ONE: _several, EMPTY: _empty}
        return [replace(f, remedy=remedies[f.remedy](kind, path)) if f.remedy in remedies else f for f in several]
    if name == "missing":
        key = error["loc"][-1]
        return [Fault(f".{key}", Words("nothing"), "a value is needed here", f"add '{key}:'")]
    if name in ("unexpected_keyword_argument", "invalid_key"):
        section = _section(kind, path[:-1])
        allowed = f"the keys here are {listed(field.name for field in dataclasses.fields(section))}"
        return [Fault("", Words("this key"), allowed, key_remedy(section, str(path[-1])))]
    if name == "literal_error":
        return [chosen_from(value, re.findall(r"'([^']*)'", error["ctx"]["expected"]))]
    allowed, remedy = EXPECTED.get(name, (error["msg"], "change it"))
    if value is None:
        remedy = _empty(kind, path)
    if name == "string_type" and isinstance(value, (list, tuple)) and value:
        remedy = _several(kind, path) if unlisted(value) == ONE else unlisted(value)
    if name == "dataclass_type" and isinstance(value, str):
        remedy = word_remedy(_section(kind, path), value, remedy)
    if name == "tuple_type" and isinstance(value, Mapping):
        remedy = "begin each item with '- '"
    return [Fault("", value, allowed, remedy)]


def _empty(kind: Any, path: Path) -> str:
    """The remedy for nothing where something stands."""
    section = _section(kind, path[:-1]) if path else None
    if path and isinstance(path[-1], int):
        return "fill it in, or take it away"
    fields = dataclasses.fields(section) if dataclasses.is_dataclass(section) else ()
    needed = {f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING}
    return "fill it in" if not path or path[-1] in needed else EMPTY


def _several(kind: Any, path: Path) -> str:
    """The remedy for a list where one of the values of a section stands."""
    if path and isinstance(path[-1], int):
        return "take the inner brackets away"
    return getattr(_section(kind, path[:-1]), "SEVERAL", ONE) if path else ONE


def _section(kind: Any, path: Path) -> Any:
    """The declaration of the section that a path leads to."""
    for step in path:
        kind = branch(kind)
        if dataclasses.is_dataclass(kind):
            kind = typing.get_type_hints(kind)[step]
        else:
            kind = typing.get_args(kind)[0 if typing.get_origin(kind) is tuple else 1]
    return branch(kind)

"""Read a mapping (from YAML or JSON) into declared dataclasses; the declaration is the only list of what is legal.

A field's annotation says what it takes: a number or a name, `Annotated[float, Range(0, 1)]` for a bounded one,
`Literal[...]` for a choice, `tuple[X, ...]` for a list, `dict[str, X]` for named things, another dataclass for a
section, `X | None` where nothing may stand. Whatever does not fit becomes a fault; reading goes on, so that
all faults are told at once. A dataclass may define `faults(where)` for what only its fields together can show.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

import yaml

from foundation.faults import Fault, Refused, Words, listed, suggest

T = TypeVar("T")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")  # names become folders: no separators, no dots


LARGEST = 1e300  # beyond it a number is a slip of the hand, and some do not fit a float


class Wrong:
    """What a reader returns beside its faults, in place of a value."""


WRONG = Wrong()


@dataclasses.dataclass(frozen=True)
class Range:
    """Bounds of a number; `above` excludes the lower bound itself."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value lies in the range."""
        return (value > self.low if self.above else value >= self.low) and value <= self.high

    def __str__(self) -> str:
        """The range in words."""
        low = f"{'above' if self.above else 'at least'} {self.low:g}" if self.low > -math.inf else ""
        high = f"at most {self.high:g}" if self.high < math.inf else ""
        return " and ".join(filter(None, (low, high)))


@dataclasses.dataclass(frozen=True, eq=False)
class OneOf:
    """The keys of a table as the choices of a field."""

    choices: Mapping[str, Any]


Positive = Annotated[float, Range(0, above=True)]
NonNegative = Annotated[float, Range(0)]
Fraction = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(1)]


def read(kind: type[T], value: object, where: str, faults: list[Fault]) -> T | Wrong:
    """`value` as `kind`, or WRONG with what is wrong appended to `faults`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return typing.cast(T, _section(kind, value, where, faults))
    if origin in (Union, types.UnionType):
        return typing.cast(T, _either(arguments, value, where, faults))
    reader = _READERS.get(origin or kind)
    if reader is None:
        raise TypeError(f"{where}: a field is declared as {kind}, which no reader takes")
    return typing.cast(T, reader(arguments, value, where, faults))


def read_whole(kind: type[T], value: object, where: str) -> T:
    """`value` as `kind`, or a refusal with all that is wrong."""
    faults: list[Fault] = []
    result = read(kind, value, where, faults)
    if not isinstance(result, kind):
        raise Refused(faults)
    return result


def read_despite(kind: type[T], value: object, where: str, faults: list[Fault]) -> T | Wrong:
    """`value` as `kind` without what is wrong in it, which is appended to `faults`, so that checking can go on."""
    wrong: list[Fault] = []
    result = read(kind, value, where, wrong)
    faults += wrong
    before: list[Fault] = []
    while result is WRONG and wrong != before and isinstance(value, Mapping):
        value, before = copy.deepcopy(dict(value)), wrong
        for fault in reversed(wrong):
            place = fault.where.removeprefix(where)
            _cut(value, re.findall(r"[^.\[\]]+", place), fault.value == "nothing")
        wrong = []
        result = read(kind, value, where, wrong)
    return result


def _cut(value: Any, path: list[str], parent: bool) -> None:
    """Take out what stands at a path (its parent, where the fault is that nothing stands there)."""
    path = path[:-1] if parent else path
    if not path:
        return
    *outer, last = path
    for step in outer:
        value = _below(value, step)
    if isinstance(value, list):
        del value[int(last) : int(last) + 1]
    elif isinstance(value, dict):
        value.pop(last, None)


def _below(value: Any, step: str) -> Any:
    """What stands at a step of a path; nothing where an earlier cut has taken it."""
    if isinstance(value, list):
        return value[int(step)] if int(step) < len(value) else None
    return value.get(step) if isinstance(value, dict) else None


def _fault(faults: list[Fault], *parts: Any) -> Wrong:
    faults.append(Fault(*parts))
    return WRONG


def _section(kind: Any, value: object, where: str, faults: list[Fault]) -> Any:
    """A dataclass from a mapping: unknown keys, missing keys, each field, then the whole.

    A kind that names a field as BARE may be written as the value of that field alone.
    """
    if isinstance(value, str) and hasattr(kind, "BARE"):
        value = {kind.BARE: value}
    if not isinstance(value, Mapping):
        return _fault(faults, where, value, "a section of named settings stands here", "write 'name: value' lines")
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
    before = len(faults)
    for key in value.keys() - fields.keys():
        remedy = suggest(str(key), fields, "take the key away")
        _fault(faults, f"{where}.{key}".lstrip("."), Words("this key"), f"the keys here are {listed(fields)}", remedy)
    hints = _hints(kind)
    made = {}
    for name, field in fields.items():
        place = f"{where}.{name}".lstrip(".")
        if name in value:
            made[name] = read(hints[name], value[name], place, faults)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            _fault(faults, place, Words("nothing"), "a value is needed here", f"add '{name}:'")
    if len(faults) > before:
        return WRONG
    section = kind(**made)
    check: Callable[[str], list[Fault]] | None = getattr(kind, "faults", None) and section.faults
    faults.extend(check(where) if check else [])
    return section if len(faults) == before else WRONG


def _either(kinds: tuple[Any, ...], value: object, where: str, faults: list[Fault]) -> Any:
    """The first kind that takes the value; else the faults of the kind that is most like it, or of the first."""
    if value is None and type(None) in kinds:
        return None
    tries: list[tuple[bool, list[Fault]]] = []
    for kind in (kind for kind in kinds if kind is not type(None)):
        found: list[Fault] = []
        made = read(kind, value, where, found)
        if not found:
            return made
        tries.append((_is_like(kind, value), found))
    faults += next((found for like, found in tries if like), tries[0][1])
    return WRONG


def _is_like(kind: Any, value: object) -> bool:
    """Whether a value is of the sort that a kind reads: a number for a bounded number, a word for a choice."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and typing.get_origin(kind) is Annotated


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _annotated(arguments: tuple[Any, ...], value: object, where: str, faults: list[Fault]) -> Any:
    inner, bounds = arguments
    if isinstance(bounds, OneOf):
        return _choice(tuple(bounds.choices), value, where, faults)
    made = read(inner, value, where, faults)
    if made is WRONG or bounds.holds(made):
        return made
    return _fault(faults, where, made, f"it must be {bounds}", "change it")


def _number(whole: bool, _: tuple[Any, ...], value: object, where: str, faults: list[Fault]) -> Any:
    wanted = "a whole number" if whole else "a number"
    if isinstance(value, str):
        return _fault(faults, where, value, f"{wanted} stands here, not text", _unquoted(value))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LARGEST:
        return _fault(faults, where, value, f"{wanted} stands here", "write a finite number")
    if whole and value != int(value):
        return _fault(faults, where, value, f"{wanted} stands here", f"write {round(value)}")
    return int(value) if whole else float(value)


def _unquoted(text: str) -> str:
    """How to write the number that a text seems to mean; YAML wants a point and a signed exponent: 1.0e+4, not 1e4."""
    if found := re.fullmatch(r"([-+]?\d+)(\.\d*)?[eE]([-+]?)(\d+)", text):
        whole, point, sign, power = found.groups()
        return f"write {whole}{point or '.0'}e{sign or '+'}{power}, since YAML takes {text} for text"
    return f"write {text} without quotes" if re.fullmatch(r"[-+]?[\d.]+", text) else "write a number"


def _flag(_: tuple[Any, ...], value: object, where: str, faults: list[Fault]) -> Any:
    return value if isinstance(value, bool) else _fault(faults, where, value, "true or false stands here", "write one")


def _text(_: tuple[Any, ...], value: object, where: str, faults: list[Fault]) -> Any:
    return value if isinstance(value, str) else _fault(faults, where, value, "text stands here", "write it in quotes")


def _choice(choices: tuple[Any, ...], value: object, where: str, faults: list[Fault]) -> Any:
    if value in choices and isinstance(value, str):
        return value
    return _fault(faults, where, value, f"the choices are {listed(choices)}", suggest(str(value), choices, "take one"))


def _list(arguments: tuple[Any, ...], value: object, where: str, faults: list[Fault]) -> Any:
    if isinstance(value, Mapping) or value is None:
        return _fault(faults, where, value, "a list stands here", "write it in square brackets")
    value = value if isinstance(value, (list, tuple)) else [value]  # one value stands for a list of one
    made = [read(arguments[0], each, f"{where}[{i}]", faults) for i, each in enumerate(value)]
    return WRONG if any(each is WRONG for each in made) else tuple(made)


def _named(arguments: tuple[Any, ...], value: object, where: str, faults: list[Fault]) -> Any:
    if not isinstance(value, Mapping):
        return _fault(faults, where, value, "named entries stand here", "write 'name: ...' lines")
    made = {}
    for key, each in value.items():
        if not isinstance(key, str) or not NAME.fullmatch(key):
            _fault(faults, f"{where}.{key}", key, "a name is letters, digits and _, a letter first", "rename it")
        made[key] = read(arguments[1], each, f"{where}.{key}", faults)
    return WRONG if any(each is WRONG for each in made.values()) else made


_READERS: dict[Any, Callable[..., Any]] = {
    Annotated: _annotated,
    int: functools.partial(_number, True),
    float: functools.partial(_number, False),
    bool: _flag,
    str: _text,
    Literal: _choice,
    tuple: _list,
    dict: _named,
    Any: lambda _, value, *__: value,
}


class _Strict(yaml.SafeLoader):
    """Safe YAML that refuses a name given twice, where the plain reader keeps the last in silence."""


def _mapping(loader: _Strict, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
        place = f"{key_node.start_mark.name}, line {key_node.start_mark.line + 1}"
        if not isinstance(key, (str, int, float, bool, type(None))):
            raise Refused(Fault(place, key, "a name is a word", "write 'name: value'"))
        if key in seen:
            raise Refused(Fault(place, key, "each name stands once in its section", "rename or remove one of the two"))
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Strict.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; a file that is absent, does not parse or repeats a name is refused in a sentence."""
    try:
        with open(path, encoding="utf-8") as stream:
            loaded = yaml.load(stream, _Strict)  # noqa: S506, a SafeLoader
    except FileNotFoundError:
        raise Refused(Fault(str(path), Words("no file"), "a config file is read here", "check the path")) from None
    except IsADirectoryError:
        raise Refused(Fault(str(path), Words("a folder"), "a config file is read here", "name a file")) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        told = Words("text that YAML refuses (" + "; ".join(line.strip() for line in str(error).splitlines()) + ")")
        raise Refused(Fault(str(path), told, "the file must be YAML", "mend the place named here")) from None
    if not isinstance(loaded, dict):
        raise Refused(Fault(str(path), loaded, "a config is a mapping of sections", "start from config/config.yaml"))
    return loaded

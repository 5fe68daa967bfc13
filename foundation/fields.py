"""What a field of a config takes: numbers in a range, words, choices, lists; for pydantic's dataclasses.

Each kind of field refuses what does not fit with a sentence of its own, where pydantic's would not say enough, and
describes itself in the JSON schema, short forms included.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import (
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from foundation.faults import Fault, listed, shown, suggest
from foundation.spelling import as_number

T = TypeVar("T")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")  # names become folders: no separators, no dots
NAME_RULE = "a name is letters, digits and _, a letter first, 64 at most"
EMPTY = "fill it in, or take the key away"
ONE = "write one of them"  # a section whose values may differ in other ways says so in `SEVERAL`
LARGEST, LEAST = 1e30, 1e-30  # beyond them a number is a slip of the hand, and its square no float32

SECTION = ConfigDict(extra="forbid", use_attribute_docstrings=True)


def refused(*faults: Fault) -> PydanticCustomError:
    """An error that carries faults, their places relative to where it is raised."""
    return PydanticCustomError("faults", "{faults}", {"faults": faults})


class Section:
    """A section of a config; a subclass says in `faults` what only its fields together can show."""

    def faults(self) -> Iterable[Fault]:
        """What is wrong with the section as a whole, by place relative to it (`.key`)."""
        return ()

    @model_validator(mode="after")
    def _whole(self: T) -> T:
        if faults := tuple(self.faults()):  # type: ignore[attr-defined]
            raise refused(*faults)
        return self


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
        low = f"{'above' if self.above else 'at least'} {_written(self.low)}" if self.low > -math.inf else ""
        high = f"at most {_written(self.high)}" if self.high < math.inf else ""
        return " and ".join(filter(None, (low, high)))

    def _check(self, value: float) -> float:
        if not self.holds(value):
            raise refused(Fault("", value, f"it must be {self}", "change it"))
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        low = {"exclusiveMinimum" if self.above else "minimum": self.low} if self.low > -math.inf else {}
        return {**handler(schema), **low, **({"maximum": self.high} if self.high < math.inf else {})}


@dataclasses.dataclass(frozen=True, eq=False)
class OneOf:
    """The keys of a table as the choices of a field."""

    choices: Mapping[str, Any]

    def _check(self, value: Any) -> Any:
        if not isinstance(value, str) or value not in self.choices:
            raise refused(chosen_from(value, self.choices))
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": [*self.choices]}


_SEVERAL = re.compile(r"[\s\[]*[\w.+-]+([\s,;]+[\w.+-]+)+[\s,;\]]*")


class _OneOrMore:
    """One value stands for a list of one; a text that holds several does not."""

    @staticmethod
    def _list(value: Any) -> Any:
        if isinstance(value, str) and _SEVERAL.fullmatch(value):
            written = ", ".join(re.split(r"[\s,;]+", value.strip(" ,;[]")))
            raise refused(Fault("", value, "a list stands here, not a text", f"write [{written}], without quotes"))
        return value if isinstance(value, (list, tuple, Mapping)) or value is None else [value]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._list, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        array = handler(schema)
        return {"anyOf": [array["items"], array]}


def _written(bound: float) -> str:
    """A bound as text; the largest integer of so many bits, such as 2^63 - 1, as that."""
    integer = int(bound) + 1
    return f"2^{integer.bit_length() - 1} - 1" if bound > 2**31 and integer.bit_count() == 1 else f"{bound:,.10g}"


def chosen_from(value: object, choices: Iterable[str]) -> Fault:
    """The fault of a value that is not among the choices."""
    choices = list(choices)
    remedy = "take one of them, without further settings" if isinstance(value, Mapping) else "take one"
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    remedy = suggest(str(one), choices, remedy) if isinstance(one, (str, int)) else remedy
    return Fault("", value, f"the choices are {listed(choices)}", remedy)


def _number(value: Any) -> float:
    return float(_finite(value, "a number"))


def _whole(value: Any) -> int:
    number = _finite(value, "a whole number")
    if number != int(number):
        raise refused(Fault("", value, "a whole number stands here", f"write {round(number)}"))
    return int(number)


def _finite(value: Any, wanted: str) -> float:
    if isinstance(value, str):
        raise refused(Fault("", value, f"{wanted} stands here, not text", as_number(value)))
    if isinstance(value, bool):
        remedy = "write a number (YAML reads yes, no, on and off as true and false)"
        raise refused(Fault("", value, f"{wanted} stands here", remedy))
    if isinstance(value, (list, tuple)) and value:
        raise refused(Fault("", value, f"{wanted} stands here, not a list", unlisted(value)))
    if value is None:
        raise refused(Fault("", value, f"{wanted} stands here", EMPTY))
    if not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        remedy = "write a finite number" if isinstance(value, (int, float)) else "write a number"
        raise refused(Fault("", value, f"{wanted} stands here", remedy))
    if abs(value) > LARGEST or 0 < abs(value) < LEAST:
        allowed = f"a number other than 0 lies between {LEAST:g} and {LARGEST:g} in size"
        raise refused(Fault("", value, allowed, "check its exponent"))
    return value


def unlisted(value: Sequence[Any]) -> str:
    """The remedy for a list where one value stands."""
    while len(value) == 1 and isinstance(value[0], (list, tuple)) and value[0]:
        value = value[0]
    if len(value) == 1 and not isinstance(value[0], (Mapping, list)):
        return f"write {value[0] if isinstance(value[0], str) else shown(value[0])} without brackets"
    return ONE


def _name(value: Any) -> str:
    if isinstance(value, str) and NAME.fullmatch(value):
        return value
    proper = re.sub(r"\W+", "_", value, flags=re.ASCII).strip("_") if isinstance(value, str) else ""
    remedy = f"write {proper}" if NAME.fullmatch(proper) else "fill it in" if value is None else "rename it"
    raise refused(Fault("", value, NAME_RULE, remedy))


Number = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_whole)]
Positive = Annotated[Number, Range(0, above=True)]
NonNegative = Annotated[Number, Range(0)]
Fraction = Annotated[Number, Range(0, 1)]
Count = Annotated[Whole, Range(1, 1_000_000)]
Seed = Annotated[Whole, Range(0, 2**63 - 1)]
Text = Annotated[str, Strict()]
Flag = Annotated[bool, Strict()]
Name = Annotated[str, Strict(), StringConstraints(pattern=f"^{NAME.pattern}$"), BeforeValidator(_name)]
Many = Annotated[tuple[T, ...], _OneOrMore()]

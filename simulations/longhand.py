"""What is written in place of a section of a data set, and how it is written in full.

`noise: poisson` means `noise: {kind: poisson}`; a config has one way of saying so, and the refusal shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, TypeGuard

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from foundation.faults import Fault
from foundation.fields import EMPTY, refused
from simulations.parameters import CATALOGUED, PAINTINGS


@dataclass(frozen=True, eq=False)
class Longhand:
    """A section that refuses anything else with what that is in full."""

    remedy: Callable[[Any], str]

    def _check(self, value: Any) -> Any:
        if isinstance(value, Mapping) or is_dataclass(value):
            return value
        text = "a section of named settings stands here"
        usual = EMPTY if value is None else "write 'name: value' lines"
        raise refused(Fault("", value, text, self.remedy(value) or usual))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))


def as_noise(value: object) -> str:
    """A noise of which only the kind is said."""
    settings = {"gaussian": ", sigma: ...", "poisson": "", "none": ""}
    kind = "none" if value is False else value.lower() if isinstance(value, str) else ""
    return f"write {{kind: {kind}{settings[kind]}}}" if kind in settings else ""


def as_scene(value: object) -> str:
    """A scene of which only the galaxy, or that it has none, is said."""
    if isinstance(value, str) and value in PAINTINGS:
        return f"write {{kind: {value}, stamp: {PAINTINGS[value].stamps[0]}}}"
    if isinstance(value, str) and value in CATALOGUED:
        return f"write {{galaxy: {value}, catalogue: PATH}}"
    profiles = ("exponential", "sersic", "de_vaucouleurs", "bulge_disk")
    return f"write {{galaxy: {value}}}" if value in profiles else ""


def as_split(value: object) -> str:
    """The shares of a split in their order, or the training rows' alone."""
    shares = [value] if isinstance(value, (int, float)) else value
    if not _are_numbers(shares) or not all(0 <= share <= 1 for share in shares):
        return ""
    if len(shares) == 3:
        return "write {{train: {:g}, validation: {:g}, test: {:g}}}".format(*shares)
    rest = (1 - shares[0]) / 2
    return f"write {{train: {shares[0]:g}, validation: {rest:g}, test: {rest:g}}}" if len(shares) == 1 else ""


def as_factor(value: object) -> str:
    """A factor of which the distribution or the range alone is said."""
    if isinstance(value, str) and value in ("uniform", "log_uniform"):
        return f"write {{distribution: {value}, low: ..., high: ...}}"
    if isinstance(value, str) and value in ("normal", "truncated_normal"):
        bounds = ", low: ..., high: ..." if value != "normal" else ""
        return f"write {{distribution: {value}, mean: ..., std: ...{bounds}}}"
    if isinstance(value, (int, float)):
        return "a constant goes to scene.constants"
    if _are_numbers(value) and len(value) == 2:
        return f"write {{distribution: uniform, low: {value[0]:g}, high: {value[1]:g}}}"
    return ""


def _are_numbers(values: Any) -> TypeGuard[Sequence[float]]:
    """Whether a value is a list of numbers."""
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        return False
    return all(isinstance(each, (int, float)) and not isinstance(each, bool) and abs(each) < 1e300 for each in values)

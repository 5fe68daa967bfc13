"""The tables of docs/config.md, from the JSON schema of a config; the prose around them is written by hand.

A table stands between the lines `<!-- keys of SECTION -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from auxvae.config.settings import Settings

TABLE = re.compile(r"(<!-- keys of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = "| key | takes | default | what |\n|---|---|---|---|\n"


def documented(page: str, schema: Mapping[str, Any]) -> str:
    """A page with each of its tables generated from the schema of a study."""
    sections = {"Config": schema, **schema["$defs"]}
    return TABLE.sub(lambda match: f"{match[1]}\n{_table(sections[match[2]])}\n{match[3]}", page)


def _table(section: Mapping[str, Any]) -> str:
    section = next((each for each in section.get("anyOf", ()) if "properties" in each), section)
    rows = sorted(section["properties"].items(), key=lambda row: row[0] in _SETTINGS)  # those of a group come first
    return HEAD + "".join(_row(name, field, name in section.get("required", ())) for name, field in rows)


_SETTINGS = {each.name for each in fields(Settings)}
_WORDS = {"integer": "a whole number", "number": "a number", "boolean": "`true`, `false`", "string": "text"}


def _row(name: str, field: Mapping[str, Any], needed: bool) -> str:
    default = "needed" if needed else _default(field.get("default", ""))
    return f"| `{name}` | {_takes(field)} | {default} | {field.get('description', '')} |\n"


def _default(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{each:g}" for each in value)
    if value is None or isinstance(value, bool):
        return {None: "`null`", True: "`true`", False: "`false`"}[value]
    return f"{value:g}" if isinstance(value, (int, float)) else f"`{value}`" if value else ""


def _takes(field: Mapping[str, Any]) -> str:
    """What a field takes, in words."""
    if "anyOf" in field:
        branches = [each for each in field["anyOf"] if each.get("type") != "null"]
        lists = [each for each in branches if each.get("type") == "array"]
        return _takes(lists[0]) if lists else " or ".join(_takes(each) for each in branches)
    if field.get("type") == "array":
        return "a list"
    choices = field.get("enum", [field["const"]] if "const" in field else [])
    if choices:
        return ", ".join(f"`{each}`" for each in choices)
    if "pattern" in field:
        return "a name"
    words = "named entries" if "patternProperties" in field else _WORDS.get(field.get("type", ""), "a section")
    return words + _bounds(field)


def _bounds(field: Mapping[str, Any]) -> str:
    low, above, high = (field.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if low is not None and high is not None:
        return f", {low:g} to {high:,.10g}"
    least = f", at least {low:g}" if low is not None else f" above {above:g}" if above is not None else ""
    return least + (f", at most {high:,.10g}" if high is not None else "")

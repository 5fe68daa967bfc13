"""The JSON schema of a config, from the same declarations that read it: editors complete and check configs with it.

Descriptions are the docstrings of the fields, in the Markdown of docs/config.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from auxvae.config.settings import Settings
from auxvae.config.spec import Config

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def study_schema(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a whole config; `dataset` is that of one data set, which the simulations know."""
    schema = TypeAdapter(Config).json_schema()
    parts = {**schema.pop("$defs"), **dataset["$defs"], "Dataset": {k: v for k, v in dataset.items() if k != "$defs"}}
    _describe(parts["Group"], TypeAdapter(Settings).json_schema())
    named = schema["properties"]["datasets"]["patternProperties"]
    named |= {pattern: {"$ref": "#/$defs/Dataset"} for pattern in named}
    whole: dict[str, Any] = _tidied({"$schema": DRAFT, **schema, "$defs": parts})
    return whole


def _describe(section: dict[str, Any], declared: Mapping[str, Any]) -> None:
    """Add the descriptions of inherited fields, which pydantic reads from a class's source alone."""
    for name, field in declared["properties"].items():
        section["properties"][name].setdefault("description", field.get("description", ""))


def _tidied(value: Any) -> Any:
    """A schema without the titles that repeat the keys, each description in one line, illegal names refused."""
    if isinstance(value, list):
        return [_tidied(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    tidied = {key: _tidied(each) for key, each in value.items() if key != "title" or not isinstance(each, str)}
    if isinstance(value.get("description"), str):
        tidied["description"] = " ".join(value["description"].split())
    return tidied | ({"additionalProperties": False} if "patternProperties" in value else {})

"""A config file read as YAML, which refuses a name given twice, where the plain reader keeps the last in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from foundation.faults import Fault, Refused, Words


class _Strict(yaml.SafeLoader):
    """Safe YAML in which each name stands once in its section."""


def _mapping(loader: _Strict, node: yaml.MappingNode) -> dict[Any, Any]:
    keys: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
        place = f"{key_node.start_mark.name}, line {key_node.start_mark.line + 1}"
        if not isinstance(key, (str, int, float, bool, type(None))):
            raise Refused(Fault(place, key, "a name is a word", "write 'name: value'"))
        if key in keys:
            raise Refused(Fault(place, key, "each name stands once in its section", "rename or remove one of the two"))
        keys.add(key)
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
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = "; ".join(line.strip() for line in str(error).splitlines())
        value = Words(f"text that YAML refuses ({message})")
        raise Refused(Fault(str(path), value, "the file must be YAML", "mend the place named here")) from None
    if not isinstance(loaded, dict):
        raise Refused(Fault(str(path), loaded, "a config is a mapping of sections", "start from config/config.yaml"))
    return loaded

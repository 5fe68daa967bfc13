"""A config file read as YAML: bounded in size, depth and aliases, each name once in its section, no number in disguise.

Three things of YAML 1.1 are read as the text that they look like, so that the place that takes a number says what to
write: octal and sexagesimal integers (010 is 8 there, 1:30 is 90) and dates. Keys are text whatever they look like. A
value that cannot be read (an integer of 5,000 digits, `!!int twelve`) or that is too large becomes `Unread`, which is
refused wherever it stands, with its place; what is wrong with names is collected, with the line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from foundation.faults import Fault, Refused, Unread, Words, shown

LARGEST = 256 * 1024  # bytes of a file: more than 1,000 groups of runs; YAML takes 2 s to read them
DEEPEST = 32  # lists and sections within each other; a config has 6
HOPELESS = 100  # levels below these at which reading ends
MOST = 25_000  # values, aliases written out
SHORTER = "write the seeds, weights and coverages of a group as lists"

_TAG = "tag:yaml.org,2002:"
_UNREAD = "!unread"
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0b[01][01_]*|0x[0-9a-fA-F][0-9a-fA-F_]*)$")
_FLOAT = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?$|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?$"
    r"|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)


class _Strict(yaml.SafeLoader):
    """Safe YAML within bounds, in which each name stands once in its section."""

    yaml_implicit_resolvers = {  # noqa: RUF012, as yaml declares it
        first: [(tag, form) for tag, form in forms if tag.removeprefix(_TAG) not in ("int", "float", "timestamp")]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: bytes, path: str, faults: list[Fault]) -> None:
        super().__init__(text)
        self.path, self.faults = path, faults
        self.depth = self.values = 0
        self.sizes: dict[yaml.Node, int] = {}  # values of each whole node

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """A node of the file; in place of one that is too deep, too large or within itself, its description."""
        start = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(start, yaml.AliasEvent):
            return self._aliased(super().compose_node(parent, index))  # type: ignore[arg-type, no-untyped-call]
        if self.depth == DEEPEST and isinstance(start, yaml.CollectionStartEvent):
            return self._too_deep()
        if self.values >= MOST:
            raise self._beyond(start, f"{MOST:,} values", MOST)
        before = self.values
        self.values, self.depth = self.values + 1, self.depth + 1
        node: yaml.Node = super().compose_node(parent, index)  # type: ignore[assignment, arg-type, no-untyped-call]
        self.depth -= 1
        self.sizes[node] = self.values - before
        return node

    def _aliased(self, node: yaml.Node | None) -> yaml.Node:
        size = self.sizes.get(node) if node else None
        if node is None or size is None:
            return _described("a value that contains itself")
        if self.values + size > MOST:
            return _described("aliases that multiply to more values than a config may have")
        self.values += size
        return node

    def _beyond(self, event: yaml.Event, what: str, most: int) -> Refused:
        allowed = f"a config has {most:,} at most"
        self._fault(event, Words(f"more than {what}"), allowed, SHORTER)
        return Refused(self.faults)

    def _too_deep(self) -> yaml.Node:
        inside = 0
        while True:
            event = self.get_event()  # type: ignore[no-untyped-call]
            inside += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if inside > HOPELESS:  # the time that YAML takes grows with the square of the depth
                raise self._beyond(event, f"{HOPELESS} lists and sections within each other", DEEPEST)
            if not inside:
                return _described(f"more than {DEEPEST} lists and sections within each other")

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A section; names that stand in it twice, or are no words, become faults and are left out.

        One without any name, such as the `{{ ... }}` of a template, is described in one fault with its place.
        """
        node: yaml.MappingNode = super().compose_mapping_node(anchor)  # type: ignore[assignment, no-untyped-call]
        pairs: dict[Any, tuple[yaml.Node, yaml.Node]] = {}
        earlier = len(self.faults)
        for key, value in node.value:
            named = self._name(key)
            if named is None:
                continue
            if named.value in pairs and named.tag != f"{_TAG}merge":
                text = "each name stands once in its section"
                self._fault(key, named.value, text, "rename or remove one of the two")
            pairs[named.value if named.tag != f"{_TAG}merge" else id(key)] = named, value
        if node.value and not pairs:
            del self.faults[earlier:]
            return _described("a section whose names are no words")  # type: ignore[return-value]
        node.value = list(pairs.values())
        return node

    def _name(self, key: yaml.Node) -> yaml.ScalarNode | None:
        """A key as text; `<<`, which merges another section, stays what it is."""
        if isinstance(key, yaml.ScalarNode) and key.tag != _UNREAD:
            tag = key.tag if key.tag == f"{_TAG}merge" else f"{_TAG}str"
            return yaml.ScalarNode(tag, key.value, key.start_mark, key.end_mark)
        value = Words("a section" if isinstance(key, yaml.MappingNode) else "a list")
        self._fault(key, value, "a name is a word", "write 'name: value'")
        return None

    def _fault(self, node: yaml.Node | yaml.Event, value: object, allowed: str, remedy: str) -> None:
        line = f", line {node.start_mark.line + 1}" if node.start_mark else ""
        self.faults.append(Fault(f"{self.path}{line}", value, allowed, remedy))


def _described(words: str) -> yaml.ScalarNode:
    return yaml.ScalarNode(_UNREAD, words)


def _or_unread(construct: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The constructor of a tag, whose scalars that do not hold such a value are `Unread`."""

    def attempt(loader: _Strict, node: yaml.ScalarNode) -> Any:
        try:
            value = construct(loader, node)
            huge = isinstance(value, int) and abs(value) >= 10**400  # no double, and Python may refuse to print it
            return Unread(shown(value)) if huge else value
        except (ValueError, KeyError, IndexError):
            digits = sum(map(str.isdigit, str(node.value)))
            written = f"a number of {digits:,} digits" if digits > 80 else f"{str(node.value)[:80]!r}"
            return Unread(written if digits > 80 else f"{written} tagged {node.tag.replace(_TAG, '!!')}")

    return attempt


_Strict.add_implicit_resolver(f"{_TAG}int", _INTEGER, list("-+0123456789"))  # type: ignore[no-untyped-call]
_Strict.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))  # type: ignore[no-untyped-call]


def _tagged(loader: _Strict, node: yaml.Node) -> Unread:
    return Unread(f"a value tagged {node.tag.replace(_TAG, '!!')[:60]}")


_Strict.add_constructor(None, _tagged)  # type: ignore[type-var]
_Strict.add_constructor(_UNREAD, lambda loader, node: Unread(node.value))
_Strict.add_constructor(f"{_TAG}map", lambda loader, node: loader.construct_mapping(node, deep=True))  # type: ignore[arg-type]
for _kind in ("int", "float", "bool"):
    _Strict.add_constructor(f"{_TAG}{_kind}", _or_unread(yaml.SafeLoader.yaml_constructors[f"{_TAG}{_kind}"]))
for _kind in ("timestamp", "binary", "set", "omap", "pairs"):
    _Strict.add_constructor(f"{_TAG}{_kind}", _tagged)


def load_yaml(path: Path, faults: list[Fault] | None = None) -> dict[str, Any]:
    """The mapping in a YAML file; a file that is absent, too large or no YAML is refused in a sentence.

    Names that stand twice in a section are appended to `faults` and the last one is kept, so that checking can go on;
    without `faults` they are refused.
    """
    wrong: list[Fault] = []
    try:
        loaded = _Strict(_bytes(path), str(path), wrong).get_single_data()  # type: ignore[no-untyped-call]
    except (yaml.YAMLError, ValueError) as error:
        raise Refused([*wrong, _unreadable(path, error)]) from None
    if not isinstance(loaded, dict):
        allowed, remedy = "a config is a mapping of sections", "start from config/config.yaml"
        raise Refused([*wrong, Fault(str(path), loaded, allowed, remedy)])
    if faults is None and wrong:
        raise Refused(wrong)
    if faults is not None:
        faults += wrong
    return loaded


def _bytes(path: Path) -> bytes:
    try:
        with open(path, "rb") as stream:
            text = stream.read(LARGEST + 1)
            size = os.fstat(stream.fileno()).st_size
    except FileNotFoundError:
        raise Refused(Fault(str(path), Words("no file"), "a config file is read here", "check the path")) from None
    except IsADirectoryError:
        raise Refused(Fault(str(path), Words("a folder"), "a config file is read here", "name a file")) from None
    except OSError as error:
        value = Words(error.strerror or type(error).__name__)
        raise Refused(Fault(str(path), value, "a config file is read here", "check the path")) from None
    if len(text) > LARGEST:
        value, allowed = Words(f"a file of {max(size, len(text)) / 1024:,.0f} KiB"), "a config has 256 KiB at most"
        raise Refused(Fault(str(path), value, allowed, SHORTER))
    return text


def _unreadable(path: Path, error: Exception) -> Fault:
    """What YAML refuses, in its words, with the line if it names one."""
    marked = isinstance(error, yaml.MarkedYAMLError)
    mark = (error.problem_mark or error.context_mark) if marked else None  # type: ignore[attr-defined]
    where = f"{path}, line {mark.line + 1}" if mark else str(path)
    message = error.problem if marked else "; ".join(str(error).splitlines()[:2])  # type: ignore[attr-defined]
    if message.startswith("but "):
        message = f"{error.context}, {message}"  # type: ignore[attr-defined]
    value = Words(f"text that YAML refuses ({message})")
    return Fault(where, value, "the file must be YAML", "mend the place named here")

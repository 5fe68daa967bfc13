"""The words of the code: no name is bound to a word that says nothing about its value."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("foundation", "simulations", "auxvae", "benchmarks")
MODULES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]

# "told" had five meanings; the other participles fit any value and identify none.
RETIRED = {"told", "given", "known", "seen", "found", "made", "own", "at_rest", "body", "bodies"}


def bound_names(tree):
    """(line, name) of each name that a module binds: variables, attributes, parameters, functions, classes, imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                yield node.lineno, name
            case ast.alias(name=name, asname=alias):
                yield node.lineno, alias or name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                yield node.lineno, name


def retired_names(source):
    """(line, name) of the bound names that are retired words, in any case and behind any underscores."""
    return [(line, name) for line, name in bound_names(ast.parse(source)) if name.lower().strip("_") in RETIRED]


def relative(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_name_is_a_retired_word(path):
    assert not retired_names(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "told = 1",
        "for seen in (): pass",
        "[0 for own in ()]",
        "with open('x') as given: pass",
        "try: pass\nexcept OSError as found: pass",
        "(made := 1)",
        "KNOWN = {}",
        "_known = {}",
        "x.told = 1",
        "def f(*, given): pass",
        "lambda found: 0",
        "def _own(): pass",
        "class Body: pass",
        "class A:\n    at_rest: int",
        "from a import known",
        "match x:\n    case [*bodies]: pass",
    ],
)
def test_every_way_of_binding_is_caught(source):
    assert len(retired_names(source)) == 1


def test_uses_and_longer_names_are_not_bindings():
    assert not retired_names("print(x.told, 'given')\nkl_told = f(known=2)")

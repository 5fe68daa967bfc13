"""One source of versions: constraints.txt, conda environments, containers, pyproject.toml and imports agree."""

import ast
import importlib.metadata
import importlib.util
import re
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

_spec = importlib.util.spec_from_file_location("generate", ROOT / "envs" / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)

ROOMS = ("auxvae", "foundation", "simulations")
PINS = generate.constraints()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = importlib.metadata.packages_distributions()
# The commands that the rules of an environment call, and rooms whose modules are found by their names in tables.
COMMANDS = {
    "simulate": [("simulations", name) for name in ("draw", "shapes")],
    "train": [("auxvae", name) for name in ("train", "evaluate", "select", "collect", "measurements")],
    "report": [("auxvae", "report")],
}
BY_NAME = {"train": ("models", "losses", "metrics"), "report": (), "simulate": ()}
VARIANTS = {"pytorch": "torch", "pytorch-cpu": "torch", "pytorch-gpu": "torch", "matplotlib-base": "matplotlib"}


@pytest.mark.parametrize("name", generate.ENVIRONMENTS)
def test_an_environment_is_what_constraints_say(name):
    assert (ROOT / "envs" / f"{name}.yaml").read_text() == generate.environment(name), "run python envs/generate.py"


def test_there_is_no_other_environment():
    assert {path.stem for path in (ROOT / "envs").glob("*.yaml")} == {*generate.ENVIRONMENTS}


@pytest.mark.parametrize("extra", ["", "dev", "slurm"])
def test_constraints_pin_what_the_project_needs(extra):
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    for requirement in map(Requirement, lines):
        version = PINS.get(canonicalize_name(requirement.name))
        assert version is not None, f"constraints.txt lacks {requirement.name}"
        assert requirement.specifier.contains(version, prereleases=True), requirement.name


@pytest.mark.parametrize("room", ROOMS)
def test_the_project_names_every_package_that_a_room_imports(room):
    named = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    modules = (ROOT / room).rglob("*.py")
    beyond = {package for path in modules for package in packages(path) if not package & (named | {"pydantic-core"})}
    assert not beyond


@pytest.mark.parametrize("name", generate.ENVIRONMENTS)
def test_an_environment_holds_what_its_rules_import(name):
    rule = name.split("-")[0]
    dependencies = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())["dependencies"]
    held = {VARIANTS.get(each, each) for each in (line.split("=")[0] for line in dependencies)}
    held |= {"pydantic-core"}  # of pydantic
    for path in reached(rule):
        for package in packages(path):
            assert package & held, f"{path.relative_to(ROOT)} imports {sorted(package)}, which {name}.yaml lacks"


@pytest.mark.parametrize("file", ["Dockerfile", "envs/auxvae.def"])
def test_a_container_is_made_from_the_constraints(file):
    text = (ROOT / file).read_text()
    assert f"python:{generate.PYTHON}-slim" in text and "-c constraints.txt" in text
    for room in (*ROOMS, "workflow", "config", "envs", "pyproject.toml", "constraints.txt"):
        assert re.search(rf"\b{re.escape(room)}\b", text), room
    assert PROJECT["requires-python"] == f">={generate.PYTHON}"


def packages(path):
    """The distributions that a module imports, each as the set of names that may provide it."""
    tops = {name.split(".")[0] for name in imported(ast.parse(path.read_text(encoding="utf-8")))}
    outside = tops - set(ROOMS) - set(sys.stdlib_module_names)
    return {frozenset(canonicalize_name(each) for each in DISTRIBUTIONS.get(top, [top])) for top in outside}


def imported(tree):
    """Names of all modules that a syntax tree imports when it runs, and of what is taken out of them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
            yield from imported(node)


def reached(rule):
    """The files of all modules of the project that the commands of a rule import, however deep."""
    waiting = [name for command in COMMANDS[rule] for name in imported(head(*command))]
    waiting += [
        f"auxvae.{room}.{path.stem}" for room in BY_NAME[rule] for path in (ROOT / "auxvae" / room).glob("*.py")
    ]
    done = set()
    while waiting:
        path = source(waiting.pop())
        if path is not None and path not in done:
            done.add(path)
            waiting += imported(_of_commands(path, {command for _, command in COMMANDS[rule]}))
    return done


def _of_commands(path, commands):
    """A module as these commands run it: of a module of commands, without what the others would import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.stem.endswith("_commands"):
        tree.body = [each for each in tree.body if not isinstance(each, ast.FunctionDef) or each.name in commands]
    return tree


def head(room, command):
    """What a program imports before its commands, and within this one."""
    tree = ast.parse((ROOT / room / "__main__.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    tree.body = [node for node in tree.body if node not in functions or node.name == command]
    return tree


def source(module):
    """The file of a module of the project; None for any other name."""
    if module.split(".")[0] not in ROOMS:
        return None
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file if file.is_file() else None

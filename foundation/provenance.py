"""Provenance of a result: a hash of the code that made it, and the versions of the packages that it ran with."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOMS = ("foundation", "simulations", "auxvae")
ROOT = Path(__file__).resolve().parent.parent


def code_hash(*modules: str, without: tuple[str, ...] = ()) -> str:
    """A short hash of the named modules and of all modules of this repository that they import, directly or not.

    `without` names packages that are left out: those whose effect on the result is recorded otherwise.

    Snakemake does not see changes in imported modules; a rule with this hash in its `params` is run again when the
    code that it uses changes, and only then.
    """
    packages = tuple(f"{package}." for package in without)
    imported = set().union(*(_closure(name) for name in modules))
    closure = sorted(name for name in imported if not f"{name}.".startswith(packages))
    digest = hashlib.sha256()
    for name in closure:
        digest.update(_entry(name))
    return digest.hexdigest()[:12]


@cache
def _entry(module: str) -> bytes:
    """A module's name and source, read once by a process."""
    return module.encode() + b"\0" + _source(module).read_bytes() + b"\0"


@cache
def _closure(start: str) -> frozenset[str]:
    """The module `start` and all that it imports, directly or not."""
    closure: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in closure:
            closure.add(name)
            waiting += imports(name)
    return frozenset(closure)


@cache
def imports(module: str) -> tuple[str, ...]:
    """The modules of this repository that a module imports, at its top or inside a function."""
    tree = ast.parse(_source(module).read_text(encoding="utf-8"))
    named = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            named += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(sorted({name for name in named if name.split(".")[0] in ROOMS and _source(name).exists()}))


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement at any depth; no expression, of which there are ten times as many, holds an import."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            within = getattr(node, name, ())  # of a lambda or a conditional expression, one expression
            waiting += within if isinstance(within, list) else ()


def _source(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def versions(*packages: str) -> dict[str, str]:
    """The versions of Python and of the named packages."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}


def commit() -> str:
    """The commit of this checkout, with `-dirty` where files differ from it; '' where there is none to ask."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def machine() -> str:
    """Operating system, processor and number of cores of this machine, in words."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    return f"{platform.system()}, {processor}, {os.cpu_count()} cores"

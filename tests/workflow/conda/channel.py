"""A conda channel of empty packages: the names, versions and needs of what is installed here, and a Python.

The Python of an environment is that of the tests, with guard/sitecustomize.py before it, so that a rule sees the
distributions of its environment alone.
"""

import asyncio
import hashlib
import importlib.metadata
import io
import json
import sys
import tarfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

GUARD = Path(__file__).resolve().parent / "guard"
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
PYTHON = """#!/bin/bash
export PYTHONPATH={guard}:$PYTHONPATH
exec {python} "$@"
"""


def conda_name(distribution):
    """The name of a distribution on conda-forge."""
    name = canonicalize_name(distribution)
    return CONDA_NAMES.get(name, name)


def needs(distribution):
    """What a distribution needs on this machine, without extras, where it is installed."""
    for line in distribution.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield conda_name(requirement.name)


def package(channel, name, version, files, depends):
    """Write one package."""
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": sorted(depends)}
    index |= {"subdir": "noarch", "noarch": "generic", "license": "BSD-3-Clause"}
    paths = [
        {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
        for path, (data, _) in files.items()
    ]
    about = {
        "info/index.json": (json.dumps(index).encode(), 0o644),
        "info/paths.json": (json.dumps({"paths_version": 1, "paths": paths}).encode(), 0o644),
    }
    with tarfile.open(channel / "noarch" / f"{name}-{version}-0.tar.bz2", "w:bz2") as whole:
        for path, (data, mode) in {**about, **files}.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), mode
            whole.addfile(member, io.BytesIO(data))


def write_channel(channel):
    """All distributions that are installed here, and the variants of torch, in an indexed channel."""
    from rattler.index import index_fs

    (channel / "noarch").mkdir(parents=True)
    (channel / "linux-64").mkdir()
    every = {conda_name(each.metadata["Name"]): each for each in importlib.metadata.distributions()}
    for name, distribution in every.items():
        seen = f"share/distributions/{canonicalize_name(distribution.metadata['Name'])}"
        depends = {each for each in needs(distribution) if each in every}
        package(channel, name, distribution.version.split("+")[0], {seen: (name.encode(), 0o644)}, depends)
    for variant in ("pytorch-cpu", "pytorch-gpu"):
        version = every["pytorch"].version.split("+")[0]
        package(channel, variant, version, {f"share/{variant}": (b"variant", 0o644)}, {"pytorch"})
    python = PYTHON.format(guard=GUARD, python=sys.executable).encode()
    version = ".".join(map(str, sys.version_info[:3]))
    package(channel, "python", version, {f"bin/{name}": (python, 0o755) for name in ("python", "python3")}, ())
    asyncio.run(index_fs(channel))

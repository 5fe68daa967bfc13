"""Write the conda environments of the rules from constraints.txt: `python envs/generate.py`, or `make envs`.

A package is pinned to the major and minor version that constraints.txt has: conda-forge's patch releases and builds are
others than PyPI's. tests/workflow/test_environments.py holds the files, constraints.txt, pyproject.toml, the container
and the imports of every rule together.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "3.11"  # the lowest that pyproject.toml allows, and that of the container
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}  # where conda-forge's name is another

EVERY = ("numpy", "scipy", "typer", "rich", "pyyaml", "pydantic")  # of every room
STUDY = (*EVERY, "xarray", "netcdf4", "pandas", "pyarrow", "jaxtyping")
TRAINING = (*STUDY, "astropy", "scikit-learn", "zarr", "safetensors", "threadpoolctl")

# File: packages by their names on PyPI, and packages of conda-forge that no other name stands for.
ENVIRONMENTS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "simulate": (
        (*EVERY, "galsim", "sep", "astropy", "xarray", "netcdf4", "zarr", "h5py", "pillow", "pandas", "pyarrow"),
        {},
    ),
    "train": ((*TRAINING, "torch"), {}),
    "train-cpu": (TRAINING, {"torch": "pytorch-cpu"}),
    "train-cuda": (TRAINING, {"torch": "pytorch-gpu"}),
    "report": ((*STUDY, "scikit-learn", "matplotlib", "jinja2", "pillow"), {}),
}


def constraints() -> dict[str, str]:
    """Version by lower-case name of every package of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {
        match[1].lower().replace("_", "-"): match[2] for line in lines if (match := re.match(r"([\w.-]+)==(\S+)", line))
    }


def minor(version: str) -> str:
    """Major and minor version: 2.13 of 2.13.0."""
    return ".".join(version.split(".")[:2])


def environment(name: str) -> str:
    """The text of an environment's file."""
    packages, variants = ENVIRONMENTS[name]
    pins = constraints()
    pinned = {CONDA_NAMES.get(each, each): minor(pins[each]) for each in packages}
    pinned |= {variant: minor(pins[package]) for package, variant in variants.items()}
    lines = [f"  - {each}={version}" for each, version in sorted(pinned.items())]
    head = "# Written by envs/generate.py from constraints.txt.\nchannels: [conda-forge, nodefaults]\ndependencies:\n"
    return head + "\n".join([f"  - python={PYTHON}", *lines]) + "\n"


if __name__ == "__main__":
    for each in ENVIRONMENTS:
        (ROOT / "envs" / f"{each}.yaml").write_text(environment(each), encoding="utf-8")

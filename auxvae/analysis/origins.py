"""Which versions of which packages made the numbers of a study: those that its runs and their data sets recorded.

The packages of the environment that draws the report may be others, or absent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import xarray as xr

from auxvae.analysis.files import CODES
from foundation.files import read_json

STORE_VERSIONS = "store_versions"  # attribute of codes.nc: versions of what made the data set, as JSON


def versions_of(folders: Iterable[Path]) -> dict[str, str]:
    """Versions by package, from the folders of the runs; several, joined by `and`, where the runs differ."""
    by_package: dict[str, set[str]] = {}
    for folder in folders:
        with xr.open_dataset(folder / CODES) as codes:
            recorded = [read_json(folder / "spec.json", "the record of a run")["versions"]]
            recorded.append(json.loads(codes.attrs[STORE_VERSIONS]))
        for package, version in (item for each in recorded for item in each.items()):
            by_package.setdefault(package, set()).add(version)
    return {package: " and ".join(sorted(by_package[package])) for package in sorted(by_package)}

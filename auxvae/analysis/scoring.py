"""Anyone's representation from a file, and its scores as a table and as JSON.

    codes (N, D), factors (N, F)            one row per image; factors may be absent
    codes_test (M, D), factors_test (M, F)  optional rows by which fitted metrics are judged
    factor_names (F,), latent_names (D,)    optional
    discrete (F,)                           optional; without it a factor of few values, ten rows to each, is discrete
    prior (P, D), films (B, T, D)           optional: samples of the prior, codes of successive images

npz: arrays of these names. Zarr, NetCDF: variables of these names, whose coordinates name latents and factors; `mean`
may stand for codes, so that codes.nc of a study is read as it is. Parquet: columns `codes_NAME` and `factors_NAME`, and
a column `test`, true for rows to be judged by, where there are such. Pickles are not read.
"""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from auxvae.metrics.representation import Representation, representation
from auxvae.metrics.score import Score
from auxvae.metrics.suite import METRICS, NEEDS, lacks, named
from foundation.faults import Fault, Refused, Words, listed, suggest

Arrays = dict[str, Any]
KNOWN = ("codes", "factors", "codes_test", "factors_test", "factor_names", "latent_names", "discrete", "prior", "films")
AXES = {"codes": "latent", "codes_test": "latent", "factors": "factor", "factors_test": "factor"}
REMEDY = "docs/metrics.md shows what a file holds"


def read_codes(path: Path) -> Representation:
    """The representation of a file, or a refusal with all that is wrong with it."""
    if not path.exists():
        raise Refused(Fault(str(path), Words("nothing"), "a file of codes must be there", "check the path"))
    kind = path.suffix.lower()
    if kind not in READERS:
        raise Refused(Fault(str(path), kind or Words("no suffix"), f"it is one of {listed(READERS)}", REMEDY))
    try:
        arrays = READERS[kind](path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        value = Words(f"a file that cannot be read ({error})")
        raise Refused(Fault(str(path), value, f"it must be whole and {kind}", REMEDY)) from None
    if "codes" not in arrays:
        names = listed(arrays) if arrays else "nothing"
        raise Refused(Fault(str(path), Words(names), "it must hold codes", f"name an array codes; {REMEDY}"))
    return representation(**_named(arrays))


def _known(names: Sequence[str]) -> list[str]:
    """The names that mean something here; a refusal of those that are nearly one of them. Others are left alone."""
    wanting = [name for name in KNOWN if name not in names]
    near = {name: difflib.get_close_matches(name, wanting, 1, 0.85) for name in names if name not in KNOWN}
    if wrong := {name: match[0] for name, match in near.items() if match}:
        text = f"the arrays are {listed(KNOWN)}"
        raise Refused(Fault("arrays", name, text, f"did you mean {meant!r}?") for name, meant in wrong.items())
    return [name for name in names if name in KNOWN]


def _npz(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in _known(file.files)}


def _dataset(path: Path) -> Arrays:
    opened = xr.open_zarr(path) if path.suffix == ".zarr" else xr.open_dataset(path)
    with opened as file:
        renamed = file.rename({"mean": "codes"}) if "mean" in file and "codes" not in file else file
        return {name: renamed[name].load() for name in _known([str(name) for name in renamed.variables])}


def _parquet(path: Path) -> Arrays:
    table = pd.read_parquet(path)
    judged = table["test"].to_numpy(dtype=bool) if "test" in table else np.zeros(len(table), dtype=bool)
    arrays: Arrays = {}
    for name, dim in (("codes", "latent"), ("factors", "factor")):
        columns = [str(column) for column in table.columns if str(column).startswith(f"{name}_")]
        if columns:
            names = [column.removeprefix(f"{name}_") for column in columns]
            whole = xr.DataArray(table[columns].to_numpy(dtype=np.float64), {dim: names}, ["row", dim])
            arrays |= {name: whole[~judged], f"{name}_test": whole[judged]} if judged.any() else {name: whole}
    return arrays


READERS: dict[str, Callable[[Path], Arrays]] = {
    ".npz": _npz,
    ".zarr": _dataset,
    ".nc": _dataset,
    ".parquet": _parquet,
}


def _named(arrays: Arrays) -> Arrays:
    """The tables with the names that stand beside them."""
    kept = dict(arrays)
    for name, dim in AXES.items():
        names = arrays.get(f"{dim}_names")
        if name in kept and names is not None:
            kept[name] = _with_names(np.asarray(kept[name]), np.asarray(names), dim)
    for dim in ("latent", "factor"):
        kept.pop(f"{dim}_names", None)
    return kept


def _with_names(values: NDArray[Any], names: NDArray[Any], dim: str) -> xr.DataArray:
    table = values[:, None] if values.ndim == 1 else values
    if names.ndim != 1 or len(names) != table.shape[-1]:
        value = Words(f"{names.size} names")
        text = f"there are {table.shape[-1]} {dim}s"
        raise Refused(Fault(f"{dim}_names", value, text, "give one name for each, in their order"))
    return xr.DataArray(table, {dim: [str(name) for name in names]}, ["row", dim])


def chosen_metrics(only: str, given: Representation) -> list[str] | None:
    """The metrics named, separated by commas; a refusal names those that are unknown or want for an array."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    faults = []
    for name in names:
        metric = named(name)
        if metric is None:
            text = f"the metrics are {listed(METRICS)}"
            faults.append(Fault("--only", name, text, suggest(name, METRICS, "name some of them")))
        elif lacks(metric, given):
            faults.append(Fault("--only", name, f"it needs {NEEDS[METRICS[metric].needs]}", "leave it out"))
    if faults:
        raise Refused(faults)
    return names or None


def left_out(given: Representation) -> list[str]:
    """One sentence for the metrics that want for the same thing."""
    wanting: dict[str, list[str]] = {}
    for name, metric in METRICS.items():
        if lacks(name, given):
            wanting.setdefault(NEEDS[metric.needs], []).append(name)
    return [f"{listed(names)} left out: they need {need}" for need, names in wanting.items()]


def table(scores: Mapping[str, Score]) -> str:
    """The scores as text: name, value, interval, rows, what is good."""
    lines = [f"{'metric':<30}{'value':>10}   {'95 % interval':^21}{'rows':>8}   good"]
    for name, score in scores.items():
        known = np.isfinite(score.low) and np.isfinite(score.high)
        bounds = f"[{score.low:8.4f}, {score.high:8.4f}]" if known else ""
        lines.append(f"{name:<30}{score.value:>10.4f}   {bounds:^21}{score.n:>8}   {_good(name)}")
    return "\n".join(lines)


def _good(name: str) -> str:
    """What is good for the metric that gives a score; nothing for a floor."""
    metric = named(name)
    return "" if metric is None or name.endswith("_floor") else METRICS[metric].good

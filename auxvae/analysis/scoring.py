"""A representation read from a file of any origin, the metrics chosen for it, and its scores as a table.

    codes (N, D), factors (N, F)            one row per image; factors are optional
    codes_test (M, D), factors_test (M, F)  optional test rows of fitted metrics
    factor_names (F,), latent_names (D,)    optional
    discrete (F,)                           optional; without it a factor of few values, ten rows for each, is discrete
    period (F,), categorical (F,)           optional: periods of circular factors, 0 for others; which are of classes
    prior (P, D), films (B, T, D)           optional: samples of the prior, codes of successive images

npz: arrays of these names. Zarr, NetCDF: variables of these names, whose coordinates name latents and factors; `mean`
is read as codes if there are none, so that the codes.nc of a study can be scored. Parquet: columns `codes_NAME` and
`factors_NAME`, and optionally a column `test`, true for test rows. Pickles are not read.
"""

from __future__ import annotations

import difflib
import math
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import zarr
from numpy.typing import NDArray

from auxvae.metrics.columns import column
from auxvae.metrics.integers import beyond_double, from_least
from auxvae.metrics.metric import NEEDS
from auxvae.metrics.representation import Representation, representation
from auxvae.metrics.score import Score
from auxvae.metrics.suite import lacks, measured, named
from foundation.faults import Fault, Refused, Words, listed, reason, suggest

Arrays = dict[str, Any]
ARRAYS = (
    "codes",
    "factors",
    "codes_test",
    "factors_test",
    "factor_names",
    "latent_names",
    "discrete",
    "period",
    "categorical",
    "prior",
    "films",
)
AXES = {"codes": "latent", "codes_test": "latent", "factors": "factor", "factors_test": "factor"}
REMEDY = "docs/metrics.md shows what a file holds"


def read_codes(path: Path) -> Representation:
    """The representation in a file; refuses with every fault of the file."""
    if not path.exists():
        raise Refused(Fault(str(path), Words("nothing"), "a file of codes must be there", "check the path"))
    kind = path.suffix.lower()
    if kind not in READERS:
        raise Refused(Fault(str(path), kind or Words("no suffix"), f"it is one of {listed(READERS)}", REMEDY))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a file lacks is judged here
            arrays = READERS[kind](path)
    except Refused:
        raise
    except Exception as error:  # libraries raise errors of every kind on damaged bytes
        value = Words(f"a file that cannot be read ({reason(error)})")
        raise Refused(Fault(str(path), value, f"it must be whole and {kind}", REMEDY)) from None
    if "codes" not in arrays:
        names = listed(arrays) if arrays else "nothing"
        raise Refused(Fault(str(path), Words(names), "it must hold codes", f"name an array codes; {REMEDY}"))
    return representation(**_labelled(arrays))


def _read_names(names: Sequence[str]) -> list[str]:
    """The names of the arrays to read; refuses a name that looks misspelled, and ignores all others."""
    missing = [name for name in ARRAYS if name not in names]
    near = {name: difflib.get_close_matches(name, missing, 1, 0.85) for name in names if name not in ARRAYS}
    if wrong := {name: match[0] for name, match in near.items() if match}:
        text = f"the arrays are {listed(ARRAYS)}"
        raise Refused(Fault("arrays", name, text, f"did you mean {meant!r}?") for name, meant in wrong.items())
    return [name for name in names if name in ARRAYS]


def _npz(path: Path) -> Arrays:
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():  # numpy stops where a damaged header says, and then no checksum is compared
            raise ValueError(f"bytes of {damaged} that disagree with their checksum")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in _read_names(file.files)}


def _dataset(path: Path) -> Arrays:
    opened = xr.open_zarr(path) if path.suffix == ".zarr" else xr.open_dataset(path)
    if path.suffix == ".zarr":
        _refuse_absent_chunks(path)
    with opened as file:
        renamed = file.rename({"mean": "codes"}) if "mean" in file and "codes" not in file else file
        return {name: renamed[name].load() for name in _read_names([str(name) for name in renamed.variables])}


def _refuse_absent_chunks(path: Path) -> None:
    """Refuse arrays of codes and factors without some of their chunks, which are read as a fill value in silence."""
    for name, array in zarr.open_group(path, mode="r").arrays():
        files = array.shards or array.chunks
        inner = math.prod(size // step for size, step in zip(files, array.chunks, strict=True))
        chunks = math.prod(-(-size // step) for size, step in zip(array.shape, files, strict=True))
        absent = chunks - array.nchunks_initialized // inner
        if name in (*ARRAYS, "mean") and absent:
            value = Words(f"{absent} of {chunks} chunks absent")
            raise Refused(Fault(f"{path}: {name}", value, "every chunk must be there", "write the file again"))


def _parquet(path: Path) -> Arrays:
    table = pd.read_parquet(path, engine="pyarrow", page_checksum_verification=True)
    for name in [name for name in table.columns if beyond_double(table[name].to_numpy())]:
        table[name] = from_least(f"{path}: {name}", [table[name].to_numpy()])[0]
    test = table["test"].to_numpy(dtype=bool) if "test" in table else np.zeros(len(table), dtype=bool)
    arrays: Arrays = {}
    for name, dim in (("codes", "latent"), ("factors", "factor")):
        columns = [str(column) for column in table.columns if str(column).startswith(f"{name}_")]
        if columns:
            names = [column.removeprefix(f"{name}_") for column in columns]
            whole = xr.DataArray(table[columns].to_numpy(dtype=np.float64), {dim: names}, ["row", dim])
            arrays |= {name: whole[~test], f"{name}_test": whole[test]} if test.any() else {name: whole}
    return arrays


READERS: dict[str, Callable[[Path], Arrays]] = {
    ".npz": _npz,
    ".zarr": _dataset,
    ".nc": _dataset,
    ".parquet": _parquet,
}


def _labelled(arrays: Arrays) -> Arrays:
    """The tables labelled with the arrays of names."""
    labelled = dict(arrays)
    for name, dim in AXES.items():
        names = arrays.get(f"{dim}_names")
        if name in labelled and names is not None:
            labelled[name] = _with_names(np.asarray(labelled[name]), np.asarray(names), dim)
    for dim in ("latent", "factor"):
        labelled.pop(f"{dim}_names", None)
    return labelled


def _with_names(values: NDArray[Any], names: NDArray[Any], dim: str) -> xr.DataArray:
    table = values[:, None] if values.ndim == 1 else values
    if names.ndim != 1 or len(names) != table.shape[-1]:
        value = Words(f"{names.size} names")
        text = f"there are {table.shape[-1]} {dim}s"
        raise Refused(Fault(f"{dim}_names", value, text, "give one name for each, in their order"))
    return xr.DataArray(table, {dim: [str(name) for name in names]}, ["row", dim])


def chosen_metrics(only: str, inputs: Representation) -> list[str] | None:
    """The metrics named, separated by commas; refuses those that are unknown or whose arrays are missing."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    faults, metrics = [], measured()
    for name in names:
        metric = named(name)
        if metric is None:
            text = f"the metrics are {listed(metrics)}"
            faults.append(Fault("--only", name, text, suggest(name, metrics, "name some of them")))
        elif lacks(metric, inputs):
            faults.append(Fault("--only", name, f"it needs {NEEDS[metrics[metric].needs]}", "leave it out"))
    if faults:
        raise Refused(faults)
    return names or None


def left_out(inputs: Representation) -> list[str]:
    """Sentences on what is left out: metrics whose arrays are missing, and factors of which LDS says nothing."""
    lacking: dict[str, list[str]] = {}
    for name, metric in measured().items():
        if lacks(name, inputs):
            lacking.setdefault(NEEDS[metric.needs], []).append(name)
    absent = [f"{listed(names)} left out: they need {need}" for need, names in lacking.items()]
    latents = inputs.codes.shape[1]
    sizes = {kind.factor: len(kind.variables) for kind in inputs.kinds if len(kind.variables) >= latents}
    of_lds = [f"lds leaves out {name}: it has {m} variables, the codes {latents} latents" for name, m in sizes.items()]
    return absent + of_lds


def rare_classes(inputs: Representation) -> list[str]:
    """Sentences on factors that fitted metrics leave out, or take for constant: one class alone is fit, or tested."""
    if inputs.factors is None or not any(inputs.discrete):
        return []
    _, u, _, u_test = inputs.parts
    single = [
        str(name)
        for name, fit, test, flag in zip(u["factor"].values, u.values.T, u_test.values.T, inputs.discrete, strict=True)
        if flag and not (set(np.unique(fit)) & set(np.unique(test)) and np.ptp(fit) and np.ptp(test))
    ]
    return [f"{name}: rows that are fitted or tested have one class; explicitness_auc leaves it out" for name in single]


def table(scores: Mapping[str, Score]) -> str:
    """The scores as text: name, value, interval, number of rows, and the values of chance and of a perfect model."""
    lines = [f"{'metric':<30}{'value':>10}   {'95 % interval':^21}{'rows':>8}   {'chance':<10}   good"]
    for name, score in scores.items():
        finite = np.isfinite(score.low) and np.isfinite(score.high)
        bounds = f"[{score.low:8.4f}, {score.high:8.4f}]" if finite else ""
        entry = column(name)
        chance, good = (entry.chance, entry.good) if entry else ("", "")
        lines.append(f"{name:<30}{score.value:>10.4f}   {bounds:^21}{score.n:>8}   {chance:<10}   {good}")
    return "\n".join(lines)

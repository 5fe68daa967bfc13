"""`python -m auxvae measure RUN STORE`: calibrate a run, measure a store, print how good it is, write the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.measure import Calibration, calibrated, encoded, measured_factors, table_of, true_factors
from auxvae.analysis.measure_table import (
    SIZES,
    by_quartile,
    has_limits,
    limits_of,
    qualities,
    shapes_of,
    shear_lines,
    widths,
)
from auxvae.analysis.surveyed import Trained, judged_rows, read_trained, refuse_unwritable, rows_of, write_table
from auxvae.data.store import Store
from auxvae.data.survey import open_survey
from auxvae.metrics.measurement import Estimate
from foundation.console import log
from foundation.faults import Fault, Refused, Words

Columns = dict[str, NDArray[np.float64]]


def measure(
    folder: Path, path: Path, out: Path, calibration: Path | None, data: Path | None, limits: int, shapes: bool
) -> str:
    """Write the measurements of a store by the run of a folder, and return the table that is printed.

    limits: rows whose least scatter is computed, where the store was simulated; shapes: HSM's shapes beside.
    """
    refuse_unwritable(out)
    trained = read_trained(folder, data)
    names = measured_factors(trained)
    store = open_survey(path, trained.store, trained.run.settings.inputs)
    if shapes and store.image_shape[0] > 1:
        value = Words(f"images of {store.image_shape[0]} channels")
        raise Refused(Fault(f"--shapes {path}", value, "a shape is measured in one band", "leave --shapes out"))
    calibration_of = calibrated(trained, names, calibration, store)
    estimates = calibration_of.estimates(encoded(trained, store, np.arange(len(store.split)), names))
    hsm = {f"hsm_{name}": each for name, each in shapes_of(store).items() if name != "row"} if shapes else {}
    facts = {"run": trained.run.id, "store": store.source.digest, "calibration_rows": calibration_of.rows}
    units = {name: trained.store.dataset[name].attrs.get("units", "") for name in names}
    text = report(trained, store, calibration_of, estimates, units, limits, hsm)
    write_table(out, {**rows_of(trained, store), **table_of(estimates), **hsm}, {**facts, "units": units})
    log.info(f"{out}: written, {len(store.split):,} rows; 'python -m auxvae domain' says whether to trust them")
    return text


def report(
    trained: Trained,
    store: Store,
    calibration: Calibration,
    estimates: dict[str, Estimate],
    units: dict[str, str],
    limits: int,
    hsm: Columns,
) -> str:
    """The table of the rows that are judged."""
    rows = judged_rows(trained, store)
    which = "test rows" if len(rows) < len(store.split) else "rows"
    bins = f" in {calibration.bins.count} bins" if calibration.bins.count > 1 else ""
    lines = [f"{store.path.name}: {len(rows):,} {which}, calibrated on {calibration.rows:,} others{bins}"]
    true = {name: values[rows] for name, values in true_factors(trained, store, tuple(estimates)).items()}
    judged = {name: each.take(rows) for name, each in estimates.items()}
    if not true or len(rows) < 4:
        return "\n".join([*lines, *widths(judged, units)])
    least = _limits(store, rows, limits if has_limits(store) else 0, trained.run.settings.inputs)
    sizes = {name: np.asarray(store.dataset[name].values)[rows] for name in SIZES if name in store.source.factors}
    lines += [*qualities(judged, true, units, least), *by_quartile(judged, true, sizes)]
    lines += shear_lines("run", {name: each.value for name, each in judged.items()}, true)
    lines += shear_lines("HSM", {name.removeprefix("hsm_"): each[rows] for name, each in hsm.items()}, true)
    return "\n".join(lines)


def _limits(store: Store, rows: NDArray[np.intp], count: int, inputs: Sequence[str]) -> Columns:
    """Limits of some of these rows, and `place`, where each lies among them."""
    if not count:
        return {}
    values = limits_of(store, count, "test" if len(rows) < len(store.split) else "", inputs=inputs)
    return {**values, "place": np.searchsorted(rows, values["row"]).astype(float)}

"""Measurements of the images of any store by a trained run: its auxiliary factors with calibrated intervals.

    FACTOR                       estimate, in the factor's unit
    FACTOR_low68, FACTOR_high68  interval that holds the factor of 68 % of the images like the run's own; same for 95
    FACTOR_std                   standard deviation of the posterior itself, which nothing has calibrated

The auxiliary latent of a factor is taken back to the factor's unit by the limits of the training rows. The estimate and
the size of its error are fitted to training rows, and the intervals calibrated on validation rows, which the run was
not trained on (auxvae.metrics.conformal), though one with `keep: best` chose its epoch by them. Of another store that
is named for it, every second row is fitted to and the others calibrate. Bins are of the estimates of flux and radius,
those of the two that the run has.

What is calibrated holds for images of the distribution of the calibration rows alone: of others it promises nothing,
and `python -m auxvae domain` (auxvae.analysis.domain) asks whether they are such. Circular and categorical factors
have no interval on a line, and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.surveyed import Trained, beside
from auxvae.config.methods import METHODS
from auxvae.data.store import Store
from auxvae.data.survey import blocks, open_survey
from auxvae.metrics.conformal import FEWEST, LEVELS, Bins, Line, quantiles_by_bin
from auxvae.metrics.local_width import LocalWidth
from auxvae.metrics.measurement import Estimate
from foundation.console import counted
from foundation.faults import Fault, Refused, Words, listed

BINNED = ("flux", "radius")  # factors whose estimates make the bins
MOST_FITTED = 8192  # training rows that are encoded to fit to
Array = NDArray[np.float64]
Numbers = NDArray[np.intp]
Columns = dict[str, Array]


def measured_factors(trained: Trained) -> tuple[str, ...]:
    """The factors that a run can measure; a run of a method that measures none is refused."""
    method, run = trained.run.composition, trained.run
    if method.conditional != "gaussian":
        able = [name for name, each in METHODS.items() if each.conditional == "gaussian"]
        allowed = f"factors are measured by the auxiliary latents of {listed(able)}"
        raise Refused(Fault(str(trained.folder), Words(f"a run of {run.method}"), allowed, "name a run of one of them"))
    kinds = {kind.factor for kind in run.dataset.kinds}
    names = tuple(name for name in run.aux if name in run.dataset.factors and name not in kinds)
    if not names:
        value, allowed = Words(f"the auxiliary variables {listed(run.aux)}"), "a factor on a line has an interval"
        raise Refused(Fault(str(trained.folder), value, allowed, "name a run that is given one"))
    return names


@dataclass(frozen=True)
class Encoded:
    """Posterior means and standard deviations of some rows in the factors' units, (N,) by factor."""

    numbers: NDArray[np.intp]
    mean: Columns
    std: Columns


def encoded(trained: Trained, store: Store, numbers: NDArray[np.intp], names: tuple[str, ...]) -> Encoded:
    """Encode the rows of a store with these numbers."""
    means, log_variances = [], []
    with counted(store.path.name, len(numbers), "images") as progress:
        for rows in blocks(trained.run, store, numbers):
            mean, log_variance = beside(trained, store, rows).encode()
            means.append(mean)
            log_variances.append(log_variance)
            progress.advance(len(rows.numbers))
    mean = np.concatenate(means).astype(np.float64)
    std: Array = np.exp(0.5 * np.concatenate(log_variances).astype(np.float64))
    low, high = trained.model.scaling.factor_low, trained.model.scaling.factor_high
    place = {name: trained.run.variables.index(name) for name in names}
    return Encoded(
        numbers,
        {name: np.asarray(low[name] + (high[name] - low[name]) * mean[:, j]) for name, j in place.items()},
        {name: np.asarray((high[name] - low[name]) * std[:, j]) for name, j in place.items()},
    )


@dataclass(frozen=True)
class Calibration:
    """Lines, widths, bins, and quantiles (bins, 2) of every factor, from so many calibration rows."""

    lines: dict[str, Line]
    widths: dict[str, LocalWidth]
    bins: Bins
    quantiles: dict[str, Array]
    rows: int

    def estimates(self, codes: Encoded) -> dict[str, Estimate]:
        """Estimates with intervals of the factors of encoded rows."""
        values, stds, sigmas = scaled(self.lines, self.widths, codes)
        place = self.bins.place(binned(values), len(codes.numbers))
        return {
            name: Estimate(values[name], stds[name], self.quantiles[name][place] * sigmas[name][:, None])
            for name in self.lines
        }


def scaled(
    lines: Mapping[str, Line], widths: Mapping[str, LocalWidth], codes: Encoded
) -> tuple[Columns, Columns, Columns]:
    """Estimates, the posterior's standard deviations and the errors to be expected, (N,) by factor."""
    values = {name: line(codes.mean[name]) for name, line in lines.items()}
    stds = {name: line.width(codes.std[name]) for name, line in lines.items()}
    table = np.column_stack([*values.values()])
    return values, stds, {name: width(table, stds[name]) for name, width in widths.items()}


def binned(values: Columns) -> list[Array]:
    """Those columns that make the bins."""
    return [values[name] for name in BINNED if name in values]


def calibrate(fitted: tuple[Encoded, Columns], calibrating: tuple[Encoded, Columns]) -> Calibration:
    """Fit to some rows and calibrate on others; each with its true factors (N,)."""
    (codes, true), (others, truth) = fitted, calibrating
    lines = {name: Line.of(codes.mean[name], true[name]) for name in codes.mean}
    values, stds, _ = scaled(lines, {}, codes)
    table, count = np.column_stack([*values.values()]), len(others.numbers)
    widths = {name: LocalWidth.of(table, stds[name], true[name] - values[name]) for name in lines}
    bins = Bins.of(binned(values), count)
    values, _, sigmas = scaled(lines, widths, others)
    place = bins.place(binned(values), count)
    scores = {name: np.abs(truth[name] - values[name]) / sigmas[name] for name in lines}
    quantiles = {name: quantiles_by_bin(each, place, bins.count) for name, each in scores.items()}
    return Calibration(lines, widths, bins, quantiles, count)


def calibration_rows(trained: Trained, named: Path | None, measured: Store) -> tuple[Store, Numbers, Numbers]:
    """The store to calibrate on, the numbers of the rows to fit to and of those to calibrate on."""
    store = trained.store if named is None else open_survey(named, trained.store, trained.run.settings.inputs)
    if store.source.digest == trained.digest:
        where, numbers = f"{store.path}: validation rows", trained.store.numbers("validation")
        training = store.complete(trained.store.numbers("train"))
        fit, others = training[:: math.ceil(len(training) / MOST_FITTED)], numbers
    else:
        if store.source.digest == measured.source.digest:
            value, text = Words("the store that is measured"), "rows that were calibrated on always agree with it"
            raise Refused(Fault(f"--calibrate {named}", value, text, "name another store"))
        where, numbers = str(store.path), store.complete(np.arange(len(store.split)))
        fit, others = numbers[::2], numbers[1::2]
    if len(others) < FEWEST:
        text, remedy = f"a calibration needs {FEWEST} rows", f"name by --calibrate a store of {2 * FEWEST} rows or more"
        raise Refused(Fault(where, Words(f"{len(others)} rows to calibrate on"), text, remedy))
    return store, fit, others


def true_factors(trained: Trained, store: Store, names: tuple[str, ...]) -> Columns:
    """The factors of these names that a store has in the run's unit, (N,) each, of all its rows."""
    units = {name: trained.store.dataset[name].attrs.get("units", "") for name in names}
    there = [name for name in names if name in store.source.factors]
    alike = [name for name in there if store.dataset[name].attrs.get("units", "") == units[name]]
    return {name: np.asarray(store.dataset[name].values, dtype=np.float64) for name in alike}


def calibrated(trained: Trained, names: tuple[str, ...], named: Path | None, measured: Store) -> Calibration:
    """The calibration of these factors of a run."""
    store, *parts = calibration_rows(trained, named, measured)
    true = true_factors(trained, store, names)
    if absent := [name for name in names if name not in true]:
        value = Words(f"no {listed(absent)} in the unit of the run's store")
        raise Refused(Fault(str(store.path), value, "calibration rows have every factor", "name another store"))
    fitted, calibrating = (
        (encoded(trained, store, rows, names), {name: values[rows] for name, values in true.items()}) for rows in parts
    )
    return calibrate(fitted, calibrating)


def table_of(estimates: dict[str, Estimate]) -> Columns:
    """The columns of the file, (N,) each."""
    columns: Columns = {}
    for name, each in estimates.items():
        columns[name] = each.value
        for k, level in enumerate(LEVELS):
            columns[f"{name}_low{level * 100:.0f}"] = each.value - each.half[:, k]
            columns[f"{name}_high{level * 100:.0f}"] = each.value + each.half[:, k]
        columns[f"{name}_std"] = each.std
    return columns

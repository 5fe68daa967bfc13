"""The runs of a study measured on the data sets that `analyses.measure` names: a row per run, data set and statistic.

    run, label, dataset, method, coverage, seed       of the run; HSM's shapes have the method `hsm`
    measured                                          the data set whose test rows are measured
    factor, metric, value, low, high, se, n, sources
    verdict                                           beside `outside`: inside, partly outside or outside

Metrics of each factor: bias, scatter, half_68, half_95, coverage_68, coverage_95 (auxvae.metrics.measurement), of a
shear m and c (auxvae.metrics.shear), and of the images `outside`, the share outside the domain of the run. Values are
those of `python -m auxvae measure` and `domain`, calibrated on the validation rows of the run's own data set; intervals
are over source galaxies where a store has the column `source`, else over rows (auxvae.metrics.clusters). `sources`
counts them. HSM has also the share of images where it `failed`.

A calibrated estimate is shrunk towards the mean of its factor, the more the less an image says of it, so that m says
little by itself. m_corrected and c_corrected are what is left of both once the line of the run's validation rows is
undone: about 0 on the run's own data set, and elsewhere what a calibration on the wrong galaxies costs.

Which data sets can be compared is checked before (auxvae.config.measure).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auxvae.analysis.domain import can_judge, reconstructed
from auxvae.analysis.measure import Calibration, calibrated, encoded, measured_factors, true_factors
from auxvae.analysis.surveyed import Trained, read_trained
from auxvae.config.measure import is_measurable
from auxvae.config.run import Run
from auxvae.config.study import Study
from auxvae.data.store import Store
from auxvae.data.survey import open_survey, sealed_store
from auxvae.metrics.clusters import Clusters, clustered
from auxvae.metrics.domain import Domain, combined, rows_needed, share_outside
from auxvae.metrics.measurement import Estimate, quality, robust_scatter
from auxvae.metrics.score import NORMAL, STORED, Score
from auxvae.metrics.shear import COMPONENTS, FEWEST, FLATTEST
from foundation.console import log
from foundation.faults import Fault, Refused, Words
from foundation.files import atomic_write

Row = dict[str, Any]
Array = NDArray[np.float64]
Rows = NDArray[np.intp]
RATE = 0.01  # of false alarms, as `domain` has it
RESAMPLES = 400
FOLDER, WHOLE = "measurements", "measurements.parquet"
HEAD = ("run", "label", "dataset", "method", "coverage", "seed", "measured", "factor", "metric")
COLUMNS = (*HEAD, *STORED, "sources", "verdict")


def path_of(study: Study, results: Path, name: str) -> Path:
    """The store of a data set of a study."""
    store = study.facts[name]["store"]
    return Path(store) if store else results / "data" / f"{name}.zarr"


def shapes_of(results: Path, name: str) -> Path:
    """The file of HSM's shapes of a data set."""
    return results / "data" / f"{name}-shapes.npz"


def measure_runs(study: Study, runs: Sequence[Run], results: Path, dataset: str) -> Path:
    """Write measurements/DATASET.parquet: those of the runs of a data set on all that the study names for it."""
    rows: list[Row] = []
    for run in (run for run in runs if run.dataset.name == dataset and is_measurable(run)):
        measuring = Measuring.of(read_trained(results / "runs" / run.id, path_of(study, results, dataset)))
        for name in study.config.analyses.measure[dataset]:
            log.info(f"{run.id}: measures the test rows of {name}")
            inputs = run.settings.inputs
            store = open_survey(path_of(study, results, name), measuring.trained.store, inputs)
            rows += _of_run(measuring, store, name)
    out = results / FOLDER / f"{dataset}.parquet"
    _write(pd.DataFrame(rows, columns=list(COLUMNS)), out)
    return out


def gather(study: Study, results: Path) -> pd.DataFrame:
    """measurements.parquet of a study: all of them, and HSM's where its shapes are there."""
    measure = study.config.analyses.measure
    parts = [pd.read_parquet(_present(results / FOLDER / f"{name}.parquet")) for name in measure]
    for name in dict.fromkeys(each for several in measure.values() for each in several):
        if shapes_of(results, name).is_file():
            rows = _of_shapes(sealed_store(path_of(study, results, name)), results, name)
            parts.append(pd.DataFrame(rows, columns=list(COLUMNS)))
    whole = pd.concat([each for each in parts if len(each)] or parts, ignore_index=True)
    _write(whole, results / WHOLE)
    return whole


def _write(table: pd.DataFrame, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as part:
        table.to_parquet(part, index=False)


def _present(path: Path) -> Path:
    if not path.is_file():
        remedy = f"run `python -m auxvae measurements` for {path.stem}"
        raise Refused(Fault(str(path), Words("no file"), "the study asks for measurements of these runs", remedy))
    return path


@dataclass(frozen=True)
class Measuring:
    """A run with what its validation rows say: calibration, the domain, and the line of each component of the shear."""

    trained: Trained
    names: tuple[str, ...]
    calibration: Calibration
    domain: Domain | None
    lines: dict[str, dict[str, Score]]

    @classmethod
    def of(cls, trained: Trained) -> Measuring:
        """From validation rows of the run's own data set; no domain where these are too few, or the run cannot tell."""
        names, store, numbers = measured_factors(trained), trained.store, trained.store.numbers("validation")
        calibration = calibrated(trained, names, None, store)
        domain = None
        if can_judge(trained) and len(numbers) >= 2 * rows_needed(RATE):
            domain = Domain.of(reconstructed(trained, store, numbers))
        estimates, clusters = calibration.estimates(encoded(trained, store, numbers, names)), _clusters(store, numbers)
        true = true_factors(trained, store, tuple(name for name in names if name in COMPONENTS))
        lines = {name: _lines(estimates[name].value, each[numbers], clusters) for name, each in true.items()}
        return cls(trained, names, calibration, domain, lines)

    def estimates(self, store: Store, numbers: Rows) -> dict[str, Estimate]:
        """Of rows of a store."""
        return self.calibration.estimates(encoded(self.trained, store, numbers, self.names))


def _of_run(measuring: Measuring, store: Store, name: str) -> Iterator[Row]:
    """The rows of a run on the test rows of one store."""
    trained, numbers = measuring.trained, store.numbers("test")
    head, clusters = _head(trained.run, name), _clusters(store, numbers)
    estimates = measuring.estimates(store, numbers)
    for factor, true in true_factors(trained, store, measuring.names).items():
        scores = factor_scores(factor, estimates[factor], true[numbers], clusters)
        scores |= corrected(scores, measuring.lines.get(factor, {}))
        yield from _rows(head, factor, scores, clusters)
    if measuring.domain is not None:
        p_values = measuring.domain.p_values(reconstructed(trained, store, numbers))
        outside = combined(p_values) <= RATE
        verdict = share_outside(outside, RATE, measuring.domain.rows).verdict
        rows = _rows(head, "", _share("outside", outside, clusters), clusters)
        yield from ({**row, "verdict": verdict} for row in rows)


def corrected(scores: Mapping[str, Score], of_others: Mapping[str, Score]) -> dict[str, Score]:
    """m_corrected and c_corrected: what is left of m and c after correction by the line of validation rows.

        g_corrected = (g_measured - c') / (1 + m')    1 + m_corrected = (1 + m) / (1 + m')

    Errors of both lines are added, as their galaxies differ; none where the line of the others is flat.
    """
    if "m" not in scores or "m" not in of_others or of_others["m"].value + 1 < FLATTEST:
        return {}
    slope, ratio = 1 + of_others["m"].value, (1 + scores["m"].value) / (1 + of_others["m"].value)
    values = {"m": ratio - 1, "c": (scores["c"].value - of_others["c"].value) / slope}
    by_slope = {"m": ratio, "c": values["c"]}
    result = {}
    for name, value in values.items():
        parts = [_half(scores[name]), by_slope[name] * _half(of_others["m"])]
        parts += [_half(of_others["c"])] if name == "c" else []
        half, n = math.hypot(*parts) / slope, scores[name].n
        result[f"{name}_corrected"] = Score(value, value - half, value + half, n, se=half / NORMAL)
    return result


def _half(score: Score) -> float:
    return (score.high - score.low) / 2


def factor_scores(factor: str, estimate: Estimate, true: Array, clusters: Clusters) -> dict[str, Score]:
    """Bias, scatter, half widths and coverage of estimates of one factor, and of a shear m and c."""
    shear = factor in COMPONENTS and len(true) >= FEWEST

    def statistics(rows: Rows) -> Mapping[str, float]:
        each = quality(estimate.take(rows), true[rows])
        pairs = {"half": each.half, "coverage": each.coverage}
        values = {"bias": each.bias, "scatter": each.scatter}
        values |= {
            f"{name}_{level}": float(pair[k]) for name, pair in pairs.items() for k, level in enumerate((68, 95))
        }
        return values | (line(estimate.value[rows], true[rows]) if shear else {})

    return clustered(statistics, clusters, len(true), RESAMPLES)


def line(measured: Array, true: Array) -> dict[str, float]:
    """M and c of the least-squares line of measured on true shear."""
    middle = true - true.mean()
    spread = float(np.sum(middle**2))
    slope = float(np.sum(middle * measured)) / spread if spread > 0 else np.nan
    return {"m": slope - 1, "c": float(measured.mean()) - slope * float(true.mean())}


def _lines(measured: Array, true: Array, clusters: Clusters) -> dict[str, Score]:
    """M and c with their intervals."""
    return clustered(lambda rows: line(measured[rows], true[rows]), clusters, len(true), RESAMPLES)


def _of_shapes(store: Store, results: Path, name: str) -> Iterator[Row]:
    """The rows of HSM's shears of a store, where its PSF lets HSM measure any."""
    numbers = store.numbers("test")
    with np.load(shapes_of(results, name), allow_pickle=False) as file:
        shears = {each: file[each][numbers] for each in COMPONENTS if each in store.source.factors}
    head = {**dict.fromkeys(HEAD, ""), "run": f"hsm-{name}", "method": "hsm", "seed": 0, "measured": name}
    for factor, shear in shears.items():
        failed, every = np.isnan(shear), _clusters(store, numbers)
        yield from _rows(head, factor, _share("failed", failed, every), every)
        if (~failed).sum() >= FEWEST:
            good = numbers[~failed]
            clusters, true = _clusters(store, good), np.asarray(store.dataset[factor].values)[good]
            yield from _rows(head, factor, _shear_scores(shear[~failed], true, clusters), clusters)


def _share(name: str, flags: NDArray[np.bool_], clusters: Clusters) -> dict[str, Score]:
    """The share of rows that have a flag (N,)."""
    return clustered(lambda rows: {name: float(flags[rows].mean())}, clusters, len(flags), RESAMPLES)


def _shear_scores(measured: Array, true: Array, clusters: Clusters) -> dict[str, Score]:
    def statistics(rows: Rows) -> Mapping[str, float]:
        error = measured[rows] - true[rows]
        return {"bias": float(error.mean()), "scatter": robust_scatter(error), **line(measured[rows], true[rows])}

    return clustered(statistics, clusters, len(true), RESAMPLES)


def _clusters(store: Store, numbers: Rows) -> Clusters:
    """Rows of one source galaxy together, where the store says which they are."""
    has_sources = "source" in store.dataset.variables
    return Clusters.of(store.dataset["source"].values[numbers] if has_sources else None, len(numbers))


def _head(run: Run, measured: str) -> Row:
    head = {"run": run.id, "label": run.label, "dataset": run.dataset.name, "method": run.method}
    return {**head, "coverage": run.coverage, "seed": run.seed, "measured": measured, "factor": "", "metric": ""}


def _rows(head: Row, factor: str, scores: Mapping[str, Score], clusters: Clusters) -> Iterator[Row]:
    for metric, score in scores.items():
        numbers = {name: getattr(score, name) for name in STORED}
        yield {**head, "factor": factor, "metric": metric, **numbers, "sources": len(clusters.rows), "verdict": ""}

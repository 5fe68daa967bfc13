"""Tables of a study for a paper (LaTeX), for a spreadsheet (CSV) and for the report (HTML).

A cell is the mean over the seeds of one method, coverage and set of weights, with its 95 % interval: Student's t over
the seeds if there are two or more, else that of the single run. The table of metrics (auxvae.metrics.table) says which
scores stand in which table, and in what order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from foundation.files import write_text

ROUNDING = 1e-9  # half widths below it count as 0
DROPS = [f"{name}_{bound}" for name in ("drop", "drop_per_latent") for bound in ("mean", "low", "high")]


def test_scores(results: Path) -> pd.DataFrame:
    """The scores of a study on test rows, which is all that tables and figures show of scores.parquet."""
    scores = pd.read_parquet(results / "scores.parquet")
    return scores[scores["split"] == "test"]


def cells(scores: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """Mean, low and high (columns) of every label and metric (rows), over the runs of a label."""
    labelled = scores.assign(label=scores["run"].map(labels))
    grouped = labelled.dropna(subset=["label"]).groupby(["label", "metric"], sort=False)
    return pd.DataFrame({key: _cell(group) for key, group in grouped}, index=["mean", "low", "high"]).T


def _cell(group: pd.DataFrame) -> tuple[float, float, float]:
    values = group["value"].to_numpy()
    mean = float(values.mean())
    if len(values) < 2:
        return mean, float(group["low"].iloc[0]), float(group["high"].iloc[0])
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def wide(scores: pd.DataFrame, labels: dict[str, str], metrics: tuple[str, ...]) -> pd.DataFrame:
    """A table of text, 'mean ± half width': a row per label, a column per metric; empty ones are left out."""
    of_metrics = cells(scores[scores["metric"].isin(metrics)], labels)
    if of_metrics.empty:
        return pd.DataFrame()
    text = of_metrics.apply(lambda cell: _text(cell["mean"], (cell["high"] - cell["low"]) / 2), axis=1)
    table = text.unstack().reindex(index=list(dict.fromkeys(labels.values()))).dropna(how="all")
    return table[[metric for metric in metrics if metric in table]].fillna("")


def _text(mean: float, half: float) -> str:
    if not half > ROUNDING * max(1, abs(mean)):
        return f"{mean:.4g}"
    digits = max(0, 1 - int(np.floor(np.log10(half))))
    if digits < 6:
        return f"{mean:.{digits}f} ± {half:.{digits}f}"
    return f"{mean:.6f} ± {half:.1g}" if abs(mean) > 1e-3 else f"{mean:.3g} ± {half:.1g}"


def write(table: pd.DataFrame, path: Path) -> None:
    """The table as path.csv and path.tex."""
    write_text(path.with_suffix(".csv"), table.to_csv())
    latex = table.rename(columns=_escape, index=_escape).map(lambda cell: _escape(cell).replace("±", r"$\pm$"))
    write_text(path.with_suffix(".tex"), latex.style.to_latex(hrules=True))


def read(path: Path) -> pd.DataFrame:
    """A table that `write` wrote, as text; one without rows if no run had a score of it."""
    table = pd.read_csv(path, index_col=0, dtype=str, keep_default_na=False)
    return table.rename_axis(index=None)


def _escape(text: str) -> str:
    return str(text).replace("_", r"\_")


def sensitivity_table(analysis: xr.Dataset, labels: dict[str, str]) -> pd.DataFrame:
    """Loss of each measure per run, block and scale, tidy: drop and drop per latent with their intervals.

    Of galaxies also by how much flux, size and shape move, as the measures moved_flux, moved_size and moved_shape.
    """
    if "drop" not in analysis:
        return pd.DataFrame(columns=["run", "block", "scale", "measure", *DROPS])
    tidy = _tidy({name: analysis[name.rpartition("_")[0]] for name in DROPS})
    if "moved" in analysis:
        moved = analysis["moved"].rename(quantity="measure")
        moved = moved.assign_coords(measure=[f"moved_{name}" for name in moved["measure"].values])
        tidy = pd.concat([tidy, _tidy(dict.fromkeys(DROPS[:3], moved))])
    return tidy.assign(run=tidy["run"].map(lambda run: labels.get(run, run)))


def _tidy(drops: dict[str, xr.DataArray]) -> pd.DataFrame:
    """Columns by name, each one bound, which ends the name, of its array."""
    columns = (
        drop.sel(bound=name.rpartition("_")[2], drop=True).to_series().rename(name) for name, drop in drops.items()
    )
    return pd.concat(columns, axis=1).dropna().reset_index()


def selection_table(choices: list[dict[str, Any]], labels: dict[str, str]) -> pd.DataFrame:
    """Every candidate of every choice, as text: its value on validation rows, its interval, whether it was chosen."""
    rows = {
        labels[candidate["runs"][0]]: {
            "rule": choice["rule"],
            "value on validation rows": _number(candidate["value"]),
            "interval over seeds": _interval(candidate),
            "seeds": str(len(candidate["seeds"])),
            "chosen": "yes" if candidate["chosen"] else "",
        }
        for choice in choices
        for candidate in choice["candidates"]
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _number(value: float | None) -> str:
    return "no number" if value is None else f"{value:.4g}"


def _interval(candidate: dict[str, Any]) -> str:
    """The ends of an interval over the seeds, or why there is none."""
    if len(candidate["seeds"]) < 2:
        return "none: one seed"
    return "none" if candidate["low"] is None else f"{_number(candidate['low'])} to {_number(candidate['high'])}"

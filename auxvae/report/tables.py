"""Tables of a study for a paper (LaTeX), for a spreadsheet (CSV) and for the report (HTML).

A cell is the mean over the seeds of one method, coverage and set of weights, with its 95 % interval: Student's t over
the seeds if there are two or more, else that of the single run, clipped to the range of the metric. It is printed as
mean ± half width where it is symmetric, else as mean [low, high]. Scores of all seeds together (UDR) carry the interval
of their mean. The table of metrics (auxvae.metrics.table) says which scores stand in which table, and in what order.

Controls stand in a row each, in words (CONTROLS): the perfect code and chance beside every score of codes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.fresh import place_of
from auxvae.metrics.columns import column
from auxvae.metrics.score import student
from foundation.files import write_text

CONTROLS = {
    "identity": "perfect code",
    "noise": "chance",
    "duplicated": "every factor twice",
    "rotated": "factors rotated",
    "pixels": "raw pixels",
    "pca": "principal components",
    "network": "supervised network",
    "moments": "adaptive moments",
}
ROUNDING = 1e-9  # half widths below it count as 0
DROPS = [f"{name}_{bound}" for name in ("drop", "drop_per_latent") for bound in ("mean", "low", "high")]


def test_scores(results: Path) -> pd.DataFrame:
    """The scores of a study on test rows, which is all that tables and figures show of scores.parquet."""
    scores = pd.read_parquet(results / "scores.parquet")
    return scores[scores["split"] == "test"]


def cells(scores: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """Mean, low and high (columns) of every label and metric (rows), over the runs of a label.

    All at once, since a study of hundreds of runs has ten thousand cells.
    """
    labelled = scores.assign(label=scores["run"].map(labels)).dropna(subset=["label"])
    grouped = labelled.groupby(["label", "metric"], sort=False)
    whole = grouped.agg(
        mean=("value", "mean"),
        numbers=("value", "count"),
        std=("value", "std"),
        n=("value", "size"),
        low=("low", "first"),
        high=("high", "first"),
        se=("se", "first"),
    )
    entries = {name: column(str(name)) for name in whole.index.unique("metric")}
    of_cells = [entries[name] for name in whole.index.get_level_values("metric")]
    shared = np.array([entry is not None and entry.shared for entry in of_cells], dtype=bool)
    return _intervals(whole, shared, [entry.range if entry else (-np.inf, np.inf) for entry in of_cells])


def _intervals(whole: pd.DataFrame, shared: NDArray[np.bool_], ranges: list[tuple[float, float]]) -> pd.DataFrame:
    """95 % intervals of the seeds of each label, or of its single run, within the range of the metric.

    shared: the error of the mean is the one that every run carries.
    """
    n, (least, most) = whole["n"], np.array(ranges).reshape(-1, 2).T
    mean = whole["mean"].where(whole["numbers"] == n)  # of a value that is no number there is no mean
    error = np.where(shared, whole["se"], whole["std"] / np.sqrt(n))
    half = n.map({count: student(count - 1) for count in n.unique().tolist() if count > 1}) * error
    low, high = (side.where(n > 1, whole[name]) for name, side in (("low", mean - half), ("high", mean + half)))
    return pd.DataFrame(
        {"mean": mean, "low": low.clip(lower=np.minimum(least, mean)), "high": high.clip(upper=np.maximum(most, mean))}
    ).rename_axis([None, None])


def wide(scores: pd.DataFrame, labels: dict[str, str], metrics: tuple[str, ...]) -> pd.DataFrame:
    """A table of text, 'mean ± half width' or 'mean [low, high]': a row per label, a column per metric that any has."""
    of_metrics = cells(scores[scores["metric"].isin(metrics)], labels)
    if of_metrics.empty:
        return pd.DataFrame()
    texts = [text_of(*cell) for cell in of_metrics[["mean", "low", "high"]].itertuples(index=False)]
    table = (
        pd.Series(texts, of_metrics.index)
        .unstack()
        .reindex(index=list(dict.fromkeys(labels.values())))
        .dropna(how="all")
    )
    return table[[metric for metric in metrics if metric in table]].fillna("")


def text_of(mean: float, low: float, high: float) -> str:
    """A value with its interval, to two digits of its half width; the value alone without an interval of any width."""
    half, least = (high - low) / 2, ROUNDING * max(1, abs(mean))
    if not half > least:
        return f"{mean:.4g}"
    digits = max(0, 1 - int(np.floor(np.log10(half))))
    if abs((high + low) / 2 - mean) > max(least, 1e-6 * half):
        digits = min(digits, 6)
        return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    if digits < 6:
        return f"{mean:.{digits}f} ± {half:.{digits}f}"
    return f"{mean:.6f} ± {half:.1g}" if abs(mean) > 1e-3 else f"{mean:.3g} ± {half:.1g}"


def marks(results: Path) -> dict[str, set[str]]:
    """The labels that are best in a score, one for each data set that has one (auxvae.analysis.best)."""
    with xr.open_dataset(results / "analysis.nc") as analysis:
        if "best" not in analysis:
            return {}
        table = analysis["best"].to_series()
    return {str(score): {each for each in group if each} for score, group in table.groupby(level="marked")}


def runs_behind(scores: pd.DataFrame, labels: dict[str, str], metrics: tuple[str, ...]) -> pd.DataFrame:
    """The runs behind every cell of a table: columns row, column and runs, their ids in order of the seeds."""
    of_table = scores[scores["metric"].isin(metrics)].assign(row=scores["run"].map(labels)).dropna(subset=["row"])
    grouped = of_table.groupby(["row", "metric"], sort=False)["run"].agg(" ".join)
    return grouped.rename("runs").rename_axis(["row", "column"]).reset_index()


def write(table: pd.DataFrame, path: Path, best: Mapping[str, set[str]] | None = None) -> None:
    """The table as path.csv and path.tex; best: by column, the labels whose cells are bold in LaTeX."""
    write_text(path.with_suffix(".csv"), table.to_csv())
    marked = pd.DataFrame({name: [label in (best or {}).get(str(name), ()) for label in table.index] for name in table})
    plain = table.map(lambda cell: _escape(cell).replace("±", r"$\pm$"))
    bold = plain.map(lambda cell: rf"\textbf{{{cell}}}")
    latex = plain.where(~marked.set_axis(table.index), bold).rename(columns=_escape, index=_escape)
    write_text(path.with_suffix(".tex"), latex.style.to_latex(hrules=True))


def read(path: Path) -> pd.DataFrame:
    """A table that `write` wrote, as text; one without rows if no run had a score of it."""
    table = pd.read_csv(path, index_col=0, dtype=str, keep_default_na=False)
    return table.rename_axis(index=None)


def _escape(text: str) -> str:
    return str(text).replace("_", r"\_")


def differences_table(analysis: xr.Dataset) -> pd.DataFrame:
    """Paired differences as text, a row per comparison and score: interval, effect size, p values, number of pairs."""
    if "difference" not in analysis:
        return pd.DataFrame()
    whole = analysis["difference"].transpose("comparison", "score", "statistic")
    rows = []
    for comparison, score in itertools.product(whole["comparison"].values, whole["score"].values):
        value = whole.sel(comparison=comparison, score=score).to_series()
        if np.isfinite(value["mean"]):
            rows.append((str(comparison), str(score), *_difference_texts(value)))
    head = ["comparison", "score", "difference", "effect", "p", "p (Holm)", "pairs"]
    return pd.DataFrame(rows, columns=head).set_index("comparison").rename_axis(index=None)


def _difference_texts(value: pd.Series) -> tuple[str, ...]:
    digits = {"effect": 3, "p": 2, "p_holm": 2}
    numbers = (f"{value[name]:.{d}g}" if np.isfinite(value[name]) else "" for name, d in digits.items())
    return text_of(value["mean"], value["low"], value["high"]), *numbers, f"{value['pairs']:.0f}"


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


def selection_table(choices: list[dict[str, Any]], labels: dict[str, str], analysis: xr.Dataset) -> pd.DataFrame:
    """Every candidate of every choice, as text: its value on validation rows, its interval, whether it was chosen.

    Beside a chosen one that was trained again, the value of its fresh seeds on the same rows.
    """
    rows = {
        labels[candidate["runs"][0]]: {
            "rule": choice["rule"],
            "value on validation rows": _number(candidate["value"]),
            "interval over seeds": _ends(candidate),
            "seeds": str(len(candidate["seeds"])),
            "chosen": "yes" if candidate["chosen"] else "",
            **(_fresh(choice, candidate, analysis) if "fresh" in analysis else {}),
        }
        for choice in choices
        for candidate in choice["candidates"]
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _fresh(choice: dict[str, Any], candidate: dict[str, Any], analysis: xr.Dataset) -> dict[str, str]:
    """The value of a chosen setting's fresh seeds, and its interval; empty for other settings."""
    place = place_of(choice["where"], choice["coverage"])
    if not candidate["chosen"] or place not in analysis["choice"]:
        return {"with fresh seeds": "", "interval over fresh seeds": ""}
    mean, low, high = (_or_none(analysis["fresh"].sel(choice=place, bound=b)) for b in ("mean", "low", "high"))
    seeds = range(int(analysis["fresh_seeds"].sel(choice=place)))
    return {
        "with fresh seeds": _number(mean),
        "interval over fresh seeds": _ends({"seeds": seeds, "low": low, "high": high}),
    }


def _or_none(value: xr.DataArray) -> float | None:
    return float(value) if np.isfinite(value) else None


def _number(value: float | None) -> str:
    return "no number" if value is None else f"{value:.4g}"


def _ends(candidate: dict[str, Any]) -> str:
    """The ends of an interval over the seeds, or why there is none."""
    if len(candidate["seeds"]) < 2:
        return "none: one seed"
    return "none" if candidate["low"] is None else f"{_number(candidate['low'])} to {_number(candidate['high'])}"

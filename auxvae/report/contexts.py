"""How images of each model follow the interventions of its data set, context by context, as a table of text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from auxvae.analysis.files import CONTEXTS
from auxvae.metrics.score import student
from auxvae.report.tables import text_of
from foundation.files import read_json

NORMAL = 1.96
DISTANCE = "sliced_wasserstein"
SHOWN = (DISTANCE, *(f"{DISTANCE}_{end}" for end in ("floor", "obs_images", "pooled_images")),
         *(f"moved_{name}" for name in ("flux", "size", "e1", "e2")))  # fmt: skip


def contexts_table(results: Path, labels: Mapping[str, str]) -> pd.DataFrame:
    """A row for every label and context, 'mean ± half width' over the seeds; labels: of the runs, by id."""
    whole = rows_in_contexts(results, labels)
    if whole.empty:
        return whole
    words = np.where(whole["is_trained"], "", ", never trained on")
    whole["label"] += " in " + whole["context"] + words
    changed = [str(name) for name in whole if str(name).startswith("changed_")]
    shown = [name for name in (*SHOWN, *changed, "moments_converged", "images") if name in whole]
    cells = {label: {name: _cell(part, name) for name in shown} for label, part in whole.groupby("label", sort=False)}
    return pd.DataFrame.from_dict(cells, orient="index")


def effects_table(results: Path, labels: Mapping[str, str]) -> pd.DataFrame:
    """A row for every pair of concepts, 'mean ± half width' of the strength of each label over its seeds."""
    whole = rows_in_contexts(results, labels, "effects")
    if whole.empty:
        return whole
    whole["pair"] = whole["cause"] + " → " + whole["effect"] + np.where(whole["is_edge"], ", an edge", "")
    cells = {
        pair: {label: _cell(rows, "strength") for label, rows in part.groupby("label", sort=False)}
        for pair, part in whole.groupby("pair", sort=False)
    }
    return pd.DataFrame.from_dict(cells, orient="index").fillna("")


def rows_in_contexts(results: Path, labels: Mapping[str, str], part: str = "rows") -> pd.DataFrame:
    """The rows of one part of contexts.json of all runs that have the file, with the run and its label."""
    files = {run: results / "runs" / run / CONTEXTS for run in labels}
    read = {run: read_json(file, "a run in contexts") for run, file in files.items() if file.is_file()}
    return pd.DataFrame(
        [{"run": run, "label": labels[run], **row} for run, facts in read.items() for row in facts.get(part, ())]
    )


def _cell(rows: pd.DataFrame, name: str) -> str:
    """Mean and interval of a column over the runs of a label in one context; the error of a single run is its own."""
    values = rows[name].dropna()
    if values.empty:
        return ""
    half = 0.0
    if len(values) > 1:
        half = student(len(values) - 1) * float(values.std()) / len(values) ** 0.5
    elif f"{name}_se" in rows:
        half = NORMAL * float(rows[f"{name}_se"].fillna(0).iloc[0])
    mean = float(values.mean())
    return text_of(mean, mean - half, mean + half)

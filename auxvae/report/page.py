"""Figures, tables and one HTML page of a study, from its scores and analyses; the page needs no network.

Everything here reads what `collect` and the runs' folders hold; nothing is computed anew.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import xarray as xr

from auxvae.config.labels import first_of_label, labels
from auxvae.config.study import Study
from auxvae.report import figures, tables
from foundation.files import write_text
from foundation.provenance import versions

COMPARED = ("lds_all_live", "nats", "ssim_asinh", "prior_distance", "pair_dependence")
TEMPLATE = Path(__file__).with_name("report.html.j2")


def draw(study: Study, results: Path) -> None:
    """All figures of a study."""
    shown, folder = first_of_label(study.runs), results / "figures"
    with xr.open_dataset(results / "analysis.nc") as analysis:
        figures.save(figures.correlation_figure(analysis, shown), folder / "correlations")
        for measure in ("ssim", "ssim_asinh"):
            drawn = figures.sensitivity_figure(analysis, shown, measure)
            figures.save(drawn, folder / f"sensitivity_{measure}")
    histories = {label: pd.read_parquet(results / "runs" / run / "history.parquet") for run, label in shown.items()}
    figures.save(figures.history_figure(histories), folder / "history")
    scores = pd.read_parquet(results / "scores.parquet")
    named = scores.assign(label=scores["run"].map(labels(study.runs))).dropna(subset=["label"])
    compared = figures.comparison_figure(tables.cells(scores, labels(study.runs)), named, COMPARED)
    figures.save(compared, folder / "comparison")
    figures.save(figures.reconstruction_figure(_examples(results, shown)), folder / "reconstructions")
    figures.save(figures.reconstruction_figure(_samples(results, shown)), folder / "samples")
    for run, label in shown.items():
        with xr.open_dataset(results / "runs" / run / "pictures.nc") as pictures:
            figures.save(figures.traversal_figure(pictures, label), folder / f"traversal-{run}")


def _examples(results: Path, shown: dict[str, str]) -> dict[str, xr.DataArray]:
    """The same test images as every run sees and gives them back."""
    stamps: dict[str, xr.DataArray] = {}
    for run, label in shown.items():
        with xr.open_dataset(results / "runs" / run / "pictures.nc") as pictures:
            dataset = pictures.attrs["dataset"]
            for name in ("example_image", "example_truth"):
                if name in pictures:
                    stamps.setdefault(f"{dataset} {name.removeprefix('example_')}", pictures[name].load())
            if "example_reconstruction" in pictures:
                stamps[label] = pictures["example_reconstruction"].load()
    return stamps


def _samples(results: Path, shown: dict[str, str]) -> dict[str, xr.DataArray]:
    """Images sampled from every run that decodes."""
    stamps: dict[str, xr.DataArray] = {}
    for run, label in shown.items():
        with xr.open_dataset(results / "runs" / run / "pictures.nc") as pictures:
            if "sampled_image" in pictures:
                stamps[label] = pictures["sampled_image"].load()
    return stamps


def tabulate(study: Study, results: Path) -> None:
    """All tables of a study."""
    scores = pd.read_parquet(results / "scores.parquet")
    known = {**labels(study.runs), **_controls(scores)}
    rho = tuple(sorted(name for name in scores["metric"].unique() if name.startswith("rho_")))
    folder = results / "tables"
    of_codes = {"alignment": tables.ALIGNMENT, "factors": rho, "suite": tables.SUITE, "aggregate": tables.AGGREGATE}
    for name, metrics in of_codes.items():
        tables.write(tables.wide(scores, known, metrics), folder / name)
    tables.write(tables.wide(scores, labels(study.runs), tables.IMAGES), folder / "images")
    with xr.open_dataset(results / "analysis.nc") as analysis:
        tidy = tables.sensitivity_table(analysis, labels(study.runs))
    write_text(folder / "sensitivity.csv", tidy.to_csv(index=False))


def _controls(scores: pd.DataFrame) -> dict[str, str]:
    runs = scores.loc[scores["method"] == "control", "run"].unique()
    return {run: run.replace("-", ": ") for run in runs}


def page(study: Study, results: Path) -> None:
    """report.html: the tables and figures in one file, everything in it."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    write_text(results / "report.html", template.render(**_contents(study, results)))


def _contents(study: Study, results: Path) -> dict[str, Any]:
    names = ("alignment", "factors", "suite", "aggregate", "images")
    read = {name: pd.read_csv(results / "tables" / f"{name}.csv", index_col=0).fillna("") for name in names}
    pictures = {path.stem: _inline(path) for path in sorted((results / "figures").glob("*.png"))}
    shown = first_of_label(study.runs)
    return {
        "study": study,
        "tables": {name: table.to_html(border=0) for name, table in read.items()},
        "pictures": {name: data for name, data in pictures.items() if not name.startswith("traversal-")},
        "traversals": [(label, pictures[f"traversal-{run}"]) for run, label in shown.items()],
        "versions": versions("torch", "galsim", "numpy", "xarray", "zarr", "snakemake"),
        "facts": study.facts,
    }


def _inline(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()

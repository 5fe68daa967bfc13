"""Figures, tables and one HTML page of a study, from its scores and analyses; the page needs no network.

Everything here reads what `collect` and the folders of the runs hold; no score is computed.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, get_args

import jinja2
import pandas as pd
import xarray as xr

from auxvae.analysis.files import PICTURES
from auxvae.analysis.origins import versions_of
from auxvae.analysis.selection import read_selection, shown_runs
from auxvae.config.kinds import kinds_of, variables_of
from auxvae.config.labels import first_of_label, labels
from auxvae.config.rules import RULES
from auxvae.config.study import Study
from auxvae.data.failures import failures
from auxvae.metrics.columns import compared, shown_in
from auxvae.metrics.metric import ReportTable
from auxvae.report import figures, papers, pictures, tables
from auxvae.report.coverage import coverage_figure
from foundation.files import write_text

TABLES: tuple[ReportTable, ...] = get_args(ReportTable)
DIFFERENCES = "differences"
TEMPLATE = Path(__file__).with_name("report.html.j2")


def draw(study: Study, results: Path) -> None:
    """All figures of a study."""
    runs, folder = shown_runs(study, results), results / "figures"
    titles = first_of_label(runs)
    with xr.open_dataset(results / "analysis.nc") as analysis:
        figures.save(figures.correlation_figure(analysis, titles), folder / "correlations")
        for measure in ("ssim", "ssim_asinh", "nats"):
            figures.save(figures.sensitivity_figure(analysis, titles, measure), folder / f"sensitivity_{measure}")
    histories = {label: pd.read_parquet(results / "runs" / run / "history.parquet") for run, label in titles.items()}
    figures.save(figures.history_figure(histories), folder / "history")
    scores = tables.test_scores(results)
    values = scores.assign(label=scores["run"].map(labels(runs))).dropna(subset=["label"])
    comparison = figures.comparison_figure(tables.cells(scores, labels(runs)), values, compared())
    figures.save(comparison, folder / "comparison")
    figures.save(coverage_figure(scores, runs, labels(runs)), folder / "coverage")
    figures.save(pictures.reconstruction_figure(_examples(results, titles)), folder / "reconstructions")
    figures.save(pictures.reconstruction_figure(_samples(results, titles)), folder / "samples")
    for run, label in titles.items():
        with xr.open_dataset(results / "runs" / run / PICTURES) as file:
            figures.save(pictures.traversal_figure(file, label), folder / f"traversal-{run}")
    failed = failures(study.runs, results)
    for run, fault in failed.items():  # the workflow expects the picture of the first seed of each label
        figures.save(figures.empty_figure(f"This run failed. {fault}"), folder / f"traversal-{run}")
    _remove_traversals(folder, {run.id for run in study.runs} - titles.keys() - failed.keys())


def _remove_traversals(folder: Path, runs: set[str]) -> None:
    """Remove what was drawn of these runs when another setting was chosen."""
    for run in runs:
        for suffix in (".pdf", ".png"):
            (folder / f"traversal-{run}{suffix}").unlink(missing_ok=True)


def _examples(results: Path, titles: dict[str, str]) -> dict[str, xr.DataArray]:
    """The same test images, their truth, and the reconstruction of each run that decodes."""
    stamps: dict[str, xr.DataArray] = {}
    for run, label in titles.items():
        with xr.open_dataset(results / "runs" / run / PICTURES) as file:
            if "example_reconstruction" in file:
                for name in ("example_image", "example_truth"):
                    if name in file:
                        stamps.setdefault(f"{file.attrs['dataset']} {name.removeprefix('example_')}", file[name].load())
                stamps[label] = file["example_reconstruction"].load()
    return stamps


def _samples(results: Path, titles: dict[str, str]) -> dict[str, xr.DataArray]:
    """Images sampled from every run that decodes."""
    stamps: dict[str, xr.DataArray] = {}
    for run, label in titles.items():
        with xr.open_dataset(results / "runs" / run / PICTURES) as file:
            if "sampled_image" in file:
                stamps[label] = file["sampled_image"].load()
    return stamps


def tabulate(study: Study, results: Path) -> None:
    """All tables of a study."""
    scores, folder = tables.test_scores(results), results / "tables"
    named = labels(shown_runs(study, results))
    rows = {**named, **_controls(scores)}
    for name in TABLES:
        tables.write(tables.wide(scores, rows, shown_in(name, factors(study))), folder / name)
    with xr.open_dataset(results / "analysis.nc") as analysis:
        tidy = tables.sensitivity_table(analysis, named)
        tables.write(tables.differences_table(analysis), folder / DIFFERENCES)
    write_text(folder / "sensitivity.csv", tidy.to_csv(index=False))
    if study.choices:
        tables.write(tables.selection_table(read_selection(results), labels(study.runs)), folder / "selection")


def factors(study: Study) -> list[str]:
    """The factors of all data sets of a study, in their order, then the variables of those that have several."""
    names = [name for facts in study.facts.values() for name in facts["factors"]]
    variables = [name for facts in study.facts.values() for name in variables_of(facts["factors"], kinds_of(facts))]
    return list(dict.fromkeys([*names, *variables]))


def _controls(scores: pd.DataFrame) -> dict[str, str]:
    """Labels of the controls, in words that say what they are a standard of."""
    runs = scores.loc[scores["method"] == "control", "run"].unique()
    named = {run: run.removeprefix("control-").replace("-", " ") for run in runs}
    order = list(tables.CONTROLS)  # the perfect code and chance first
    named = dict(sorted(named.items(), key=lambda item: order.index(item[1].split()[0])))
    return {run: f"{tables.CONTROLS[name.split()[0]]} (control: {name})" for run, name in named.items()}


def page(study: Study, results: Path) -> None:
    """report.html: all tables and figures in one file, images included."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    write_text(results / "report.html", template.render(**_contents(study, results)))


def _contents(study: Study, results: Path) -> dict[str, Any]:
    names = (*TABLES, DIFFERENCES, *(("selection",) if study.choices else ()))
    stored = {name: tables.read(results / "tables" / f"{name}.csv") for name in names}
    runs = shown_runs(study, results)
    images = {path.stem: _inline(path) for path in sorted((results / "figures").glob("*.png"))}
    return {
        "study": study,
        "tables": {name: table.to_html(border=0) for name, table in stored.items() if not table.empty},
        "papers": {name: papers.of_scores(table.columns, factors(study)) for name, table in stored.items()},
        "papers_of_comparison": papers.of_scores(compared()),
        "papers_of_methods": papers.of_methods(run.method for run in runs),
        "pictures": {name: data for name, data in images.items() if not name.startswith("traversal-")},
        "traversals": [(label, images[f"traversal-{run}"]) for run, label in first_of_label(runs).items()],
        "versions": versions_of(results / "runs" / run.id for run in runs),
        "facts": study.facts,
        "failed": failures(study.runs, results),
        "rules": {choice.rule: RULES[choice.rule].words for choice in study.choices},
    }


def _inline(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()

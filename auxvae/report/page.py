"""Figures, tables and one HTML page of a study, from its scores and analyses; the page needs no network.

Everything here reads what `collect` and the folders of the runs hold; no score is computed.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Set
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from auxvae.analysis.files import PICTURES
from auxvae.analysis.origins import versions_of
from auxvae.analysis.selection import read_selection, shown_runs, trained_runs
from auxvae.config.kinds import kinds_of, variables_of
from auxvae.config.labels import first_of_label, labels
from auxvae.config.rules import RULES
from auxvae.config.run import Run
from auxvae.config.study import Study
from auxvae.data.failures import failures
from auxvae.metrics.columns import compared, shown_in
from auxvae.report import (
    figures,
    html_tables,
    origin,
    papers,
    pictures,
    tables,
    verdict,
)
from auxvae.report.axes import axes_table
from auxvae.report.candidates import candidates_figure, candidates_table, rates_table
from auxvae.report.comparison import comparison_figure
from auxvae.report.context_figures import figures_in_contexts
from auxvae.report.contexts import contexts_table, effects_table
from auxvae.report.coverage import coverage_figure
from auxvae.report.downstream import downstream_figure
from auxvae.report.guidance_figure import guidance_figure
from auxvae.report.history import history_figure
from auxvae.report.imperfect import imperfect_figure
from auxvae.report.leakage import PANELS as SHOWN_AS_BARS
from auxvae.report.leakage import leakage_figure
from auxvae.report.measurements import NAME as MEASURED
from auxvae.report.measurements import measurements_figure, measurements_table
from auxvae.report.section import Picture, Table
from auxvae.report.sections import SECTIONS
from auxvae.report.selection_maps import selection_figure
from auxvae.report.shown_tables import DIFFERENCES, TABLES, shown_tables
from auxvae.report.spread import spread_figure
from foundation.files import read_json, write_text

TRAVERSALS = 24  # on the page; the others are files
MEASURES = ("ssim", "ssim_asinh", "nats")
TEMPLATE = Path(__file__).with_name("report.html.j2")


def draw(study: Study, results: Path) -> None:
    """All figures of a study."""
    runs, folder = shown_runs(study, results), results / "figures"
    titles = first_of_label(runs)
    with xr.open_dataset(results / "analysis.nc") as file:
        analysis = file.load()
    drawn = {**_of_scores(study, results, runs), **_of_runs(study, analysis, runs), **_of_images(results, titles)}
    if study.has_contexts:
        drawn |= figures_in_contexts(results, labels(runs), titles)
    if study.has_denoisers:
        drawn["guidance"] = partial(guidance_figure, results, titles)
    if study.config.analyses.measure:
        drawn[MEASURED] = partial(measurements_figure, results, labels(runs))
    histories = {label: pd.read_parquet(results / "runs" / run / "history.parquet") for run, label in titles.items()}
    drawn["history"] = partial(history_figure, histories)
    for name, figure in drawn.items():
        figures.save(figure(), folder / name)
    _draw_traversals(study, results, analysis, titles)


Drawn = dict[str, Callable[[], Figure]]  # what draws a figure, by its name: one is held at a time


def _of_scores(study: Study, results: Path, runs: tuple[Run, ...]) -> Drawn:
    """Figures of the scores of test rows, and of validation rows where there was a choice."""
    scores, named = tables.test_scores(results), labels(runs)
    values = scores.assign(label=scores["run"].map(named)).dropna(subset=["label"])
    cells = tables.cells(scores[scores["metric"].isin({*compared(), *SHOWN_AS_BARS, "leakage_chance"})], named)
    choice: Drawn = {"selection": lambda: selection_figure(read_selection(results))} if study.choices else {}
    return {
        "comparison": lambda: comparison_figure(cells, values, compared()),
        "leakage": lambda: leakage_figure(cells),
        "coverage": lambda: coverage_figure(scores, runs, named),
        "imperfect": lambda: imperfect_figure(scores, runs, named),
        **choice,
    }


def _of_runs(study: Study, analysis: xr.Dataset, runs: tuple[Run, ...]) -> Drawn:
    """Figures of analysis.nc, most of them of one run of each label."""
    titles = first_of_label(runs)
    judged: Drawn = {"candidates": partial(candidates_figure, analysis)} if study.config.analyses.candidates else {}
    return {
        **judged,
        "downstream": partial(downstream_figure, analysis, labels(runs)),
        "correlations": partial(figures.correlation_figure, analysis, titles),
        "spread": partial(spread_figure, analysis, titles),
        **{f"sensitivity_{name}": partial(figures.sensitivity_figure, analysis, titles, name) for name in MEASURES},
    }


def _of_images(results: Path, titles: dict[str, str]) -> Drawn:
    """Figures of the images of one run of each label."""
    return {
        "reconstructions": lambda: pictures.reconstruction_figure(_examples(results, titles)),
        "samples": lambda: pictures.reconstruction_figure(_samples(results, titles)),
    }


def _draw_traversals(study: Study, results: Path, analysis: xr.Dataset, titles: dict[str, str]) -> None:
    """A picture for the first run of each label, and a sentence for each run that failed."""
    folder = results / "figures"
    for run, label in titles.items():
        with xr.open_dataset(results / "runs" / run / PICTURES) as file:
            silent = figures.inactive(analysis, run)
            figures.save(pictures.traversal_figure(file, label, silent), folder / f"traversal-{run}")
    failed = failures(trained_runs(study, results), results)
    for run, fault in failed.items():  # the workflow expects the picture of the first seed of each label
        figures.save(figures.empty_figure(f"This run failed. {fault}"), folder / f"traversal-{run}")
    _remove_traversals(folder, {run.id for run in _ever_trained(study)} - titles.keys() - failed.keys())


def _ever_trained(study: Study) -> Iterator[Run]:
    """The runs of a study, and those of fresh seeds of every setting that may ever have been chosen."""
    yield from study.runs
    for choice in study.choices:
        yield from (run for i in range(len(choice.candidates)) for run in choice.fresh(i))


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
    rows, marked = {**named, **_controls(scores)}, tables.marks(results)
    behind = []
    for name in TABLES:
        columns = shown_in(name, factors(study))
        tables.write(tables.wide(scores, rows, columns), folder / name, marked)
        behind.append(tables.runs_behind(scores, rows, columns).assign(table=name))
    cells = pd.concat(behind)[["table", "row", "column", "runs"]]
    write_text(folder / "cells.csv", cells.to_csv(index=False))
    with xr.open_dataset(results / "analysis.nc") as analysis:
        tidy = tables.sensitivity_table(analysis, named)
        tables.write(tables.differences_table(analysis), folder / DIFFERENCES)
        if study.choices:
            chosen = tables.selection_table(read_selection(results), labels(study.runs), analysis)
            tables.write(chosen, folder / "selection")
        if study.config.analyses.candidates:
            tables.write(candidates_table(analysis), folder / "candidates")
            tables.write(rates_table(analysis), folder / "candidate_rates")
    if study.has_contexts:
        tables.write(contexts_table(results, named), folder / "contexts")
        tables.write(effects_table(results, named), folder / "effects")
    if study.has_denoisers:
        tables.write(axes_table(results, first_of_label(shown_runs(study, results))), folder / "axes")
    if study.config.analyses.measure:
        tables.write(measurements_table(results, named), folder / MEASURED)
    write_text(folder / "sensitivity.csv", tidy.to_csv(index=False))


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
    strict = jinja2.StrictUndefined
    environment = jinja2.Environment(autoescape=True, undefined=strict, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    write_text(results / "report.html", template.render(**_contents(study, results)))


def _contents(study: Study, results: Path) -> dict[str, Any]:
    runs, failed = shown_runs(study, results), failures(trained_runs(study, results), results)
    scores, named = tables.test_scores(results), labels(runs)
    marked = tables.marks(results)
    traversals = {f"traversal-{run}": label for run, label in first_of_label(runs).items()}
    left_out = traversals.keys() - figures.few(traversals, TRAVERSALS).keys()
    drawn = {path.stem: path for path in sorted((results / "figures").glob("*.png")) if path.stem not in left_out}
    said = {name: figures.sentence_of(path) for name, path in drawn.items()}
    shown = {
        name: html_tables.shown(table, marked)
        for name in shown_tables(study)
        if not (table := tables.read(results / "tables" / f"{name}.csv")).empty
    }
    pictures = {name: _inline(path) for name, path in drawn.items() if not said[name]}
    return {
        "study": study,
        "question": verdict.question(study),
        "verdict": verdict.verdict(
            tables.cells(scores, named), marked, len(failed), len(runs), len({run.dataset.name for run in runs})
        ),
        "sections": [
            each for each in SECTIONS if any(part.name in (shown, pictures)[_is_picture(part)] for part in each.parts)
        ],
        "tables": shown,
        "papers": {
            name: papers.of_scores([head for part in parts for head in part.heads], factors(study))
            for name, parts in shown.items()
        },
        "pictures": pictures,
        "papers_of_comparison": papers.of_scores(compared()),
        "papers_of_methods": papers.of_methods(run.method for run in runs),
        "traversals": [(label, name) for name, label in traversals.items()],
        "left_out": len(left_out),
        "rules": {choice.rule: RULES[choice.rule].words for choice in study.choices},
        "facts": study.facts,
        "failed": failed,
        **_origin(study, results, failed.keys()),
    }


def _origin(study: Study, results: Path, failed: Set[str]) -> dict[str, Any]:
    """What the end of the page says of where the numbers come from: candidates that were not chosen count, too."""
    runs = [run for run in trained_runs(study, results) if run.id not in failed]
    specs = [read_json(results / "runs" / run.id / "spec.json", "the record of a run") for run in runs]
    scored = {run.id for run in shown_runs(study, results)}
    return {
        "runs": runs,
        "scored": scored,
        "codes": sorted({spec["code"] for spec in specs if "code" in spec}),
        "versions": versions_of(results / "runs" / run for run in scored),
        "started": origin.started(results),
        "config": origin.config_text(results),
        "jobs": html_tables.shown(origin.jobs(results), {}),
    }


def _is_picture(part: Table | Picture) -> bool:
    return isinstance(part, Picture)


def _inline(path: Path) -> str:
    """A picture as text, in 256 colours, which a screen does not tell from all and which take a third of the bytes."""
    content = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(content, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()

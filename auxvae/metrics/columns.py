"""What the table of metrics says of single scores: the columns of reports, comparisons, contrasts and captions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from auxvae.metrics.metric import EACH_FACTOR, Column, ReportTable
from auxvae.metrics.table import METRICS


def columns() -> Iterator[tuple[str, str, Column]]:
    """Every score: the name of its metric, its own name, and what the table says of it."""
    for metric, entry in METRICS.items():
        yield from ((metric, score, column) for score, column in entry.columns.items())


def column(score: str) -> Column | None:
    """What the table says of a score, of a factor too; None for a name that it does not have."""
    by_name = {name: entry for _, name, entry in columns()}
    for name, entry in by_name.items():
        before, each, after = name.partition(EACH_FACTOR)
        if each and score not in by_name and score.startswith(before) and score.endswith(after):
            return entry
    return by_name.get(score)


def metric_of(score: str, factors: Iterable[str] = ()) -> str | None:
    """The name of the metric that has that name or a score of that name; None if there is none."""
    if score in METRICS:
        return score
    return next((metric for metric, name, _ in columns() if score in expanded(name, factors)), None)


def shown_in(table: ReportTable, factors: Iterable[str]) -> tuple[str, ...]:
    """The scores in a table of the report, in order, with one column per factor where they are scores of a factor."""
    return tuple(name for _, score, entry in columns() if entry.table == table for name in expanded(score, factors))


def expanded(score: str, factors: Iterable[str]) -> list[str]:
    """One name per factor for a score of each factor, else the name alone."""
    return [score.replace(EACH_FACTOR, factor) for factor in factors] if EACH_FACTOR in score else [score]


def compared() -> tuple[str, ...]:
    """The scores by which the report compares methods."""
    return tuple(score for _, score, entry in columns() if entry.compared)


def contrasted() -> tuple[str, ...]:
    """The scores whose differences between coverages are computed."""
    return tuple(score for _, score, entry in columns() if entry.contrasted)


def citations(scores: Iterable[str], factors: Iterable[str] = ()) -> dict[str, list[str]]:
    """The papers of these scores, each with its metrics, in the order of the scores."""
    papers: dict[str, list[str]] = {}
    for score in scores:
        metric = metric_of(score, factors)
        if metric is not None and METRICS[metric].citation:
            metrics = papers.setdefault(METRICS[metric].citation, [])
            metrics += [metric] if metric not in metrics else []
    return papers

"""The tables of metrics and methods as Markdown, kept between two markers in docs/metrics.md and docs/methods.md.

python -m auxvae.report.catalogue          writes both anew, from the root of the checkout
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from auxvae.config.methods import METHODS, Method
from auxvae.metrics.metric import Metric
from auxvae.metrics.table import METRICS
from foundation.files import write_text

BEGIN, END = "<!-- table: written by python -m auxvae.report.catalogue -->", "<!-- end of the table -->"
PRIORS = {
    "": "{prior}",
    "gaussian": "N(u, v); {prior}",
    "copied": "auxiliary latents are u; {prior}",
    "learned": "N(m(u), s(u)²)",
}


def metrics_table() -> str:
    """Every metric: its scores, their values for a perfect model and by chance, what it asks, its paper."""
    head = ("scores", "good", "chance", "of", "what it asks", "cannot see", "paper")
    return _markdown(head, (_metric_cells(metric) for metric in METRICS.values()))


def _metric_cells(metric: Metric) -> tuple[str, ...]:
    good, chance = (
        ", ".join(dict.fromkeys(getattr(column, key) for column in metric.columns.values() if getattr(column, key)))
        for key in ("good", "chance")
    )
    scores = ", ".join(f"`{name}`" for name in metric.columns)
    return scores, good, chance, metric.of, metric.question, metric.blind, metric.citation or "this package"


def methods_table() -> str:
    """Every method: how it uses the factors, its prior, its terms with default weights, its networks and its paper."""
    head = ("method", "factors", "prior", "terms (default weights)", "companion network", "source")
    return _markdown(head, (_method_cells(name, method) for name, method in METHODS.items()))


def _method_cells(name: str, method: Method) -> tuple[str, ...]:
    factors = "nothing" if not method.needs_aux else "in training"
    factors += " and at test time" if method.encoder_sees_aux else ""
    terms = ", ".join(f"{term} {weight:g}" for term, weight in method.weights.items())
    terms += " (deterministic)" if method.encoder == "deterministic" else ""
    prior = PRIORS[method.conditional].format(prior=method.prior)
    return f"`{name}`", factors, prior, terms, method.companion.replace("_", " ") or "none", method.citation


def _markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows))


DOCS: dict[str, Callable[[], str]] = {"docs/metrics.md": metrics_table, "docs/methods.md": methods_table}


def with_table(text: str, table: str) -> str:
    """The text with the table between its markers."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    for name, table in DOCS.items():
        path = Path(name)
        write_text(path, with_table(path.read_text(encoding="utf-8"), table()))

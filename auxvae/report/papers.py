"""The papers of the metrics and methods that a report shows, for its captions."""

from __future__ import annotations

from collections.abc import Iterable

from auxvae.config.methods import METHODS
from auxvae.metrics.columns import citations


def of_scores(scores: Iterable[str], factors: Iterable[str] = ()) -> str:
    """'Papers: lds, explicitness: arXiv:...; ...' for these scores; '' if none of them has a paper."""
    return _sentence(citations(scores, tuple(factors)))


def of_methods(methods: Iterable[str]) -> str:
    """The same for methods by name."""
    by_paper: dict[str, list[str]] = {}
    for method in dict.fromkeys(methods):
        by_paper.setdefault(METHODS[method].citation, []).append(method)
    return _sentence(by_paper)


def _sentence(by_paper: dict[str, list[str]]) -> str:
    parts = [f"{', '.join(names)}: {paper}" for paper, names in by_paper.items()]
    return f"Papers: {'; '.join(parts)}." if parts else ""

"""Short names of runs for tables and figures: method and coverage, and the weights where they vary."""

from __future__ import annotations

from auxvae.spec import Run


def labels(chosen: tuple[Run, ...]) -> dict[str, str]:
    """A name per run id; runs that differ in their seed alone share one, weights that vary are named."""
    same_words: dict[str, list[dict[str, float]]] = {}
    for run in chosen:
        known = same_words.setdefault(_words(run), [])
        if run.weights not in known:
            known.append(run.weights)
    return {run.id: _words(run) + _weights(run, same_words[_words(run)]) for run in chosen}


def first_of_label(chosen: tuple[Run, ...]) -> dict[str, str]:
    """One run per label, for the pictures: that of the first seed."""
    shown: dict[str, str] = {}
    for identity, label in labels(chosen).items():
        if label not in shown.values():
            shown[identity] = label
    return shown


def _words(run: Run) -> str:
    return " ".join(filter(None, (run.method, run.coverage)))


def _weights(run: Run, known: list[dict[str, float]]) -> str:
    varied = [n for n in run.weights if len({w[n] for w in known if n in w}) > 1]
    return "".join(f", {name} {run.weights[name]:g}" for name in varied)

"""Short names of runs for tables and figures: method and coverage, and whatever else varies among runs of that name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from auxvae.spec import Run

IDENTITY = ("dataset", "method", "coverage", "told", "seed")


def labels(chosen: tuple[Run, ...]) -> dict[str, str]:
    """A name per run id; runs that differ in their seed alone share one."""
    varied = variants(chosen)
    datasets = {run.dataset.name for run in chosen}
    return {run.id: _words(run, datasets) + varied[run.id] for run in chosen}


def variants(chosen: tuple[Run, ...]) -> dict[str, str]:
    """Per run id the settings, beside its method and coverage, in which the runs of its method and data set differ."""
    settings = {run.id: _settings(run) for run in chosen}
    alike: dict[tuple[str, str], list[dict[str, str]]] = {}
    for run in chosen:
        alike.setdefault((run.dataset.name, run.method), []).append(settings[run.id])
    return {run.id: _differences(settings[run.id], alike[run.dataset.name, run.method]) for run in chosen}


def first_of_label(chosen: tuple[Run, ...]) -> dict[str, str]:
    """One run per label, for the pictures: that of the first seed."""
    shown: dict[str, str] = {}
    for identity, label in labels(chosen).items():
        if label not in shown.values():
            shown[identity] = label
    return shown


def _words(run: Run, datasets: set[str]) -> str:
    return " ".join(filter(None, (run.dataset.name if len(datasets) > 1 else "", run.method, run.coverage)))


def _settings(run: Run) -> dict[str, str]:
    """Every setting of a run by its last name, as text."""
    plain = {key: value for key, value in asdict(run).items() if key not in IDENTITY}
    return {**_flat({**plain, "prior": ""}), "prior": run.prior.words()}


def _flat(value: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, each in value.items():
        found |= _flat(each) if isinstance(each, Mapping) else {key: f"{each:g}" if _is_number(each) else str(each)}
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _differences(own: dict[str, str], known: list[dict[str, str]]) -> str:
    varied = [name for name in own if len({other[name] for other in known if name in other}) > 1]
    return "".join(f", {name} {own[name]}" for name in varied)

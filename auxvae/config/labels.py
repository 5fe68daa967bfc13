"""Short names of runs for tables and figures: method and coverage, and whatever else varies among runs of that name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from auxvae.config.identity import plain
from auxvae.config.networks import Network
from auxvae.config.run import Run
from auxvae.config.settings import Settings
from auxvae.config.training import Training


def labels(chosen: tuple[Run, ...]) -> dict[str, str]:
    """A name per run id; runs that differ in their seed alone share one, and no others."""
    varied = variants(chosen)
    datasets = {run.dataset.name for run in chosen}
    return {run.id: _words(run, datasets) + varied[run.id] for run in chosen}


def variants(chosen: tuple[Run, ...]) -> dict[str, str]:
    """Per run id its label, and the settings in which the runs of that label, method and data set differ."""
    settings = {run.id: _settings(run) for run in chosen}
    alike: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for run in chosen:
        alike.setdefault(_named(run), []).append(settings[run.id])
    varied = {named: _varied(each) for named, each in alike.items()}
    labelled = {run.id: f", {run.label}" if run.label else "" for run in chosen}
    return {run.id: labelled[run.id] + _differences(settings[run.id], varied[_named(run)]) for run in chosen}


def _settings(run: Run) -> dict[str, str]:
    """Every setting of a run that its label could name, by its whole name, section.key, as text."""
    return {**_of_sections(run.network, run.training), **_flat(run.weights, "weights."), **_of_settings(run.settings)}


@lru_cache(64)
def _of_sections(network: Network, training: Training) -> dict[str, str]:
    """Shared by the runs of a group, and flattened once for all of them."""
    return _flat({"network": asdict(network), "training": asdict(training)})


@lru_cache(64)
def _of_settings(settings: Settings) -> dict[str, str]:
    return _flat({**asdict(settings), "imperfect": plain(settings.imperfect)})


def _named(run: Run) -> tuple[str, ...]:
    return run.dataset.name, run.method, run.label


def first_of_label(chosen: tuple[Run, ...]) -> dict[str, str]:
    """One run per label, for the pictures: that of the first seed."""
    first: dict[str, str] = {}
    for identity, label in labels(chosen).items():
        first.setdefault(label, identity)
    return {identity: label for label, identity in first.items()}


def families(datasets: Mapping[str, Any]) -> dict[str, str]:
    """Per data set of a config the first one that differs from it in its seed alone, or itself."""
    bare = {name: _without_seed(spec) for name, spec in datasets.items()}
    return {name: next(first for first, other in bare.items() if other == spec) for name, spec in bare.items()}


def _without_seed(spec: Any) -> Any:
    return {key: value for key, value in spec.items() if key != "seed"} if isinstance(spec, Mapping) else spec


def latent_names(run: Run) -> list[str]:
    """z1, z2, ... with the name of the auxiliary variable, or of the factor whose distribution is the prior."""
    meant = (*run.variables[: run.aux_latents], *run.prior_factors[run.aux_latents :])
    return [f"z{j + 1} ({name})" if name else f"z{j + 1}" for j, name in enumerate(meant)]


def _words(run: Run, datasets: set[str]) -> str:
    return " ".join(filter(None, (run.dataset.name if len(datasets) > 1 else "", run.method, run.coverage)))


def _flat(value: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """The values of nested sections by their whole names, section.key, as text."""
    flat: dict[str, str] = {}
    for key, each in value.items():
        name = f"{above}{key}"
        flat |= _flat(each, f"{name}.") if isinstance(each, Mapping) else {name: _text(each)}
    return flat


def _text(value: object) -> str:
    """A number in short; a prior that is part of another by its settings alone."""
    if isinstance(value, (list, tuple)):
        return f"({', '.join(_text(each) for each in value)})"
    if isinstance(value, Mapping):
        return " ".join(_text(each) for each in value.values() if each)
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _varied(alike: list[dict[str, str]]) -> list[str]:
    """The names of the settings that vary among runs that are otherwise alike, in the order of the runs' settings."""
    names = dict.fromkeys(name for settings in alike for name in settings)
    return [name for name in names if len({settings.get(name, "") for settings in alike}) > 1]


def _differences(settings: dict[str, str], varied: list[str]) -> str:
    """Those settings of a run, by their last names where those are unique."""
    names = [name for name in varied if name in settings]
    last = [name.rpartition(".")[2] for name in names]
    shown = [
        short if last.count(short) == 1 and short != "kind" else name for name, short in zip(names, last, strict=True)
    ]
    words = [(short.removesuffix(".kind"), settings[name]) for name, short in zip(names, shown, strict=True)]
    return "".join(f", {short} {value}" for short, value in words if value not in ("None", "()"))

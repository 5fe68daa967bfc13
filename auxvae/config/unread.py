"""Settings in a config that nothing reads, or only a term of weight 0: each is a fault.

Its writer expects it to change something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from auxvae.config.identity import COMPANION, keys_read, settings_read
from auxvae.config.latents import Mmd
from auxvae.config.methods import METHODS, PRESETS, default_terms
from auxvae.config.settings import Settings
from auxvae.config.terms import TERMS
from foundation.faults import Fault, Words, listed

Written = Mapping[str, Any]  # a section of the config as it stands in the file, before presets and defaults
SAMPLED = {"prior", "prior_variance"}  # read where a model is sampled, too, whatever its terms weigh
SETTINGS = {each.name for each in fields(Settings)} - {"mmd"}
MMD_KEYS = {f"mmd.{each.name}" for each in fields(Mmd)}


def unread_faults(config: Written, written: Mapping[str, Any]) -> Iterator[Fault]:
    """Every setting that no term of its method reads, in the study's sections and in its groups of runs, by place.

    Where a group cannot be read, or its method is unknown, nothing is said of it, nor of what it might read.
    """
    groups = {where: group for where, group in written.items() if _has_method(group)}
    for where, group in groups.items():
        yield from _unread_in_group(group, where)
    if len(groups) < len(written) or any(METHODS[group["method"]].companion for group in groups.values()):
        return
    for key in sorted(COMPANION & {*_dotted(config, "network"), *_dotted(config, "training")}):
        section, name = key.split(".")
        text = "no method of the study trains a second network"
        yield Fault(key, config[section][name], text, "take it away")


def _has_method(group: Any) -> bool:
    return isinstance(group, Mapping) and isinstance(group.get("method"), str) and group["method"] in METHODS


def _unread_in_group(group: Written, where: str) -> Iterator[Fault]:
    method = METHODS[group["method"]]
    for key in group:
        if key in SETTINGS - settings_read(method) and not (key == "prior" and method.conditional == "learned"):
            yield _fault(where, key, group[key], group["method"])
        elif key in SETTINGS - SAMPLED and (readers := _weightless_readers(key, group)):
            text = f"{listed(readers)}, which alone reads it, has a weight of 0"
            yield Fault(f"{where}.{key}", group[key], text, f"write weights: {{{readers[0]}: 1}}, or take it away")
    yield from _unread_of_mmd(group, where)
    for key in sorted(COMPANION - keys_read(method)):
        section, name = key.split(".")
        if key in _dotted(group, section):
            text = f"{group['method']} trains no second network"
            yield Fault(f"{where}.{key}", group[section][name], text, "take it away")


def _weightless_readers(key: str, group: Written) -> list[str]:
    """The terms that read a setting, if all of them have a weight of 0 in a group; else none."""
    preset, weights = group.get("preset", "default"), group.get("weights", {})
    terms = default_terms(group["method"], preset) if preset in (*PRESETS,) and isinstance(weights, Mapping) else {}
    readers = {name: weights.get(name, weight) for name, weight in terms.items() if key in TERMS[name].reads}
    return [*readers] if all(value in (0, [0]) for value in readers.values()) else []


def _unread_of_mmd(group: Written, where: str) -> Iterator[Fault]:
    """One fault for the whole section where no term is an MMD, else one for each key."""
    read = {key for key in settings_read(METHODS[group["method"]]) if key.startswith("mmd.")}
    written = _dotted(group, "mmd")
    if written and not read:
        yield _fault(where, "mmd", Words("settings"), group["method"])
        return
    for key in written:
        if key in MMD_KEYS - read:
            yield _fault(where, key, group["mmd"][key.removeprefix("mmd.")], group["method"])


def _fault(where: str, key: str, value: object, method: str) -> Fault:
    return Fault(f"{where}.{key}", value, f"{method} has no term that reads it", "take it away")


def _dotted(written: Written, section: str) -> list[str]:
    """The keys of a section, with its name; none where it is no section."""
    keys = written.get(section)
    return [f"{section}.{key}" for key in keys] if isinstance(keys, Mapping) else []

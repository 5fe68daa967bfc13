"""Which values decide a run's bytes: those that its method reads; and which modules hold the code that does.

A run's identity (config.run) leaves out what the method does not read and what is at its declared default, so that a
new key, method, term, prior or metric changes no identity. A default that has changed is noticed by the values in full,
which a finished run's folder keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from auxvae.config.latents import Mmd, PriorSpec
from auxvae.config.methods import Method
from auxvae.config.networks import BACKBONES, COMPANIONS, FAMILIES, STACKED_FAMILIES, Network
from auxvae.config.priors import PRIORS
from auxvae.config.settings import Settings, resolved
from auxvae.config.terms import TERMS
from auxvae.config.training import Training

ALWAYS = {"likelihood", "sigma", "encoder", "activation", "contexts", "inputs"}  # settings that every method reads
COMPANION = {"network.second", "training.second_learning_rate"}  # keys that a companion network reads
POLYNOMIAL = {
    "degree",
    "aux_degree",
    "normalise",
    "correlation",
    "earlier",
}  # settings that the polynomial measure of dependence reads


def settings_read(method: Method) -> set[str]:
    """The settings that a method reads; those of its MMD as `mmd.<key>`."""
    read = ALWAYS.union(*(TERMS[name].reads for name in method.weights))
    if method.family == "score":
        read -= {"encoder", "activation"}
    if method.needs_aux:
        read |= {"imperfect", "measured", "errors"}
    if method.module:
        read |= {"module"}
    if method.conditional == "learned":
        read -= {"prior"}
    if method.conditional != "gaussian":
        read -= {"prior_variance"}
    if method.dependence != "polynomial":
        read -= POLYNOMIAL
    return read


def keys_read(method: Method) -> set[str]:
    """The keys of the sections `network` and `training` that a method reads, with the name of their section."""
    keys = {f"network.{each.name}" for each in fields(Network)} | {f"training.{each.name}" for each in fields(Training)}
    return keys if method.companion else keys - COMPANION


def values_read(method: Method, settings: Settings, network: Network, training: Training) -> dict[str, Any]:
    """Every value that the method reads, by dotted key, as plain JSON."""
    sections = {"": settings, "mmd.": settings.mmd, "network.": network, "training.": training}
    named = {f"{section}{key}": value for section, record in sections.items() for key, value in vars(record).items()}
    read = settings_read(method) | keys_read(method)
    return {key: plain(value) for key, value in sorted(named.items()) if key in read}


def defaults_read(method: Method, rows: int) -> dict[str, Any]:
    """What those values are where a config says nothing, for so many training rows."""
    usual = resolved(Settings(mmd=Mmd(**method.mmd)), method, rows)  # type: ignore[arg-type]
    return values_read(method, usual, Network(), Training())


def in_full(method: Method, settings: Settings, network: Network, training: Training) -> dict[str, Any]:
    """Every value that the method reads, and its entry in the table, with no default left out."""
    values = values_read(method, settings, network, training)
    entry = {f"method.{key}": plain(value) for key, value in vars(method).items() if key not in ("weights", "citation")}
    prior = {"prior": _prior_in_full(settings.prior)} if settings.prior and "prior" in values else {}
    return {**values, **prior, **entry}


def _prior_in_full(prior: PriorSpec) -> dict[str, Any]:
    values = {key: plain(value) for key, value in prior.values().items() if key != "of"}
    return {"kind": prior.kind, "latents": prior.latents, **values, "of": [_prior_in_full(part) for part in prior.of]}


def entry(method: Method) -> dict[str, Any]:
    """A method's entry in the table as far as it decides bytes: neither weights, which a run holds, nor citation."""
    return {key: value for key, value in differing(method).items() if key not in ("weights", "citation")}


def modules(method: Method, network: Network, prior: PriorSpec) -> tuple[str, ...]:
    """Dotted names of the modules whose code decides the bytes of a method's runs, beside the training loop."""
    return tuple(sorted({name.partition(":")[0] for name in _programs(method, network, prior)}))


def _programs(method: Method, network: Network, prior: PriorSpec) -> Iterator[str]:
    yield FAMILIES[method.family]
    if method.module:
        yield "auxvae.models.context_module"
    yield BACKBONES[network.name].maker
    if is_stacked(method, network):
        yield "auxvae.training.stack"
    yield from (TERMS[name].function for name in method.weights)
    if method.companion:
        yield COMPANIONS[method.companion]
    if "prior" in settings_read(method):
        yield from (PRIORS[kind].maker for kind in prior.kinds())


def is_stacked(method: Method, network: Network) -> bool:
    """Whether runs of the method on that network are trained as one program (training.stack)."""
    return BACKBONES[network.name].stacked and method.family in STACKED_FAMILIES


def plain(value: Any) -> Any:
    """A value as JSON gives it back; of a record, the fields that differ from their defaults."""
    if is_dataclass(value):
        return differing(value)
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return {key: plain(each) for key, each in value.items()} if isinstance(value, Mapping) else value


def differing(instance: Any) -> dict[str, Any]:
    """The fields of a record that differ from their declared defaults, as plain JSON."""
    values = {each.name: getattr(instance, each.name) for each in fields(instance) if _differs(each, instance)}
    return {name: plain(value) for name, value in values.items()}


def _differs(field: Field[Any], instance: Any) -> bool:
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return bool(getattr(instance, field.name) != default)

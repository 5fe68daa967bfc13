"""What is wrong with a study beyond its spelling: one sentence per fault, all of them, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from auxvae.config.analyses import FEWEST_TESTED
from auxvae.config.auxiliaries import auxiliary_faults, candidate_faults
from auxvae.config.choices import choice_faults
from auxvae.config.contexts import context_faults, rows_of_a_batch
from auxvae.config.denoisers import denoiser_faults
from auxvae.config.diffusion import collapse_faults
from auxvae.config.fresh import fresh_faults
from auxvae.config.idle import case_faults, idle_faults
from auxvae.config.imperfect import imperfect_faults
from auxvae.config.inputs import input_faults
from auxvae.config.kinds import Kind, kinds_of, variables_of
from auxvae.config.latents import PriorSpec, dimension_fault
from auxvae.config.likelihood import likelihood_faults
from auxvae.config.measure import measure_faults
from auxvae.config.measured import measured_faults
from auxvae.config.methods import DIVERGENCES, METHODS, PRESET_WEIGHTS, default_terms
from auxvae.config.networks import BACKBONES, Network, networks_of
from auxvae.config.spec import Config, Group
from foundation.faults import Fault, Words, listed, suggest

Facts = Mapping[str, Mapping[str, Any]]
SMALLEST_STAMP, LARGEST_STAMP = 28, 128


def dataset_of(config: Config, group: Group) -> str:
    """The data set of a group: the one it names, or the only one there is."""
    return group.dataset or next(iter(config.datasets), "")


def study_faults(
    config: Config, groups: Mapping[str, Group], facts: Facts, written: Mapping[str, Any]
) -> Iterator[Fault]:
    """All that is wrong with a study beyond its spelling.

    config and groups, by place, hold what could be read; written is the whole config, for the places in its lists.
    """
    yield from case_faults(config.datasets)
    for name, factors in config.coverages.items():
        places = _places(written["coverages"][name], f"coverages.{name}")
        yield from _coverage(config, name, dict(zip(places, factors, strict=True)), facts)
    inputs = tuple(name for group in groups.values() for name in group.inputs)
    used = {**config.coverages, **({"inputs": inputs} if inputs else {})}
    yield from auxiliary_faults(config.auxiliaries, used, facts)
    yield from candidate_faults(config.analyses.candidates, config.coverages, groups.values())
    yield from measure_faults(config, groups, facts)
    for where, group in groups.items():
        yield from _group(config, group, where, facts, written)


def _places(written: object, where: str) -> list[str]:
    """The places of the words in a list, some of whose items may have been none."""
    items = written if isinstance(written, (list, tuple)) else [written]
    return [f"{where}[{i}]" for i, item in enumerate(items) if isinstance(item, str)]


def _coverage(config: Config, name: str, coverage: Mapping[str, str], facts: Facts) -> Iterator[Fault]:
    users = {dataset_of(config, g) for g in config.runs if name in g.coverages} & facts.keys() or facts.keys()
    earlier: set[str] = set()
    for where, factor in coverage.items():
        if factor in earlier:
            yield Fault(where, factor, "a factor stands once in a coverage", "take the second away")
        earlier.add(factor)
        for dataset in sorted(users if factor not in config.auxiliaries else ()):
            factors = [*facts[dataset]["factors"], *config.auxiliaries]
            if factor not in factors:
                text, several = f"the factors of {dataset} are {listed(factors)}", re.split(r"[\s,;]+", factor)
                remedy = f"write {', '.join(several)}, each as an item" if {*several} <= {*factors} else ""
                yield Fault(where, factor, text, remedy or suggest(factor, factors, "name one of them"))


def _group(config: Config, group: Group, where: str, facts: Facts, written: Mapping[str, Any]) -> Iterator[Fault]:
    if group.method not in METHODS:
        text = f"the methods are {listed(METHODS)}"
        yield Fault(f"{where}.method", group.method, text, suggest(group.method, METHODS, "name one of them"))
        return
    dataset = facts.get(dataset_of(config, group), {})
    if group.dataset == "" and len(config.datasets) > 1:
        text = f"the study has the data sets {listed(config.datasets)}"
        yield Fault(f"{where}.dataset", Words("nothing"), text, "name one of them")
    elif config.datasets and dataset_of(config, group) not in config.datasets:  # none at all is a fault of `datasets`
        text = f"the data sets are {listed(config.datasets)}"
        remedy = suggest(group.dataset, config.datasets, "name one of them")
        yield Fault(f"{where}.dataset", group.dataset, text, remedy)
    elif dataset and not dataset.get("doubtful"):
        yield from _fit(config, group, where, dataset, written)
        yield from _prior(config, group, where, dataset)
        yield from denoiser_faults(group.diffusion, f"{where}.diffusion", dataset)
        yield from context_faults(group, where, config, dataset)
    if METHODS[group.method].family == "score":
        yield from collapse_faults(group.diffusion, group.weights.get("kl_floored", ()), where)
    yield from _coverages(config, group, where, kinds_of(dataset), written)
    yield from _lists(group, where)
    yield from _latents(group, where)
    yield from imperfect_faults(group, where, config.coverages, dataset)
    yield from measured_faults(group, where, config.coverages, dataset)
    yield from input_faults(group, where, config, dataset)
    yield from choice_faults(config, group, where, dataset)
    yield from fresh_faults(group, where)
    yield from idle_faults(config, group, where, dataset)


def _lists(group: Group, where: str) -> Iterator[Fault]:
    terms = default_terms(group.method, group.preset)
    for name, values in group.weights.items():
        if name not in terms:
            text = f"{group.method} has the terms {listed(terms)}"
            yield Fault(f"{where}.weights.{name}", name, text, suggest(name, terms, "name one of them"))
        if not values:
            yield Fault(f"{where}.weights.{name}", Words("an empty list"), "a weight is needed", "write a number")
    if not group.seeds:
        yield Fault(f"{where}.seeds", Words("an empty list"), "at least one seed is needed", "write [0]")
    if group.likelihood == "gaussian" and group.sigma is None:
        text = "the gaussian likelihood needs it"
        yield Fault(f"{where}.sigma", Words("nothing"), text, "add it, in the unit of the images")
    if group.likelihood != "gaussian" and group.sigma is not None:
        yield Fault(f"{where}.sigma", group.sigma, "only the gaussian likelihood takes it", "take it away")


def _coverages(
    config: Config, group: Group, where: str, kinds: tuple[Kind, ...], written: Mapping[str, Any]
) -> Iterator[Fault]:
    if not METHODS[group.method].needs_aux:
        if group.coverages:
            text = f"{group.method} takes no auxiliary variables"
            yield Fault(f"{where}.coverages", listed(group.coverages), text, "take the coverages away")
        return
    if not group.coverages:
        text = f"{group.method} needs auxiliary variables; the coverages are {listed(config.coverages)}"
        yield Fault(f"{where}.coverages", Words("none"), text, "name a coverage")
    latents = (group.network or config.network).latents
    declared = written.get("coverages", {})
    for i, name in enumerate(group.coverages):
        place = f"{where}.coverages[{i}]"
        if name not in config.coverages and (not isinstance(declared, Mapping) or name in declared):
            continue  # what is wrong with it is said where it is declared
        if name not in config.coverages:
            text = f"the coverages are {listed(declared)}"
            yield Fault(place, name, text, suggest(name, map(str, declared), "declare it under coverages"))
        elif not config.coverages[name]:
            text = f"{group.method} needs at least one factor in a coverage"
            yield Fault(
                f"coverages.{name}", Words("an empty coverage"), text, "add a factor or take it out of the runs"
            )
        elif (needed := len(variables_of(config.coverages[name], kinds))) > latents:
            each = "factors" if needed == len(config.coverages[name]) else "auxiliary variables"
            text = f"coverage {name} needs a latent for each of its {needed} {each}"
            remedy = "raise it or take a smaller coverage"
            yield Fault(_place(written, where, "network", "latents"), latents, text, remedy)


def _place(written: Mapping[str, Any], where: str, section: str, key: str) -> str:
    """Where the value that a group has for a key is written: in the group's own section, or in the study's."""
    group = written["runs"][int(where[len("runs[") : -1])]
    inner = group.get(section) if isinstance(group, Mapping) else None
    return f"{where}.{section}.{key}" if isinstance(inner, Mapping) and key in inner else f"{section}.{key}"


def _fit(
    config: Config, group: Group, where: str, dataset: Mapping[str, Any], written: Mapping[str, Any]
) -> Iterator[Fault]:
    """What the data set and the models ask of each other."""
    name = dataset["name"]
    yield from _images_fit(group.network or config.network, _place(written, where, "network", "components"), dataset)
    yield from likelihood_faults(group, where, dataset)
    network = (group.network or config.network).name
    names = networks_of(METHODS[group.method].family)
    if network not in names:
        text = f"{group.method} takes the network{'s' if len(names) > 1 else ''} {listed(names)}"
        yield Fault(_place(written, where, "network", "name"), network, text, f"write {names[0]}")
    if group.likelihood == "log10" and BACKBONES[network].on_components:
        text = "log10 is of pixels near 0, whose logarithms the components of the pixels do not span"
        yield Fault(_place(written, where, "network", "name"), network, text, "take conv4, residual or mlp")
    yield from _rows_suffice(config, dataset)
    training = group.training or config.training
    if (group.mmd.block or 0) > training.batch:
        text = f"a batch has {training.batch} images"
        yield Fault(f"{where}.mmd.block", group.mmd.block, text, "lower it, or raise training.batch")
    rows, whose = rows_of_a_batch(group, dataset)
    if training.batch > rows:
        text, place = f"{whose} has {rows} training rows", _place(written, where, "training", "batch")
        yield Fault(place, training.batch, text, "lower it or give more images")
    if training.augment and not dataset.get("symmetries"):
        text, place = f"{name} declares no symmetries", _place(written, where, "training", "augment")
        yield Fault(place, True, text, "take it away")
    if training.augment and group.diffusion.versions:
        text = "versions of an image that is turned in each epoch are not those of that image"
        yield Fault(f"{where}.diffusion.versions", group.diffusion.versions, text, "take it away, or do not augment")
    if training.augment and config.auxiliaries:
        text = f"no symmetry says what it does to {listed(config.auxiliaries)}"
        yield Fault(_place(written, where, "training", "augment"), True, text, "take it away")
    variables = variables_of(dataset["factors"], kinds_of(dataset))
    for twice in sorted({each for each in variables if variables.count(each) > 1}):
        text = f"{name} has a factor of that name, and one whose class, cosine or sine has it too"
        yield Fault(f"datasets.{name}", twice, text, "make the store again with another name for a factor")


def _rows_suffice(config: Config, dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """Rows to choose by, to score on, and to label."""
    name = dataset["name"]
    validation = dataset["galaxies"] - dataset["train"] - dataset["test"]
    if validation < 2:
        text = "losses and choices compare images, two at least"
        yield Fault(f"datasets.{name}", Words(f"{validation} validation rows"), text, "give more validation rows")
    if dataset["test"] < FEWEST_TESTED:
        text = "scores and sensitivities compare images, two at least"
        yield Fault(f"datasets.{name}", Words(f"{dataset['test']} test rows"), text, "give more test rows")
    yield from config.analyses.unfit(dataset)


def _images_fit(network: Network, components: str, dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """What the network and the images ask of each other."""
    stamp, name = dataset["stamp"], dataset["name"]
    pixels = dataset["channels"] * stamp**2
    most = min(pixels, dataset["train"] - 1)
    if network.components is not None and network.components > most:
        text = f"{name} has {dataset['train']} training rows of {pixels} pixels, and so {most} components at most"
        yield Fault(components, network.components, text, "lower it, or leave it out")
    if not BACKBONES[network.name].on_components and not SMALLEST_STAMP <= stamp <= LARGEST_STAMP:
        text = f"{network.name} takes stamps of {SMALLEST_STAMP} to {LARGEST_STAMP} pixels"
        where_stamp = f"datasets.{name}" if dataset["store"] else f"datasets.{name}.scene.stamp"
        yield Fault(where_stamp, Words(f"{stamp} pixels"), text, "change the images, or take the network components")


def _latents(group: Group, where: str) -> Iterator[Fault]:
    """What the method and its latents ask of each other."""
    method, prior = METHODS[group.method], group.prior
    terms = default_terms(group.method, group.preset)
    if group.cooling_from >= group.cooling_until:
        text = f"the cooling ends at {group.cooling_until:g}, after it has begun"
        yield Fault(f"{where}.cooling_from", group.cooling_from, text, "lower it or raise cooling_until")
    if group.preset in PRESET_WEIGHTS and group.method not in PRESET_WEIGHTS[group.preset]:
        text = f"the preset {group.preset} has weights for {listed(PRESET_WEIGHTS[group.preset])}"
        yield Fault(f"{where}.preset", group.preset, text, "take it away")
    if prior is not None and method.conditional == "learned":
        yield Fault(f"{where}.prior", prior.kind, f"{group.method} learns its prior", "take it away")
    if prior is not None and not prior.has_density() and terms.keys() & DIVERGENCES:
        text = f"{group.method} has a KL divergence, which needs a density for every z"
        yield Fault(f"{where}.prior", prior.kind, text, "take normal, laplace or mixture, or a method with an mmd")
    if group.encoder == "gaussian" and method.decoder_apart:
        yield Fault(f"{where}.encoder", "gaussian", f"{group.method} has a deterministic encoder", "take it away")
    if group.encoder == "deterministic" and method.encoder == "gaussian":
        text = f"{group.method} has terms that need a Gaussian posterior"
        yield Fault(f"{where}.encoder", "deterministic", text, "take it away, or take ae_mmd or wae_mmd")


def _prior(config: Config, group: Group, where: str, dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """A prior whose dimension is not that of its latents, in any coverage; factors that the data set does not have."""
    if group.prior is None:
        return
    latents, kinds = (group.network or config.network).latents, kinds_of(dataset)
    prior = _of_variables(group.prior, kinds)
    for coverage in group.coverages or ("",):
        aux = config.coverages.get(coverage, ())
        auxiliary = len(variables_of(aux, kinds))
        residual = len(variables_of(set(dataset["factors"]) - {*aux, *group.inputs}, kinds))
        yield from dimension_fault(prior, f"{where}.prior", latents - auxiliary, residual, auxiliary)
    for part in _parts(group.prior):
        for factor in dict.fromkeys(each for each in part.factors if part.factors.count(each) > 1):
            yield Fault(f"{where}.prior.factors", factor, "a factor stands once in a prior", "take the second away")
        for factor in part.factors:
            if factor not in dataset["factors"]:
                text = f"the factors of {dataset['name']} are {listed(dataset['factors'])}"
                remedy = suggest(factor, dataset["factors"], "name one of them")
                yield Fault(f"{where}.prior.factors", factor, text, remedy)


def _of_variables(prior: PriorSpec, kinds: tuple[Kind, ...]) -> PriorSpec:
    """The prior with the auxiliary variables of its factors in their place."""
    parts = tuple(_of_variables(part, kinds) for part in prior.of)
    return replace(prior, factors=variables_of(prior.factors, kinds), of=parts)


def _parts(prior: PriorSpec) -> Iterator[PriorSpec]:
    yield prior
    for part in prior.of:
        yield from _parts(part)

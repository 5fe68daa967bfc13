"""What a study says in vain. What cannot be meant is a fault: a thing said twice, no loss, pairs of one.

What nothing uses, but might be meant for later, is a note: a line beside the estimate, which refuses nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from auxvae.config.kinds import Kind, kinds_of, variables_of
from auxvae.config.methods import METHODS, default_terms
from auxvae.config.spec import Config, Group
from foundation.faults import Fault, Words, shown

# Terms that compare pairs of latents, and so are 0 or undefined where there is one.
PAIRED = {"mmd_pairs", "total_correlation", "density_ratio", "covariance_of_means", "covariance_of_samples"}
FEW = 30  # test rows: intervals over fewer say little


def idle_faults(config: Config, group: Group, where: str, dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """What a group says in vain; dataset: the facts of its data set, empty if they are not known."""
    yield from _repeated(group, where)
    yield from _weightless(group, where)
    yield from _pairless(config, group, where, kinds_of(dataset))


def _repeated(group: Group, where: str) -> Iterator[Fault]:
    weights = {f"weights.{name}": values for name, values in group.weights.items()}
    fresh = {"select.fresh_seeds": group.select.fresh_seeds} if group.select else {}
    for key, values in {"coverages": group.coverages, "seeds": group.seeds, **fresh, **weights}.items():
        for value, count in Counter(values).items():
            if count > 1:
                text = f"every run stands once, and this is here {count} times"
                yield Fault(f"{where}.{key}", value, text, "keep it once")


def _weightless(group: Group, where: str) -> Iterator[Fault]:
    terms = default_terms(group.method, group.preset)
    if terms and all(min(group.weights.get(name, (weight,)), default=1) == 0 for name, weight in terms.items()):
        yield Fault(f"{where}.weights", Words("no weight above 0"), "a loss of 0 trains nothing", "raise one of them")


def _pairless(config: Config, group: Group, where: str, kinds: tuple[Kind, ...]) -> Iterator[Fault]:
    """Terms over pairs where there is none: no two residual latents, nor a residual one beside an auxiliary one."""
    latents, method = (group.network or config.network).latents, METHODS[group.method]
    for coverage in group.coverages or ("",):
        auxiliary = len(variables_of(config.coverages.get(coverage, ()), kinds)) if method.has_aux_latents else 0
        if latents != max(1, auxiliary):  # fewer latents than auxiliary variables are a fault of their own
            continue
        for name, weight in default_terms(group.method, group.preset).items():
            if name in PAIRED and max(group.weights.get(name, (weight,)), default=0) > 0:
                left = f"{latents - auxiliary} residual latent{'s' if latents == auxiliary else ''}"
                remedy = "raise latents, or set its weight to 0"
                yield Fault(f"{where}.weights.{name}", Words(left), f"{name} compares pairs of latents", remedy)


def notes(config: Config, used: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """One line for each thing that has no effect; used: the facts of the data sets that runs are trained on."""
    coverages = {name for group in config.runs for name in group.coverages}
    for name, factors in config.coverages.items():
        if name not in coverages:
            yield f"coverages.{name}: no group of runs uses it"
        elif (first := next(other for other in config.coverages if config.coverages[other] == factors)) != name:
            yield f"coverages.{name}: it has the factors of {first}"
    for name in config.datasets:
        if name not in used:
            yield f"datasets.{name}: no group of runs uses it, and it is not made"
    for i, group in enumerate(config.runs):
        training, where = group.training or config.training, f"runs[{i}]." if group.training else ""
        if training.patience is not None and training.patience >= training.epochs:
            yield f"{where}training.patience: {training.patience} of {training.epochs} epochs stop no training"
    for name, facts in used.items():
        if facts["test"] < FEW:
            yield f"datasets.{name}: {facts['test']} test rows, so that scores and their intervals say little"


def case_faults(names: Mapping[str, Any]) -> Iterator[Fault]:
    """Data sets whose names differ in case alone."""
    earlier: dict[str, str] = {}
    for name in names:
        other = earlier.setdefault(name.lower(), name)
        if other != name:
            text = f"it differs from {shown(other)} in case alone, and some disks take the two folders for one"
            yield Fault(f"datasets.{name}", name, text, "rename one of them")

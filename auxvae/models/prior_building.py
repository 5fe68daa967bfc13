"""A prior built from what a config says of it, and the check of its samples; a user's file is loaded here."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch
from torch import Tensor

from auxvae.config.latents import PriorSpec
from auxvae.config.priors import PRIORS
from auxvae.data.randomness import generator
from auxvae.models import priors
from auxvae.models.priors import Blocks, Empirical, Prior
from foundation.faults import Fault, Refused, Words
from foundation.files import digest_file

TRIAL = 4096  # rows by which a prior is checked
Table = Callable[[tuple[str, ...]], Tensor]  # training factors by name, (N, names)


def build(spec: PriorSpec, dimensions: int, table: Table, aux: int) -> Prior:
    """The prior of a block of so many latents, for a run with so many auxiliary variables.

    Its class and the settings that the class takes stand in auxvae.config.priors.PRIORS.
    """
    if spec.kind == "file":
        return _from_file(spec, dimensions, aux)
    if spec.kind == "empirical":
        return Empirical(table(spec.factors))
    if spec.of:
        return Blocks([build(part, size, table, aux) for part, size in spec.parts(dimensions)])
    maker: Callable[..., Prior] = resolve_name(PRIORS[spec.kind].maker)
    return maker(dimensions, **spec.values())


def trial_samples(prior: Prior, aux: int) -> Any:
    """TRIAL samples, at auxiliary variables drawn uniformly from [0, 1]; a user's program may return anything."""
    source = generator(0, "trial")
    return prior.sample(torch.rand(TRIAL, aux, generator=source), source)


def checked_samples(prior: Prior, spec: PriorSpec, aux: int) -> Tensor:
    """Samples of the prior, (TRIAL, dimensions); one whose samples are no such rows is refused."""
    where, samples = f"prior {spec.words()}", trial_samples(prior, aux)
    if not isinstance(samples, Tensor) or samples.shape != (TRIAL, prior.dimensions):
        other = f"a {type(samples).__name__} that is no torch tensor"
        value = Words(f"samples of shape {tuple(samples.shape)}" if isinstance(samples, Tensor) else other)
        text = f"sample(u, source) gives one row of {prior.dimensions} numbers for each row of u, here {TRIAL}"
        raise Refused(Fault(where, value, text, "correct the prior, or its number of latents"))
    broken = int((~samples.isfinite()).sum())
    if broken:
        text = f"all of {samples.numel()} must be finite"
        raise Refused(Fault(where, Words(f"{broken} samples that are no numbers"), text, "correct the prior"))
    if not samples.equal(trial_samples(prior, aux)):
        text = "the same source gives the same samples, or a run is not repeatable"
        value = Words("other samples on a second call")
        raise Refused(Fault(where, value, text, "draw every random number with generator=source"))
    if not bool((samples.float().var(0) > 0).all()):
        text = "a kernel takes its width from them"
        raise Refused(Fault(where, Words("latents that do not vary"), text, "give the prior a width"))
    return samples.float()


def _from_file(spec: PriorSpec, dimensions: int, aux: int) -> Prior:
    """The class of a user's file, prior for so many latents and tried."""
    where = f"prior {spec.words()}"
    try:
        path = Path(spec.path or "")
        if spec.sha256 and digest_file(path) != spec.sha256:
            raise Refused(Fault(where, Words("other bytes"), "the run was declared with another file", "start again"))
        with _nothing_written():
            prior = _loaded(path, spec.name or "")(dimensions)
            if not isinstance(prior, Prior):
                raise TypeError(f"{spec.name} is no auxvae.models.priors.Prior")
            checked_samples(prior, spec, aux)
    except Refused:
        raise
    except BaseException as error:  # whatever a user's program raises is reported as a fault of the file
        value = Words(f"a program that fails ({type(error).__name__}: {error})")
        text = "the class is a Prior that takes its number of latents and has sample(u, source)"
        raise Refused(Fault(where, value, text, "correct the file: docs/own_prior.md")) from None
    return prior


@contextmanager
def _nothing_written() -> Iterator[None]:
    """Python leaves no bytecode beside the modules that are imported here."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _loaded(path: Path, name: str) -> Callable[[int], Any]:
    module_spec = importlib.util.spec_from_file_location(path.stem, path)
    if module_spec is None or module_spec.loader is None:
        raise ImportError("it is no Python file")
    sys.modules.setdefault("auxvae.priors", priors)  # where files written before 2026-11-25 import Prior from
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    maker: Callable[[int], Any] = getattr(module, name)
    return maker

"""What a config may say of the latents: the prior that they are to follow, and the kernel that compares them with it.

A prior is written as one word or as a section with `kind`; it is the prior of the residual latents.

    normal      N(0, 1)                     uniform    on [-sqrt 3, sqrt 3]            laplace   of scale 1/sqrt 2
    mixture     `components` Gaussians at equal steps from -2 to 2, each of width `std`, rescaled to unit variance
    grid        `levels` equal steps, rescaled to unit variance
    product     the marginals in `of`, one latent each, in turn until every latent has one
    blocks      the priors in `of`, each for its number of `latents`, in order
    auxiliary   N(u_j, std^2), one latent for each auxiliary variable u_j in [0, 1], std 0.1: the prior of Aux-VAE's
                auxiliary latents
    empirical   rows of the training factors in `factors` (of all that are no auxiliary variables, if none is named),
                standardised: their dependence is part of it
    file        the class `name` of the Python file `path`: docs/own_prior.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from foundation.declare import NAME, Count, OneOf, Positive, Range
from foundation.faults import Fault, Words, listed


@dataclass(frozen=True)
class PriorKind:
    """One kind of prior.

    maker: `module:name` of its class, made from the number of latents and the settings by name. settings: fields of
    PriorSpec that it takes, with their defaults. needs: those without a default. has_density: whether log p(z) is
    finite for every z; is_independent: whether its latents are known to be independent of each other; both hold of a
    prior made of others if they hold of all of these. dimensions: the number of latents that a spec fixes, from the
    spec, the number of factors that are no auxiliary variables, and the number of those that are; None where any
    number will do.
    """

    maker: str
    settings: Mapping[str, object] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    has_density: bool = True
    is_independent: bool = True
    dimensions: Callable[[PriorSpec, int, int], int] | None = None

    def is_marginal(self) -> bool:
        """Whether it can be the prior of a single latent in a product."""
        return self.dimensions is None and "of" not in self.settings


_PRIORS = "auxvae.models.priors"

# Adding a prior is one entry here and one class there; a setting of a new name is declared in PriorSpec.
PRIORS = {
    "normal": PriorKind(f"{_PRIORS}:Normal"),
    "uniform": PriorKind(f"{_PRIORS}:Uniform", has_density=False),
    "laplace": PriorKind(f"{_PRIORS}:Laplace"),
    "mixture": PriorKind(f"{_PRIORS}:Mixture", {"components": 5, "std": 0.3}),
    "grid": PriorKind(f"{_PRIORS}:Grid", {"levels": 8}, has_density=False),
    "product": PriorKind(f"{_PRIORS}:Blocks", {"of": ()}, ("of",)),
    "blocks": PriorKind(
        f"{_PRIORS}:Blocks", {"of": ()}, ("of",), dimensions=lambda spec, *_: sum(part.latents or 0 for part in spec.of)
    ),
    "auxiliary": PriorKind(
        f"{_PRIORS}:Conditioned", {"std": 0.1}, has_density=False, dimensions=lambda spec, residual, aux: aux
    ),
    "empirical": PriorKind(
        f"{_PRIORS}:Empirical",
        {"factors": ()},
        has_density=False,
        is_independent=False,
        dimensions=lambda spec, residual, aux: len(spec.factors) or residual,
    ),
    "file": PriorKind(
        f"{_PRIORS}:Prior", {"path": None, "name": None, "sha256": None}, ("path", "name"), is_independent=False
    ),
}


@dataclass(frozen=True)
class PriorSpec:
    """A prior as declared; `latents` is the size of its block inside `blocks`, sha256 that of a file's bytes."""

    BARE: ClassVar[str] = "kind"

    kind: Annotated[str, OneOf(PRIORS)] = "normal"
    components: Annotated[int, Range(2, 64)] | None = None
    std: Positive | None = None
    levels: Annotated[int, Range(2, 4096)] | None = None
    of: tuple[PriorSpec, ...] = ()
    latents: Count | None = None
    factors: tuple[str, ...] = ()
    path: str | None = None
    name: str | None = None
    sha256: str | None = None

    def faults(self, where: str) -> list[Fault]:
        """Settings that the kind does not take, settings that it needs, and blocks without their sizes."""
        return [*self._settings(where), *self._parts(where), *self._file(where)]

    def _settings(self, where: str) -> Iterator[Fault]:
        takes = PRIORS[self.kind].settings
        for name in {name for kind in PRIORS.values() for name in kind.settings} - takes.keys():
            if value := getattr(self, name):
                text = f"the prior {self.kind} takes {listed(takes)}"
                yield Fault(f"{where}.{name}", Words(f"{value}"), text, "take it away")
        for name in PRIORS[self.kind].needs:
            if not getattr(self, name):
                yield Fault(f"{where}.{name}", Words("nothing"), f"the prior {self.kind} needs it", "add it")

    def _parts(self, where: str) -> Iterator[Fault]:
        for i, part in enumerate(self.of):
            place = f"{where}.of[{i}]"
            if self.kind == "blocks" and part.latents is None:
                yield Fault(f"{place}.latents", Words("nothing"), "each block says how many latents it has", "add it")
            if self.kind == "product" and not PRIORS[part.kind].is_marginal():
                yield Fault(f"{place}.kind", part.kind, "a marginal is a prior of one latent", "take another kind")

    def _file(self, where: str) -> Iterator[Fault]:
        if self.path and not Path(self.path).is_file():
            yield Fault(f"{where}.path", self.path, "a Python file with the prior must be there", "correct the path")
        if self.name and not NAME.fullmatch(self.name):
            yield Fault(f"{where}.name", self.name, "it is the name of a class", "correct it")

    def values(self) -> dict[str, object]:
        """The settings that its kind takes, by name, with the kind's defaults where nothing is said."""
        return {name: getattr(self, name) or default for name, default in PRIORS[self.kind].settings.items()}

    def kinds(self) -> set[str]:
        """Its kind and those of its parts."""
        return {self.kind}.union(*(part.kinds() for part in self.of))

    def has_density(self) -> bool:
        """Whether log p(z) is finite for every z, so that a KL divergence from the prior exists."""
        return all(PRIORS[kind].has_density for kind in self.kinds())

    def is_independent(self) -> bool:
        """Whether its latents are known to be independent of each other."""
        parts = all(part.is_independent() or part.latents == 1 for part in self.of)
        return parts and PRIORS[self.kind].is_independent

    def reads_factors(self) -> bool:
        """Whether the training factors are needed to make it."""
        return any("factors" in PRIORS[kind].settings for kind in self.kinds())

    def is_a_program(self) -> bool:
        """Whether a user's file is needed to make it."""
        return any("path" in PRIORS[kind].settings for kind in self.kinds())

    def words(self) -> str:
        """The prior in a word."""
        return f"{self.kind}({', '.join(part.words() for part in self.of)})" if self.of else self.name or self.kind


@dataclass(frozen=True)
class Mmd:
    """How the codes of a batch are compared with samples of the prior (auxvae.losses.mmd).

    kernel and scales: the joint kernel, a mixture over `scales` times the bandwidth. bandwidth: `prior` is the mean
    squared distance of two prior samples, `median` the median squared distance of codes and prior samples of the
    batch, a number is itself (in squared units of the latents). block: mean over blocks of so many rows, linear in the
    batch. queue: so many codes of earlier batches stand beside the batch. pairs: `all` pairs of latents, or so many
    drawn at random in each step. width: of the RBF kernel of a single latent, in marginals and pairs; a width of 1 sees
    a correlation best, a smaller one the corners of a uniform prior.
    """

    kernel: Literal["imq", "rbf", "laplace", "rational_quadratic"] = "imq"
    bandwidth: Literal["prior", "median"] | Positive = "prior"
    scales: tuple[Positive, ...] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
    block: Annotated[int, Range(2)] | None = None
    queue: Annotated[int, Range(0, 1_000_000)] = 0
    width: Positive = 1.0
    pairs: Literal["all"] | Count = "all"

    def faults(self, where: str) -> list[Fault]:
        """An empty list of scales, and blocks together with a queue."""
        faults = []
        if not self.scales:
            faults.append(Fault(f"{where}.scales", Words("an empty list"), "a scale is needed", "write [1.0]"))
        if self.block and self.queue:
            text = "blocks cut a large batch down and a queue makes a small one larger"
            faults.append(Fault(f"{where}.queue", self.queue, text, "take one of the two"))
        return faults


def dimension_fault(spec: PriorSpec, where: str, latents: int, residual: int, aux: int) -> Iterator[Fault]:
    """A prior whose dimension differs from its block of latents.

    residual and aux: how many factors of the data set are no auxiliary variables, and how many are.
    """
    dimensions = PRIORS[spec.kind].dimensions
    size = dimensions(spec, residual, aux) if dimensions else spec.latents
    wrong = size not in (None, latents)
    if wrong or spec.latents not in (None, latents):
        value = Words(f"a prior of {size} dimensions")
        text = f"it is for a block of {latents} latents"
        yield Fault(where, value, text, "change the latents, or divide them with kind: blocks")
    if spec.kind == "blocks" and not wrong:
        for i, part in enumerate(spec.of):
            yield from dimension_fault(part, f"{where}.of[{i}]", part.latents or 0, residual, aux)

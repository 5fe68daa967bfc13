"""What a config may say of the latents: the prior that they are to follow, and the kernel that compares them with it.

A prior is written as one word or as a section with `kind`; it is the prior of the latents that are not told.

    normal      N(0, 1)                     uniform    on [-sqrt 3, sqrt 3]            laplace   of scale 1/sqrt 2
    mixture     `components` Gaussians at equal steps from -2 to 2, each of width `std`, rescaled to unit variance
    grid        `levels` equal steps, rescaled to unit variance
    product     the marginals in `of`, one latent each, in turn until every latent has one
    blocks      the priors in `of`, each for its own number of `latents`, in order
    auxiliary   N(u_j, std^2), one latent for each told factor u_j in [0, 1], std 0.1: what the told latents follow
    empirical   rows of the training factors in `factors` (of those not told, if none is named), standardised:
                their dependence is part of it
    file        the class `name` of the Python file `path`: docs/own_prior.md
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from foundation.declare import NAME, Count, Positive, Range
from foundation.faults import Fault, Words, listed

Kind = Literal["normal", "uniform", "laplace", "mixture", "grid", "product", "blocks", "auxiliary", "empirical", "file"]
TAKES: dict[str, tuple[str, ...]] = {
    "normal": (),
    "uniform": (),
    "laplace": (),
    "mixture": ("components", "std"),
    "grid": ("levels",),
    "product": ("of",),
    "blocks": ("of",),
    "auxiliary": ("std",),
    "empirical": ("factors",),
    "file": ("path", "name", "sha256"),
}
NEEDS = {"product": ("of",), "blocks": ("of",), "file": ("path", "name")}


@dataclass(frozen=True)
class PriorSpec:
    """A prior as declared; `latents` is the size of its block inside `blocks`, sha256 that of a file's bytes."""

    BARE: ClassVar[str] = "kind"

    kind: Kind = "normal"
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
        takes = TAKES[self.kind]
        for name in {name for names in TAKES.values() for name in names} - {*takes}:
            if value := getattr(self, name):
                text = f"the prior {self.kind} takes {listed(takes)}"
                yield Fault(f"{where}.{name}", Words(f"{value}"), text, "take it away")
        for name in NEEDS.get(self.kind, ()):
            if not getattr(self, name):
                yield Fault(f"{where}.{name}", Words("nothing"), f"the prior {self.kind} needs it", "add it")

    def _parts(self, where: str) -> Iterator[Fault]:
        for i, part in enumerate(self.of):
            place = f"{where}.of[{i}]"
            if self.kind == "blocks" and part.latents is None:
                yield Fault(f"{place}.latents", Words("nothing"), "each block says how many latents it has", "add it")
            if self.kind == "product" and part.kind in ("product", "blocks", "auxiliary", "empirical"):
                yield Fault(f"{place}.kind", part.kind, "a marginal is a prior of one latent", "take another kind")

    def _file(self, where: str) -> Iterator[Fault]:
        if self.path and not Path(self.path).is_file():
            yield Fault(f"{where}.path", self.path, "a Python file with the prior must be there", "correct the path")
        if self.name and not NAME.fullmatch(self.name):
            yield Fault(f"{where}.name", self.name, "it is the name of a class", "correct it")

    def has_density(self) -> bool:
        """Whether log p(z) is finite for every z, so that a KL divergence from the prior exists."""
        parts = all(part.has_density() for part in self.of)
        return parts and self.kind in ("normal", "laplace", "mixture", "product", "blocks", "file")

    def is_independent(self) -> bool:
        """Whether its latents are known to be independent of each other."""
        return self.kind not in ("empirical", "file") and all(p.is_independent() or p.latents == 1 for p in self.of)

    def reads_factors(self) -> bool:
        """Whether the training factors are needed to make it."""
        return self.kind == "empirical" or any(part.reads_factors() for part in self.of)

    def is_a_program(self) -> bool:
        """Whether a user's file is needed to make it."""
        return self.kind == "file" or any(part.is_a_program() for part in self.of)

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
        found = []
        if not self.scales:
            found.append(Fault(f"{where}.scales", Words("an empty list"), "a scale is needed", "write [1.0]"))
        if self.block and self.queue:
            text = "blocks cut a large batch down and a queue makes a small one larger"
            found.append(Fault(f"{where}.queue", self.queue, text, "take one of the two"))
        return found


def dimension_fault(spec: PriorSpec, where: str, latents: int, factors: int, told: int) -> Iterator[Fault]:
    """A prior whose dimension differs from the block of latents that it is for; so many factors are told, or not."""
    sizes = {
        "blocks": sum(part.latents or 0 for part in spec.of),
        "empirical": len(spec.factors) or factors,
        "auxiliary": told,
    }
    wrong = spec.kind in sizes and sizes[spec.kind] != latents
    if wrong or (spec.latents is not None and spec.latents != latents):
        value = Words(f"a prior of {sizes.get(spec.kind, spec.latents)} dimensions")
        text = f"it is for a block of {latents} latents"
        yield Fault(where, value, text, "change the latents, or divide them with kind: blocks")
    if spec.kind == "blocks" and not wrong:
        for i, part in enumerate(spec.of):
            yield from dimension_fault(part, f"{where}.of[{i}]", part.latents or 0, factors, told)

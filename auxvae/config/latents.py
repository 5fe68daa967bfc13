"""What a config may say of the latents: the prior that they are to follow, and the kernel that compares them with it.

A prior is written as one word or as a section with `kind`; it is the prior of the residual latents. The kinds stand in
auxvae.config.priors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.dataclasses import dataclass

from auxvae.config.priors import PRIORS
from foundation.faults import Fault, Words, listed
from foundation.fields import NAME, SECTION, Count, Many, OneOf, Positive, Range, Section, Text, Whole, refused


@dataclass(frozen=True, config=SECTION)
class PriorSpec(Section):
    """A prior of the residual latents, or of some of them."""

    kind: Annotated[Text, OneOf(PRIORS)] = "normal"
    """`normal`, `uniform`, `laplace`: mean 0 and variance 1 for every latent; the others: below"""

    components: Annotated[Whole, Range(2, 64)] | None = None
    """of a `mixture`: number of Gaussians"""

    std: Positive | None = None
    """of a `mixture` or of `auxiliary`: width of each Gaussian"""

    levels: Annotated[Whole, Range(2, 4096)] | None = None
    """of a `grid`: number of levels"""

    of: Many[PriorSpec] = ()
    """of a `product` or of `blocks`: the priors that it is made of"""

    latents: Count | None = None
    """of a prior inside `blocks`: the number of its latents"""

    factors: Many[Text] = ()
    """of `empirical`: names of factors; all that are no auxiliary variables, if none is named"""

    path: Text | None = None
    """of a `file`: where the Python file stands"""

    name: Text | None = None
    """of a `file`: the class in it"""

    sha256: Text | None = None
    """of a `file`: the digest of its bytes, which a study fills in"""

    @model_validator(mode="before")
    @classmethod
    def _from_a_word(cls, value: Any) -> Any:
        if isinstance(value, str) and value.endswith(".py"):
            text = "a prior of your own is a section"
            raise refused(Fault("", value, text, f"write {{kind: file, path: {value[:60]}, name: ...}}"))
        if isinstance(value, Mapping) and "kind" not in value and (kind := _kind_of(value)):
            raise refused(
                Fault(".kind", Words("nothing"), "a prior with settings says its kind", f"add 'kind: {kind}'")
            )
        return {"kind": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A prior is written as one word too."""
        return {"anyOf": [{"enum": [*PRIORS]}, handler(schema)]}

    def faults(self) -> Iterator[Fault]:
        """Settings that the kind does not take, settings that it needs, and blocks without their sizes."""
        yield from self._settings()
        yield from self._parts()
        yield from self._file()

    def _settings(self) -> Iterator[Fault]:
        takes = PRIORS[self.kind].settings
        for name in {name for kind in PRIORS.values() for name in kind.settings} - takes.keys():
            if value := getattr(self, name):
                text = f"the prior {self.kind} takes {listed(takes)}"
                yield Fault(f".{name}", value, text, "take it away")
        for name in PRIORS[self.kind].needs:
            if not getattr(self, name):
                yield Fault(f".{name}", Words("nothing"), f"the prior {self.kind} needs it", "add it")

    def _parts(self) -> Iterator[Fault]:
        for i, part in enumerate(self.of):
            place = f".of[{i}]"
            if self.kind == "blocks" and part.latents is None:
                yield Fault(f"{place}.latents", Words("nothing"), "each block says how many latents it has", "add it")
            if self.kind == "product" and not PRIORS[part.kind].is_marginal():
                yield Fault(f"{place}.kind", part.kind, "a marginal is a prior of one latent", "take another kind")

    def _file(self) -> Iterator[Fault]:
        if self.path and not os.path.isfile(self.path):  # noqa: PTH113, false too for a name that is too long
            yield Fault(".path", self.path, "a Python file with the prior must be there", "correct the path")
        if self.name and not NAME.fullmatch(self.name):
            yield Fault(".name", self.name, "it is the name of a class", "correct it")

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

    def parts(self, latents: int) -> list[tuple[PriorSpec, int]]:
        """Each part of it with its number of latents; the marginals of a product in turn, one latent each."""
        if self.kind == "product":
            return [(self.of[j % len(self.of)], 1) for j in range(latents)]
        return [(part, part.latents or 0) for part in self.of]

    def made_of(self, latents: int, columns: Callable[[tuple[str, ...]], tuple[str, ...]]) -> tuple[str, ...]:
        """The factor whose distribution is the prior of each latent, '' for none.

        columns: names of the columns of some factors; of those that are no auxiliary variables, where none is named.
        """
        if self.kind == "empirical":
            return columns(self.factors)
        names = tuple(name for part, size in self.parts(latents) for name in part.made_of(size, columns))
        return names or ("",) * latents

    def words(self) -> str:
        """The prior in a word."""
        if self.path:
            return f"{self.name} of {self.path}"
        return f"{self.kind}({', '.join(part.words() for part in self.of)})" if self.of else self.kind


def _kind_of(settings: Mapping[Any, Any]) -> str:
    """The first kind that takes a setting among these; empty if none does."""
    taking = (name for name, kind in PRIORS.items() if kind.settings.keys() & settings.keys())
    return next(taking, "")


@dataclass(frozen=True, config=SECTION)
class Mmd(Section):
    """How the codes of a batch are compared with samples of the prior (auxvae.losses.mmd)."""

    kernel: Literal["imq", "rbf", "laplace", "rational_quadratic"] = "imq"
    """of the joint term, formulas in auxvae/losses/kernels.py"""

    bandwidth: Literal["prior", "median"] | Positive = "prior"
    """`prior`: mean squared distance of two prior samples; `median`: median squared distance of codes and prior samples
    in the batch; or a number, in squared units of the latents"""

    scales: Many[Positive] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
    """the joint kernel is a mixture over these times the bandwidth"""

    block: Annotated[Whole, Range(2, 1_000_000)] | None = None
    """the joint term as a mean over blocks of so many rows: linear in a large batch"""

    queue: Annotated[Whole, Range(0, 1_000_000)] = 0
    """so many codes of the latest batches stand beside the batch, no more than there are training rows; not with a
    `block`"""

    width: Positive = 1.0
    """of the RBF kernel of a single latent, in `mmd_marginal` and `mmd_pairs`: 1 sees a correlation best, a smaller one
    the corners of a uniform prior"""

    pairs: Literal["all"] | Count = "all"
    """pairs of latents in `mmd_pairs`: all, or so many drawn at random in each step"""

    def faults(self) -> Iterator[Fault]:
        """An empty list of scales, and blocks together with a queue."""
        if not self.scales:
            yield Fault(".scales", Words("an empty list"), "a scale is needed", "write [1.0]")
        if self.block and self.queue:
            text = "blocks cut a large batch down and a queue makes a small one larger"
            yield Fault(".queue", self.queue, text, "take one of the two")


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

"""The study: coverages, groups of runs, training, analyses; and what it unfolds to, runs and fleets.

Only the standard library is imported here, because this module also runs inside the Snakefile. A group of runs is
the product of its lists: coverages x weights x seeds of one method. A run is everything that decides its bytes; its
id is a readable slug and a short hash of its canonical JSON. A fleet is the runs of equal shape on the same data
that one process trains together; they may differ in method, coverage, weights and seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from auxvae.config.latents import Mmd, PriorSpec
from auxvae.config.methods import DIVERGENCES, METHODS, Method, default_weights
from foundation.declare import Count, NonNegative, Positive, Range, read
from foundation.faults import Fault, Refused, Words
from foundation.files import digest_of

T = TypeVar("T")


@dataclass(frozen=True)
class Network:
    """The network by name, its latent dimension d_Z, its width (auxvae.models.backbones), that of a second network."""

    name: Literal["conv4", "residual", "mlp"] = "conv4"
    latents: Annotated[int, Range(1, 512)] = 10
    width: Annotated[int, Range(4, 512)] = 32
    second: Annotated[int, Range(1, 4096)] = 256


@dataclass(frozen=True)
class Training:
    """How long and how a run is trained; every run of a fleet alike.

    schedule: one_cycle rises linearly over the first tenth and falls with a cosine; cosine only falls; constant
    stays. clip bounds the norm of a run's gradient. patience stops a run after so many epochs without a better
    validation loss. keep says which weights are scored: those of the best validation epoch or the last. A second
    network (discriminator, critics, learned prior) has its own learning rate, on the same schedule.
    """

    epochs: Count = 18
    batch: Annotated[int, Range(2)] = 64
    learning_rate: Positive = 5e-3
    second_learning_rate: Positive = 1e-3
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    clip: Positive | None = 2e4
    patience: Count | None = None
    keep: Literal["best", "last"] = "best"


@dataclass(frozen=True)
class Sensitivity:
    """Scales of the latent perturbations, in standard deviations of each latent, and how many images they see.

    Without a number, 1,024 images or all test rows where there are fewer.
    """

    scales: tuple[Positive, ...] = (0.25, 0.5, 1.0, 2.0)
    images: Annotated[int, Range(2)] | None = None

    def rows(self, test: int) -> int:
        """Number of images out of so many test rows."""
        return min(1024, test) if self.images is None else self.images

    def faults(self, where: str) -> list[Fault]:
        """An empty list of scales."""
        empty = Fault(f"{where}.scales", Words("an empty list"), "at least one scale is needed", "write [1.0]")
        return [] if self.scales else [empty]


@dataclass(frozen=True)
class Traversal:
    """Steps along each latent, from low to high quantile of the test codes, from so many images."""

    steps: Annotated[int, Range(2, 21)] = 7
    images: Annotated[int, Range(1, 8)] = 1


@dataclass(frozen=True)
class Analyses:
    """What is computed from every trained run, beside its scores."""

    sensitivity: Sensitivity = field(default_factory=Sensitivity)
    traversal: Traversal = field(default_factory=Traversal)
    bootstrap: Annotated[int, Range(20)] = 200


@dataclass(frozen=True)
class Group:
    """Runs of one method that differ in coverage, weights and seed: the product of the three lists.

    likelihood: `noise` takes what the data set's noise says; `gaussian` takes `sigma` (in the image's unit), `poisson`
    takes counts over no sky, `bernoulli` images in [0, 1]; `log10` is the published one. prior is that of the latents
    that are not told (config.latents), prior_variance that of the told ones, a number or 1/n with n the training rows.
    encoder: a Gaussian posterior or a point; the method's own where nothing is said. mmd: the kernel of the MMD terms.
    degree is K of the inter-independence, aux_degree that of explicitness and intra-independence; normalise means over
    powers in place of sums; interactions adds products of factors. capacity: nats that an annealed VAE reaches after
    the first third of the steps. cooling: how many times kl_free counts at first. network and training: keys that
    differ from those of the study.
    """

    method: str
    dataset: str = ""
    preset: Literal["default", "paper"] = "default"
    coverages: tuple[str, ...] = ()
    weights: dict[str, tuple[NonNegative, ...]] = field(default_factory=dict)
    seeds: tuple[Annotated[int, Range(0, 2**63 - 1)], ...] = (0,)
    likelihood: Literal["noise", "gaussian", "poisson", "bernoulli", "log10"] = "noise"
    sigma: Positive | None = None
    prior: PriorSpec | None = None
    encoder: Literal["gaussian", "deterministic"] | None = None
    mmd: Mmd = field(default_factory=Mmd)
    capacity: NonNegative = 25.0
    cooling: Annotated[float, Range(1)] = 133.0
    prior_variance: Positive | Literal["1/n"] = "1/n"
    degree: Annotated[int, Range(1, 6)] = 3
    aux_degree: Annotated[int, Range(1, 6)] = 1
    normalise: bool = True
    interactions: bool = False
    activation: Literal["silu", "gelu", "relu"] = "silu"
    network: Network | None = None
    training: Training | None = None

    def weightings(self) -> Iterator[dict[str, float]]:
        """Every combination of the weights given, over the method's defaults."""
        defaults = default_weights(self.method, self.preset)
        for values in itertools.product(*self.weights.values()):
            yield {**defaults, **dict(zip(self.weights, values, strict=True))}


@dataclass(frozen=True)
class Config:
    """A study as written; `datasets` is read by the simulations."""

    study: str
    datasets: dict[str, Any]
    runs: tuple[Group, ...]
    coverages: dict[str, tuple[str, ...]] = field(default_factory=dict)
    network: Network = field(default_factory=Network)
    training: Training = field(default_factory=Training)
    analyses: Analyses = field(default_factory=Analyses)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    runs_per_fleet: Count = 64


@dataclass(frozen=True)
class Source:
    """The data set that a run is trained on: enough to refuse another one."""

    name: str
    digest: str
    factors: tuple[str, ...]
    stamp: int
    channels: int
    train: int


@dataclass(frozen=True)
class Run:
    """One model: everything that decides its bytes, and nothing else."""

    dataset: Source
    network: Network
    activation: str
    method: str
    coverage: str
    aux: tuple[str, ...]
    weights: dict[str, float]
    likelihood: str
    sigma: float | None
    prior: PriorSpec
    encoder: str
    mmd: Mmd
    capacity: float
    cooling: float
    prior_variance: float
    degree: int
    aux_degree: int
    normalise: bool
    interactions: bool
    training: Training
    seed: int

    @property
    def id(self) -> str:
        """Readable slug and eight digits of the hash: the run's folder."""
        parts = [self.dataset.name, self.method, self.coverage, f"s{self.seed}", digest_of(asdict(self))[:8]]
        return "-".join(filter(None, parts))

    @property
    def settings(self) -> Any:
        return self

    @property
    def modules(self) -> tuple[str, ...]:
        return ()

    def record(self) -> Any:
        import json

        return json.loads(json.dumps(asdict(self)))

    def agrees_with(self, record: Any) -> bool:
        return bool(self.record() == record)

    @property
    def composition(self) -> Method:
        """The method's entry in the table."""
        return METHODS[self.method]

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the loss terms, in the order of the method's table whatever the order of the weights."""
        return tuple(self.composition.weights)

    @property
    def needs_density(self) -> bool:
        """Whether a term needs log p(z) of its prior."""
        return bool(DIVERGENCES & {*self.terms})

    @property
    def title(self) -> str:
        """The run in a table's words."""
        return " ".join(filter(None, (self.method, self.coverage, f"seed {self.seed}")))


@dataclass(frozen=True)
class Fleet:
    """Runs of equal shape that one process trains together on one data set."""

    runs: tuple[Run, ...]

    @property
    def id(self) -> str:
        """Data set, network, and a hash of the runs."""
        first = self.runs[0]
        name = f"{first.dataset.name}-{first.network.name}-{first.network.latents}"
        return f"{name}-{digest_of([run.id for run in self.runs])[:8]}"

    def to_json(self) -> dict[str, Any]:
        """The fleet as plain JSON."""
        return asdict(self)


def fleets(runs: tuple[Run, ...], most: int) -> tuple[Fleet, ...]:
    """Runs gathered by data set and shape, at most so many together."""
    shapes: dict[str, list[Run]] = {}
    for run in runs:
        shape = digest_of([asdict(run.dataset), asdict(run.network), asdict(run.training)])
        shapes.setdefault(shape, []).append(run)
    return tuple(
        Fleet(tuple(alike[start : start + most])) for alike in shapes.values() for start in range(0, len(alike), most)
    )


def read_run(value: object) -> Run:
    """A run from its JSON."""
    return _whole(Run, value, "run")


def read_analyses(value: object) -> Analyses:
    """Analyses from their JSON."""
    return _whole(Analyses, value, "analyses")


def _whole(kind: type[T], value: object, where: str) -> T:
    faults: list[Fault] = []
    made = read(kind, value, where, faults)
    if not isinstance(made, kind):
        raise Refused(faults)
    return made

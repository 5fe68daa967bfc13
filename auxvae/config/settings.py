"""The settings of a group of runs that change a run's bytes, each declared here and nowhere else.

A group (config.spec) takes them as its keys; a run (config.run) holds them resolved: with the method's values where
the config says nothing, and with numbers in place of words.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from auxvae.config.latents import Mmd, PriorSpec
from auxvae.config.methods import Method
from foundation.declare import NonNegative, Positive, Range
from foundation.files import digest_file


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a group of runs may set beside its method, coverages, weights and seeds.

    likelihood: `noise` takes what the data set's noise says; `gaussian` takes `sigma` (in the image's unit), `poisson`
    takes counts over no sky, `bernoulli` images in [0, 1]; `log10` is the published one. prior is that of the residual
    latents (config.latents), prior_variance that of the auxiliary ones, a number or 1/n with n the training rows.
    encoder: a Gaussian posterior or a point; the method's where nothing is said. mmd: the kernel of the MMD terms.
    degree is K of the inter-independence, aux_degree that of explicitness and intra-independence; normalise means over
    powers in place of sums; interactions adds products of factors. capacity: nats that an annealed VAE reaches after
    the first third of the steps. cooling: weight of kl_free at the start of the training, relative to its end.
    """

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


def resolved(settings: Settings, method: Method, rows: int) -> Settings:
    """The settings of a run on so many training rows: the method's prior and encoder where none is named, 1/n a number.

    The queue holds no more codes than there are training rows.
    """
    return replace(
        settings,
        prior=with_digest(settings.prior or PriorSpec(method.prior)),
        encoder=settings.encoder or method.encoder,
        mmd=replace(settings.mmd, queue=min(settings.mmd.queue, rows)),
        prior_variance=1 / rows if settings.prior_variance == "1/n" else settings.prior_variance,
    )


def with_digest(prior: PriorSpec) -> PriorSpec:
    """A prior from a file carries the digest of its bytes, since they decide the run's."""
    digest = digest_file(Path(prior.path)) if prior.path else None
    return replace(prior, sha256=digest, of=tuple(with_digest(part) for part in prior.of))

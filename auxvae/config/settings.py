"""The settings of a group of runs that change a run's bytes, each declared here and nowhere else.

A group (config.spec) takes them as its keys; a run (config.run) holds them resolved: with the method's values where
the config says nothing, and with numbers in place of words.
"""

from __future__ import annotations

from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic.dataclasses import dataclass

from auxvae.config.denoisers import digest_of_denoiser
from auxvae.config.diffusion import Diffusion
from auxvae.config.imperfect import Imperfect
from auxvae.config.latents import Mmd, PriorSpec
from auxvae.config.methods import Method
from auxvae.config.module import Module
from auxvae.config.training import A_GROUP_EACH
from foundation.faults import Fault, Refused, Words
from foundation.fields import SECTION, Flag, Many, Name, NonNegative, Number, Positive, Range, Section, Text, Whole
from foundation.files import digest_file


@dataclass(frozen=True, kw_only=True, config=SECTION)
class Settings(Section):
    """What a group of runs may set beside its method, coverages, weights and seeds."""

    SEVERAL: ClassVar[str] = A_GROUP_EACH

    likelihood: Literal["noise", "gaussian", "poisson", "counts", "bernoulli", "log10"] = "noise"
    """`noise`: what the noise of the data says, photons on Anscombe's scale; `gaussian` with `sigma`; `poisson`: counts
    over no sky, on Anscombe's scale; `counts`: the Poisson distribution itself, over the sky of the data; `bernoulli`:
    images in [0, 1]; `log10`: the published one"""

    sigma: Positive | None = None
    """standard deviation of the `gaussian` likelihood, in the image's unit"""

    prior: PriorSpec | None = None
    """the prior of the residual latents: a word or a section, [below](#a-prior); `null` for the method's"""

    encoder: Literal["gaussian", "deterministic"] | None = None
    """a Gaussian posterior or a point: `ae_mmd` and `wae_mmd` take both; `null` for the method's"""

    inputs: Many[Text] = ()
    """what encoder and decoder are given beside every image, without a latent for it
    ([the PSF, say](own_images.md#the-psf-beside-the-image)): factors of the data set, declared auxiliary variables, and
    of a converted store `psf`, `psf_fwhm` and `pixel_scale`"""

    contexts: Many[Name] = ()
    """the contexts of the data set whose training and validation rows are read; all that have any, if none is named"""

    module: Module = field(default_factory=Module)
    """the context module of `context` and `context_pooled`, [below](#a-context-module)"""

    diffusion: Diffusion = field(default_factory=Diffusion)
    """levels of noise, learning and sampler of `sami` and `aux_sami`, [below](#a-diffusion)"""

    mmd: Mmd = field(default_factory=Mmd)
    """how codes and prior are compared, [below](#an-mmd): `ae_mmd` has a `queue` of 768, `aux_mmd` one of 960 and a
    `width` of 0.7"""

    capacity: NonNegative = 25.0
    """nats that `annealed_vae` reaches after the first third of the training"""

    cooling: Annotated[Number, Range(1)] = 133.0
    """factor on the KL divergence of the residual latents at first (terms `kl_early`, `kl_free`), which falls to 1"""

    cooling_from: Annotated[Number, Range(0, 1)] = 0.65
    """share of the training after which that factor falls, log-linearly"""

    cooling_until: Annotated[Number, Range(0, 1)] = 0.95
    """share of the training after which it is 1"""

    prior_variance: Positive | Literal["1/n"] = "1/n"
    """variance of the prior of the auxiliary latents; n is the number of training rows"""

    imperfect: Imperfect | None = None
    """what is wrong with the auxiliary variables in training, [below](#imperfect-auxiliary-variables): noise, bias,
    exchanges, gaps; `null`: nothing"""

    measured: Many[Text] = ()
    """names of measurements of the data set, which the models are given in place of the factors that they measure, with
    their errors ([how](measurements.md)); scores are against the factors"""

    errors: Literal["of_image", "independent", "ignored"] = "of_image"
    """of measurements: the prior of an auxiliary latent widens by each; `of_image`: measured on the image that the
    model sees, so that posteriors are wider by them; `independent`: measured elsewhere, so that posteriors are narrower
    than their distances from the measurements; `ignored`: all are exact"""

    degree: Annotated[Whole, Range(1, 6)] = 3
    """K of the inter-independence"""

    aux_degree: Annotated[Whole, Range(1, 6)] = 1
    """K of explicitness and intra-independence"""

    correlation: Literal["unbiased", "absolute"] = "unbiased"
    """how intra- and inter-independence measure correlations of powers: `unbiased`, their squares without bias;
    `absolute`, the published |rho| over the batch, which is least at a dependence"""

    earlier: Annotated[Whole, Range(0, 1_000_000)] = 960
    """codes of earlier batches that the unbiased correlations are averaged over, beside those of the batch"""

    normalise: Flag = True
    """means over powers in place of sums"""

    interactions: Flag = False
    """products of factors in the inter term"""

    activation: Literal["silu", "gelu", "relu"] = "silu"
    """between the layers of encoder and decoder"""


def resolved(settings: Settings, method: Method, rows: int) -> Settings:
    """The settings of a run on so many training rows: the method's prior and encoder where none is named, 1/n a number.

    The queue holds no more codes than there are training rows.
    """
    return replace(
        settings,
        prior=with_digest(settings.prior or PriorSpec(method.prior)),
        diffusion=_with_digest(settings.diffusion),
        encoder=settings.encoder or method.encoder,
        mmd=replace(settings.mmd, queue=min(settings.mmd.queue, rows)),
        prior_variance=1 / rows if settings.prior_variance == "1/n" else settings.prior_variance,
    )


def _with_digest(diffusion: Diffusion) -> Diffusion:
    """A denoiser that was trained before carries the digest of its files, since they decide the run's bytes."""
    if not diffusion.denoiser:
        return diffusion
    digest = digest_of_denoiser(diffusion.denoiser)
    if diffusion.sha256 not in (None, digest):
        value, text = Words(f"files of the digest {digest}"), f"the config was written for {diffusion.sha256}"
        raise Refused(Fault(diffusion.denoiser, value, text, "take the denoiser of that digest, or leave sha256 away"))
    return replace(diffusion, sha256=digest)


def with_digest(prior: PriorSpec) -> PriorSpec:
    """A prior from a file carries the digest of its bytes, since they decide the run's."""
    digest = digest_file(Path(prior.path)) if prior.path else None
    return replace(prior, sha256=digest, of=tuple(with_digest(part) for part in prior.of))

"""The diffusion of a score-based autoencoder (auxvae.losses.score): its noise, what learns from what, its sampler."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from foundation.faults import Fault
from foundation.fields import SECTION, Count, Flag, NonNegative, Number, Range, Section, Text, Whole

LEAST_SPAN = 1.0  # of levels
AVERAGE = 0.998
LogSnr = Annotated[Number, Range(-20, 20)]


@dataclass(frozen=True, config=SECTION)
class Diffusion(Section):
    """Levels of noise are log signal-to-noise ratios of standardised images, log(alpha^2 / sigma^2)."""

    schedule: Literal["uniform", "cosine", "linear"] = "uniform"
    """how levels are drawn in training and spaced in sampling: `uniform`, `cosine` (arXiv:2102.09672), or `linear`, the
    variance-preserving schedule of arXiv:2006.11239"""

    low: LogSnr = -9.0
    """the noisiest level, where sampling starts"""

    high: LogSnr = 2.5
    """the cleanest level, where sampling ends"""

    guided_until: LogSnr = -1.0
    """the cleanest level at which the encoder guides the denoiser: cleaner images tell it little"""

    weighting: Literal["bound", "simple"] = "bound"
    """of the levels: `bound`, by which the terms are the evidence lower bound; `simple`, equal at all levels that are
    drawn, as published. The same for `uniform`"""

    learning: Literal["apart", "joint", "first"] = "apart"
    """what the denoiser learns from: `apart`, its own term alone, beside the encoder; `joint`, the guided term too, as
    published; `first`, its own term, before the encoder, each with the whole schedule of the learning rate"""

    start: Annotated[Number, Range(0, 1)] = 0.5
    """of `first`: share of the training after which the encoder is trained and the denoiser is not"""

    versions: Annotated[Whole, Range(0, 64)] = 0
    """of a denoiser that is not trained: so many noisy versions of each training image, whose errors are computed once
    and kept, at 4 bytes a pixel and version; 0: new noise in every epoch"""

    denoiser: Text | None = None
    """folder of a denoiser that was trained before, [how](sami.md#a-denoiser-from-elsewhere): it is neither trained nor
    averaged, and the encoder alone learns"""

    sha256: Text | None = None
    """of `denoiser`: the digest of its files, which a study fills in"""

    average: Annotated[Number, Range(0, 0.99999)] = AVERAGE
    """decay of the moving average of the denoiser's weights, by which images are sampled and scored"""

    gradient: Literal["first", "second"] = "first"
    """how the guided term is differentiated: by a central difference of log q(z|x), or through the gradient itself"""

    sees_level: Flag = False
    """whether the encoder is told the level of noise (ScoreVAE, arXiv:2304.12141); else it measures it"""

    detached: Flag = False
    """whether the guided term holds the latents fixed, so that it teaches the encoder through noisy images alone"""

    free_bits: NonNegative = 0.0
    """nats of each latent below which its divergence is not penalised further"""

    warm_up: Annotated[Number, Range(0, 1)] = 0.0
    """share of the training over which the weight of the divergence rises from 0, from where the encoder learns:
    without, latents may collapse before they say anything"""

    sampler: Literal["ddim", "ancestral"] = "ddim"
    """`ddim` (arXiv:2010.02502) adds no noise; `ancestral` does, the same for all images that are decoded"""

    steps: Count = 50
    """of the sampler"""

    scale: NonNegative = 1.0
    """of the guidance when images are decoded"""

    def faults(self) -> Iterator[Fault]:
        """Levels in the wrong order."""
        if self.high - self.low < LEAST_SPAN:
            text = f"the cleanest level is {self.high:g}, and they span {LEAST_SPAN:g} or more"
            yield Fault(".low", self.low, text, "lower it, or raise high")
        if not self.low < self.guided_until <= self.high:
            text = f"levels go from {self.low:g} to {self.high:g}"
            yield Fault(".guided_until", self.guided_until, text, "take one of these, above the lowest")
        if self.learning != "first" and self.start != 0.5:
            text = "the denoiser is trained throughout unless it learns first"
            yield Fault(".start", self.start, text, "write learning: first, or take it away")
        if self.learning == "first" and not 0 < self.start < 1:
            yield Fault(".start", self.start, "denoiser and encoder both learn for a while", "write a share between")
        if self.versions and not self.denoiser and self.learning != "first":
            text = "errors are kept of a denoiser that is not trained"
            yield Fault(".versions", self.versions, text, "write learning: first, name a denoiser, or take it away")
        if self.learning == "first" and self.warm_up > 1 - self.start + 1e-9:
            text = f"the encoder learns for {1 - self.start:g} of the training"
            yield Fault(".warm_up", self.warm_up, text, "lower it, or start sooner")
        if self.denoiser == "":
            yield Fault(".denoiser", self.denoiser, "it is the name of a folder", "name one, or take it away")
        if self.denoiser and self.average != AVERAGE:
            text = "a denoiser that was trained before is not averaged"
            yield Fault(".average", self.average, text, "take it away")
        if self.sha256 and not self.denoiser:
            yield Fault(".sha256", self.sha256, "it is the digest of a denoiser", "name that, or take it away")
        if self.denoiser and self.learning != "apart":
            text = "a denoiser that was trained before learns nothing here"
            yield Fault(".learning", self.learning, text, "take it away")


def collapse_faults(diffusion: Diffusion, weights: Sequence[float], where: str) -> Iterator[Fault]:
    """Weights of the divergence at which every latent is its prior: none can tell the denoiser more than it costs.

    Free bits cost nothing. Weights of `simple` are those of the bound where levels are drawn uniformly alone.
    """
    is_bound = diffusion.weighting == "bound" or diffusion.schedule == "uniform"
    for weight in weights:
        if is_bound and weight >= 1 and not diffusion.free_bits:
            text = "a latent of this weight or more costs what it tells the denoiser at most, and none is used"
            yield Fault(f"{where}.weights.kl_floored", weight, text, "lower it below 1, or give free_bits")

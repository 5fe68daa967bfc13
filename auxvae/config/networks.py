"""The tables of networks and of families of models, by dotted name, and how large the networks of a run are.

Names are resolved by `pkgutil.resolve_name`, so that no config needs torch. Adding a network is one entry here and one
function or class there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic.dataclasses import dataclass

from auxvae.config.training import A_GROUP_EACH
from foundation.faults import Fault
from foundation.fields import SECTION, OneOf, Range, Section, Text, Whole

STACKED_FAMILIES = {"autoencoder"}  # whose models say which of their attributes vary between runs
FAMILIES = {
    "autoencoder": "auxvae.losses.objective:AutoencoderModel",
    "score": "auxvae.losses.score:ScoreModel",
}


@dataclasses.dataclass(frozen=True)
class Backbone:
    """An entry of the table of networks.

    maker: dotted name of the function that makes it of a Shape. pixels_per_second: trained by one core, 33 x 33 pixels,
    width 32, on the machine of the README. growth: the exponent of the width by which its time grows, where that was
    measured. on_components: it reads and writes principal components, not pixels.
    stacked: runs are trained as one program (training.stack), which pays where a step is mostly overhead. family: of
    the methods that take it.
    """

    maker: str
    pixels_per_second: float
    on_components: bool = False
    stacked: bool = False
    family: str = "autoencoder"
    growth: float = 0.0


BACKBONES = {
    "components": Backbone("auxvae.models.component_networks:components", 18e6, on_components=True, stacked=True),
    "conv4": Backbone("auxvae.models.backbones:conv4", 1.2e6),
    "residual": Backbone("auxvae.models.backbones:residual", 0.35e6),
    "mlp": Backbone("auxvae.models.backbones:mlp", 5.4e6, stacked=True),
    "unet": Backbone("auxvae.models.score_network:build", 0.25e6, family="score", growth=1.1),
}


HALVED = 8  # how often a U-Net divides a side by 2, as a product (auxvae.models.denoiser)


def networks_of(family: str) -> list[str]:
    """The networks that methods of a family take: its own, or those of autoencoders where it has none."""
    of = family if any(each.family == family for each in BACKBONES.values()) else "autoencoder"
    return [name for name, each in BACKBONES.items() if each.family == of]


# Networks that are trained beside the model: `companion` of a method.
COMPANIONS = {
    "discriminator": "auxvae.models.critics:Discriminator",
    "critics": "auxvae.models.critics:Critics",
    "embeddings": "auxvae.models.critics:Embeddings",
    "learned_prior": "auxvae.models.critics:LearnedPrior",
    "factor_vae_of_u": "auxvae.models.critics:FactorVae",
}


@dataclass(frozen=True, config=SECTION)
class Network(Section):
    """The networks of a run by name and size."""

    SEVERAL: ClassVar[str] = A_GROUP_EACH

    name: Annotated[Text, OneOf(BACKBONES)] = "conv4"
    """`components` (an MLP between principal components of the images), `conv4`, `residual` (conv4 with residual blocks
    and GroupNorm) or `mlp`; `unet`, the denoiser and the encoder of `sami`"""

    latents: Annotated[Whole, Range(1, 512)] = 10
    """the latent dimension"""

    width: Annotated[Whole, Range(4, 512)] = 32
    """channels of the first layer; `components` has 8 times as many units, an `mlp` and the encoder of a `unet` 8 and 4
    times"""

    components: Annotated[Whole, Range(2, 4096)] | None = None
    """of `components`: how many the encoder is given; `null` for those whose signal has twice the variance of the noise
    or more, and for 64 where no noise is known"""

    second: Annotated[Whole, Range(1, 4096)] = 256
    """units per layer of a second network (discriminator, critics, embeddings, learned prior)"""

    def faults(self) -> Iterator[Fault]:
        """A number of components for a network that has none."""
        if self.components is not None and not BACKBONES[self.name].on_components:
            allowed = f"{self.name} reads pixels, not components"
            yield Fault(".components", self.components, allowed, "write null, or take it away")

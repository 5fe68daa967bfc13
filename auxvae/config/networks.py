"""The tables of networks and of families of models, by dotted name, and how large the networks of a run are.

Names are resolved by `pkgutil.resolve_name`, so that no config needs torch. Adding a network is one entry here and one
function or class there.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

from pydantic.dataclasses import dataclass

from foundation.fields import SECTION, OneOf, Range, Section, Text, Whole

FAMILIES = {"autoencoder": "auxvae.losses.objective:AutoencoderModel"}


@dataclasses.dataclass(frozen=True)
class Backbone:
    """An entry of the table of networks.

    maker: dotted name of the function that makes it of a Shape. pixels_per_second: trained by one core, 33 x 33 pixels,
    width 32, on the machine of the README.
    """

    maker: str
    pixels_per_second: float


BACKBONES = {
    "conv4": Backbone("auxvae.models.backbones:conv4", 1.2e6),
    "residual": Backbone("auxvae.models.backbones:residual", 0.35e6),
    "mlp": Backbone("auxvae.models.backbones:mlp", 5.4e6),
}

# Networks that are trained beside the model: `companion` of a method.
COMPANIONS = {
    "discriminator": "auxvae.models.critics:Discriminator",
    "critics": "auxvae.models.critics:Critics",
    "learned_prior": "auxvae.models.critics:LearnedPrior",
    "factor_vae_of_u": "auxvae.models.critics:FactorVae",
}


@dataclass(frozen=True, config=SECTION)
class Network(Section):
    """The networks of a run by name and size."""

    name: Annotated[Text, OneOf(BACKBONES)] = "conv4"
    """`conv4`, `residual` (conv4 with residual blocks and GroupNorm) or `mlp`"""

    latents: Annotated[Whole, Range(1, 512)] = 10
    """the latent dimension"""

    width: Annotated[Whole, Range(4, 512)] = 32
    """channels of the first layer; an `mlp` has 8 and 4 times as many units"""

    second: Annotated[Whole, Range(1, 4096)] = 256
    """units per layer of a second network (discriminator, critics, learned prior)"""

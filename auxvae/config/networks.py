"""The tables of networks and of families of models, by dotted name, and how large the networks of a run are.

Names are resolved by `pkgutil.resolve_name`, so that no config needs torch. Adding a network is one entry here and one
function or class there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from foundation.declare import OneOf, Range

FAMILIES = {"autoencoder": "auxvae.losses.objective:AutoencoderModel"}

BACKBONES = {
    "conv4": "auxvae.models.backbones:conv4",
    "residual": "auxvae.models.backbones:residual",
    "mlp": "auxvae.models.backbones:mlp",
}

# Networks that are trained beside the model: `companion` of a method.
COMPANIONS = {
    "discriminator": "auxvae.models.critics:Discriminator",
    "critics": "auxvae.models.critics:Critics",
    "learned_prior": "auxvae.models.critics:LearnedPrior",
    "factor_vae_of_u": "auxvae.models.critics:FactorVae",
}


@dataclass(frozen=True)
class Network:
    """The backbone by name, its latent dimension d_Z, its width (auxvae.models.backbones), the companion's width."""

    name: Annotated[str, OneOf(BACKBONES)] = "conv4"
    latents: Annotated[int, Range(1, 512)] = 10
    width: Annotated[int, Range(4, 512)] = 32
    second: Annotated[int, Range(1, 4096)] = 256

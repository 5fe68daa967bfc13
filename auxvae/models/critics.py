r"""Companion networks: trained together with the model, from codes or factors, never from images.

    discriminator    D(z): log odds that z came from q(z) and not from prod_j q(z_j)     FactorVAE, arXiv 1802.05983
                     or that residual latents and factors are those of one image         losses.adversarial
    critics          T_jk(z_j, u_k), one small network per pair                          MINE, arXiv 1801.04062
    embeddings       f(z) . g(u), of every code with every row's factors                 InfoNCE, arXiv 1807.03748
    learned_prior    u -> N(m(u), s(u)^2)                                                 iVAE, arXiv 1907.04809
    factor_vae_of_u  a VAE of the factors alone, whose encoder is the prior of z         IDVAE, arXiv 2007.00830

An adversary of the model is trained by a term of its own on codes without gradient, and the model's term uses it
`frozen`, with constant weights, so that one backward pass serves both. Deviations: six hidden layers as published for
the discriminator, two for critics and embeddings, three for the others, of `network.second` units (256; published 1000;
critics have a sixteenth), leaky ReLU 0.2; log variances are clamped to [-20, 10]. The prior of the iVAE is a Gaussian
whose mean and variance are networks of u.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from auxvae.models.backbones import ParallelLinear
from auxvae.models.priors import Gaussian

Codes = Float[Tensor, "B d"]


def layers(sizes: tuple[int, ...]) -> nn.Sequential:
    """Linear layers of these sizes with leaky ReLUs between them."""
    outputs: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        outputs += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*outputs[:-1])


class Discriminator(nn.Module):
    """Log odds that a code came from the joint distribution of the latents."""

    def __init__(self, latents: int, aux: int, width: int) -> None:
        """Six hidden layers."""
        super().__init__()
        self.odds = layers((latents, *(width,) * 6, 1))

    def forward(self, z: Codes) -> Float[Tensor, " B"]:
        """Log odds (B,) of codes (B, d_Z)."""
        odds: Tensor = self.odds(z)
        return odds[:, 0]


class Critics(nn.Module):
    """T_jk for every latent j and auxiliary variable k: two inputs, two hidden layers, all in one batched product."""

    def __init__(self, latents: int, aux: int, width: int) -> None:
        """Every pair has width / 16 hidden units, at least 8."""
        super().__init__()
        self.aux = aux
        pairs, hidden = latents * aux, max(8, width // 16)
        sizes = ((2, hidden), (hidden, hidden), (hidden, 1))
        parallel = [layer for a, b in sizes for layer in (ParallelLinear(pairs, a, b), nn.LeakyReLU(0.2))]
        self.critics = nn.Sequential(*parallel[:-1])

    def forward(self, z: Codes, u: Codes) -> Float[Tensor, "B d a"]:
        """Values (B, d_Z, a) for the pairs of columns of z and of the a auxiliary columns of u, each (B, d_Z)."""
        shape = (len(z), z.shape[1], self.aux)
        both = torch.stack([z[:, :, None].expand(shape), u[:, None, : self.aux].expand(shape)], -1)
        values: Tensor = self.critics(both.flatten(1, 2).transpose(0, 1))
        return values[..., 0].T.reshape(shape)


class Embeddings(nn.Module):
    """Value of every code with the auxiliary variables of every row: the inner product of an embedding of each."""

    def __init__(self, latents: int, aux: int, width: int) -> None:
        """Two hidden layers each, and width / 4 dimensions, at least 8."""
        super().__init__()
        sizes = (latents, width, width, max(8, width // 4))
        self.of_codes, self.of_variables = layers(sizes), layers(sizes)

    def forward(self, z: Codes, u: Codes) -> Float[Tensor, "B B"]:
        """Values (B, B), codes by row and auxiliary variables by column, of z and u, each (B, d_Z)."""
        values: Tensor = self.of_codes(z) @ self.of_variables(u).T
        return values


class LearnedPrior(nn.Module):
    """Mean and variance of every latent from the factors."""

    def __init__(self, latents: int, aux: int, width: int) -> None:
        """Three hidden layers."""
        super().__init__()
        self.aux = aux
        self.prior = layers((aux, *(width,) * 3, 2 * latents))

    def forward(self, u: Codes) -> Gaussian:
        """Mean and variance, each (B, d_Z), from u (B, d_Z), of which the first a columns are used."""
        return _gaussian(self.prior(u[:, : self.aux]))


class FactorVae(nn.Module):
    """A VAE of the factors: its encoder is the prior of the images' codes."""

    def __init__(self, latents: int, aux: int, width: int) -> None:
        """Encoder and decoder with three hidden layers each."""
        super().__init__()
        self.aux = aux
        self.encoder = layers((aux, *(width,) * 3, 2 * latents))
        self.decoder = layers((latents, *(width,) * 3, aux))

    def forward(self, u: Codes) -> Gaussian:
        """The encoder's Gaussian, each (B, d_Z), of each row of u (B, d_Z), of which the first a columns are used."""
        return _gaussian(self.encoder(u[:, : self.aux]))

    def decode(self, z: Codes) -> Float[Tensor, "B a"]:
        """The auxiliary variables (B, a) of codes (B, d_Z)."""
        outputs: Tensor = self.decoder(z)
        return outputs


def _gaussian(both: Float[Tensor, "B two_d"]) -> Gaussian:
    mean, log_variance = both.chunk(2, dim=1)
    return Gaussian(mean, log_variance.clamp(-20, 10).exp())


def frozen(network: nn.Module) -> Callable[..., Any]:
    """The network as a function whose weights get no gradient."""
    constants = {name: parameter.detach() for name, parameter in network.named_parameters()}
    return lambda *inputs: functional_call(network, constants, inputs)

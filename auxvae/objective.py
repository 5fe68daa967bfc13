"""The loss of one run: its random numbers by address, its prior, and every term of its method on a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from auxvae import priors
from auxvae.likelihoods import Likelihood
from auxvae.mmd import expected_features
from auxvae.networks import Autoencoder
from auxvae.priors import Gaussian, Prior
from auxvae.randomness import generator, normal
from auxvae.seen import Draws, Options, Seen
from auxvae.spec import Run
from auxvae.terms import TERMS
from auxvae.trial import free_prior


@dataclass(frozen=True)
class Objective:
    """The loss of one run as a function of its network, a batch and its draws; constants lie on the device.

    variance, expected and told are (d_Z, ...): variances and mean features of the prior's samples, and 1 for a told
    latent, else 0.
    """

    run: Run
    options: Options
    prior: Prior | None
    weights: Tensor
    told: Tensor
    told_variance: Tensor
    variance: Tensor
    expected: Tensor

    @classmethod
    def of(cls, run: Run, kind: Likelihood, factors: Mapping[str, Tensor], device: torch.device) -> Objective:
        """The objective of a run, from its training factors (N,) by name; a prior that does not hold is refused."""
        told = torch.zeros(run.network.latents)
        told[: len(run.told)] = 1
        prior, variance = free_prior(run, factors)
        expected = _expected(run, prior)
        density = prior if run.prior.kind != "normal" and prior is not None and run.prior.has_density() else None
        options = Options(
            kind, run.degree, run.aux_degree, run.normalise, run.interactions, run.composition.dependence,
            run.capacity, run.mmd, density, run.prior.is_independent(),
            run.cooling, "kl_free" in run.terms,
        )  # fmt: skip
        weights = torch.tensor([run.weights[name] for name in run.terms])
        told_variance = torch.tensor(1.0 if run.composition.conditional == "given" else run.prior_variance)
        here = [each.to(device) for each in (weights, told, told_variance, variance, expected)]
        return cls(run, options, prior, *here)

    def draw(self, purpose: str, index: int, u: Tensor, past: Tensor | None = None) -> Draws:
        """The random numbers of one step for a batch with factors u (B, told), beside codes of earlier steps."""
        rows, latents, seed = len(u), self.run.network.latents, self.run.seed
        device = self.told.device
        past = torch.zeros(0, latents, device=device) if past is None else past
        drawn = torch.zeros(rows + len(past), latents)
        if self.prior is not None:
            wanted = torch.zeros(len(drawn), 0)
            drawn[:, len(self.run.told) :] = self.prior.sample(wanted, generator(seed, f"{purpose} prior", index))
        order = torch.rand(rows, latents, generator=generator(seed, f"{purpose} order", index)).argsort(0)
        noise = normal(seed, purpose, index, (rows, latents))
        chosen = self._pairs(generator(seed, f"{purpose} pairs", index))
        return Draws(noise.to(device), drawn.to(device), order.to(device), chosen.to(device), past)

    def _pairs(self, source: torch.Generator) -> Tensor:
        """So many different pairs of latents, (2, P), as the run asks for."""
        every = torch.triu_indices(self.run.network.latents, self.run.network.latents, 1)
        if self.run.mmd.pairs == "all":
            return every
        return every[:, torch.randperm(every.shape[1], generator=source)[: self.run.mmd.pairs]]

    def values(
        self, network: Autoencoder, images: Tensor, u: Tensor, draws: Draws, progress: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Every term, (terms,), in the order of the run's weights, and the codes (B, d_Z); u is (B, told)."""
        padded = pad(u, (0, len(self.told) - u.shape[1]))
        posterior, image = network(images, padded, draws.noise)
        prior = self._given(network, padded)
        done = torch.tensor(progress, device=images.device)
        seen = Seen(
            images,
            padded,
            self.told,
            prior,
            posterior,
            image,
            *draws,
            self.variance,
            self.expected,
            done,
            network.second,
        )
        terms = [TERMS[name](seen, self.options) for name in self.run.terms]
        return torch.stack(terms), posterior.sample.detach()

    def _given(self, network: Autoencoder, u: Tensor) -> Gaussian:
        """p(z|u) of a batch; the IDVAE's prior learns from the factors alone, so that the model cannot move it."""
        if self.run.composition.conditional != "learned" or network.second is None:
            return priors.conditioned(u, self.told, self.told_variance)
        learned: Gaussian = network.second(u)
        still = self.run.composition.second == "factor_vae_of_u"
        return Gaussian(*(each.detach() for each in learned)) if still else learned


def _expected(run: Run, prior: Prior | None) -> Tensor:
    """Mean features of the prior, (d_Z, 2 m), those of a constant 0 for a told latent."""

    def draw(part: int) -> Tensor:
        rows = torch.zeros(4096, run.network.latents)
        if prior is not None:
            rows[:, len(run.told) :] = prior.sample(rows[:, :0], generator(0, "expected", part))
        return rows

    return expected_features(draw, run.mmd.width)

"""The loss of one run: its random numbers by address, its prior, and every term of its method on a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from auxvae.config.run import Run
from auxvae.data.likelihoods import Likelihood
from auxvae.data.randomness import generator, normal
from auxvae.losses.inputs import Draws, TermInputs, TermSettings
from auxvae.losses.mmd import expected_features
from auxvae.losses.terms import TERMS
from auxvae.models import priors
from auxvae.models.autoencoder import Autoencoder, Posterior
from auxvae.models.prior_checks import free_prior, some_rows
from auxvae.models.priors import Gaussian, Prior


@dataclass(frozen=True)
class Objective:
    """The loss of one run as a function of its network, a batch and its draws; constants lie on the device.

    variance, expected and told are (d_Z, ...): variances and mean features of the prior's samples, and 1 for a told
    latent, else 0. rows (N, told) are the training rows' factors, at which a prior that depends on them is sampled.
    """

    run: Run
    options: TermSettings
    prior: Prior | None
    weights: Tensor
    told: Tensor
    told_variance: Tensor
    variance: Tensor
    expected: Tensor
    rows: Tensor

    @classmethod
    def of(
        cls, run: Run, kind: Likelihood, factors: Mapping[str, Tensor], u: Tensor, device: torch.device
    ) -> Objective:
        """The objective of a run, from its training factors: (N,) by name in their units, and u (N, told) in [0, 1].

        A prior that does not hold is refused.
        """
        told = torch.zeros(run.network.latents)
        told[: len(run.aux)] = 1
        prior, variance = free_prior(run, factors)
        expected = _expected(run, prior, u)
        density = prior if run.prior.kind != "normal" and prior is not None and run.prior.has_density() else None
        options = TermSettings(
            likelihood=kind,
            degree=run.settings.degree,
            aux_degree=run.settings.aux_degree,
            normalise=run.settings.normalise,
            interactions=run.settings.interactions,
            dependence=run.composition.dependence,
            capacity=run.settings.capacity,
            mmd=run.mmd,
            density=density,
            independent=run.prior.is_independent(),
            cooling=run.settings.cooling,
            gated="kl_free" in run.terms,
        )
        weights = torch.tensor([run.weights[name] for name in run.terms])
        told_variance = torch.tensor(1.0 if run.composition.conditional == "copied" else run.prior_variance)
        constants = (weights, told, told_variance, variance, expected)
        weights, told, told_variance, variance, expected = (each.to(device) for each in constants)
        return cls(run, options, prior, weights, told, told_variance, variance, expected, u.cpu())

    def draw(self, purpose: str, index: int, u: Tensor, past: Tensor | None = None) -> Draws:
        """The random numbers of one step for a batch with factors u (B, told), beside codes of earlier steps."""
        rows, latents, seed = len(u), self.run.network.latents, self.run.seed
        device = self.told.device
        past = torch.zeros(0, latents, device=device) if past is None else past
        drawn = torch.zeros(rows + len(past), latents)
        if self.prior is not None:
            source = generator(seed, f"{purpose} prior", index)
            drawn[:, len(self.run.aux) :] = self.prior.sample(some_rows(self.rows, len(drawn), source), source)
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
    ) -> tuple[Tensor, Posterior]:
        """Every term, (terms,), in the order of the run's weights, and the codes without gradient; u is (B, told)."""
        padded = pad(u, (0, len(self.told) - u.shape[1]))
        posterior, image = network(images, padded, draws.noise)
        seen = TermInputs(
            images=images,
            u=padded,
            told=self.told,
            prior=self._given(network, padded),
            posterior=posterior,
            image=image,
            **draws._asdict(),
            variance=self.variance,
            expected=self.expected,
            progress=torch.tensor(progress, device=images.device),
            second=network.second,
        )
        terms = [TERMS[name](seen, self.options) for name in self.run.terms]
        return torch.stack(terms), Posterior(*(each.detach() for each in posterior))

    def _given(self, network: Autoencoder, u: Tensor) -> Gaussian:
        """p(z|u) of a batch; the IDVAE's prior learns from the factors alone, so that the model cannot move it."""
        if self.run.composition.conditional != "learned" or network.second is None:
            return priors.conditioned(u, self.told, self.told_variance)
        learned: Gaussian = network.second(u)
        still = self.run.composition.companion == "factor_vae_of_u"
        return Gaussian(*(each.detach() for each in learned)) if still else learned


def _expected(run: Run, prior: Prior | None, u: Tensor) -> Tensor:
    """Mean features of the prior, (d_Z, 2 m), those of a constant 0 for a told latent; nothing where no term asks."""
    if "mmd_marginal" not in run.terms:
        return torch.zeros(run.network.latents, 0)

    def draw(part: int) -> Tensor:
        rows, source = torch.zeros(4096, run.network.latents), generator(0, "expected", part)
        if prior is not None:
            rows[:, len(run.aux) :] = prior.sample(some_rows(u.cpu(), len(rows), source), source)
        return rows

    return expected_features(draw, run.mmd.width)

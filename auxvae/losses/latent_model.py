"""What the models of every family with a prior of latents share: the terms of a method, its prior, its random numbers.

loss = sum_t w_t * term_t        the terms of the run's method (config.methods), each in nats per image

A family adds its networks: posteriors of images, and images of latents.
"""

from __future__ import annotations

import pkgutil
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad

from auxvae.config.identity import settings_read
from auxvae.config.run import Run
from auxvae.config.terms import TERMS
from auxvae.data.loader import Batch
from auxvae.data.randomness import generator
from auxvae.losses.constants import owners, scalars, term_settings, without_gaps
from auxvae.losses.divergences import of_images
from auxvae.losses.inputs import Denoised, Draws, Images, Nats, Scalars, TermInputs, TermSettings
from auxvae.losses.kernels import mean_features
from auxvae.losses.moments import Moments, moments
from auxvae.losses.queue import empty_queue
from auxvae.models import priors
from auxvae.models.composed import rows_in_context
from auxvae.models.model import Codes, Loss, Model, Posterior, TrainingData
from auxvae.models.prior_checks import residual_prior, some_rows
from auxvae.models.priors import Gaussian

TermFunction = Callable[[TermInputs, TermSettings], Nats]


class Forward(NamedTuple):
    """What a family makes of a batch: posterior, and a reconstruction, or the losses of a denoiser."""

    posterior: Posterior
    reconstruction: Images
    denoised: Denoised | None = None


class LatentModel(Model):
    """A run of any such family: prior, terms and queues, on one device."""

    varying: tuple[str, ...] = (
        "is_aux",
        "owner",
        "prior_variance",
        "prior_features",
        "scalars",
        "queue",
        "factor_moments",
        "product_moments",
        "earlier",
        "overall",
    )

    def __init__(self, run: Run, data: TrainingData, device: torch.device) -> None:
        """Build the network, and the prior of the residual latents, which is refused if its samples are faulty."""
        self.run, self.device = run, device
        self.network = self._network(data).to(device)
        has_gaps = run.settings.imperfect is not None and run.settings.imperfect.observed < 1
        self.has_errors = has_gaps or bool(run.measurements)
        self.aux_rows, overall = without_gaps(data)
        self.contexts = data.context
        self.input_rows = torch.zeros(len(self.aux_rows), 0) if data.inputs is None else data.inputs.cpu()
        self.input_names = data.scaling.inputs.names if data.scaling.inputs else ()
        self.overall = Gaussian(*(self._padded(each[None])[0].to(device) for each in overall))
        self.prior, variance = residual_prior(run, data.factors)
        self.prior_variance = variance.to(device)
        self.is_aux = (torch.arange(run.network.latents) < len(run.variables)).float().to(device)
        self.owner = torch.tensor(owners(run), device=device)
        self.queue = empty_queue(run.mmd.queue if self._needs("mmd.queue") else 0, run.network.latents, device)
        self.earlier = empty_queue(self._earlier(), 2 * run.network.latents, device)
        self.factor_moments, self.product_moments = self._moments_of_factors()
        self.scalars = Scalars(*(torch.tensor(each, device=device) for each in scalars(run)))
        self.prior_features = self._prior_features()
        self.fixed = term_settings(run, self.prior, data.likelihood)
        self.functions: dict[str, TermFunction] = {
            name: pkgutil.resolve_name(TERMS[name].function) for name in run.terms
        }

    @property
    def companion(self) -> Any:
        """The network trained beside the model, None for most methods."""
        return None

    @abstractmethod
    def _network(self, data: TrainingData) -> nn.Module:
        """The networks of the run, with weights that depend on its seed alone."""

    @abstractmethod
    def _forward(self, batch: Batch, aux: Codes, draws: Any, progress: Float[Tensor, ""]) -> Forward:
        """Posterior and reconstruction of a batch; aux has a column for every latent."""

    @abstractmethod
    def _images_of(
        self, z: Codes, inputs: Float[Tensor, "B p"], context: int | None, source: torch.Generator
    ) -> Float[Tensor, "B C H W"]:
        """Images of samples of the prior, on the likelihood's scale, each with its inputs."""

    def _needs(self, name: str) -> bool:
        """Whether a term of the run reads a setting or needs random numbers of that name."""
        return any(name in (*TERMS[term].reads, *TERMS[term].draws) for term in self.run.terms)

    def _earlier(self) -> int:
        """How many earlier codes the unbiased correlations of the run compare with."""
        settings, read = self.run.settings, settings_read(self.run.composition)
        return settings.earlier if "earlier" in read and settings.correlation == "unbiased" else 0

    def _moments_of_factors(self) -> tuple[Moments, Moments]:
        """Moments of the powers of the auxiliary variables, and of their products of two, over the training rows.

        Without any, all are those of 0, of two rows as of all: products of many latents over all rows fill a memory.
        """
        rows = self.aux_rows if self.run.variables else self.aux_rows[:2]
        aux = self._padded(rows.double())
        first, second = torch.triu_indices(self.run.network.latents, self.run.network.latents, 1)
        degree = max(self.run.settings.degree, self.run.settings.aux_degree)
        both = (moments(aux, degree), moments(aux[:, first] * aux[:, second], 1))
        factors, products = (Moments(*(each.float().to(self.device) for each in each_of)) for each_of in both)
        return factors, products

    def _prior_features(self) -> Float[Tensor, "d k"]:
        """Mean features of the prior, (d_Z, 2 m), for auxiliary latents those of 0; empty if no term needs them."""
        if "mmd_marginal" not in self.run.terms:
            return torch.zeros(self.run.network.latents, 0, device=self.device)
        width = self.run.mmd.width
        return mean_features(lambda i: self._prior_samples(4096, generator(0, "expected", i)), width).to(self.device)

    def _prior_samples(self, rows: int, source: torch.Generator) -> Float[Tensor, "n d"]:
        """Samples of the prior on the residual latents, 0 on the auxiliary ones."""
        samples = torch.zeros(rows, self.run.network.latents)
        if self.prior is not None:
            samples[:, len(self.run.variables) :] = self.prior.sample(some_rows(self.aux_rows, rows, source), source)
        return samples

    def draw(self, seed: int, purpose: str, index: int, steps: int, rows: int) -> Draws:
        """The random numbers of `steps` steps with batches of `rows` rows."""
        latents = self.run.network.latents

        def address(numbers: str) -> torch.Generator:
            return generator(seed, f"{purpose} {numbers}", index)

        noise = torch.randn(steps, rows, latents, generator=address("noise"))
        samples = torch.zeros(steps, 0, latents)
        if self._needs("prior_samples"):
            count = rows + len(self.queue.codes)
            source = address("prior")
            samples = torch.stack([self._prior_samples(count, source) for _ in range(steps)])
        shuffled = rows if self._needs("shuffle") and self.run.composition.companion else 0
        shuffle = torch.rand(steps, shuffled, latents, generator=address("order")).argsort(1)
        return Draws(noise, samples, shuffle, self._pairs(steps, address("pairs")))

    def _pairs(self, steps: int, source: torch.Generator) -> Int[Tensor, "S 2 P"]:
        """Pairs of latents for each step: all of them, or as many different ones as the run asks for."""
        every = torch.triu_indices(self.run.network.latents, self.run.network.latents, 1)
        if self.run.mmd.pairs == "all":
            return every.expand(steps, *every.shape)
        return torch.stack(
            [every[:, torch.randperm(every.shape[1], generator=source)[: self.run.mmd.pairs]] for _ in range(steps)]
        )

    def loss(self, batch: Batch, draws: Any, progress: Float[Tensor, ""]) -> Loss:
        """Every term of the run's method on a batch."""
        aux, error = self._auxiliaries(batch.aux, batch.error)
        forward = self._forward(batch, aux, draws, progress)
        inputs = TermInputs(
            images=batch.images,
            precision=batch.precision,
            aux=aux,
            is_aux=self.is_aux,
            owner=self.owner,
            prior=self._prior_of(aux, error),
            posterior=forward.posterior,
            reconstruction=forward.reconstruction,
            denoised=forward.denoised,
            noise=draws.noise,
            prior_samples=draws.prior_samples,
            shuffle=draws.shuffle,
            pairs=draws.pairs,
            queue=self.queue,
            prior_variance=self.prior_variance,
            prior_features=self.prior_features,
            scalars=self.scalars,
            factor_moments=self.factor_moments,
            product_moments=self.product_moments,
            earlier=self.earlier,
            progress=progress,
            companion=self.companion,
            error=error,
        )
        terms = {name: function(inputs, self.fixed) for name, function in self.functions.items()}
        return Loss(terms, Posterior(*(each.detach() for each in forward.posterior)))

    def _padded(self, aux: Float[Tensor, "B a"]) -> Codes:
        """Auxiliary variables with a column for every latent, 0 for the residual ones."""
        return pad(aux, (0, self.run.network.latents - aux.shape[1]))

    def _auxiliaries(self, aux: Float[Tensor, "B a"], error: Float[Tensor, "B a"]) -> tuple[Codes, Codes | None]:
        """The auxiliary variables, at their mean where they are unknown, and their errors where some are not exact."""
        values, errors = self._padded(aux), self._padded(error)
        if not self.has_errors:
            return values, None
        return torch.where(errors.isfinite(), values, self.overall.mean), errors

    def _prior_of(self, aux: Codes, error: Codes | None = None) -> Gaussian:
        """p(z|u) of a batch, wider by errors, that of all rows where u is unknown; without gradient for IDVAE.

        The prior of IDVAE learns from the factors alone.
        """
        if self.run.composition.conditional != "learned" or self.companion is None:
            variance = self.scalars.aux_variance
            if error is not None:
                variance = variance + priors.squared_errors(error)
                variance = torch.where(error.isfinite(), variance, self.overall.variance)
            return priors.conditioned(aux, self.is_aux, variance)
        learned: Gaussian = self.companion(aux)
        constant = self.run.composition.companion == "factor_vae_of_u"
        return Gaussian(*(each.detach() for each in learned)) if constant else learned

    def divergence(
        self, aux: Float[Tensor, "N a"], error: Float[Tensor, "N a"], posterior: Posterior
    ) -> Float[Tensor, " N"] | None:
        """KL from N(u_j, v) or the learned prior, and of residual latents from theirs; nothing of copied latents."""
        learned = self.run.composition.conditional == "learned"
        if self.prior is not None and not (learned or self.run.prior.has_density()):
            return None
        prior = self._prior_of(*self._auxiliaries(aux, error))
        copied = self.is_aux * (self.run.composition.conditional == "copied")
        mean = torch.where(copied > 0, prior.mean, posterior.mean)
        log_variance = torch.where(copied > 0, prior.variance.log(), posterior.log_variance)
        return of_images(Posterior(mean, log_variance, posterior.sample), prior, self.is_aux, self.fixed.density)

    def sample_prior(self, aux: Float[Tensor, "N a"], source: torch.Generator) -> Codes | None:
        """Samples of the residual latents' prior, (N, d_Z - a); None without residual latents or if it is learned."""
        if self.prior is None or self.run.composition.conditional == "learned":
            return None
        samples: Codes = self.prior.sample(aux, source)
        return samples

    def sample(self, count: int, source: torch.Generator, context: int | None = None) -> Float[Tensor, "B C H W"]:
        """Images of samples of the prior, at the auxiliary variables and inputs of training rows drawn at random.

        In a context, of its training rows; of one that has none they are composed (auxvae.models.composed).
        """
        seed_of_rows = int(torch.randint(2**62, (1,), generator=source))  # latents are the same whatever rows are drawn
        of_rows = torch.Generator().manual_seed(seed_of_rows)
        both, count_aux = torch.cat([self.aux_rows, self.input_rows], 1), len(self.run.variables)
        if context is None or self.contexts is None:
            rows = some_rows(both, count, of_rows)
        else:
            rows = rows_in_context(self.run, both, self.contexts, context, count, of_rows, self.input_names)
        aux, inputs = self._padded(rows[:, :count_aux]), rows[:, count_aux:].to(self.device)
        prior = self._prior_of(aux.to(self.device))
        noise = torch.randn(count, self.run.network.latents, generator=source).to(self.device)
        z = prior.mean + prior.variance.sqrt() * noise
        conditional = self.run.composition.conditional
        if conditional == "copied":
            z[:, :count_aux] = aux[:, :count_aux].to(self.device)
        residual = self.sample_prior(aux[:, :count_aux], source)
        if residual is not None:
            z[:, count_aux:] = residual.to(self.device)
        return self._images_of(z, inputs, context, source)

    def memory(self) -> dict[str, Tensor]:
        """The queues of codes."""
        queues = {"queue": self.queue, "earlier": self.earlier}
        return {f"{name}.{part}": each for name, queue in queues.items() for part, each in queue._asdict().items()}

    def after_step(self, batch: Batch, codes: Posterior) -> None:
        """Push the codes of the batch into the queues."""
        if len(self.queue.codes):
            self.queue.push(codes.sample)
        if len(self.earlier.codes):
            self.earlier.push(torch.cat([codes.sample, self._auxiliaries(batch.aux, batch.error)[0]], 1))

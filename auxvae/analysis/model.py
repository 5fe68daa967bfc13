"""A trained run as functions of arrays: images to codes, codes to images in photons; no gradients, any device."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auxvae.config.run import Run
from auxvae.data import run_folder
from auxvae.data.likelihoods import Likelihood
from auxvae.data.loader import Batch, measured_rows, whole_split
from auxvae.data.measured import measured
from auxvae.data.preparation import Numbered, run_inputs, run_likelihood
from auxvae.data.randomness import generator, normal
from auxvae.data.scaling import Scaling
from auxvae.data.store import Rows, Store
from auxvae.models.model import Posterior, TrainingData, draws_at, make_model
from auxvae.models.score_network import ScoreNetwork

Array = NDArray[np.float32]
AT_ONCE = 512  # images that pass through the network together


def _training_data(run: Run, store: Store, scaling: Scaling, likelihood: Likelihood) -> TrainingData:
    """What the model of a trained run uses of its training rows."""
    aux = measured(run, store.aux("train", run.variables, scaling), store.measured_of("train"), scaling)
    context = torch.from_numpy(store.context("train"))
    inputs = run_inputs(run, store, scaling, Numbered(store.numbers("train"), {}))
    return TrainingData(likelihood, scaling, store.columns("train"), *aux, context=context, inputs=inputs)


class TrainedModel:
    """A run read back from its folder, beside the rows of one split of its store."""

    def __init__(self, folder: Path, run: Run, store: Store, rows: Rows, device: torch.device) -> None:
        """Read the run, refuse another one, and put its model on the device."""
        self.run, self.trained = run, run_folder.load(folder, run)
        self.scaling = self.trained.scaling
        self.rows, self.device = rows, device
        self.likelihood: Likelihood = run_likelihood(run, store, rows, self.scaling)
        self.inputs = run_inputs(run, store, self.scaling, rows)
        self.data = _training_data(run, store, self.scaling, self.likelihood)
        self.model = make_model(run, self.data, device)
        self.model.network.load_state_dict(self.trained.weights)
        self.model.network.eval()

    def with_initial_weights(self) -> TrainedModel:
        """The same run before its training, beside the same rows."""
        other = copy.copy(self)
        other.model = make_model(self.run, self.data, self.device)
        other.model.network.eval()
        return other

    @property
    def can_decode(self) -> bool:
        """Whether there are images to measure."""
        return self.model.can_decode

    def numbers_of(self, name: str) -> NDArray[np.float64]:
        """The numbers that one input is to the networks, of every row, (N, V)."""
        names = self.scaling.inputs.names if self.scaling.inputs else ()
        columns = [k for k, each in enumerate(names) if each == name]
        return np.asarray(self.inputs[:, columns].numpy(), dtype=np.float64)

    @property
    def good(self) -> NDArray[np.bool_] | None:
        """Which pixels of the rows count, (N, C, H, W); None where all do."""
        precision = self.likelihood.precision
        return None if precision is None or precision.ndim == 1 else np.asarray((precision > 0).numpy())

    @torch.no_grad()
    def encode(self) -> tuple[Array, Array]:
        """Mean and log variance of the posterior of every image of the rows, each (N, d_Z)."""
        whole = self._whole()
        cuts = [slice(i, i + AT_ONCE) for i in range(0, len(whole.images), AT_ONCE)]
        both = [self.model.encode(whole.take(cut).to(self.device)) for cut in cuts]
        mean, log_variance = (torch.cat(each).cpu().numpy() for each in zip(*both, strict=True))
        return mean, log_variance

    def _whole(self) -> Batch:
        return whole_split(self.run, self.rows, self.scaling, self.likelihood, self.inputs)

    @torch.no_grad()
    def terms(self, parts: Sequence[NDArray[np.intp]]) -> list[dict[str, float]]:
        """The terms of the loss at the end of the training, without weights, over each of these parts of the rows."""
        whole, done, by_part = self._whole(), torch.ones((), device=self.device), []
        for i, part in enumerate(parts):
            draws = draws_at(self.model.draw(self.run.seed, "terms", i, 1, len(part)), 0)
            draws = draws._make(each.to(self.device) for each in draws) if draws else draws
            loss = self.model.loss(whole.take(torch.from_numpy(part)).to(self.device), draws, done)
            by_part.append({name: float(value) for name, value in loss.terms.items()})
        return by_part

    @torch.no_grad()
    def divergence(self, mean: Array, log_variance: Array) -> NDArray[np.float64] | None:
        """KL of the posterior of each image from the run's prior, (N,); None for a prior without a density.

        Where it has no closed form it is log q - log p at one sample of each posterior.
        """
        noise = normal(self.run.seed, "scores", 0, mean.shape)
        m, log_v = (torch.from_numpy(each) for each in (mean, log_variance))
        posterior = Posterior(*(each.to(self.device) for each in (m, log_v, m + noise * (0.5 * log_v).exp())))
        aux = measured_rows(self.run, self.rows, self.scaling)
        nats = self.model.divergence(aux.values.to(self.device), aux.error.to(self.device), posterior)
        return None if nats is None else np.asarray(nats.cpu().numpy(), dtype=np.float64)

    @torch.no_grad()
    def decode(self, codes: Array, rows: NDArray[np.intp] | None = None) -> Tensor:
        """Reconstructions (N, C, H, W) on the likelihood's scale, each in the context of a row, and with its inputs.

        rows: the places of these rows, (N,); the first N if left out.
        """
        places = np.arange(len(codes)) if rows is None else rows
        context, inputs = torch.from_numpy(self.rows.context[places]), self.inputs[torch.from_numpy(places)]
        latents = torch.from_numpy(np.ascontiguousarray(codes, dtype=np.float32))
        several = zip(*(each.split(AT_ONCE) for each in (latents, context, inputs)), strict=True)
        images = torch.cat([self.model.decode(*(each.to(self.device) for each in both)).cpu() for both in several])
        if isinstance(self.model.network, ScoreNetwork):
            self.model.network.refuse_divergence(images)
        return images

    @torch.no_grad()
    def concepts(self) -> Array:
        """The concepts of every image of the rows in its context, (N, m k), by posterior means; of a context module."""
        context = torch.from_numpy(self.rows.context).to(self.device)
        concepts = self.model.concepts(torch.from_numpy(self.encode()[0]).to(self.device), context)
        return np.asarray(concepts.cpu().numpy())

    @torch.no_grad()
    def effects(self) -> NDArray[np.float64]:
        """How strongly each concept (column) acts on each (row), (m, m); of a context module."""
        return np.asarray(self.model.effects().cpu().numpy(), dtype=np.float64)

    def decode_counts(self, codes: Array, rows: NDArray[np.intp] | None = None) -> Array:
        """Reconstructions (N, C, H, W) in photons per pixel, each in the context of a row."""
        return np.asarray(self.likelihood.to_counts(self.decode(codes, rows)).numpy())

    def nats(self, reconstruction: Tensor) -> NDArray[np.float64]:
        """-log p of the first N images, given N reconstructions on the likelihood's scale, (N,)."""
        images = self.likelihood.to_scale(self.rows.images[: len(reconstruction)])
        precision = self.likelihood.precision
        nats = self.likelihood.nats(images, reconstruction, None if precision is None else precision[: len(images)])
        return np.asarray(nats.numpy(), dtype=np.float64)

    def sample_prior(self) -> Array | None:
        """Two samples for each of the rows from the prior of the residual latents, (2 N, D - d), None without one.

        The second samples of all rows follow the first.
        """
        u = self.rows.aux(self.run.variables, self.scaling)
        samples = self.model.sample_prior(torch.cat([u, u]), generator(self.run.seed, "scores prior"))
        return None if samples is None else np.asarray(samples.numpy())

    @torch.no_grad()
    def sample_counts(self, count: int, context: int | None = None) -> Array:
        """`count` images (N, C, H, W) sampled from the model in a context, in photons per pixel.

        Those of a context module are of the same latents in every context.
        """
        images = self.model.sample(count, generator(self.run.seed, "samples"), context).cpu()
        return np.asarray(self.likelihood.to_counts(images).numpy())

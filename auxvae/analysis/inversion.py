r"""The posterior of the latents of images under a run's decoder: what `auxvae invert` climbs and samples.

    log p(z|x) = log p(x|D(z)) + log p(z) + const         p(x|.): the run's likelihood;  p(z): models.latent_prior
    blended    D(z) = A(c(z_1) + S c(z_2))                c: photons of a source;  S: moved by whole pixels
                                                          A: from photons to the likelihood's scale, with the sky

The likelihood has the weights of the store's pixels and those of the command's mask: a pixel of weight 0 counts in
nothing (auxvae.data.pixel_weights). The sky belongs to the image and not to a source, so it counts once. What of the
second source lies beyond its own stamp, moved, is taken to be dark. The idea of a disentangled generator as a prior
for inversion is that of arXiv 2604.02304; here it is an autoencoder's decoder, whose auxiliary latents are factors.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from auxvae.analysis.blending import blended, shifted
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.surveyed import Trained, beside
from auxvae.data.randomness import generator
from auxvae.data.store import Rows, Store
from auxvae.models.latent_prior import LatentPrior
from auxvae.models.prior_checks import some_rows

NARROWEST, WIDEST = 2e-3, 0.3  # of a latent, in the first steps of a derivative
Codes = NDArray[np.float64]


@dataclass(frozen=True)
class Images:
    """Images that are inverted: the run beside their rows, good pixels (H, W), the offsets of second sources (N, 2).

    offsets: in pixels from the centre of the stamp, (down, right) as the rows and columns of the image are numbered;
    None where every image shows one source.
    """

    model: TrainedModel
    offsets: Int[Tensor, "N 2"] | None

    @property
    def sources(self) -> int:
        """Sources in an image."""
        return 1 if self.offsets is None else 2

    @property
    def latents(self) -> int:
        """Latents of a source."""
        return self.model.run.network.latents


def images_of(
    trained: Trained, store: Store, rows: Rows, good: Float[Tensor, "H W"] | None, offsets: Int[Tensor, "N 2"] | None
) -> Images:
    """The run beside rows of a store, whose masked pixels are dark and weigh nothing."""
    if good is None:
        return Images(beside(trained, store, rows), offsets)
    model = beside(trained, store, dataclasses.replace(rows, images=rows.images * good))
    precision = model.likelihood.precision
    of_images = torch.ones(len(rows.images)) if precision is None else precision
    of_images = of_images[:, None, None, None] if of_images.ndim == 1 else of_images
    model.likelihood.precision = of_images * good.expand(rows.images.shape)
    return Images(model, offsets)


def encoded(images: Images) -> tuple[Codes, Codes]:
    """Posterior means and standard deviations of the encoder alone, (N, sources D).

    It reads a second source in the image moved, so that this source stands in the middle.
    """
    both = [images.model.encode()]
    if images.offsets is not None:
        centred = dataclasses.replace(images.model.rows, images=shifted(images.model.rows.images, -images.offsets))
        model = beside_images(images.model, centred)
        both.append(model.encode())
    means, log_variances = (np.concatenate(each, 1).astype(np.float64) for each in zip(*both, strict=True))
    return means, np.exp(0.5 * log_variances)


def beside_images(model: TrainedModel, rows: Rows) -> TrainedModel:
    """The model beside other images of the same rows."""
    other = copy.copy(model)
    other.rows = rows
    return other


def decoded(model: TrainedModel, latents: Float[Tensor, "B d"], places: Int[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
    """Images on the likelihood's scale, with gradients; places: of each one's row among those of the model.

    The only place where an inversion decodes: what a decoder takes beside the latents is handed over here, by row.
    """
    inputs = model.inputs[places].to(model.device)
    return model.model.decode(latents.to(model.device), inputs=inputs).to(latents.device)


@dataclass(frozen=True)
class Target:
    """log p(z|x) of images, but for a constant, at latents (N, K, sources D)."""

    images: Images
    prior: LatentPrior
    scaled: Float[Tensor, "N C H W"]

    @classmethod
    def of(cls, images: Images, prior: LatentPrior) -> Target:
        """Of these images under a prior of one source's latents."""
        return cls(images, prior, images.model.likelihood.to_scale(images.model.rows.images.clone()))

    def __call__(self, z: Float[Tensor, "N K D"]) -> Float[Tensor, "N K"]:
        """The log posterior."""
        return -self.nats(z) + self.prior.log_prob(self._by_source(z)).view(*z.shape[:2], -1).sum(-1)

    def in_normal(self, w: Float[Tensor, "N K D"]) -> Float[Tensor, "N K"]:
        """The log posterior of w, in which chains move (models.latent_prior)."""
        prior = self.prior.log_prob_normal(self._by_source(w)).view(*w.shape[:2], -1).sum(-1)
        return -self.nats(self.of_normal(w)) + prior

    def of_normal(self, w: Float[Tensor, "N K D"]) -> Float[Tensor, "N K D"]:
        """Z of w."""
        return self.prior.of_normal(self._by_source(w)).view_as(w)

    def to_normal(self, z: Float[Tensor, "N K D"]) -> Float[Tensor, "N K D"]:
        """W of z."""
        return self.prior.to_normal(self._by_source(z)).view_as(z)

    def _by_source(self, z: Float[Tensor, "N K D"]) -> Float[Tensor, "n d"]:
        return z.reshape(-1, self.images.latents)

    def nats(self, z: Float[Tensor, "N K D"]) -> Float[Tensor, "N K"]:
        """-log p(x|D(z)) as the run's loss has it."""
        n, k = z.shape[:2]
        places = torch.arange(n).repeat_interleave(k)
        likelihood = self.images.model.likelihood
        precision = None if likelihood.precision is None else likelihood.precision[places]
        return likelihood.nats(self.scaled[places], self.rendered(z, places), precision).view(n, k)

    def rendered(self, z: Float[Tensor, "N K D"], places: Int[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
        """The images that latents stand for, on the likelihood's scale."""
        model, offsets = self.images.model, self.images.offsets
        first, *others = z.flatten(0, 1).split(self.images.latents, 1)
        image = decoded(model, first, places)
        if offsets is None:
            return image
        return blended(model.likelihood, image, decoded(model, others[0], places), offsets[places])


def starts(target: Target, mean: Codes, count: int, seed: int) -> Float[Tensor, "N S D"]:
    """Where the ascent begins: at the encoder's means (N, D), and at so many draws of the prior by (seed, row)."""
    model, drawn = target.images.model, []
    for row in model.rows.numbers:
        source = generator(seed, "inversion starts", int(row))
        u = some_rows(model.data.aux.cpu(), count * target.images.sources, source)
        drawn.append(target.prior.sample(u, source).view(count, -1))
    return torch.cat([torch.from_numpy(mean).float()[:, None], torch.stack(drawn)], 1)


def first_widths(std: Codes) -> Float[Tensor, "N D"]:
    """Widths of the latents to take derivatives by, from the encoder's standard deviations."""
    return torch.from_numpy(std).float().clamp(NARROWEST, WIDEST)

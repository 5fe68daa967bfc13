"""Training and validation rows as a run reads them: likelihood, constants, images on the likelihood's scale.

In the order of `rows` all images are read and held. In the order of `shards` they are visited: once for the constants,
a second time for the components, and then in every epoch; the validation images are held if they take no more than
HELD bytes. Both are prepared once for all runs of a process that see the same: same store, likelihood and components.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from auxvae.config.networks import BACKBONES
from auxvae.config.run import Run, Source
from auxvae.data.augmentation import augmentation_of
from auxvae.data.auxiliaries import variables_of_rows
from auxvae.data.components import principal_components
from auxvae.data.encoding import Columns, limits
from auxvae.data.imperfect import imperfect
from auxvae.data.inputs import InputScaling, Values, input_scaling, scaled_inputs
from auxvae.data.likelihoods import Gaussian, Likelihood, likelihood
from auxvae.data.loader import Batches, Loader, batch_of
from auxvae.data.measured import Auxiliaries, measured
from auxvae.data.moments import Moments
from auxvae.data.pixel_weights import PixelWeights, pixel_weights
from auxvae.data.read_ahead import read_ahead
from auxvae.data.scaling import Scaling, scaled_factors
from auxvae.data.store import Rows, Store, refuse_beyond_memory
from auxvae.data.stored_images import BLOCK, StoredImages, cut
from auxvae.data.stream import Stream
from foundation.faults import Fault, Refused, Words, listed

HELD = 300e6  # bytes of validation images up to which they stay in memory


class Prepared(NamedTuple):
    """The rows of a split: numbers, contexts, factors (N,), likelihood, and images (N, C, H, W) on its scale.

    measured: measurements of factors and their errors, (N,). inputs (N, p): what a run is given beside the images, None
    where it is given nothing.
    """

    numbers: NDArray[np.intp]
    context: NDArray[np.intp]
    factors: dict[str, NDArray[np.float64]]
    likelihood: Likelihood
    images: Tensor | StoredImages
    measured: Columns
    inputs: Tensor | None = None

    def aux(self, run: Run, scaling: Scaling) -> Auxiliaries:
        """The auxiliary variables that a run is trained on, min-max scaled to [0, 1] by the training rows, (N, a)."""
        columns = variables_of_rows(run.dataset, self.factors, self.numbers)
        true = scaled_factors(columns, len(self.numbers), run.variables, scaling)
        return imperfect(run, measured(run, true, self.measured, scaling), self.numbers)

    def batches(self, run: Run, scaling: Scaling, device: torch.device, apart: bool = False) -> Batches:
        """The batches of a run: of images in memory, on request of one context each, or read from the store."""
        aux, size, precision = self.aux(run, scaling), run.training.batch, self.likelihood.precision
        augmentation = augmentation_of(run, scaling, self.images.shape[-1], int(self.numbers[-1]) + 1, device)
        if isinstance(self.images, StoredImages):
            return Stream(self.images, aux, size, device, augmentation, self.inputs)
        rows, context = torch.from_numpy(self.numbers), torch.from_numpy(self.context)
        batch = batch_of(self.images, aux.values, rows, precision, aux.error, context, self.inputs)
        return Loader(batch.to(device), size, augmentation, apart)

    def of(self, run: Run) -> Prepared:
        """The rows of the contexts that a run is trained on."""
        numbers = [number for number, each in enumerate(run.dataset.contexts) if each in run.contexts]
        chosen = np.flatnonzero(np.isin(self.context, numbers))
        if not run.settings.contexts or len(chosen) == len(self.context) or isinstance(self.images, StoredImages):
            return self
        if not len(chosen):
            names = listed(each.name for each in run.contexts)
            value, text = (
                Words(f"no validation rows of {names}"),
                "training and validation need rows of the same contexts",
            )
            raise Refused(Fault(run.dataset.name, value, text, "give more images"))
        kind, index = copy.copy(self.likelihood), torch.from_numpy(chosen)
        if kind.precision is not None:
            kind.precision = kind.precision[index]
        factors, others = (
            {name: values[chosen] for name, values in each.items()} for each in (self.factors, self.measured)
        )
        inputs = None if self.inputs is None else self.inputs[index]
        return Prepared(self.numbers[chosen], self.context[chosen], factors, kind, self.images[index], others, inputs)


class View(NamedTuple):
    """What of a run's settings decides how it sees the data."""

    likelihood: str
    sigma: float | None
    on_components: bool
    components: int | None
    order: str

    def likelihood_of(self, store: Store, name: str, extremes: tuple[float, float]) -> Likelihood:
        """The likelihood of the training or validation rows, where the training images have these extremes.

        The weights of their pixels are left out of it.
        """
        return unweighed(self.likelihood, self.sigma, store, store.noise_std(name), extremes)

    def weights(self, store: Store) -> PixelWeights | None:
        """What the pixels of the store count for; None where all count the same."""
        return pixel_weights(store, self.likelihood)


def prepare(run: Run, store: Store) -> tuple[Scaling, Prepared, Prepared]:
    """The constants of a run from its training rows, its training rows, and its validation rows."""
    on_components = BACKBONES[run.network.name].on_components
    components = run.network.components if on_components else None
    view = View(run.settings.likelihood, run.settings.sigma, on_components, components, run.training.order)
    scaling, train, validation = _prepare(store, view)
    refuse_constants(run, scaling)
    if not run.settings.inputs:
        return scaling, train, validation
    scaling = replace(scaling, inputs=_input_scaling(store, run.settings.inputs))
    train, validation = (each._replace(inputs=run_inputs(run, store, scaling, each)) for each in (train, validation))
    return scaling, train, validation


@lru_cache(1)
def _input_scaling(store: Store, names: tuple[str, ...]) -> InputScaling:
    rows, source = store.numbers("train"), store.source
    return input_scaling(names, source.kinds, _values_in(store, source, rows, {}), len(rows), source.name)


class Numbered(NamedTuple):
    """Rows of a store by their numbers, ascending, and of some factors their values (N,), as films have them."""

    numbers: NDArray[np.intp]
    factors: dict[str, NDArray[np.float64]]


def run_inputs(run: Run, store: Store, scaling: Scaling, rows: Numbered | Prepared | Rows) -> Float[Tensor, "N p"]:
    """What a run is given beside the images of some rows of any store, (N, p); p is 0 for most runs."""
    values = _values_in(store, run.dataset, rows.numbers, rows.factors)
    return scaled_inputs(scaling.inputs, run.dataset.kinds, values, len(rows.numbers), str(store.path))


def _values_in(store: Store, source: Source, numbers: NDArray[np.intp], factors: Mapping[str, NDArray[Any]]) -> Values:
    """Inputs by name of some of these rows: their factors, what a study declares beside factors, columns of a store."""
    declared = {each.name: replace(source, kinds=(), auxiliaries=(each,)) for each in source.auxiliaries}

    def values(name: str, at: slice) -> NDArray[Any]:
        if name in factors:
            return factors[name][at]
        if name not in declared:
            return store.column(name, numbers[at])
        of = {each: values(each, at) for each in declared[name].auxiliaries[0].factors}
        return variables_of_rows(declared[name], of, numbers[at])[name]

    return values


@lru_cache(1)
def _prepare(store: Store, view: View) -> tuple[Scaling, Prepared, Prepared]:
    return _streamed(store, view) if view.order == "shards" else _whole(store, view)


def _whole(store: Store, view: View) -> tuple[Scaling, Prepared, Prepared]:
    """All images in memory twice, in photons and on the likelihood's scale."""
    _refuse_too_many(store)
    train, validation = store.read_splits("train", "validation")
    extremes = (float(train.images.min()), float(train.images.max()))
    splits = []
    for name, rows in (("train", train), ("validation", validation)):
        kind = with_weights(view.likelihood_of(store, name, extremes), view.weights(store), rows.numbers)
        images = kind.to_scale(rows.images)
        splits.append(Prepared(rows.numbers, rows.context, rows.factors, kind, images, rows.measured))
    scaled, bounded = splits[0].images, splits[0].likelihood.bounded
    assert isinstance(scaled, Tensor)
    mean, std = (0.0, 1.0) if bounded else (float(scaled.mean()), float(scaled.std()))
    low, high = limits(train.variables, store.source.kinds)
    components = None
    if view.on_components:
        average = scaled.flatten(1).mean(0)
        components = principal_components(scaled, average, bounded, view.components, store.source.name)
    return Scaling(*extremes, mean, std, low, high, train.images.mean(0), components), splits[0], splits[1]


def _streamed(store: Store, view: View) -> tuple[Scaling, Prepared, Prepared]:
    """Images that are read when needed; one pass for the constants, and one for the components."""
    counts, scaled = _moments(store, view)
    train, validation = (
        StoredImages(store, name, view.likelihood_of(store, name, counts.extremes), view.weights(store))
        for name in ("train", "validation")
    )
    factors, bounded, components = store.factors("train"), train.likelihood.bounded, None
    if view.on_components:
        average = train.likelihood.to_scale(counts.mean_image) if bounded else scaled.mean_image
        components = principal_components(train, average.flatten(), bounded, view.components, store.source.name)
    mean, std = (0.0, 1.0) if bounded else (scaled.mean, scaled.std)
    low_high = limits(store.variables("train"), store.source.kinds)
    scaling = Scaling(*counts.extremes, mean, std, *low_high, counts.mean_image, components)
    images, kind = _held(validation), validation.likelihood
    if isinstance(images, Tensor):
        kind = with_weights(kind, validation.weights, validation.numbers)
    others = [store.measured_of(name) for name in ("train", "validation")]
    held = Prepared(validation.numbers, validation.context, store.factors("validation"), kind, images, others[1])
    return scaling, Prepared(train.numbers, train.context, factors, train.likelihood, train, others[0]), held


def _moments(store: Store, view: View) -> tuple[Moments, Moments]:
    """Moments of the training images in photons and on the likelihood's scale, in one pass.

    A scale that depends on the extremes is bounded, and linear: its moments follow from those in photons.
    """
    counts, scaled = Moments(), Moments()
    kind = view.likelihood_of(store, "train", (0.0, 1.0))
    images = StoredImages(store, "train", kind)
    for block in read_ahead(images.counts, cut(len(images.numbers), BLOCK)):
        counts.add(block)
        if not kind.bounded:
            scaled.add(kind.to_scale(block))
    return counts, scaled


def _held(images: StoredImages) -> Tensor | StoredImages:
    """The images in memory, if they are few."""
    few = 4 * math.prod(images.shape) <= HELD
    return torch.cat(list(images.split(BLOCK))) if few else images


def run_likelihood(run: Run, store: Store, rows: Rows, scaling: Scaling) -> Likelihood:
    """The likelihood of a trained run for some rows of its store."""
    extremes, settings = (scaling.count_low, scaling.count_high), run.settings
    kind = unweighed(settings.likelihood, settings.sigma, store, rows.noise_std, extremes)
    return with_weights(kind, pixel_weights(store, settings.likelihood), rows.numbers)


def unweighed(
    name: str, sigma: float | None, store: Store, noise_std: Tensor | None, extremes: tuple[float, float]
) -> Likelihood:
    """The likelihood that a run on a store has, for rows with this noise (N,), all of whose pixels count the same."""
    weights = pixel_weights(store, name)
    if weights and weights.sigma is not None:
        return Gaussian(weights.sigma)
    return likelihood(name, sigma, store.noise, noise_std, extremes, store.noise_std("train"))


def with_weights(kind: Likelihood, weights: PixelWeights | None, rows: NDArray[np.intp]) -> Likelihood:
    """A likelihood of some rows, ascending, with the weights of their pixels."""
    if weights is not None:
        of_pixels = weights.of(rows)
        kind.precision = of_pixels if kind.precision is None else kind.precision[:, None, None, None] * of_pixels
    return kind


def _refuse_too_many(store: Store) -> None:
    """Refuse images that the memory cannot hold twice, and the weights of their pixels once."""
    rows = sum(len(store.numbers(name)) for name in ("train", "validation"))
    needed = (3 if store.weighs_pixels else 2) * 4 * rows * math.prod(store.image_shape)
    refuse_beyond_memory(str(store.path), needed, "write 'training: {order: shards}', which reads them in passing")


def refuse_constants(run: Run, scaling: Scaling) -> None:
    """Refuse an auxiliary variable that does not vary over the training rows."""
    for name in run.variables:
        low = scaling.factor_low[name]
        if not math.isfinite(scaling.factor_high[name] - low):
            value, text = Words("values that are not finite"), "it is a power below 0 of a factor that is 0 somewhere"
            raise Refused(Fault(f"auxiliaries.{name}", value, text, "take that factor out of it"))
        if not low < scaling.factor_high[name]:
            text = "an auxiliary variable must vary over the training rows"
            raise Refused(Fault(f"{run.dataset.name}.{name}", low, text, "take it out of the coverage"))

"""Training and validation rows as a run reads them: likelihood, constants, images on the likelihood's scale.

They are read and computed once for all runs of a process that see the same: same store, likelihood and components.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from torch import Tensor

from auxvae.config.networks import BACKBONES
from auxvae.config.run import Run
from auxvae.data.components import Components, principal_components
from auxvae.data.likelihoods import Likelihood, likelihood
from auxvae.data.store import Rows, Scaling, Store
from foundation.faults import Fault, Refused


class Prepared(NamedTuple):
    """The rows of a split, their likelihood, and their images (N, C, H, W) on its scale."""

    rows: Rows
    likelihood: Likelihood
    images: Tensor


class View(NamedTuple):
    """What of a run's settings decides how it sees the data."""

    likelihood: str
    sigma: float | None
    on_components: bool
    components: int | None


def prepare(run: Run, store: Store) -> tuple[Scaling, Prepared, Prepared]:
    """The constants of a run from its training rows, its training rows, and its validation rows."""
    on_components = BACKBONES[run.network.name].on_components
    components = run.network.components if on_components else None
    prepared = _prepare(store, View(run.settings.likelihood, run.settings.sigma, on_components, components))
    _refuse_constants(run, prepared[0])
    return prepared


@lru_cache(1)
def _prepare(store: Store, view: View) -> tuple[Scaling, Prepared, Prepared]:
    train, validation = store.read_splits("train", "validation")
    extremes = (float(train.images.min()), float(train.images.max()))
    kinds = [likelihood(view.likelihood, view.sigma, store.noise, r.noise_std, extremes) for r in (train, validation)]
    splits = [Prepared(r, k, k.to_scale(r.images)) for r, k in zip((train, validation), kinds, strict=True)]
    scaled, bounded = splits[0].images, kinds[0].bounded
    mean, std = (0.0, 1.0) if bounded else (float(scaled.mean()), float(scaled.std()))
    low = {name: float(values.min()) for name, values in train.factors.items()}
    high = {name: float(values.max()) for name, values in train.factors.items()}
    components: Components | None = None
    if view.on_components:
        components = principal_components(scaled, bounded, view.components, store.source.name)
    return Scaling(*extremes, mean, std, low, high, train.images.mean(0), components), splits[0], splits[1]


def run_likelihood(run: Run, store: Store, rows: Rows, scaling: Scaling) -> Likelihood:
    """The likelihood of a trained run for some rows of its store."""
    extremes = (scaling.count_low, scaling.count_high)
    return likelihood(run.settings.likelihood, run.settings.sigma, store.noise, rows.noise_std, extremes)


def _refuse_constants(run: Run, scaling: Scaling) -> None:
    """Refuse an auxiliary variable that does not vary over the training rows."""
    for name in run.aux:
        low = scaling.factor_low[name]
        if not low < scaling.factor_high[name]:
            text = "an auxiliary variable must vary over the training rows"
            raise Refused(Fault(f"{run.dataset.name}.{name}", low, text, "take it out of the coverage"))

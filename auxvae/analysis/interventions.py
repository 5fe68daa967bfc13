r"""A trained run in every context of its data set: are images of the model what an intervention makes of the data's?

For each context with test rows, trained on or held out, one row (equations: auxvae.metrics.interventions):

    context, of, is_trained, concepts    its name, the factors intervened on, whether it has training rows, and of how
                                         many concepts it is composed; NaN if it is of none, and the model has no images
    images                               N, at most IMAGES
    sliced_wasserstein, ..._se           of N images of the model to N of the data: those without noise where the store
                                         has them, since the model's have none; of galaxies on asinh(photons / 10)
    ..._floor                            of a perfect model
    ..._obs_images                       of a model that knows no context: the data's images where nothing is done
    ..._pooled_images                    of a model that mixes all: the data's of every trained context, equal parts
    moved_flux, ..._se, moved_size, ...  of galaxies: shares of the shift from where nothing is done, by adaptive
                                         moments (ln flux, ln size, e1, e2); NaN where the data have no clear shift
    moments_converged                    share of the model's galaxies whose moments converge
    changed_flux, ...                    auxvae.analysis.consistency

and over them, for the scores of a run, the means of sliced_wasserstein and of what stands beside it:

    concept        over trained contexts of one concept                          both as in arXiv:2507.04754, where
    composition    over contexts that were never trained on                      0 is good, and the floor is perfect

Distances depend on the number of images, by the floor: in a row all are of N, or of those that the other contexts
have. A context's images are part of the pool that it is compared with, so that pooled_images is too good by about
floor^2 / (2 K distance) for K contexts. Of a baseline that is the context itself the distance is the floor. Directions
and halves are the same for all runs, so that two runs on a data set differ by their images alone. In photons the few
brightest galaxies decide: of 1,000 galaxies a context, images where nothing is done were 5, 6 and 5 floors from
interventions on flux, radius and shear, and 11, 5 and 9 on the asinh scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from torch import Tensor

from auxvae.config.contexts import DataContext, concepts_of, is_composed, set_of
from auxvae.config.run import Run
from auxvae.data.store import Rows
from auxvae.metrics.images import asinh_scale
from auxvae.metrics.interventions import (
    distance_score,
    moved,
    projected,
    projected_distance,
    sliced_floor,
    unit_directions,
)
from auxvae.metrics.score import Score, evenly, within
from auxvae.metrics.shapes import Shapes, shapes

Array = NDArray[np.float64]
Row = dict[str, str | float]
SEED = 0  # of directions and halves, for all runs
IMAGES = 10_000  # of a context, at most
GALAXIES = 1024  # of them whose moments are measured, at most: a third of a millisecond each
FEWEST = 20  # images of a context
DISTANCE = "sliced_wasserstein"
QUANTITIES = ("flux", "size", "e1", "e2")
NONE = Score(math.nan, math.nan, math.nan, 0)
NO_GALAXIES = Shapes(*[np.empty(0)] * 4)
BESIDE = ("", "_floor", "_obs_images", "_pooled_images")  # the distance, and what it is read beside


class InContexts(NamedTuple):
    """A row for every context, and the means over trained concepts and over compositions."""

    rows: list[Row]
    scores: dict[str, Score]


@runtime_checkable
class ContextSampler(Protocol):
    """A trained run beside test rows, with `count` images (N, C, H, W) in photons of a context by number, no noise."""

    @property
    def run(self) -> Run: ...

    @property
    def rows(self) -> Rows: ...

    def sample_counts(self, count: int, context: int | None) -> NDArray[np.float32]: ...


class Measured(NamedTuple):
    """What is kept of a set of images: projections (N, P), and of galaxies the moments of the first ones."""

    projections: Array
    moments: Shapes | None


Model = Callable[[DataContext, int], Measured | None]  # so many of its images in a context, if it has any


def of_contexts(trained: ContextSampler, is_galaxy: bool) -> InContexts:
    """Every context of a run's data set that has test rows, and the means over them."""
    contexts, rows = trained.run.dataset.contexts, trained.rows
    images = rows.images if rows.truth is None else rows.truth
    measure = partial(measured, directions=unit_directions(math.prod(images.shape[1:]), SEED), is_galaxy=is_galaxy)
    concepts = concepts_of(contexts)

    @cache
    def model(context: DataContext, count: int) -> Measured | None:
        if not is_composed(context, concepts):
            return None
        return measure(trained.sample_counts(count, contexts.index(context)))

    of_data = {
        context.name: measure(part.numpy())
        for context, part in zip(contexts, _by_context(images, rows.context, len(contexts)), strict=True)
        if len(part) >= FEWEST
    }
    rows_in_contexts = rows_of(contexts, of_data, model)
    return InContexts(rows_in_contexts, summaries(rows_in_contexts))


def _by_context(images: Float[Tensor, "N C H W"], context: NDArray[np.intp], count: int) -> Iterator[Tensor]:
    """The images of each context by its number, at most IMAGES at equal steps."""
    for number in range(count):
        of_context = np.flatnonzero(context == number)
        yield images[torch.from_numpy(of_context[evenly(len(of_context), IMAGES)])]


def measured(images: Float[ndarray, "N C H W"], directions: Float[ndarray, "P D"], is_galaxy: bool) -> Measured:
    """Projections of all images, and of galaxies, images of one channel in photons, the moments of the first ones."""
    if not is_galaxy:
        return Measured(projected(images, directions), None)
    return Measured(projected(asinh_scale(images), directions), shapes(images[:GALAXIES, 0]))


def rows_of(contexts: Sequence[DataContext], of_data: Mapping[str, Measured], model: Model) -> list[Row]:
    """A row for each context that the data have images of, by name."""
    concepts = concepts_of(contexts)
    obs = next((of_data[each.name] for each in contexts if not each.of and each.name in of_data), None)
    pool = [of_data[each.name] for each in contexts if each.train and each.name in of_data]
    rows = []
    for context in contexts:
        if target := of_data.get(context.name):
            images = model(context, len(target.projections))
            facts = _facts(context, concepts, len(target.projections))
            rows.append(facts | distances(images, target, obs, pool) | shares(images, target, obs))
    return rows


def plain_row(row: Row) -> Row:
    """A row as JSON has it: what is not a number is left out."""
    return {name: value for name, value in row.items() if not (isinstance(value, float) and math.isnan(value))}


def _facts(context: DataContext, concepts: Sequence[DataContext], count: int) -> Row:
    composed = sum(set_of(context, concepts)) if is_composed(context, concepts) else math.nan
    return {
        "context": context.name,
        "of": " ".join(context.of),
        "is_trained": context.train > 0,
        "concepts": composed,
        "images": count,
    }


def distances(model: Measured | None, target: Measured, obs: Measured | None, pool: Sequence[Measured]) -> Row:
    """The distance of the model's images from the data's, its floor, and those of two models that know no context."""
    score, floor = NONE, sliced_floor(target.projections, SEED)
    if model is not None:
        score = distance_score(model.projections, target.projections)
    baselines = (_as_model(sets, target, floor) for sets in ([obs] if obs else [], pool))
    values = dict(zip(BESIDE, (score.value, floor, *baselines), strict=True))
    return {f"{DISTANCE}_se": score.se, **{DISTANCE + end: value for end, value in values.items()}}


def _as_model(sets: Sequence[Measured], target: Measured, floor: float) -> float:
    """The distance of as many images of the data as the target has, of each set an equal part; NaN without any."""
    if not sets:
        return math.nan
    if all(each is target for each in sets):
        return floor
    part = max(1, len(target.projections) // len(sets))
    parts = [each.projections[evenly(len(each.projections), part)] for each in sets]
    return projected_distance(np.concatenate(parts), target.projections)


def shares(model: Measured | None, target: Measured, obs: Measured | None) -> Row:
    """The shares of the shifts of galaxies from where nothing is done that the model shows; nothing of other images."""
    if target.moments is None:
        return {}
    images, start, end = (each.moments if each and each.moments else NO_GALAXIES for each in (model, obs, target))
    row: Row = {"moments_converged": float(np.isfinite(images.size).mean()) if len(images.size) else math.nan}
    for name, *sets in zip(QUANTITIES, *(_quantities(each) for each in (images, start, end)), strict=True):
        score = moved(*sets)
        row |= {f"moved_{name}": score.value, f"moved_{name}_se": score.se}
    return row


def _quantities(moments: Shapes) -> list[Array]:
    return [np.log(moments.flux), np.log(moments.size), moments.e1, moments.e2]


def summaries(rows: Sequence[Row]) -> dict[str, Score]:
    """The mean distances over trained contexts of one concept, and over those never trained on.

    Contexts that the model has no images of are left out of all of them.
    """
    of_model = [row for row in rows if not math.isnan(float(row["concepts"]))]
    groups = {
        "concept": [row for row in of_model if row["is_trained"] and row["concepts"] == 1],
        "composition": [row for row in of_model if not row["is_trained"]],
    }
    return {name + end: _mean(group, end) for name, group in groups.items() if group for end in BESIDE}


def _mean(rows: Sequence[Row], end: str) -> Score:
    """Mean of a distance over contexts; that of the model has an error, by the images of independent contexts."""
    errors = [float(row[f"{DISTANCE}_se"]) if not end else math.nan for row in rows]
    value = float(np.mean([float(row[DISTANCE + end]) for row in rows]))
    images = sum(int(row["images"]) for row in rows)
    return within(value, math.hypot(*errors) / len(rows), images, None, 0, math.inf)

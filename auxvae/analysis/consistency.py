r"""What an intervention changes in images of a context module whose latents are kept, factor by factor.

    x_0, x_c     images of the model from the same latents, where nothing is done and in context c
    y_f(x)       factor f of an image, by auxvae.metrics.kernel_ridge on its first COMPONENTS principal components
    changed_f    sqrt(mean |y_f(x_c) - y_f(x_0)|^2) / sd(y_f(x_0)), a row for each context

and, for the scores of a run, their means over trained contexts of one concept,

    changed_targets      of the factors intervened on: 0 says that the intervention does nothing
    changed_elsewhere    of all factors that these do not cause, directly or through others: 0 is good

sqrt(2) is what images of other latents have. Neither is read without the other: a model that knows no context has 0 of
both. The regression is learned from LEARNED images of the test rows, noise-free where the store has those, in all
contexts; a factor that it does not read from others of them with an R2 of READABLE is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.analysis.effects import Mechanisms, effects_on
from auxvae.analysis.interventions import ContextSampler, Row
from auxvae.config.contexts import DataContext, concepts_of, is_composed
from auxvae.config.kinds import Kind
from auxvae.data.store import Rows
from auxvae.metrics.few_labels import explained, targets_of
from auxvae.metrics.images import asinh_scale
from auxvae.metrics.interventions import consistency
from auxvae.metrics.kernel_ridge import kernel_ridge
from auxvae.metrics.score import Score

Array = NDArray[np.float64]
IMAGES = 1024  # of the model in a context
LEARNED, TESTED = 4096, 2048  # images of the data, at most
COMPONENTS = 100
READABLE = 0.8
DIGITS = 9  # equal images are read alike to rounding
SEED = 0  # of the order of the images, for all runs


class Changes(NamedTuple):
    """changed_f by context, and the scores of the run."""

    rows: dict[str, Row]
    scores: dict[str, Score]


def changes(trained: ContextSampler, is_galaxy: bool, mechanisms: Mechanisms | None) -> Changes:
    """What each context changes in images of the same latents; nothing for a model without concepts.

    mechanisms: the causes of the factors. Where they are unknown, None, every factor counts as caused by no other.
    """
    contexts, concepts = trained.run.dataset.contexts, concepts_of(trained.run.dataset.contexts)
    obs = next((each for each in contexts if not each.of), None)
    if not trained.run.concepts or obs is None:
        return Changes({}, {})
    shown = [obs, *(each for each in contexts if each.of and is_composed(each, concepts))]
    images = [_flat(trained.sample_counts(IMAGES, contexts.index(each)), is_galaxy) for each in shown]
    by_factor = _changed(*_read(trained.rows, trained.run.dataset.kinds, images, is_galaxy))
    rows: dict[str, Row] = {
        context.name: {f"changed_{name}": values[place] for name, values in by_factor.items()}
        for place, context in enumerate(shown)
    }
    return Changes(rows, _summaries(rows, trained.run.concepts, [*by_factor], mechanisms or {}))


def _read(
    rows: Rows, kinds: Sequence[Kind], images: Sequence[Array], is_galaxy: bool
) -> tuple[dict[str, slice], Float[ndarray, "K N V"]]:
    """Auxiliary variables of sets of images (N, D), and the columns of each factor that can be read."""
    whole = (rows.images if rows.truth is None else rows.truth).numpy()
    order = np.random.Generator(np.random.Philox(key=SEED)).permutation(len(whole))[: LEARNED + TESTED]
    learned, tested = np.split(order, [len(order) * LEARNED // (LEARNED + TESTED)])
    principal = _principal_components(_flat(whole[learned[: 10 * COMPONENTS]], is_galaxy))
    x, *others = (
        each @ principal for each in (_flat(whole[learned], is_galaxy), _flat(whole[tested], is_galaxy), *images)
    )
    targets = targets_of(rows.factors, kinds)
    of_learned, of_tested = (targets._replace(values=targets.values[each]) for each in (learned, tested))
    predicted = kernel_ridge(x, of_learned.values, np.concatenate(others), [*targets.columns.values()]).test
    of_others, of_images = np.split(predicted, [len(tested)])
    scores = explained(of_tested, of_others)
    readable = {
        name: columns for (name, columns), r2 in zip(targets.columns.items(), scores, strict=True) if r2 > READABLE
    }
    return readable, of_images.reshape(len(images), -1, predicted.shape[1])


def _principal_components(images: Float[ndarray, "N D"]) -> Float[ndarray, "D K"]:
    """Axes of the COMPONENTS largest variances."""
    return np.asarray(np.linalg.svd(images - images.mean(0), full_matrices=False)[2][:COMPONENTS].T)


def _flat(images: Float[ndarray, "N C H W"], is_galaxy: bool) -> Float[ndarray, "N D"]:
    return np.asarray(asinh_scale(images) if is_galaxy else images, dtype=np.float64).reshape(len(images), -1)


def _changed(readable: dict[str, slice], read: Float[ndarray, "K N V"]) -> dict[str, list[float]]:
    """changed_f in every set of images, the first of which is that where nothing is done."""
    before = read[0]
    return {
        name: [round(consistency(before[:, of], after[:, of]), DIGITS) for after in read]
        for name, of in readable.items()
    }


def _summaries(
    rows: dict[str, Row], concepts: Sequence[DataContext], factors: Sequence[str], mechanisms: Mechanisms
) -> dict[str, Score]:
    """The means over concepts; a concept none of whose factors can be read is left out of changed_targets."""
    targets: list[float] = []
    elsewhere: list[float] = []
    for concept in concepts:
        changed = {name: float(rows[concept.name][f"changed_{name}"]) for name in factors}
        caused = effects_on(concept.of, mechanisms)
        targets += [value for name, value in changed.items() if name in concept.of]
        elsewhere += [value for name, value in changed.items() if name not in {*concept.of} | caused]
    parts = {"changed_targets": targets, "changed_elsewhere": elsewhere}
    return {name: Score(float(np.mean(each)), np.nan, np.nan, IMAGES) for name, each in parts.items() if each}

"""What the codes of a run are worth to someone with n labelled images: curves over n, and the bias of the shear.

few_labels_..., many_labels_...     auxvae.metrics.few_labels, of the fewest and the most labelled rows of the study
shear_...                           auxvae.metrics.shear, of the auxiliary latents, in units of the shear by the
                                    extremes of the training rows
labels_shear_...                    the same of the regression from the most labelled rows, its first draw
downstream (labels, factor, bound)  the curves

Codes are posterior means, as a user would take them. A method whose encoder sees the auxiliary variables is left out:
its codes were handed at test time what is asked of them. Labelled rows are training rows addressed by (seed of the run,
draw), each larger set of a draw holding the smaller ones; the labels are the true factors, however imperfect those were
that the run was trained on. Runs of equal seed have equal labelled rows, so that they can be compared in pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.config.analyses import Downstream
from auxvae.config.kinds import Kind
from auxvae.data.randomness import generator
from auxvae.metrics.few_labels import Predict, few_labels, over_draws, targets_of
from auxvae.metrics.kernel_ridge import Prediction, kernel_ridge
from auxvae.metrics.score import Score
from auxvae.metrics.shear import COMPONENTS, bias_scores

Array = NDArray[np.float64]
Factors = dict[str, Array]
BOUNDS = ("mean", "low", "high")


class Truth(NamedTuple):
    """Factors of training and of test rows, (N,) and (M,) by name, their kinds, and whether shear can be measured."""

    train: Factors
    test: Factors
    kinds: tuple[Kind, ...]
    holds_galaxies: bool

    def components(self) -> tuple[str, ...]:
        """The components of the shear among the factors."""
        return tuple(name for name in COMPONENTS if self.holds_galaxies and name in self.test)


class Measured(NamedTuple):
    """Curves over the number of labelled rows, and single scores."""

    curves: xr.Dataset
    scores: dict[str, Score]


def of_run(train: TrainedModel, test: TrainedModel, galaxies: bool, wanted: Downstream, resamples: int) -> Measured:
    """The curves and scores of one run, read beside training rows and beside test rows."""
    run = test.run
    if run.composition.encoder_sees_aux:
        return Measured(xr.Dataset(), {})
    codes, codes_test = (each.encode()[0].astype(np.float64) for each in (train, test))
    truth = Truth(train.rows.factors, test.rows.factors, run.dataset.kinds, galaxies)
    measured = of_codes(codes, codes_test, truth, wanted, run.seed, resamples)
    if not run.composition.has_aux_latents:
        return measured
    for component in truth.components():
        if component in run.variables:
            latent, low = run.variables.index(component), test.scaling.factor_low[component]
            span = test.scaling.factor_high[component] - low
            of_test = (low + span * codes_test[:, latent], truth.test[component])
            of_train = (low + span * codes[:, latent], truth.train[component])
            measured.scores.update(bias_scores("shear", component, of_test, of_train, resamples))
    return measured


def of_codes(
    codes: Array,
    codes_test: Array,
    truth: Truth,
    wanted: Downstream,
    seed: int,
    resamples: int,
    predict: Predict = kernel_ridge,
) -> Measured:
    """The curves and scores of codes (N, D) and (M, D) of training and test rows."""
    targets, targets_test = (targets_of(each, truth.kinds) for each in (truth.train, truth.test))
    orders = [labelled_order(seed, draw, len(codes)) for draw in range(wanted.draws)]
    numbers, names, rows = sorted(n for n in wanted.labels if n <= len(codes)), list(targets.columns), len(codes_test)
    curves = np.full((len(numbers), len(names), len(BOUNDS)), np.nan)
    scores: dict[str, Score] = {}
    for place, number in enumerate(numbers):
        labelled = [order[:number] for order in orders]
        values, predictions = few_labels(codes, codes_test, targets, targets_test, labelled, predict)
        by_factor = {name: over_draws(values[:, k], rows) for k, name in enumerate(names) if np.isfinite(values[0, k])}
        for name, score in by_factor.items():
            curves[place, names.index(name)] = score[:3]
        if place == 0:
            scores |= {f"few_labels_{name}": score for name, score in by_factor.items()}
        if place == len(numbers) - 1:
            scores |= {f"many_labels_{name}": score for name, score in by_factor.items()}
            scores |= _shear_from_labels(truth, labelled[0], predictions[0], names, resamples)
    coords = {"labels": numbers, "factor": names, "bound": list(BOUNDS)}
    return Measured(xr.Dataset({"downstream": (tuple(coords), curves)}, coords), scores)


def labelled_order(seed: int, draw: int, rows: int) -> NDArray[np.intp]:
    """The training rows in the order in which a draw labels them."""
    return torch.randperm(rows, generator=generator(seed, "labelled rows", draw)).numpy()


def _shear_from_labels(
    truth: Truth, labelled: NDArray[np.intp], prediction: Prediction, names: list[str], resamples: int
) -> dict[str, Score]:
    """Bias of the regression, as it is and corrected by the labelled rows, each predicted without itself."""
    columns = targets_of(truth.test, truth.kinds).columns
    scores: dict[str, Score] = {}
    for component in truth.components():
        of_test, of_labelled = (each[:, columns[component]][:, 0] for each in prediction)
        pairs = (of_test, truth.test[component]), (of_labelled, truth.train[component][labelled])
        scores |= bias_scores("labels_shear", component, *pairs, resamples)
    return scores

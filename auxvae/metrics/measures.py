"""Adapters: the metrics of arrays as functions of a representation and a number of bootstrap samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from auxvae.metrics import alignment, covariance, information, pairs, predictability, prior_match, readout, votes
from auxvae.metrics.attributes import tad
from auxvae.metrics.importance import dci
from auxvae.metrics.metric import Measure
from auxvae.metrics.representation import Representation
from auxvae.metrics.robustness import irs
from auxvae.metrics.score import Score, exact
from auxvae.metrics.targets import targets
from auxvae.metrics.trajectories import curvature, straightness


def of_codes(measure: Callable[..., Score]) -> Measure:
    """A metric of codes alone."""
    return lambda inputs, resamples: measure(inputs.codes, resamples=resamples)


def of_factors(measure: Callable[..., Score], **settings: object) -> Measure:
    """A metric of codes and factors, with their kinds."""
    return lambda inputs, resamples: measure(
        inputs.codes, inputs.factor_table, resamples=resamples, kinds=inputs.kinds, **settings
    )


def of_bins(measure: Callable[..., Score]) -> Measure:
    """A metric of codes, factors and whether each factor is discrete."""
    return lambda inputs, resamples: measure(inputs.codes, inputs.factor_table, inputs.discrete, resamples=resamples)


def of_classes(measure: Callable[..., Score]) -> Measure:
    """A metric of codes and classes of factors."""
    return lambda inputs, resamples: measure(inputs.codes, inputs.classes(inputs.factor_table), resamples=resamples)


def fitted(measure: Callable[..., Score], discrete_only: bool = False) -> Measure:
    """A metric that is fitted to codes and classes, and tested on others."""

    def measured(inputs: Representation, resamples: int) -> Score:
        z, u, z_test, u_test = inputs.parts
        columns = np.flatnonzero(inputs.discrete) if discrete_only else np.arange(u.shape[1])
        classes, classes_test = (inputs.classes(each)[:, columns] for each in (u, u_test))
        return measure(z, classes, z_test, classes_test, resamples)

    return measured


lds, lds_corrected = of_factors(alignment.lds), of_factors(alignment.lds, corrected=True)
explicitness, sap = of_factors(alignment.explicitness), of_factors(alignment.sap)
mig, modularity = of_bins(information.mig), of_bins(information.modularity)
beta_vae, factor_vae = of_classes(votes.beta_vae), of_classes(votes.factor_vae)
sap_discrete, explicitness_auc = fitted(readout.sap_discrete, True), fitted(readout.explicitness_auc)
total_correlation, covariance_ratio = of_codes(covariance.total_correlation), of_codes(covariance.covariance_ratio)
wasserstein_correlation = of_codes(covariance.wasserstein_correlation)
lps, lps_ridge = of_codes(predictability.lps), of_codes(predictability.lps_ridge)
lps_trees = of_codes(predictability.lps_trees)


def dci_forests(inputs: Representation, resamples: int) -> dict[str, Score]:
    """DCI by forests."""
    z, u, z_test, u_test = inputs.parts
    return dci(z, u, inputs.discrete, z_test, u_test, resamples=resamples, kinds=inputs.kinds)


def dci_boosted(inputs: Representation, resamples: int) -> dict[str, Score]:
    """DCI by boosted trees, its names marked as the reference."""
    z, u, z_test, u_test = inputs.parts
    scores = dci(z, u, inputs.discrete, z_test, u_test, reference=True, resamples=resamples)
    return {f"{name}_reference": score for name, score in scores.items()}


def robustness(inputs: Representation, resamples: int) -> Score:
    """IRS, whose interval is a jackknife."""
    return irs(inputs.codes, inputs.classes(inputs.factor_table))


def attributes(inputs: Representation, resamples: int) -> Score:
    """TAD of the factors of two values."""
    return tad(inputs.codes, inputs.classes(inputs.factor_table)[:, inputs.binary], resamples)


def ceiling(inputs: Representation, resamples: int) -> Score:
    """LDS of a perfect code on that number of rows."""
    wanted = targets(inputs.factor_table, inputs.kinds)
    rows, latents = inputs.codes.shape
    return exact(alignment.lds_ceiling(rows, latents, wanted), rows)


def dependence_of_pairs(inputs: Representation, resamples: int) -> dict[str, Score]:
    """Distance correlation of pairs of latents, and its floor."""
    floor = pairs.pair_dependence_floor(inputs.codes.values)
    return {"pair_dependence": pairs.pair_dependence(inputs.codes, resamples), "pair_dependence_floor": floor}


def match_with_prior(inputs: Representation, resamples: int) -> dict[str, Score]:
    """Distances of the codes from samples of their prior, and their floors."""
    return prior_match.match_scores(inputs.codes.values, inputs.extra["prior"])


def straightness_of_films(inputs: Representation, resamples: int) -> dict[str, Score]:
    """Straightness and curvature of the codes of films."""
    films = inputs.extra["films"]
    return {"straightness": straightness(films), "curvature": curvature(films)}

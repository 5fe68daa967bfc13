"""The table of metrics: what each is called, what it needs, where it comes from, what is good, and how it is measured.

scores = suite(representation(codes, factors))          {"mig": Score(value, low, high, n, matrix), ...}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.metrics import aggregate, alignment, predictability
from auxvae.metrics.attributes import tad
from auxvae.metrics.importance import dci
from auxvae.metrics.information import BINS, mig, modularity
from auxvae.metrics.readout import explicitness_auc, sap_discrete
from auxvae.metrics.representation import Representation, representation
from auxvae.metrics.robustness import irs
from auxvae.metrics.score import RESAMPLES, Score, exact
from auxvae.metrics.trajectories import curvature, straightness
from auxvae.metrics.votes import beta_vae, factor_vae

Array = NDArray[np.float64]
Measured = Score | dict[str, Score]
Measure = Callable[[Representation, int], Measured]
Needs = Literal["codes", "factors", "two factors", "discrete", "binary", "prior", "films"]


@dataclass(frozen=True)
class Metric:
    """One entry: measure, what it needs, paper, the value of a perfect code, its several scores, whether it is slow."""

    measure: Measure
    needs: Needs
    citation: str
    good: str
    gives: tuple[str, ...] = ()
    boosted: bool = False


def _of_codes(measure: Callable[..., Score]) -> Measure:
    return lambda given, resamples: measure(given.codes, resamples=resamples)


def _of_factors(measure: Callable[..., Score], **settings: object) -> Measure:
    return lambda given, resamples: measure(given.codes, given.known, resamples=resamples, **settings)


def _of_bins(measure: Callable[..., Score]) -> Measure:
    return lambda given, resamples: measure(given.codes, given.known, given.discrete, resamples=resamples)


def _of_classes(measure: Callable[..., Score]) -> Measure:
    return lambda given, resamples: measure(given.codes, given.classes(given.known), resamples=resamples)


def _fitted(measure: Callable[..., Score], discrete_alone: bool = False) -> Measure:
    def measured(given: Representation, resamples: int) -> Score:
        z, u, z_test, u_test = given.parts
        kept = np.flatnonzero(given.discrete) if discrete_alone else np.arange(u.shape[1])
        known, told = (given.classes(each)[:, kept] for each in (u, u_test))
        return measure(z, known, z_test, told, resamples)

    return measured


def _dci(given: Representation, resamples: int) -> dict[str, Score]:
    z, u, z_test, u_test = given.parts
    return dci(z, u, given.discrete, z_test, u_test, resamples=resamples)


def _dci_reference(given: Representation, resamples: int) -> dict[str, Score]:
    z, u, z_test, u_test = given.parts
    scores = dci(z, u, given.discrete, z_test, u_test, reference=True, resamples=resamples)
    return {f"{name}_reference": score for name, score in scores.items()}


def _irs(given: Representation, resamples: int) -> Score:
    return irs(given.codes, given.classes(given.known))


def _tad(given: Representation, resamples: int) -> Score:
    return tad(given.codes, given.classes(given.known)[:, given.binary], resamples)


def _ceiling(given: Representation, resamples: int) -> Score:
    return exact(alignment.lds_ceiling(*given.codes.shape), len(given.codes))


def _pairs(given: Representation, resamples: int) -> dict[str, Score]:
    floor = aggregate.pair_dependence_floor(given.codes.values)
    return {"pair_dependence": aggregate.pair_dependence(given.codes), "pair_dependence_floor": floor}


def _prior(given: Representation, resamples: int) -> dict[str, Score]:
    return aggregate.match_scores(given.codes.values, given.extra["prior"])


def _straightness(given: Representation, resamples: int) -> dict[str, Score]:
    films = given.extra["films"]
    return {"straightness": straightness(films), "curvature": curvature(films)}


def _floored(*several: str) -> tuple[str, ...]:
    return tuple(name for each in several for name in (each, f"{each}_floor"))


KUMAR, RIDGEWAY = "Kumar et al., arXiv:1711.00848", "Ridgeway & Mozer, arXiv:1802.05312"
DCI, FILMS = ("dci_informativeness", "dci_disentanglement", "dci_completeness"), ("straightness", "curvature")
EASTWOOD, AUX, MMD = "Eastwood & Williams, ICLR 2018", "arXiv:2507.00298", "arXiv:2510.11953"

METRICS: dict[str, Metric] = {
    "lds": Metric(_of_factors(alignment.lds), "factors", AUX, "ceiling"),
    "lds_ceiling": Metric(_ceiling, "factors", "auxvae.metrics.alignment", "1"),
    "lds_corrected": Metric(_of_factors(alignment.lds, corrected=True), "factors", "auxvae.metrics.alignment", "1"),
    "explicitness": Metric(_of_factors(alignment.explicitness), "factors", AUX, "1"),
    "sap": Metric(_of_factors(alignment.sap), "factors", KUMAR, "1"),
    "sap_discrete": Metric(_fitted(sap_discrete, True), "discrete", KUMAR, "1 - 1/classes"),
    "mig": Metric(_of_bins(mig), "factors", "Chen et al., arXiv:1802.04942", "1"),
    "modularity": Metric(_of_bins(modularity), "two factors", RIDGEWAY, "1"),
    "explicitness_auc": Metric(_fitted(explicitness_auc), "factors", RIDGEWAY, "1"),
    "dci": Metric(_dci, "factors", EASTWOOD, "1", DCI),
    "dci_reference": Metric(_dci_reference, "factors", EASTWOOD, "1", tuple(f"{n}_reference" for n in DCI), True),
    "beta_vae": Metric(_of_classes(beta_vae), "two factors", "Higgins et al., ICLR 2017", "1"),
    "factor_vae": Metric(_of_classes(factor_vae), "two factors", "Kim & Mnih, arXiv:1802.05983", "1"),
    "irs": Metric(_irs, "factors", "Suter et al., ICML 2019", "1"),
    "tad": Metric(_tad, "binary", "Yeats et al., ECCV 2022", "kept / 2"),
    "total_correlation": Metric(_of_codes(aggregate.total_correlation), "codes", "of a Gaussian", "0"),
    "wasserstein_correlation": Metric(_of_codes(aggregate.wasserstein_correlation), "codes", "of a Gaussian", "0"),
    "covariance_ratio": Metric(_of_codes(aggregate.covariance_ratio), "codes", MMD, "1"),
    "pair_dependence": Metric(_pairs, "codes", "Szekely et al., Ann. Stat. 2007", "floor", _floored("pair_dependence")),
    "lps": Metric(_of_codes(predictability.lps), "codes", MMD, "0"),
    "lps_ridge": Metric(_of_codes(predictability.lps_ridge), "codes", MMD, "0"),
    "lps_trees": Metric(_of_codes(predictability.lps_trees), "codes", MMD, "0", boosted=True),
    "prior": Metric(_prior, "prior", "auxvae.metrics.aggregate", "floor", _floored(*aggregate.MATCH)),
    "straightness": Metric(_straightness, "films", "Henaff et al., Nat. Neurosci. 2019", "1", FILMS),
}
NEEDS: dict[Needs, str] = {
    "codes": "codes",
    "factors": "factors",
    "two factors": "two factors or more",
    "discrete": "a discrete factor",
    "binary": "a factor of two values",
    "prior": "samples of the prior, an array `prior`",
    "films": "codes of films, an array `films` (films, images, latents)",
}


def lacks(name: str, given: Representation) -> bool:
    """Whether a representation has not what a metric needs."""
    need = METRICS[name].needs
    factors = 0 if given.factors is None else given.factors.shape[1]
    there: dict[Needs, bool] = {
        "codes": True,
        "factors": factors > 0,
        "two factors": factors > 1,
        "discrete": any(given.discrete),
        "binary": factors > 0 and len(given.binary) > 0,
        "prior": "prior" in given.extra,
        "films": "films" in given.extra,
    }
    return not there[need]


def suite(
    given: Representation, only: Iterable[str] | None = None, reference: bool = False, resamples: int = RESAMPLES
) -> dict[str, Score]:
    """Every metric that the representation has the arrays for, or those named; reference: the boosted ones too."""
    wanted = set(only) if only is not None else {name for name, m in METRICS.items() if reference or not m.boosted}
    scores: dict[str, Score] = {}
    for name, metric in METRICS.items():
        if wanted & {name, *metric.gives} and not lacks(name, given):
            measured = metric.measure(given, resamples)
            several = {name: measured} if isinstance(measured, Score) else measured
            scores |= {key: score for key, score in several.items() if wanted & {name, key}}
    return scores


def named(score: str) -> str | None:
    """The metric of that name, or that gives a score of that name."""
    return next((name for name, metric in METRICS.items() if score in (name, *metric.gives)), None)


def study_scores(mean: Array, sampled: Array, factors: dict[str, Array], resamples: int) -> dict[str, Score]:
    """The suite, but for what is told apart by told factors; factors of one value are left out of it."""
    varying = {name: column for name, column in factors.items() if np.ptp(column) > 0}
    if len(mean) < BINS or not varying:
        return {}
    table = xr.DataArray(np.stack(list(varying.values()), 1), {"factor": list(varying)}, ["row", "factor"])
    of_samples = [name for name, metric in METRICS.items() if metric.needs == "codes" and not name.startswith("lps")]
    of_means = [name for name in METRICS if name not in of_samples and not name.startswith("lds")]
    quick = [name for name in of_means if not METRICS[name].boosted]
    known = suite(representation(mean, table), quick, resamples=resamples)
    return known | suite(representation(sampled), of_samples, resamples=resamples)

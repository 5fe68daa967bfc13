"""The record of one metric: how it is computed, from what, whose it is, and where a report shows its scores."""

from __future__ import annotations

import math
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from auxvae.metrics.representation import Representation
    from auxvae.metrics.score import Score

Measure: TypeAlias = "Callable[[Representation, int], Score | dict[str, Score]]"  # of a representation and resamples
Needs = Literal[
    "codes",
    "factors",
    "two factors",
    "discrete",
    "binary",
    "prior",
    "films",
    "posterior",
    "codes of training rows",
    "seeds",
    "images",
    "labels",
    "contexts",
    "denoisers",
    "measurements",
    "drawn films",
]
NEEDS: dict[Needs, str] = {
    "codes": "codes",
    "factors": "factors",
    "two factors": "two factors or more",
    "discrete": "a discrete factor",
    "binary": "a factor of two values",
    "prior": "samples of the prior, an array `prior`",
    "films": "codes of films, an array `films` (films, images, latents)",
    "posterior": "means and variances of the posterior",
    "codes of training rows": "samples of the posterior of training and test rows, of a model with auxiliary latents",
    "seeds": "two seeds or more of one method",
    "images": "images and their reconstructions",
    "labels": "codes of training and test rows, and `analyses.downstream`",
    "contexts": "images of a model and of a data set with contexts",
    "drawn films": "films of a simulated data set, and `analyses.films`",
    "measurements": "a data set with measurements of its factors, and a model with auxiliary latents",
    "denoisers": "a score-based autoencoder, and the denoiser of another seed on the same data",
}
ReportTable = Literal[
    "alignment", "leakage", "swap", "calibration", "factors", "images", "suite", "aggregate", "downstream", "shear",
    "interventions", "guidance", "films",
]  # fmt: skip
NOISE = "noise"  # chance of a score: what the control of noise has on the same rows
UNIT, POSITIVE = (0.0, 1.0), (0.0, math.inf)  # ranges
EACH_FACTOR = "FACTOR"  # in the name of a score: one score for every factor, of that name


@dataclass(frozen=True)
class Column:
    """One score of a metric.

    good: the value of a perfect model, or "floor", "ceiling" for the value of the companion; "" for a companion itself.
    table: the table of the report that shows it; none if None. companion: the score that it is read beside, its floor,
    ceiling or baseline. compared: a panel of the figure that compares methods. contrasted: differences between
    coverages are computed. logarithmic: its axis, where runs differ by more than a factor of three. chance: the value
    of codes that say nothing, in closed form, as the name of a score, or NOISE, that of the control of noise on the
    same rows; "" where nothing is chance. range: the least and the greatest value. shared: the runs of a label are
    scored together, so that its interval is the one that each of them carries and not Student's over them.
    """

    good: str
    table: ReportTable | None = None
    companion: str = ""
    compared: bool = False
    contrasted: bool = False
    logarithmic: bool = False
    chance: str = ""
    range: tuple[float, float] = (-math.inf, math.inf)
    shared: bool = False


@dataclass(frozen=True)
class Metric:
    """One entry of the table.

    columns: its scores by name, in the order of the report. of: what a study scores, posterior means, samples of the
    posterior, the posterior itself, or reconstructions. needs: what it is computed from. citation: its paper, "" for a
    metric of this package. question: what it asks. blind: what it cannot see. measure: dotted name of the
    function of a representation; empty if auxvae.analysis computes it from a run. by_coverage: a study computes it for
    the coverage of the run instead (auxvae.metrics.alignment). boosted: slow, so that it is left out unless named or
    asked for.
    """

    columns: Mapping[str, Column]
    of: Literal["means", "samples", "posterior", "reconstructions"]
    needs: Needs
    citation: str
    question: str
    blind: str = ""
    measure: str = ""
    by_coverage: bool = False
    boosted: bool = False

    def function(self) -> Measure:
        """The function that `measure` names."""
        function: Measure = pkgutil.resolve_name(self.measure)
        return function

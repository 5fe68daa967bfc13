"""What is computed from every trained run, beside its scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, field
from typing import Annotated, Any

from pydantic.dataclasses import dataclass

from foundation.faults import Fault, Words, listed, suggest
from foundation.fields import SECTION, Many, Name, Number, Range, Section, Text, Whole


@dataclass(frozen=True, config=SECTION)
class Sensitivity(Section):
    """How far reconstructions change when one latent is perturbed."""

    scales: Many[Annotated[Number, Range(1e-4, 1e4)]] = (0.25, 0.5, 1.0, 2.0)
    """perturbations, in standard deviations of each latent"""

    images: Annotated[Whole, Range(2, 1_000_000)] | None = None
    """number of perturbed images; `null` for 1,024, or all test rows where there are fewer"""

    def rows(self, test: int) -> int:
        """Number of images out of so many test rows."""
        return min(1024, test) if self.images is None else self.images

    def faults(self) -> Iterator[Fault]:
        """An empty list of scales, or one of them twice."""
        if not self.scales:
            yield Fault(".scales", Words("an empty list"), "at least one scale is needed", "write [1.0]")
        for scale in dict.fromkeys(each for each in self.scales if self.scales.count(each) > 1):
            yield Fault(".scales", scale, "a scale stands once", "keep it once")


@dataclass(frozen=True, config=SECTION)
class Traversal(Section):
    """Images decoded along each latent, from a low to a high quantile of the test codes."""

    steps: Annotated[Whole, Range(2, 21)] = 7
    """steps along each latent"""

    images: Annotated[Whole, Range(1, 8)] = 1
    """number of test images to start from"""


MOST_LABELS = 16_384  # training rows that an evaluation reads of one run


@dataclass(frozen=True, config=SECTION)
class Downstream(Section):
    """Each factor from a few labelled codes, beside raw pixels and a supervised network; shear calibration."""

    labels: Many[Annotated[Whole, Range(8, MOST_LABELS)]] = (16, 64, 256, 1024, 4096)
    """numbers of labelled training rows, no more than there are"""

    draws: Annotated[Whole, Range(2, 100)] = 5
    """sets of labelled rows of each number, which the intervals of a single run are over"""

    def faults(self) -> Iterator[Fault]:
        """An empty list of numbers, or one of them twice."""
        if not self.labels:
            yield Fault(".labels", Words("an empty list"), "a number of labelled rows is needed", "write [64]")
        for number in dict.fromkeys(each for each in self.labels if self.labels.count(each) > 1):
            yield Fault(".labels", number, "a number stands once", "keep it once")

    @property
    def rows(self) -> int:
        """Labelled rows of all numbers and draws together, to which the time is about proportional."""
        return self.draws * sum(self.labels)

    def too_many(self, where: str, name: str, train: int) -> Iterator[Fault]:
        """Numbers of labelled rows beyond the training rows of a data set."""
        for number in (each for each in self.labels if each > train):
            text = f"{name} has {train} training rows"
            yield Fault(f"{where}.labels", number, text, "lower it, or give more training rows")


FEWEST_TESTED = 2  # rows, so that images are compared
FEWEST_FRAMES = 3  # a turn is made of two steps
MOST_FRAMES = 4096  # of all films of a path: they are held at once


@dataclass(frozen=True, config=SECTION)
class Films(Section):
    """Noise-free films whose factors move: do their codes lie on a line? ([how](sami.md#films))"""

    line: Many[Text] = ()
    """factors that move on a straight line, each from one value to another"""

    arc: Many[Text] = ()
    """two factors that move on half a circle"""

    count: Annotated[Whole, Range(2, 10_000)] = 64
    """films of each path"""

    frames: Annotated[Whole, Range(1, 1000)] = 16
    """images of each film"""

    @property
    def paths(self) -> dict[str, tuple[str, ...]]:
        """The factors that move, by path."""
        both = {"line": self.line, "arc": self.arc}
        return {path: along for path, along in both.items() if along}

    def faults(self) -> Iterator[Fault]:
        """Films that cannot turn, that do not move, and an arc of other than two factors."""
        if self.frames < FEWEST_FRAMES:
            text = f"a film turns between two steps, and has {FEWEST_FRAMES} frames or more"
            yield Fault(".frames", self.frames, text, "raise it")
        if self.count * self.frames > MOST_FRAMES:
            value = Words(f"{self.count} films of {self.frames} images")
            yield Fault(".count", value, f"a path has {MOST_FRAMES:,} images at most", "lower it, or frames")
        for path, along in self.paths.items():
            for name in dict.fromkeys(each for each in along if along.count(each) > 1):
                yield Fault(f".{path}", name, "a factor moves once", "keep it once")
        if not self.paths:
            yield Fault("", Words("neither line nor arc"), "a film has a path", "name the factors that move")
        if self.arc and len({*self.arc}) != 2:
            yield Fault(".arc", Words(listed(self.arc)), "an arc is that of two factors", "name two")

    def unknown(self, where: str, dataset: Mapping[str, Any]) -> Iterator[Fault]:
        """Factors that a data set has not; data sets that exist already, and those of a catalogue's galaxies."""
        name, factors, population = dataset["name"], dataset["factors"], dataset.get("population")
        if dataset["store"] is not None or population:
            text = "films are drawn in the scene of a simulated data set, whose factors are all that an image shows"
            value = Words(f"the data set {name}, {f'of {population} galaxies' if population else 'a store'}")
            yield Fault(where, value, text, "take films away")
            return
        for path, along in self.paths.items():
            for factor in (each for each in along if each not in factors):
                text = f"the factors of {name} are {listed(factors)}"
                yield Fault(f"{where}.{path}", factor, text, suggest(factor, factors, "name some of these"))


@dataclass(frozen=True, config=SECTION)
class Analyses(Section):
    """What is computed from every trained run, beside its scores."""

    sensitivity: Sensitivity = field(default_factory=Sensitivity)
    """how far reconstructions change when one latent is perturbed"""

    traversal: Traversal = field(default_factory=Traversal)
    """images decoded along each latent"""

    candidates: dict[Name, Many[Text]] = field(default_factory=dict)
    """by the name of a coverage, coverages that have one variable more: does that variable say anything new?
    [how](candidates.md)"""

    downstream: Downstream | None = None
    """how few labelled codes tell each factor, beside raw pixels and a supervised network, and how biased is the shear
    ([how to read it](downstream.md)); `{}` for the defaults, `null`: not computed"""

    films: Films | None = None
    """films of every data set: how straight are their codes, beside those of pixels and of an untrained encoder?"""

    measure: dict[Name, Many[Text]] = field(default_factory=dict)
    """by the data set of runs, data sets on whose test rows these runs measure their factors: bias, scatter, coverage,
    and whether the images are inside the domain of the run ([how](measure.md#in-a-study))"""

    bootstrap: Annotated[Whole, Range(20, 100_000)] = 200
    """resamples behind the intervals of the metrics"""

    @property
    def of_a_run(self) -> dict[str, Any]:
        """What the evaluation of a run depends on, as plain JSON: all but what is measured after it."""
        return {name: value for name, value in asdict(self).items() if name != "measure"}

    @property
    def labelled(self) -> int:
        """Labelled rows of the downstream analysis of a run; 0 without one."""
        return self.downstream.rows if self.downstream else 0

    def unfit(self, dataset: Mapping[str, Any]) -> Iterator[Fault]:
        """What cannot be computed of a data set, given by its facts."""
        name, test = dataset["name"], dataset["test"]
        if test >= FEWEST_TESTED and (images := self.sensitivity.rows(test)) > test:
            text = f"{name} has {test} test rows"
            yield Fault("analyses.sensitivity.images", images, text, "lower it or give more test rows")
        if self.downstream is not None:
            yield from self.downstream.too_many("analyses.downstream", name, dataset["train"])
        if self.films is not None:
            yield from self.films.unknown("analyses.films", dataset)

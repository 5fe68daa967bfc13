"""Which runs of a study are measured on which data sets: `analyses: {measure: {trained_on: [measured_on, ...]}}`.

A run is measured if its method has auxiliary latents that are read from the image alone (`conditional` is `gaussian`),
and if a factor of its coverage is a number on a line. Images of another data set must be on the scale of the run's: the
same pixels, kind of noise and sky, as `python -m auxvae measure` asks of any store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from auxvae.config.kinds import kinds_of
from auxvae.config.methods import METHODS
from auxvae.config.run import Run
from auxvae.config.spec import Config, Group
from foundation.faults import Fault, Words, listed, suggest

Facts = Mapping[str, Mapping[str, Any]]
PLACE = "analyses.measure"
FEWEST = 100  # calibration rows, those of auxvae.metrics.conformal
ALIKE = {  # facts that must be the same, in words; one that a data set does not state is no difference
    "stamp": "{} pixels along each side",
    "channels": "{} channels",
    "noise": "{} noise",
    "sky": "a sky of {:g}",
    "pixel_scale": "pixels of {:g} arcsec",
    "weights": "weights {}",
}


def is_measurable(run: Run) -> bool:
    """Whether the factors of a run can be measured in any image."""
    return _can_measure(run.method) and bool(_on_a_line(run.aux, run.dataset.factors, run.dataset.kinds))


def measure_faults(config: Config, groups: Mapping[str, Group], facts: Facts) -> Iterator[Fault]:
    """All that is wrong with the section `measure` of a study."""
    for trained, several in config.analyses.measure.items():
        where = f"{PLACE}.{trained}"
        if trained not in config.datasets:
            yield _unknown(where, trained, config)
            continue
        if not several:
            yield Fault(where, Words("an empty list"), "a data set is needed to measure", f"write [{trained}]")
        for name in dict.fromkeys(each for each in several if several.count(each) > 1):
            yield Fault(where, name, "a data set stands once", "keep it once")
        for name in dict.fromkeys(each for each in several if each not in config.datasets):
            yield _unknown(where, name, config)
        if trained in facts and not facts[trained].get("doubtful"):
            yield from _runs(config, groups, where, facts[trained])
            for name in (each for each in several if each in facts and not facts[each].get("doubtful")):
                yield from _images(where, facts[trained], facts[name])
                yield from _factors(config, groups, where, facts[trained], facts[name])
                yield from _inputs(_measured(config, groups, trained), where, facts[name])


def _unknown(where: str, name: str, config: Config) -> Fault:
    text = f"the data sets are {listed(config.datasets)}"
    return Fault(where, name, text, suggest(name, config.datasets, "name one of them"))


def _can_measure(method: str) -> bool:
    return method in METHODS and METHODS[method].conditional == "gaussian"


def _on_a_line(coverage: tuple[str, ...], factors: Any, kinds: Any) -> list[str]:
    """Those of a coverage that are factors on a line, neither circular nor categorical."""
    others = {kind.factor for kind in kinds}
    return [name for name in coverage if name in factors and name not in others]


def _measured(config: Config, groups: Mapping[str, Group], name: str) -> list[Group]:
    """The groups of a data set whose method can be measured."""
    only = next(iter(config.datasets), "")
    return [group for group in groups.values() if (group.dataset or only) == name and _can_measure(group.method)]


def _runs(config: Config, groups: Mapping[str, Group], where: str, trained: Mapping[str, Any]) -> Iterator[Fault]:
    """A data set of which no run can be measured, or too few rows to calibrate on."""
    name, able = trained["name"], [each for each, method in METHODS.items() if method.conditional == "gaussian"]
    if not _measured(config, groups, name):
        text = f"factors are measured by runs of {listed(able)}, and none is trained on {name}"
        yield Fault(where, name, text, "add such a group of runs, or take it away")
    rows = trained["galaxies"] - trained["train"] - trained["test"]
    if rows < FEWEST:
        text = f"a calibration needs {FEWEST}"
        yield Fault(where, Words(f"{rows} validation rows of {name}"), text, "give more validation rows")


def _images(where: str, trained: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Fault]:
    """Images on another scale than those that the runs are trained on."""
    for key, words in ALIKE.items():
        here, there = other.get(key), trained.get(key)
        both = here is not None and there is not None
        if both and here != there:
            value, text = (words.format(_word(each)) for each in (here, there))
            allowed = f"the runs are trained on {trained['name']}, which has {text}"
            yield Fault(where, Words(f"{other['name']} with {value}"), allowed, "make both alike, or take it away")


def _inputs(groups: list[Group], where: str, other: Mapping[str, Any]) -> Iterator[Fault]:
    """What runs are given beside every image, and the other data set has not."""
    there = [*other["factors"], *other.get("columns", ())]
    for name in dict.fromkeys(each for group in groups for each in group.inputs if each not in there):
        value, text = Words(f"{other['name']} without {name}"), f"runs are given {name} beside every image"
        yield Fault(where, value, text, "make that data set with it, or take it away")


def _word(value: Any) -> Any:
    return listed(value) if isinstance(value, (list, tuple)) and value else "none" if value in ((), []) else value


def _factors(
    config: Config, groups: Mapping[str, Group], where: str, trained: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[Fault]:
    """Coverages without a factor that could be compared with the truth of the other data set."""
    names = {name for group in _measured(config, groups, trained["name"]) for name in group.coverages}
    for name in sorted(names & config.coverages.keys()):
        coverage = config.coverages[name]
        on_a_line = _on_a_line(coverage, trained["factors"], kinds_of(trained))
        if coverage and not {*on_a_line} & {*other["factors"]}:
            value = Words(f"coverage {name} of {listed(coverage)}")
            text = (
                f"measurements are compared with true factors, and {other['name']} has {listed(other['factors'])} alone"
            )
            remedy = f"take {other['name']} away, and call `python -m auxvae measure` for it"
            yield Fault(where, value, text, remedy)

"""Measurements in place of the truth: auxiliary variables with standard errors, which some rows may lack.

A store has measurements of its factors (simulations.photometry), or factors that are measurements themselves
(`convert --errors`, `--gaps`). A group of runs with `measured: [hsm_g1]` is trained on hsm_g1 in place of the factor
that it measures, and judged against the factor. With an error e_j of a variable, in shares of the factor's range,

    p(z_j|u) = N(u_j, v + e_j^2)                                         in place of N(u_j, v)

so that a value counts as much as it is worth. The term `calibration` sets the width sigma_j of the posterior of the
factor t_j itself, of which only the measurement u_j = t_j + d_j is known, E d_j^2 = e_j^2:

    errors: independent   (u - mu)^2 is e^2 too large      minimise (u - mu)^2 / (sigma^2 + e^2) + log(sigma^2 + e^2)
    errors: of_image      (u - mu)^2 lacks e^2             minimise ((u - mu)^2 + e^2) / sigma^2 + log sigma^2

The first holds where d tells nothing of the image, as that of a redshift from a spectrum. A flux or a shape that was
measured on the image is a function of it, which the network learns with its errors: u - mu is near 0, and mu is off by
d. Where it learns only a part of them the second is too wide, and never too narrow. Where a row has no value, its prior
is that of all rows, as of gaps (auxvae.config.imperfect). `errors: ignored` takes every value for exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic.dataclasses import dataclass

from auxvae.config.imperfect import takes_gaps
from auxvae.config.kinds import kinds_of
from auxvae.config.methods import METHODS
from foundation.faults import Fault, Words, listed, suggest
from foundation.fields import SECTION

FAR = 1.0  # ranges of the factor beyond its ends: a value farther out is a failure of the measurement


@dataclass(frozen=True, config=SECTION)
class Measured:
    """A measurement: its column, the factor that it measures, the column of its errors or '', whether rows lack it."""

    name: str
    of: str
    error: str = ""
    gaps: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the store that it takes."""
        return (self.name, self.error) if self.error else (self.name,)


def measured_of(facts: Mapping[str, Any]) -> tuple[Measured, ...]:
    """The measurements in the facts of a data set."""
    return tuple(Measured(**each) for each in facts.get("measurements", ()))


def measurements_read(
    every: Iterable[Measured], aux: Iterable[str], chosen: Iterable[str], takes_errors: bool
) -> tuple[Measured, ...]:
    """What stands in place of auxiliary variables: the chosen ones, and factors that have errors or gaps themselves."""
    names, covered = {*chosen}, {*aux}
    read = [each for each in every if each.of in covered and (each.name in names or each.name == each.of)]
    replaced = {each.of for each in read if each.name in names}
    kept = [each for each in read if each.name in names or each.of not in replaced]
    return tuple(each if takes_errors else Measured(each.name, each.of, "", each.gaps) for each in kept)


def measured_faults(
    group: Any, where: str, coverages: Mapping[str, tuple[str, ...]], dataset: Mapping[str, Any]
) -> Iterator[Fault]:
    """Measurements that the data set has not, of what the models are not given, or with gaps that they cannot have.

    group: a group of runs (config.spec.Group). dataset: the facts of its data set, empty if they are not known.
    """
    every, place = {each.name: each for each in measured_of(dataset)}, f"{where}.measured"
    shown = {name: coverages[name] for name in group.coverages if name in coverages}
    for name in dict.fromkeys(group.measured if dataset and not dataset.get("doubtful") else ()):
        if name not in every:
            has = f"{dataset['name']} has the measurements {listed(every)}" if every else "the data set has none"
            make = "convert its store with --errors" if dataset.get("store") else "name them under its 'measurements'"
            remedy = f"{make}, or take it away"
            yield Fault(place, name, has, suggest(name, every, remedy) if every else remedy)
            continue
        of = every[name].of
        if lacking := [each for each, factors in shown.items() if of not in factors]:
            text = f"it measures {of}, which the coverage {lacking[0]} does not give the models"
            yield Fault(place, name, text, f"add {of} to that coverage, or take it away")
        if len([each for each in group.measured if each in every and every[each].of == of]) > 1:
            yield Fault(place, name, f"one measurement stands for {of}", "keep one of them")
    if group.measured and group.imperfect is not None:
        text = "measurements have errors of their own"
        yield Fault(f"{where}.imperfect", Words("a section"), text, "take it away, or take 'measured' away")
    read = dict.fromkeys(
        each for factors in shown.values() for each in measurements_read(every.values(), factors, group.measured, True)
    )
    yield from _fit(group, where, [*read], dataset)
    yield from _needed(group, where, every.values())


def _needed(group: Any, where: str, every: Iterable[Measured]) -> Iterator[Fault]:
    """Factors that some rows lack where every row needs one: in a prior of their distribution, beside the images."""
    lacking = {each.name for each in every if each.gaps and each.name == each.of}
    if group.prior is not None and group.prior.reads_factors() and lacking:
        text = f"some rows have no value of {listed(sorted(lacking))}, and it reads those of all"
        yield Fault(f"{where}.prior", group.prior.kind, text, "take another prior, or make the store without it")
    for name in (each for each in group.inputs if each in lacking):
        text = "some rows have no value of it, and every image needs one beside it"
        yield Fault(f"{where}.inputs", name, text, "take it away, or make the store without those rows")


def _fit(group: Any, where: str, read: list[Measured], dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """What the measurements that models read, and the models, ask of each other."""
    plain = {kind.factor for kind in kinds_of(dataset)}
    for each in read:
        place = f"{where}.measured" if each.name in group.measured else f"{where}.coverages"
        if each.of in plain:
            text = f"{each.of} is an angle or a class, of which no error widens a prior"
            yield Fault(place, each.name, text, f"take {each.of} out of the coverage")
        elif (each.gaps or each.error) and not takes_gaps(METHODS[group.method]):
            able = listed(name for name, method in METHODS.items() if takes_gaps(method))
            text = f"{group.method} needs exact values in every row; errors and gaps may be had with {able}"
            yield Fault(place, each.name, text, "take another method, or take it away")
    if group.errors != "of_image" and not any(each.error for each in read):
        text = "no auxiliary variable of these runs has errors"
        yield Fault(f"{where}.errors", group.errors, text, "take it away")

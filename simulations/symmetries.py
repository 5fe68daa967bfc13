"""The symmetries of a data set: turns and mirror images of a stamp that are stamps of the same data set.

    operation             a pixel at (x, y) goes to    signs that flip
    mirror_x              -x,  y                       g2, offset_x
    mirror_y               x, -y                       g2, offset_y
    half_turn             -x, -y                       offset_x, offset_y
    transpose              y,  x                       g1
    antitranspose         -y, -x                       g1
    quarter_turn           y, -x                       g1, g2
    three_quarter_turn    -y,  x                       g1, g2

x (columns) and y (rows) count from the centre of the stamp, where GalSim puts a galaxy without offset, on odd and on
even stamps. With the identity these are the dihedral group of the square. A shear has spin 2: turned by a, it is
(g1 + i g2) exp(2 i a). Pixels are square, every PSF of simulations.galaxy is round, and the noise of a pixel depends on
that pixel alone: nothing else can tell.

An operation is a symmetry of a data set if every parameter whose sign it flips is 0 throughout, or is a factor with as
much probability at -v as at v. The last four exchange the offsets, which no sign can say: these must be 0 throughout.
Galaxies of a catalogue have none declared: their mirror images are not in it.
tests/simulations/test_symmetries.py compares the stamps of every scene, and `python -m simulations check` those of a
store.

Neither GalSim nor numpy is imported here, because this module also runs inside the Snakefile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulations.distributions import Factor
from simulations.spec import Dataset

OFFSETS = ("offset_x", "offset_y")
ODD = {
    "mirror_x": ("g2", "offset_x"),
    "mirror_y": ("g2", "offset_y"),
    "half_turn": OFFSETS,
    "transpose": ("g1",),
    "antitranspose": ("g1",),
    "quarter_turn": ("g1", "g2"),
    "three_quarter_turn": ("g1", "g2"),
}  # parameters whose sign an operation flips
EXCHANGING = {"transpose", "antitranspose", "quarter_turn", "three_quarter_turn"}  # x with y


@dataclass(frozen=True)
class Symmetry:
    """An operation on images, and the factors whose sign it flips."""

    operation: str
    flips: tuple[str, ...]


def symmetries_of(dataset: Dataset) -> tuple[Symmetry, ...]:
    """The operations, other than the identity, under which a data set is what it was.

    Paintings have none, nor galaxies of a catalogue.
    """
    if dataset.scene.kind or dataset.scene.is_catalogued:
        return ()
    return tuple(
        Symmetry(operation, tuple(name for name in odd if name in dataset.factors))
        for operation, odd in ODD.items()
        if all(_is_even(dataset, name) for name in odd)
        and all(len({*each.of} & {*odd}) != 1 or not each.rho for each in dataset.correlations)
        and not {*odd} & _caused(dataset)
        and not (operation in EXCHANGING and any(_varies_or_is_not_0(dataset, name) for name in OFFSETS))
    )


def read_symmetries(values: Iterable[Mapping[str, Any]]) -> tuple[Symmetry, ...]:
    """Symmetries from their JSON; an operation that there is not raises a ValueError."""
    symmetries = tuple(Symmetry(each["operation"], tuple(each["flips"])) for each in values)
    if others := {each.operation for each in symmetries} - ODD.keys():
        raise ValueError(f"the symmetry {others.pop()!r}")
    return symmetries


def _caused(dataset: Dataset) -> set[str]:
    """Factors of a mechanism or an intervention, whose signs are no longer even in every context."""
    related = {name for effect, causes in dataset.mechanisms.items() for name in (effect, *causes)}
    return related | {name for context in dataset.contexts.values() for name in context.do}


def _is_even(dataset: Dataset, name: str) -> bool:
    """Whether a parameter is as often -v as v."""
    factor = dataset.factors.get(name)
    return dataset.constant(name) == 0 if factor is None else _is_even_factor(factor)


def _is_even_factor(factor: Factor) -> bool:
    low, high = factor.support()
    return low == -high and not factor.mean


def _varies_or_is_not_0(dataset: Dataset, name: str) -> bool:
    return name in dataset.factors or dataset.constant(name) != 0

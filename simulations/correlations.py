r"""Factors that are drawn correlated: a Gaussian copula, which changes no factor's own distribution.

    z_k = Phi^-1(u_k),   z' = L z,   u'_k = Phi(z'_k),   L L' = R              (Sklar 1959; Nelsen 2006, sec. 2.3)

u are the numbers of a row in the unit cube and R the correlations of the z' of all factors that are named, 1 on the
diagonal and 0 where nothing is said. Pearson's correlation of two uniform factors is then 6/pi arcsin(rho / 2).
Factors that are not named keep their numbers. Of a Latin hypercube or a Sobol sequence the first named factor keeps its
strata; the others are spread as at random, as they are no longer functions of their own number alone.

Neither GalSim nor numpy is imported here, because this module also runs inside the Snakefile.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from pydantic.dataclasses import dataclass

from foundation.faults import Fault, Words
from foundation.fields import SECTION, Many, Number, Range, Section, Text

LEAST = 1e-6  # of the diagonal of L: below it, one factor is as good as a function of others
Matrix = list[list[float]]


@dataclass(frozen=True, config=SECTION)
class Correlation(Section):
    """The correlation of two factors."""

    of: Many[Text]
    """names of two factors"""

    rho: Annotated[Number, Range(-1, 1)]
    """correlation of their normal scores"""

    def faults(self) -> Iterator[Fault]:
        """Anything but two factors, and a correlation of one."""
        if len(self.of) != 2 or len({*self.of}) != 2:
            yield Fault(".of", Words(f"{', '.join(self.of) or 'nothing'}"), "it takes two factors", "name two of them")
        if abs(self.rho) == 1:
            text = "one of the factors would be a function of the other"
            yield Fault(".rho", self.rho, text, "take a number between -1 and 1")


def correlated(correlations: Iterable[Correlation], factors: Iterable[str]) -> tuple[str, ...]:
    """The factors that are correlated with any, in the order of the data set."""
    named = {name for each in correlations for name in each.of}
    return tuple(name for name in factors if name in named)


def matrix_of(correlations: Iterable[Correlation], names: Sequence[str]) -> Matrix:
    """R of these factors."""
    matrix = [[float(i == j) for j in range(len(names))] for i in range(len(names))]
    for each in correlations:
        i, j = (names.index(name) for name in each.of)
        matrix[i][j] = matrix[j][i] = each.rho
    return matrix


def root_of(matrix: Matrix) -> Matrix | None:
    """Cholesky's L, lower triangular, with L L' = R; None where R is no correlation matrix."""
    root = [[0.0] * len(matrix) for _ in matrix]
    for i, row in enumerate(matrix):
        for j in range(i):
            root[i][j] = (row[j] - _dot(root[i], root[j])) / root[j][j]
        left = row[i] - _dot(root[i], root[i])
        if left < LEAST**2:
            return None
        root[i][i] = math.sqrt(left)
    return root


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))

"""One column of a file of images: an array that is read in slices, its values decoded, what is missing refused.

Readers decode a slice of rows and mask the values that the file marks as missing: no number stands for them. Libraries
raise errors of every kind on damaged bytes, and some warn and go on; `readable` turns the first into one sentence, and
silences the second, because what a file lacks is judged here by its size, its checksums and its chunks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words, reason

Masked = np.ma.MaskedArray[Any, np.dtype[Any]]
Origin = Callable[[slice], tuple[list[str], NDArray[np.int64]]]
WHOLE = "it must be a complete file"
AGAIN = "write it again, or copy it again from where it is whole"


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Refuse, in one sentence about `where`, whatever a library raises while it reads damaged or unusual bytes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Refused:
        raise
    except Exception as error:
        value = Words(f"data that cannot be read ({reason(error)})")
        raise Refused(Fault(where, value, WHOLE, AGAIN)) from None


@dataclass(frozen=True)
class Column:
    """A column of one entry for each row: `read` decodes a slice of rows, with missing values masked.

    where: file and name, for faults. shape: (rows, ...); () for what is no array. absent: chunks that the file lacks.
    chunks: of all. fill: the value that the file states for absent ones. unit: "" where the file states none.
    axes: of images, such as NCHW, where the layout fixes them. aside: no factor unless it is named.
    origin: the file, and the row or HDU in it, of each image of a slice, where they are not those of the store.
    """

    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[slice], NDArray[Any] | Masked]
    unit: str = ""
    absent: int = 0
    chunks: int = 0
    fill: object = None
    axes: str = ""
    aside: bool = False
    origin: Origin | None = None

    @property
    def is_text(self) -> bool:
        """Whether its values are texts or bytes, and no numbers."""
        return self.dtype.kind in "SUOT"

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """The values of some rows; missing ones and unreadable bytes are refused."""
        with readable(self.where):
            values = self.read(rows)
        missing = int(np.ma.getmaskarray(values).sum()) if isinstance(values, np.ma.MaskedArray) else 0
        if missing:
            start, stop, _ = rows.indices(self.shape[0])
            value = Words(f"{missing} missing values in rows {start} to {stop - 1}")
            remedy = "drop those rows, put in what was measured, or declare a factor that some images lack with --gaps"
            raise Refused(Fault(self.where, value, "every value must be there", remedy))
        return np.asarray(values)

    def flat(self) -> Column:
        """One number for each row, where each row is an array of a single number, (N, 1); else the column itself."""
        if len(self.shape) != 2 or self.shape[1] != 1:
            return self
        return replace(self, shape=self.shape[:1], read=lambda rows: self.read(rows)[:, 0])

    def absent_faults(self) -> Iterator[Fault]:
        """Chunks that the file lacks, which would be read as a fill value in silence."""
        if self.absent:
            value = Words(f"{self.absent} of {self.chunks} chunks absent")
            text = f"they would be read as the fill value {self.fill}"
            remedy = "write them again, or accept that value with --fill-absent"
            yield Fault(self.where, value, text, remedy)


def with_gaps(column: Column) -> Column:
    """The column with NaN in place of missing values, which are refused otherwise."""

    def read(rows: slice) -> NDArray[Any]:
        with readable(column.where):
            values = column.read(rows)
        return np.where(np.ma.getmaskarray(values), np.nan, np.asarray(values, dtype=np.float64))

    return replace(column, read=read, dtype=np.dtype(np.float64))


def in_memory(where: str, values: NDArray[Any] | Masked, unit: str = "") -> Column:
    """A column whose values are in memory, (rows, ...)."""
    return Column(where, values.shape, values.dtype, lambda rows: values[rows], unit)


def as_texts(values: NDArray[Any]) -> list[str]:
    """Values as texts, (n,): bytes are UTF-8, without the zeros and blanks that fill fixed lengths."""
    texts = (each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in values.tolist())
    return [each.rstrip("\0 ") for each in texts]

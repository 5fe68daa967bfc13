"""What an official file must look like, said in a sentence when it does not.

A loader raises `Unlike(where, found)` where the file differs from the data set's layout; libraries raise errors of
their own on broken files. `told` turns both into one refusal that names what was expected.
"""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from foundation.faults import Fault, Refused, Words
from simulations.collection import Collection

REMEDY = "fetch the official file again and name it as docs/official_data.md does"
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    RuntimeError,  # a zip with a password, an HDF5 file with a broken tree
    MemoryError,  # a header that asks for more than there is
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
)


class Unlike(Exception):
    """A file differs from the layout: in what (a key, a file's name), and what was found there."""

    def __init__(self, where: str, found: object) -> None:
        """Keep both for the sentence."""
        self.where, self.found = where, found
        super().__init__(where, found)


@dataclass(frozen=True)
class Layout:
    """One data set: what its source must be, in words, and how the source is opened."""

    expected: str
    opened: Callable[[Path, ExitStack], Collection]


def said(error: Exception) -> str:
    """What a library says of a broken file, on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextmanager
def told(source: Path, expected: str) -> Iterator[None]:
    """Refuse in a sentence whatever a reader says of a wrong, broken or absent file."""
    try:
        yield
    except Unlike as unlike:
        raise Refused(Fault(f"{source}: {unlike.where}", unlike.found, expected, REMEDY)) from None
    except FileNotFoundError as error:
        raise Refused(Fault(str(error.filename or source), Words("no file"), expected, REMEDY)) from None
    except BROKEN as error:
        value = Words(f"what cannot be read ({said(error)})")
        raise Refused(Fault(str(source), value, expected, REMEDY)) from None

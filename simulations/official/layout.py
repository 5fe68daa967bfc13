"""The layout that an official file must have, and the fault that is raised if it has another.

A loader raises `Unlike(where, value)` where a file differs from the layout of the data set; libraries raise various
errors on broken files. `errors_as_fault` turns both into one refusal that states the expected layout.
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

from foundation.faults import Fault, Refused, Words, reason
from simulations.collection import Collection

REMEDY = "download the official file again and name it as in docs/official_data.md"
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    RuntimeError,  # a zip with a password, an HDF5 file with a broken tree
    MemoryError,  # a header that asks for more memory than the machine has
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
)


class Unlike(Exception):
    """A file differs from the layout: at `where`, a key or the name of a file, which has `value`."""

    def __init__(self, where: str, value: object) -> None:
        """Keep both for the fault."""
        self.where, self.value = where, value
        super().__init__(where, value)


@dataclass(frozen=True)
class Layout:
    """One data set: a description of the expected source, and the function that opens a source.

    Files that must stay open while images are read are entered in the ExitStack.
    """

    expected: str
    opened: Callable[[Path, ExitStack], Collection]


@contextmanager
def errors_as_fault(source: Path, expected: str) -> Iterator[None]:
    """Turn every error of reading a wrong, broken or absent file into one refusal."""
    try:
        yield
    except Unlike as unlike:
        raise Refused(Fault(f"{source}: {unlike.where}", unlike.value, expected, REMEDY)) from None
    except FileNotFoundError as error:
        raise Refused(Fault(str(error.filename or source), Words("no file"), expected, REMEDY)) from None
    except BROKEN as error:
        value = Words(f"data that cannot be read ({reason(error)})")
        raise Refused(Fault(str(source), value, expected, REMEDY)) from None

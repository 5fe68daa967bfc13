"""Files are whole or absent: written beside their place, flushed to disk and renamed into it.

Whoever is killed while writing leaves a `.part` file, which nobody reads. A full disk is told in a sentence.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foundation.faults import Fault, Refused, Words

SCARCE = 100_000  # bytes left on a disk that is as good as full
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a path to write to; when the block ends well, what stands there becomes `path` in one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    with full_disk_as_fault(path):
        yield part
        flush(part)
        os.replace(part, path)


@contextmanager
def full_disk_as_fault(path: Path) -> Iterator[None]:
    """Turn 'no space left' into a sentence that names the file and says that a restart goes on."""
    try:
        yield
    except Exception as error:  # libraries wrap the system's error in their own, or hide it
        if not _is_full(error, path):
            raise
        value = Words("a full disk")
        raise Refused(Fault(str(path), value, "the file needs room", "free some and start again: it goes on")) from None


def _is_full(error: Exception, path: Path) -> bool:
    """Whether an error comes of a full disk: by its number, by its words, or by what the disk has left."""
    known = isinstance(error, OSError) and error.errno in _FULL
    told = "No space left" in str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return known or told
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    return known or told or shutil.disk_usage(there).free < SCARCE


def flush(path: Path) -> None:
    """Force a file's bytes to the disk, so that the rename after it cannot overtake them."""
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())


@contextmanager
def locked(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock file while working on something; a second process at the same work is refused, a dead one is not."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w", encoding="utf-8") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            value = Words("another process at work")
            raise Refused(Fault(str(lock.parent), value, f"{what} is made once at a time", "wait for it")) from None
        yield


def write_text(path: Path, text: str) -> None:
    """A text file, whole or absent."""
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """A JSON file for people and programs, whole or absent."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path, what: str) -> Any:
    """The JSON in a file; absent or broken it is refused in a sentence that says what it should have been."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(Fault(str(path), Words("no file"), f"{what} stands here", "make it again")) from None
    except (ValueError, OSError) as error:
        raise Refused(Fault(str(path), Words(str(error)), f"{what} stands here", "make it again")) from None


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

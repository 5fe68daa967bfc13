"""Files are whole or absent: written under a temporary name beside their final one, flushed to disk and renamed.

A process that is killed while writing leaves a `.part` file, which nothing reads. A full disk is reported as a fault.
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
from typing import IO, Any

from foundation.faults import Fault, Refused, Words

SCARCE = 100_000  # bytes: a disk with less free space than this counts as full
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # what flock says on a disk that has none


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; if the block succeeds, that file is renamed to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    with full_disk_as_fault(path):
        yield part
        flush(part)
        os.replace(part, path)


@contextmanager
def full_disk_as_fault(path: Path) -> Iterator[None]:
    """Turn 'no space left' into a fault that names the file and says that a restart resumes the work."""
    try:
        yield
    except Exception as error:  # libraries wrap the operating system's error in one of theirs, or hide it
        if not _is_full(error, path):
            raise
        value = Words("a full disk")
        remedy = "free some space and start again: the work resumes where it stopped"
        raise Refused(Fault(str(path), value, "the file needs space", remedy)) from None


def _is_full(error: Exception, path: Path) -> bool:
    """Whether a full disk caused the error: judged by its number and message, else by the free space."""
    if "No space left" in str(error):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    return shutil.disk_usage(existing).free < SCARCE


def flush(path: Path) -> None:
    """Force a file's bytes to the disk, so that the rename after it cannot overtake them."""
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())


@contextmanager
def locked(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock file while making `what`; a second process is refused, and a killed process leaves no lock."""
    with _held(lock, what):
        yield


def _held(lock: Path, what: str) -> IO[str]:
    """The lock file, open and locked; opened anew where it was deleted, with its work, between opening and locking."""
    while True:
        lock.parent.mkdir(parents=True, exist_ok=True)
        stream = open(lock, "w", encoding="utf-8")  # noqa: SIM115  (the caller closes it)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.close()
            raise _unlocked(error, lock.parent, what) from None
        if lock.exists() and os.path.samestat(os.fstat(stream.fileno()), lock.stat()):
            return stream
        stream.close()


def _unlocked(error: OSError, folder: Path, what: str) -> Exception:
    """What a lock that cannot be had means: another process has it, or the disk knows none."""
    if isinstance(error, BlockingIOError):
        value, remedy = Words("another process is writing it"), "wait until it has finished"
    elif error.errno in _NO_LOCKS:
        value, remedy = Words("a disk without file locks"), "work on another disk, or ask for flock on this one"
    else:
        return error
    return Refused(Fault(str(folder), value, f"{what} is made by one process at a time", remedy))


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write an indented JSON file with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path, what: str) -> Any:
    """The JSON value in a file; an absent or broken file is refused in a sentence that says what it must be."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(Fault(str(path), Words("no file"), f"it must be {what}", "make it again")) from None
    except (ValueError, OSError) as error:
        raise Refused(Fault(str(path), Words(str(error)), f"it must be {what}", "make it again")) from None


def canonical(value: Any) -> str:
    """The unique JSON text of a value: keys sorted, no spaces, no infinities or NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

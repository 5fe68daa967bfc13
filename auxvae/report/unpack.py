"""An archive of a study read back: every byte is verified before a file stands where it is looked for.

The zip is judged by its own manifest: each file has its size and SHA-256, no other file is in it, and no name leads
out of the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from auxvae.report.archive import MANIFEST, STUDY
from foundation.console import log
from foundation.faults import Fault, Refused, Words
from foundation.files import digest_file, full_disk_as_fault

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError, OSError)
AGAIN = "fetch the archive again"
MOST_OF_MANIFEST = 100_000_000  # bytes


def unpack(source: Path, folder: Path) -> Path:
    """Verify an archive and unpack it into a new folder, whole or not at all; its study.json."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        text = "an archive is unpacked into a new folder"
        raise Refused(Fault(str(folder), Words("files"), text, "name another folder"))
    if not source.is_file():
        raise Refused(Fault(str(source), Words("no file"), "an archive is read here", "check the path"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with full_disk_as_fault(folder):
            _unpack(source, new)
            os.replace(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    folder.chmod(0o755)
    log.info(f"{folder}: every file has the SHA-256 of its manifest")
    return folder / STUDY


def _unpack(source: Path, new: Path) -> None:
    try:
        with zipfile.ZipFile(source) as whole:
            entries = _verified_manifest(source, whole)
            members = whole.infolist()
            if faults := _wrong_names(source, [member.filename for member in members], entries):
                raise Refused(faults)
            for member in members:
                _write(source, whole, member, new, entries)
    except DAMAGE as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise Refused(Fault(str(source), Words(f"damage ({_line(error)})"), "it must be a whole zip", AGAIN)) from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__


def _verified_manifest(source: Path, whole: zipfile.ZipFile) -> Mapping[str, Any]:
    """The entry of every file; of the manifest itself, what the zip's comment says."""
    text = b""
    if MANIFEST in whole.namelist() and whole.getinfo(MANIFEST).file_size <= MOST_OF_MANIFEST:
        text = whole.read(MANIFEST)
    digest = hashlib.sha256(text).hexdigest()
    if not text or whole.comment != digest.encode():
        value = Words("another manifest.json" if text else "no manifest.json")
        raise Refused(Fault(str(source), value, "its SHA-256 must be the comment of the zip", AGAIN))
    entries: dict[str, Any] = json.loads(text)["files"]
    return {**entries, MANIFEST: {"bytes": len(text), "sha256": digest}}


def _wrong_names(source: Path, names: list[str], entries: Mapping[str, Any]) -> list[Fault]:
    """Names that lead out of the folder, stand twice, or are in the zip or in the manifest alone."""
    faults = [
        Fault(f"{source}: {name}", Words("a path that leads out of the folder"), "it may not", "do not trust it")
        for name in sorted({*names, *entries})
        if _leads_out(name)
    ]
    for name in sorted({*names} ^ {*entries}):
        value = Words("no file" if name in entries else "a file")
        text = f"the manifest lists {'it' if name in entries else 'no such file'}"
        faults.append(Fault(f"{source}: {name}", value, text, AGAIN))
    twice = sorted({name for name in names if names.count(name) > 1}) if len({*names}) < len(names) else []
    return faults + [Fault(f"{source}: {name}", Words("two files"), "a name stands once", AGAIN) for name in twice]


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name)
    return not name or path.is_absolute() or ".." in path.parts or bool({"\\", ":", "\0"} & {*name}) or name[-1] == "/"


def _write(
    source: Path, whole: zipfile.ZipFile, member: zipfile.ZipInfo, new: Path, entries: Mapping[str, Any]
) -> None:
    entry, file = entries[member.filename], new / member.filename
    if member.file_size != entry["bytes"]:
        value = Words(f"{member.file_size} bytes")
        raise Refused(Fault(f"{source}: {member.filename}", value, f"the manifest lists {entry['bytes']}", AGAIN))
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole.open(member) as content, open(file, "wb") as stream:
        shutil.copyfileobj(content, stream)
    if digest_file(file) != entry["sha256"]:
        value, text = Words("changed bytes"), "its SHA-256 must be that in the manifest"
        raise Refused(Fault(f"{source}: {member.filename}", value, text, AGAIN))

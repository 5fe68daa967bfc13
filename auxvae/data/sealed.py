"""Whether a store is the sealed one that a run was declared for: its files, its data set, its contexts."""

from __future__ import annotations

from pathlib import Path

from auxvae.config.contexts import contexts_of
from auxvae.config.run import Source
from foundation.faults import Fault, Refused, Words, listed
from foundation.files import digest_file, read_json

SMALL = 1_000_000  # files up to this size are hashed at every opening


def verify(path: Path, source: Source) -> None:
    """Refuse a store without a seal, with files that are not the sealed ones, or of another data set."""
    if not (path / "seal.json").is_file():
        raise Refused(Fault(str(path), Words("no seal"), "an unfinished store is not read", "finish the simulation"))
    seal = read_json(path / "seal.json", "the seal of a store")
    for name, sealed in seal["files"].items():
        file = path / name
        size = file.stat().st_size if file.is_file() else -1
        if size != sealed["bytes"] or (size <= SMALL and digest_file(file) != sealed["sha256"]):
            value = Words("no file" if size < 0 else f"{size} bytes that are not the sealed ones")
            raise Refused(Fault(str(file), value, f"the seal says {sealed['bytes']} bytes", "make the store again"))
    if seal["facts"]["digest"] != source.digest:
        value = Words(f"data set {seal['facts']['digest'][:8]}")
        text = f"the run was declared for {source.name} {source.digest[:8]}"
        raise Refused(Fault(str(path), value, text, "simulate that data set, or name the right store"))
    numbered = [each.name for each in contexts_of(seal["facts"])]
    if numbered != [each.name for each in source.contexts]:
        value, text = Words(f"the contexts {listed(numbered)}"), "the run numbers them otherwise"
        raise Refused(Fault(str(path), value, text, "make the store again"))

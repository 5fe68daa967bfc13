"""Which shards of an unfinished store are whole: journals beside it, one for each process that draws into it.

    <store>.journal.json          of the process that draws all rows, or what is missing of them, and seals the store
    <store>.journal-2-of-8.json   of one that draws the second of eight parts

    {"spec", "code", "shards": {first row: {file: {"bytes", "sha256"}}}}

A shard that stands in a journal of the same spec and code is not drawn again, whichever process drew it.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundation.faults import Fault, Refused
from foundation.files import read_json, write_json
from simulations import store
from simulations.store import Manifest

Shards = dict[int, Manifest]  # the files of a shard by its first row


@dataclass(frozen=True)
class Part:
    """The `number`-th of `parts` shares of a store's shards, counted from 1."""

    number: int
    parts: int

    @staticmethod
    def read(text: str) -> Part:
        """A part from a text such as 2/8, or a refusal."""
        if written := re.fullmatch(r"([0-9]{1,6})(?:/|-of-)([0-9]{1,6})", text):
            number, parts = map(int, written.groups())
            if 1 <= number <= parts:
                return Part(number, parts)
        raise Refused(Fault("--part", text, "a part is one of so many, such as 2/8", "count parts from 1"))

    def __str__(self) -> str:
        """The part as it stands in names of files."""
        return f"{self.number}-of-{self.parts}"

    def of(self, shards: Sequence[int]) -> Sequence[int]:
        """Its share of the shards, neighbours; parts differ by one shard at most."""
        first, last = (len(shards) * n // self.parts for n in (self.number - 1, self.number))
        return shards[first:last]


@dataclass(frozen=True)
class Journal:
    """The journal of one process; `identity` is what must be equal for a shard to be kept: spec and code."""

    path: Path
    identity: Mapping[str, str]
    part: Part | None = None

    @property
    def file(self) -> Path:
        """Where this process writes."""
        return self.path.with_name(f"{self.path.name}.journal{f'-{self.part}' if self.part else ''}.json")

    def read(self, verify: bool) -> Shards:
        """The shards that any process finished and whose files have their size; and their SHA-256, to `verify` them."""
        shards: Shards = {}
        for file in self._files():
            record = read_json(file, "the journal of an unfinished store")
            if all(record.get(key) == value for key, value in self.identity.items()):
                shards |= {int(start): files for start, files in record["shards"].items()}
        return {start: files for start, files in sorted(shards.items()) if self._is_whole(files, verify)}

    def write(self, shards: Shards) -> None:
        """Keep these shards as whole."""
        write_json(self.file, {**self.identity, "shards": {str(start): files for start, files in shards.items()}})

    def remove(self) -> None:
        """Remove the journals of all processes: the store is sealed."""
        for file in self._files():
            file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        pattern = f"{glob.escape(self.path.name)}.journal*.json"
        return sorted(file for file in self.path.parent.glob(pattern) if not file.name.endswith(".part.json"))

    def _is_whole(self, files: Mapping[str, Any], verify: bool) -> bool:
        """Whether all files of a shard are those of its journal; judged by size alone, unless `verify`."""
        return all(
            (self.path / name).is_file()
            and (self.path / name).stat().st_size == entry["bytes"]
            and not (verify and store.entry(self.path / name) != entry)
            for name, entry in files.items()
        )

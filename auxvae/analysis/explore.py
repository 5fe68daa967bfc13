"""Which run a folder holds, where its store lies, and what of both a page is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auxvae.config.run import Run, read_run
from auxvae.data.store import Store, open_store
from foundation.faults import Fault, Refused, Words
from foundation.files import read_json


def run_of(folder: Path) -> Run:
    """The finished run of a folder; anything else is refused in a sentence."""
    where, remedy = str(folder), "name a folder results/STUDY/runs/ID"
    if not folder.is_dir():
        raise Refused(_unfinished(folder) or Fault(where, Words("no folder"), "a finished run lies there", remedy))
    if not (folder / "spec.json").is_file():
        raise Refused(Fault(where, Words("a folder without spec.json"), "it is no finished run", remedy))
    spec = read_json(folder / "spec.json", "the spec of a finished run")
    record = spec.get("run") if isinstance(spec, Mapping) else None
    if not isinstance(record, Mapping) or not {"files", "scaling"} <= spec.keys():
        raise Refused(Fault(f"{where}/spec.json", Words("no spec of a run"), "it is no finished run", remedy))
    return read_run({each.name: record[each.name] for each in dataclasses.fields(Run) if each.name in record})


def _unfinished(folder: Path) -> Fault | None:
    """The fault of a run that is being trained, or that failed, if the folder would be its."""
    study = folder.parent.parent
    if (study / "failed" / f"{folder.name}.json").is_file():
        return Fault(
            str(folder), Words("a run that failed"), "it left no decoder", "see the study's report for its reason"
        )
    if (study / "work" / folder.name).is_dir():
        return Fault(
            str(folder), Words("an unfinished run"), "only a finished one decodes", "train it to its end first"
        )
    return None


def store_of(folder: Path, run: Run, named: Path | None, option: str = "--store") -> Store:
    """The store that a run was trained on: the one named, that of its study's folder, or the one its study names.

    option: of the command line that names it.
    """
    study = folder.absolute().parent.parent
    places = [named] if named else [study / "data" / f"{run.dataset.name}.zarr", *_of_facts(study, run.dataset.name)]
    place = next((each for each in places if (each / "seal.json").is_file()), None)
    if place is None:
        tried = " and ".join(map(str, places))
        value = Words(f"no sealed store at {tried}")
        raise Refused(Fault(str(folder), value, "the command needs the run's store", f"name it by {option} PATH"))
    return open_store(place, run.dataset)


def _of_facts(study: Path, name: str) -> list[Path]:
    """Where the study's config says that the store is, if it names one."""
    file = study / "study.json"
    whole: Any = read_json(file, "the study as the workflow writes it") if file.is_file() else {}
    facts = whole.get("facts", {}).get(name) or {}
    return [Path(facts["store"])] if facts.get("store") else []


def distinct_titles(titles: Sequence[str], identities: Sequence[str]) -> list[str]:
    """The titles, with the run's id where several are alike."""
    return [t if titles.count(t) == 1 else f"{t} ({i})" for t, i in zip(titles, identities, strict=True)]

"""A study as one file that can be cited, and from which another machine makes its tables again without training.

The archive is a plain zip: files in the order of their names, with a fixed date and not compressed (most are already),
so that the same study gives the same bytes.

    manifest.json   "files": bytes and SHA-256 of each; "runs": identity, training code and versions of each;
                    "datasets": digest, seal, code and versions of each
    study.json      the config and the facts of its data sets, as `collect` and `report` take them
    the rest        as in results/<study>, without images and, unless asked for, without weights

The zip's comment is the SHA-256 of manifest.json.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from auxvae.analysis.files import CODES, PICTURES, RECORD, SCORES, SELECTION, SENSITIVITY, VALIDATION
from auxvae.analysis.selection import shown_runs, trained_runs
from auxvae.config.study import Study
from auxvae.data.failures import FOLDER as FAILED
from auxvae.data.failures import failures
from auxvae.report.measurements import FILE as MEASUREMENTS
from auxvae.report.origin import FILE as PROVENANCE
from foundation.console import log
from foundation.faults import Fault, Refused, Words
from foundation.files import atomic_write, digest_file, digest_of, read_json
from foundation.provenance import ROOT

MANIFEST, STUDY = "manifest.json", "study.json"
WHOLE = ("scores.parquet", "analysis.nc", "report.html", "tables/sensitivity.csv", "tables/alignment.csv")
OF_RUN = ("spec.json", "history.parquet", VALIDATION, SCORES, CODES, SENSITIVITY, PICTURES, RECORD)
WEIGHTS = ("model.safetensors", "last.safetensors", "scaling.safetensors")
FINISH = "let the workflow finish the study, then archive it"
Files = dict[str, Path]


def archive(study: Study, config: dict[str, Any], results: Path, target: Path, weights: bool = False) -> None:
    """Write the archive of a finished study, whole or not at all; an unfinished one is refused."""
    files = _files(study, results, weights)
    if faults := [*_absent(files, results)] or [*_ungathered(study, results)]:
        raise Refused(faults)
    spec = _text({"config": config, "facts": study.facts})
    contents = {name: digest_entry(file) for name, file in files.items()}
    contents[STUDY] = {"bytes": len(spec), "sha256": hashlib.sha256(spec).hexdigest()}
    manifest = _text({**_about(study, results), "files": contents})
    with atomic_write(target) as part, zipfile.ZipFile(part, "w") as whole:
        whole.comment = hashlib.sha256(manifest).hexdigest().encode()
        for name in sorted({*files, STUDY, MANIFEST}):
            texts = {STUDY: spec, MANIFEST: manifest}
            whole.writestr(_member(name), texts[name] if name in texts else files[name].read_bytes())
    log.info(f"{target}: {len(contents):,} files of {study.config.study}, {target.stat().st_size / 1e6:.3g} MB")


def digest_entry(file: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    return {"bytes": file.stat().st_size, "sha256": digest_file(file)}


def _text(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def _member(name: str) -> zipfile.ZipInfo:
    """A file of the archive with nothing in its head that depends on when, where or by whom it was written."""
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.create_system, member.external_attr = 3, 0o644 << 16
    return member


def _files(study: Study, results: Path, weights: bool) -> Files:
    """What goes into the archive, by the name that it has there."""
    names = [*WHOLE, *([SELECTION] if study.choices else [])]
    names += [MEASUREMENTS] if study.config.analyses.measure else []
    for run in shown_runs(study, results):
        names += [f"runs/{run.id}/{name}" for name in (*OF_RUN, *(WEIGHTS if weights else ()))]
    failed = failures(trained_runs(study, results), results)
    candidates = sorted(study.chosen_among - failed.keys())
    names += [f"runs/{run}/{name}" for run in candidates for name in ("spec.json", VALIDATION)]
    names += [f"{FAILED}/{run}.json" for run in failed]
    names += sorted(_drawn(study, results))
    names += [PROVENANCE] if (results / PROVENANCE).is_file() else []
    sealed = {f"seals/{name}.json": _store(study, results, name) / "seal.json" for name in study.facts}
    about = {name: ROOT / name for name in ("CITATION.cff", "LICENSE") if (ROOT / name).is_file()}
    return {**{name: results / name for name in names}, **sealed, **about}


def _drawn(study: Study, results: Path) -> Iterator[str]:
    """Tables, figures, controls and what the jobs cost; no traversal of a run that this study does not show."""
    drawn = {run.id for run in shown_runs(study, results)} | failures(trained_runs(study, results), results).keys()
    shown = {f"traversal-{run}" for run in drawn}
    for folder, suffixes in (
        ("tables", (".csv", ".tex")),
        ("figures", (".pdf", ".png")),
        ("controls", (".json",)),
        ("benchmarks", (".tsv",)),
    ):
        for file in (results / folder).glob("*"):
            stale = file.stem.startswith("traversal-") and file.stem not in shown
            if file.suffix in suffixes and not stale and not file.stem.endswith(".part"):
                yield f"{folder}/{file.name}"


def _store(study: Study, results: Path, name: str) -> Path:
    return Path(study.facts[name]["store"] or results / "data" / f"{name}.zarr")


def _absent(files: Files, results: Path) -> Iterator[Fault]:
    """Files that are not there; of runs the first one alone, since a study of another config has none of hundreds."""
    absent = [file for file in files.values() if not file.is_file()]
    of_runs = [file for file in absent if file.is_relative_to(results / "runs")]
    for file in (*of_runs[:1], *(each for each in absent if each not in of_runs)):
        more = len({each.parent for each in of_runs}) - 1
        others = f", nor all those of {more} more run{'' if more == 1 else 's'}" if file in of_runs and more else ""
        yield Fault(str(file), Words(f"no file{others}"), "only a finished study is archived", FINISH)


def _ungathered(study: Study, results: Path) -> Iterator[Fault]:
    """Runs of the study that its scores lack, and runs of another study that they hold, by the first of either."""
    file = results / "scores.parquet"
    scores = pd.read_parquet(file, columns=["run", "method"])
    gathered = set(scores.loc[scores["method"] != "control", "run"])
    expected = {run.id for run in shown_runs(study, results)}
    for runs, words in ((expected - gathered, "no score"), (gathered - expected, "scores")):
        if runs:
            value = Words(f"{words} of {min(runs)}")
            yield Fault(str(file), value, "its runs must be those of the config", FINISH)


def _about(study: Study, results: Path) -> dict[str, Any]:
    """What the manifest says of the study: hashes that are the same on every machine, and the versions."""
    trained = trained_runs(study, results)
    failed = failures(trained, results)
    whole = [run.id for run in trained if run.id not in failed]
    specs = {run: read_json(results / "runs" / run / "spec.json", "a run's spec") for run in whole}
    datasets = {}
    for name in study.facts:
        seal = _store(study, results, name) / "seal.json"
        sealed = read_json(seal, "the seal of a store")
        again = "draw" if study.facts[name]["store"] is None else "convert or official"
        datasets[name] = {
            "digest": sealed["facts"]["digest"],
            "seal": f"seals/{name}.json",
            "images": f"left out; the seal has their SHA-256, and `python -m simulations {again}` makes them again",
            "code": sealed["code"],
            "versions": sealed["versions"],
        }
    return {
        "archive": "auxvae study, version 1",
        "study": study.config.study,
        "licence": "of the program: LICENSE; of the study: its authors'",
        "citation": "CITATION.cff is that of the program; report.html cites methods and metrics",
        "analyses": digest_of(asdict(study.config.analyses)),
        "failed": {run: str(fault) for run, fault in failed.items()},
        "runs": {
            run: {"identity": each["run"]["identity"], "code": each["code"], "versions": each["versions"]}
            for run, each in specs.items()
        },
        "datasets": datasets,
    }

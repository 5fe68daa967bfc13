"""Runs that cannot be trained, because a term of their loss is not finite: kept with the reason, and left out.

`results/<study>/failed/<run-id>.json` holds the run, the hash of the code that trained it and the reason. It counts for
this very run and this very code: after a change of either the run is trained anew, and so it is when the file is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from auxvae.config.run import Run
from foundation.faults import Fault, Refused, Words
from foundation.files import read_json, write_json
from foundation.provenance import code_hash

FOLDER = "failed"


def training_code(run: Run) -> str:
    """Hash of the code that decides a run's bytes: the training loop, and the terms and networks that the run uses.

    What the config room says of the run is in its record, and foundation computes nothing.
    """
    return code_hash("auxvae.training.loop", *run.modules, without=("auxvae.config", "foundation"))


def keep(run: Run, results: Path, fault: Fault) -> None:
    """Write down why a run failed."""
    reason = {"where": fault.where, "value": str(fault.value), "allowed": fault.allowed, "remedy": fault.remedy}
    record = {"run": run.record(), "code": training_code(run), "reason": reason}
    write_json(results / FOLDER / f"{run.id}.json", record)


def failures(runs: Iterable[Run], results: Path) -> dict[str, Fault]:
    """Why runs failed, by run id; only those that did."""
    reasons = {run.id: _failure(run, results) for run in runs}
    return {name: fault for name, fault in reasons.items() if fault}


def refuse_all_failed(runs: Sequence[Run], results: Path) -> None:
    """Refuse a study of which no run could be trained."""
    failed = failures(runs, results)
    if len(failed) == len(runs):
        raise Refused(failed.values())


def _failure(run: Run, results: Path) -> Fault | None:
    file = results / FOLDER / f"{run.id}.json"
    if not file.is_file():
        return None
    record = read_json(file, "the failure of a run")
    if not run.agrees_with(record["run"]) or record["code"] != training_code(run):
        return None
    reason = record["reason"]
    return Fault(reason["where"], Words(reason["value"]), reason["allowed"], reason["remedy"])

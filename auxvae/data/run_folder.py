"""A run's folder: written once and whole, read back only if it is the run it is asked for.

    results/<study>/runs/<run-id>/
        model.safetensors  weights kept for the scores       last.safetensors   weights of the last epoch
        spec.json          the run, its scaling, where it comes from, SHA-256 of the other files
        history.parquet    one row per epoch: every term on training and validation rows, metrics of validation codes

While a run is unfinished its state lies in results/<study>/work/<run-id>/checkpoint.safetensors, which no rule of the
workflow declares: weights, Adam's moments and the history in one file, replaced by rename after an epoch.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from auxvae.config.run import Run
from auxvae.data.store import Scaling
from foundation.faults import Fault, Refused, Words
from foundation.files import atomic_write, digest_file, flush, full_disk_as_fault, read_json, write_json
from foundation.provenance import code_hash, versions

History = list[dict[str, float]]
RETRAIN = "delete the folder and start again: it is trained anew"


@dataclass(frozen=True)
class Trained:
    """A finished run as it was read back: spec, scaling, weights to score."""

    run: Run
    scaling: Scaling
    weights: dict[str, Tensor]


def training_code() -> str:
    """Hash of the code that decides a run's bytes."""
    return code_hash("auxvae.training.train")


def is_finished(folder: Path, run: Run) -> bool:
    """Whether the folder holds this very run, trained by this very code, whole."""
    if not (folder / "spec.json").exists():
        return False
    spec = read_json(folder / "spec.json", "the spec of a run")
    return spec["run"] == _plain(run) and spec["code"] == training_code() and not list(_damage(folder, spec))


def load(folder: Path, run: Run) -> Trained:
    """The finished run of a folder; another run's, a broken or an unfinished one is refused."""
    spec = read_json(folder / "spec.json", "the spec of a finished run")
    if spec.get("run") != _plain(run):
        value = Words("another run")
        raise Refused(Fault(str(folder / "spec.json"), value, f"the run {run.id} was asked for", RETRAIN))
    damage = list(_damage(folder, spec))
    if damage:
        raise Refused(damage)
    return Trained(run, Scaling(**spec["scaling"]), load_file(folder / "model.safetensors"))


def _damage(folder: Path, spec: dict[str, Any]) -> Iterator[Fault]:
    for name, sha256 in spec["files"].items():
        file = folder / name
        if not file.is_file() or digest_file(file) != sha256:
            value = Words("other bytes" if file.is_file() else "no file")
            yield Fault(str(file), value, "its SHA-256 must be that of spec.json", RETRAIN)


def finish(
    folder: Path,
    work: Path,
    run: Run,
    scaling: Scaling,
    kept: dict[str, Tensor],
    last: dict[str, Tensor],
    rows: History,
) -> None:
    """Write the run beside its place and rename it there; its unfinished state goes last."""
    made = work / "finished"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    with full_disk_as_fault(folder):
        (made / "model.safetensors").write_bytes(save(kept))
        (made / "last.safetensors").write_bytes(save(last))
        pd.DataFrame(rows).to_parquet(made / "history.parquet", index=False)
        for file in made.iterdir():
            flush(file)
        origin = {"code": training_code(), "versions": versions("torch", "numpy", "xarray", "zarr")}
        files = {file.name: digest_file(file) for file in sorted(made.iterdir())}
        write_json(made / "spec.json", {"run": _plain(run), "scaling": asdict(scaling), **origin, "files": files})
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            os.replace(folder, work / "replaced") if not (work / "replaced").exists() else shutil.rmtree(folder)
        os.replace(made, folder)
    shutil.rmtree(work)


def save_checkpoint(work: Path, run: Run, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Replace the unfinished state by a newer one, in one rename."""
    identity = {"run": _plain(run), "code": training_code(), "state": state}
    with atomic_write(work / "checkpoint.safetensors") as part:
        part.write_bytes(save(tensors, metadata={"json": json.dumps(identity)}))


def load_checkpoint(work: Path, run: Run) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and state of this run's unfinished training; None where there is none by this code."""
    path = work / "checkpoint.safetensors"
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            identity = json.loads(file.metadata()["json"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except (SafetensorError, KeyError, ValueError, OSError, TypeError) as error:
        raise Refused(Fault(str(path), Words(f"a broken checkpoint ({error})"), "it must be whole", RETRAIN)) from None
    if identity["run"] != _plain(run):
        raise Refused(Fault(str(path), Words("another run"), f"{run.id} lies here", RETRAIN))
    return (tensors, identity["state"]) if identity["code"] == training_code() else None


def _plain(run: Run) -> Any:
    """The run as JSON gives it back, tuples as lists."""
    return json.loads(json.dumps(asdict(run)))

"""A run's folder: written whole or not at all, and read back only as the run that was asked for.

    results/<study>/runs/<run-id>/
        model.safetensors  weights kept for the scores       last.safetensors   weights of the last epoch
        spec.json          the run, its scaling, where it comes from, SHA-256 of the other files
        scaling.safetensors  mean image and components of the training rows, constants of the inputs
        history.parquet    one row per epoch: every term on training and validation rows, metrics of validation codes

While a run is unfinished its state lies in results/<study>/work/<run-id>/ (training.checkpoint).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import load_file, save
from torch import Tensor

from auxvae.config.run import Run
from auxvae.data.components import Components
from auxvae.data.failures import training_code
from auxvae.data.inputs import InputScaling
from auxvae.data.scaling import Scaling
from foundation.faults import Fault, Refused, Words
from foundation.files import digest_file, flush, full_disk_as_fault, locked, read_json, write_json
from foundation.provenance import versions

History = list[dict[str, float]]
TENSORS = "scaling.safetensors"
OF_INPUTS = ("inputs_mean", "inputs_basis")  # tensors of what is beside the images, in that file
RETRAIN = "delete the folder and start again: it is trained anew"


@dataclass(frozen=True)
class Trained:
    """A finished run as it was read back: spec, scaling, weights to score."""

    run: Run
    scaling: Scaling
    weights: dict[str, Tensor]


@contextmanager
def claimed(run: Run, results: Path) -> Iterator[None]:
    """Hold a run, which one process trains or evaluates at a time; a work folder without a checkpoint is removed."""
    work = results / "work" / run.id
    with locked(work / "lock", run.id):
        try:
            yield
        finally:
            if [each.name for each in work.glob("*")] == ["lock"]:
                shutil.rmtree(work)


def claim(runs: Iterable[Run], results: Path, locks: ExitStack) -> tuple[list[Run], list[Fault]]:
    """Hold those of these runs that no other process holds until the stack of locks is closed; faults of the others."""
    free: list[Run] = []
    faults: list[Fault] = []
    for run in runs:
        try:
            locks.enter_context(claimed(run, results))
            free.append(run)
        except Refused as refused:
            faults += refused.faults
    return free, faults


def is_finished(folder: Path, run: Run) -> bool:
    """Whether the folder holds this very run, trained by this very code, whole."""
    if not (folder / "spec.json").exists():
        return False
    spec = read_json(folder / "spec.json", "the spec of a run")
    return run.agrees_with(spec["run"]) and spec["code"] == training_code(run) and not list(_damage(folder, spec))


def load(folder: Path, run: Run) -> Trained:
    """The finished run of a folder; another run's, a broken or an unfinished one is refused."""
    spec = read_json(folder / "spec.json", "the spec of a finished run")
    if not run.agrees_with(spec.get("run", {})):
        value = Words("another run")
        raise Refused(Fault(str(folder / "spec.json"), value, f"the run {run.id} was asked for", RETRAIN))
    damage = list(_damage(folder, spec))
    if damage:
        raise Refused(damage)
    return Trained(run, _read_scaling(folder, spec["scaling"]), load_file(folder / "model.safetensors"))


def _read_scaling(folder: Path, constants: dict[str, Any]) -> Scaling:
    """The constants: numbers from spec.json, tensors from their file."""
    tensors = load_file(folder / TENSORS)
    mean_image, numbers = tensors.pop("mean_image"), constants.pop("components")
    of_inputs = [tensors.pop(name) for name in OF_INPUTS if name in tensors]
    if "inputs" in constants:
        constants["inputs"] = InputScaling(tuple(constants["inputs"]), *of_inputs)
    components = Components(**tensors, **numbers) if numbers else None  # type: ignore[arg-type]
    return Scaling(**constants, mean_image=mean_image, components=components)


def _write_scaling(folder: Path, scaling: Scaling) -> dict[str, Any]:
    """Write the tensors of the constants, and return the numbers for spec.json."""
    numbers, tensors = dict(vars(scaling)), {"mean_image": scaling.mean_image}
    components = numbers["components"]
    if components is not None:
        tensors |= {name: getattr(components, name) for name in ("mean", "directions", "variances")}
        numbers["components"] = {name: getattr(components, name) for name in ("inputs", "bounded")}
    if (inputs := numbers.pop("inputs")) is not None:
        tensors |= dict(zip(OF_INPUTS, (inputs.mean, inputs.basis), strict=True))
        numbers["inputs"] = inputs.names
    del numbers["mean_image"]
    (folder / TENSORS).write_bytes(save({name: each.contiguous() for name, each in tensors.items()}))
    return numbers


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
    new = work / "finished"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    with full_disk_as_fault(folder):
        (new / "model.safetensors").write_bytes(save(kept))
        (new / "last.safetensors").write_bytes(save(last))
        constants = _write_scaling(new, scaling)
        pd.DataFrame(rows).to_parquet(new / "history.parquet", index=False)
        for file in new.iterdir():
            flush(file)
        origin = {"code": training_code(run), "versions": versions("torch", "numpy", "xarray", "zarr")}
        files = {file.name: digest_file(file) for file in sorted(new.iterdir())}
        write_json(new / "spec.json", {"run": run.record(), "scaling": constants, **origin, "files": files})
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work / "replaced", ignore_errors=True)
        if folder.exists():
            os.replace(folder, work / "replaced")
        os.replace(new, folder)
    shutil.rmtree(work)

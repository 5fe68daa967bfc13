"""The unfinished state of a run: tensors and JSON in one safetensors file, replaced in one rename.

It lies in results/<study>/work/<run-id>/, which no rule of the workflow declares, since Snakemake deletes the declared
outputs of a failed job.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from auxvae.config.run import Run
from auxvae.data.failures import training_code
from auxvae.data.run_folder import RETRAIN
from auxvae.training.state import History, State
from foundation.faults import Fault, Refused, Words
from foundation.files import atomic_write


def save_checkpoint(work: Path, run: Run, state: State) -> None:
    """Replace the checkpoint of a run by its present state."""
    write_checkpoint(work, run, state.tensors(), state.history)


def write_checkpoint(work: Path, run: Run, tensors: dict[str, Tensor], history: History) -> None:
    """Tensors and history of a run, with the record of the run and the hash of its code."""
    metadata = {"run": run.record(), "code": training_code(run), "history": history}
    with atomic_write(_path(work)) as part:
        part.write_bytes(save(tensors, metadata={"json": json.dumps(metadata)}))


def resume(work: Path, run: Run, state: State) -> bool:
    """Take up the checkpoint of a run, if this very code left one; a broken one or another run's is refused."""
    loaded = read_checkpoint(work, run)
    if loaded is not None:
        state.restore(*loaded)
    return loaded is not None


def read_checkpoint(work: Path, run: Run) -> tuple[dict[str, Tensor], History] | None:
    """Tensors and history of a run; None where there is no checkpoint, or one by other code."""
    path = _path(work)
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = json.loads(file.metadata()["json"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except (SafetensorError, KeyError, ValueError, OSError, TypeError) as error:
        value = Words(f"a broken checkpoint ({error})")
        raise Refused(Fault(str(path), value, "it must be whole", RETRAIN)) from None
    if not run.agrees_with(metadata["run"]):
        raise Refused(Fault(str(path), Words("another run"), f"it must belong to {run.id}", RETRAIN))
    return (tensors, metadata["history"]) if metadata["code"] == training_code(run) else None


def _path(work: Path) -> Path:
    return work / "checkpoint.safetensors"

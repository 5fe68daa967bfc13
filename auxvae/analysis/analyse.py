"""Everything that is computed from one trained run: scores, codes, sensitivity, pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.evaluate import evaluate
from auxvae.analysis.model import Model
from auxvae.analysis.sensitivity import sensitivity
from auxvae.analysis.traversal import traversal
from auxvae.config.analyses import Analyses
from auxvae.config.run import Run
from auxvae.data.store import Store
from auxvae.training.fleet import choose_device
from foundation.console import log
from foundation.files import atomic_write, read_json

EXAMPLES = 8


def analyse(run: Run, asked: Analyses, device: str, path: Path, results: Path) -> None:
    """Write codes.nc, sensitivity.nc, pictures.nc and, last, scores.json of a run."""
    folder, store = results / "runs" / run.id, Store(path, run.dataset)
    model = Model(folder, run, store, store.part("test", truth=True), choose_device(device))
    codes, _ = model.encode()
    _write(sensitivity(run, model, codes, asked.sensitivity), folder / "sensitivity.nc")
    drawn = traversal(run, model, codes, asked.traversal).merge(examples(run, model, codes))
    _write(drawn, folder / "pictures.nc")
    evaluate(run, store, model, folder, asked.bootstrap)
    log.info(f"{run.title}: {_headline(folder)}")


def examples(run: Run, model: Model, codes: NDArray[np.float32]) -> xr.Dataset:
    """The first test images, their truth where it is known, and the reconstructions, (example, y, x) in photons."""
    seen: dict[str, NDArray[np.float32] | torch.Tensor] = {
        "example_image": model.part.images[:EXAMPLES],
        "example_reconstruction": model.decode_counts(codes[:EXAMPLES]),
    }
    if model.part.truth is not None:
        seen["example_truth"] = model.part.truth[:EXAMPLES]
    stamps = {name: (("example", "y", "x"), np.asarray(each).sum(1)) for name, each in seen.items()}
    return xr.Dataset(stamps)


def _write(dataset: xr.Dataset, path: Path) -> None:
    with atomic_write(path) as part:
        dataset.to_netcdf(part)


def _headline(folder: Path) -> str:
    scores = read_json(folder / "scores.json", "the scores of a run")
    return ", ".join(f"{name} {scores[name]['value']:.4g}" for name in ("nats", "ssim", "ssim_asinh", "lds_corrected"))

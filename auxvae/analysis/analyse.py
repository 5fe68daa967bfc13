"""Everything that is computed from one trained run: scores, codes, sensitivity, pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.evaluate import evaluate
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.sensitivity import sensitivity
from auxvae.analysis.traversal import traversal
from auxvae.config.analyses import Analyses
from auxvae.config.run import Run
from auxvae.data.device import choose_device
from auxvae.data.store import Store
from foundation.console import log
from foundation.files import atomic_write, read_json

EXAMPLES = 8
HEADLINE = ("nats", "ssim", "ssim_asinh", "lds_corrected")


def analyse(run: Run, analyses: Analyses, device: str, path: Path, results: Path) -> None:
    """Write sensitivity.nc, pictures.nc, codes.nc and, last, scores.json of a run."""
    folder, store = results / "runs" / run.id, Store(path, run.dataset)
    model = TrainedModel(folder, run, store, store.read("test", truth=True), choose_device(device))
    codes, _ = model.encode()
    _write(sensitivity(run, model, codes, analyses.sensitivity), folder / "sensitivity.nc")
    pictures = traversal(run, model, codes, analyses.traversal).merge(examples(model, codes))
    _write(pictures, folder / "pictures.nc")
    evaluate(run, store, model, folder, analyses.bootstrap)
    log.info(f"{run.title}: {_headline(folder)}")


def examples(model: TrainedModel, codes: NDArray[np.float32]) -> xr.Dataset:
    """The first test images, their truth where the store has it, reconstructions, and images sampled from the model.

    (example, y, x) in photons, summed over channels; empty for a model that does not decode.
    """
    if not model.can_decode:
        return xr.Dataset()
    stamps: dict[str, object] = {
        "example_image": model.rows.images[:EXAMPLES],
        "example_reconstruction": model.decode_counts(codes[:EXAMPLES]),
        "sampled_image": model.sample_counts(min(EXAMPLES, len(codes))),
    }
    if model.rows.truth is not None:
        stamps["example_truth"] = model.rows.truth[:EXAMPLES]
    return xr.Dataset({name: (("example", "y", "x"), np.asarray(each).sum(1)) for name, each in stamps.items()})


def _write(dataset: xr.Dataset, path: Path) -> None:
    with atomic_write(path) as part:
        dataset.to_netcdf(part)


def _headline(folder: Path) -> str:
    scores = read_json(folder / "scores.json", "the scores of a run")
    return ", ".join(f"{name} {scores[name]['value']:.4g}" for name in HEADLINE if name in scores)

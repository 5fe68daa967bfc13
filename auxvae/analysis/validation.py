"""Scores of a run on its validation rows: those by which a setting may be chosen (auxvae.config.rules), and no more.

bound                auxvae.analysis.bound
nats, mse, ssim ...  auxvae.analysis.reconstructions, without floors, ceilings and baselines
lds ...              auxvae.analysis.aligned
leakage              auxvae.analysis.leakage, its largest alone
kl                   as on test rows (auxvae.analysis.evaluate)

One file holds them beside the record of what made them, so that a run is not scored twice: once among the candidates of
`select`, and again in its evaluation on test rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.aligned import aligned_scores
from auxvae.analysis.bound import bound_scores
from auxvae.analysis.files import VALIDATION
from auxvae.analysis.leakage import leakage_of_validation
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.reconstructions import fidelity_scores
from auxvae.config.run import Run
from auxvae.metrics.score import Score, mean_score
from foundation.files import digest_file, read_json, write_json
from foundation.provenance import code_hash

Codes = NDArray[np.float32]


def is_validated(folder: Path, run: Run, resamples: int) -> bool:
    """Whether the folder holds the scores that this code gives these very weights."""
    file = folder / VALIDATION
    return file.is_file() and read_json(file, "scores").get("record") == _record(folder, run, resamples)


def _record(folder: Path, run: Run, resamples: int) -> dict[str, Any]:
    code = code_hash("auxvae.analysis.validation", *run.modules)
    return {"code": code, "run": digest_file(folder / "spec.json"), "resamples": resamples}


def write_validation(run: Run, model: TrainedModel, train: TrainedModel, folder: Path, resamples: int) -> None:
    """Score a run, read beside validation rows and beside training rows, and write its file."""
    scores = {name: score.to_json() for name, score in validation_scores(run, model, train, resamples).items()}
    write_json(folder / VALIDATION, {"record": _record(folder, run, resamples), "scores": scores})


def validation_scores(run: Run, model: TrainedModel, train: TrainedModel, resamples: int) -> dict[str, Score]:
    """What a rule may read."""
    mean, log_variance = model.encode()
    scores = fidelity_scores(model, mean) if model.can_decode else {}
    scores |= bound_scores(model) | kl_scores(model, mean, log_variance)
    scores |= leakage_of_validation(train, model, resamples)
    return scores | aligned_scores(run, model.rows.factors, mean, log_variance, resamples)


def kl_scores(model: TrainedModel, mean: Codes, log_variance: Codes) -> dict[str, Score]:
    """KL from the run's prior, nats per image; empty for a deterministic encoder or a prior without a density."""
    nats = None if model.run.encoder == "deterministic" else model.divergence(mean, log_variance)
    return {} if nats is None else {"kl": mean_score(nats)}

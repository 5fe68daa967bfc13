"""Controls: codes whose scores are known in advance, scored like those of a run on the same test rows.

One JSON file for each data set and number of latents holds the scores of every control, and the record of what made
them. The evaluation of a fleet writes it, unless it is there already.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.files import controls_file
from auxvae.config.kinds import Kind
from auxvae.config.run import Run
from auxvae.data.encoding import encoded
from auxvae.metrics.alignment import alignment_scores
from auxvae.metrics.score import Score
from auxvae.metrics.standardise import standard
from auxvae.metrics.suite import study_scores
from auxvae.metrics.table import measure_modules
from foundation.files import read_json, write_json
from foundation.provenance import code_hash

Array = NDArray[np.float64]
MOST = 64  # variables of the factors: a control has a latent for each, or two


def are_scored(run: Run, results: Path, resamples: int) -> bool:
    """Whether the controls of a run's data set are there, made by this code and with so many resamples."""
    file = controls_file(results, run)
    return file.is_file() and read_json(file, "the scores of controls").get("record") == _record(run, resamples)


def write_controls(run: Run, factors: dict[str, Array], results: Path, resamples: int) -> None:
    """Score the controls of a run's data set, given the factors (N,) of its test rows by name, and write their file."""
    measured_by_control = control_scores(factors, run.network.latents, resamples, run.dataset.kinds)
    scores = {
        control: {metric: score._replace(matrix=None).to_json() for metric, score in measured.items()}
        for control, measured in measured_by_control.items()
    }
    write_json(controls_file(results, run), {"record": _record(run, resamples), "scores": scores})


def _record(run: Run, resamples: int) -> dict[str, Any]:
    code = code_hash("auxvae.analysis.controls", *measure_modules())
    return {"code": code, "data": run.dataset.digest, "resamples": resamples}


def control_codes(variables: Array, latents: int) -> dict[str, Array]:
    """Codes (N, latents) of the auxiliary variables (N, V) of all factors, by name.

    identity: the variables, then noise. noise: noise alone. duplicated: every one twice. rotated: the standardised
    variables under a random rotation, which keeps all information and no axis.
    """
    source = np.random.Generator(np.random.Philox(key=1))
    columns = standard(variables)
    noise = source.standard_normal((len(variables), latents))
    rotation, _ = np.linalg.qr(source.standard_normal((variables.shape[1],) * 2))
    bare = {"identity": columns, "duplicated": np.hstack([columns, columns]), "rotated": columns @ rotation}
    padded = {name: np.hstack([codes, noise])[:, : max(latents, codes.shape[1])] for name, codes in bare.items()}
    return {**padded, "noise": noise}


def control_scores(
    factors: dict[str, Array], latents: int, resamples: int, kinds: tuple[Kind, ...] = ()
) -> dict[str, dict[str, Score]]:
    """The scores of every control for factors (N,) by name, over all factors; none for more than MOST variables."""
    values = np.stack(list(encoded(factors, kinds).values()), 1)
    if values.shape[1] > MOST:
        return {}
    return {
        name: alignment_scores(codes, factors, (), resamples, kinds)
        | study_scores(codes, codes, factors, resamples, kinds)
        for name, codes in control_codes(values, latents).items()
    }

"""What the page of `auxvae explore` shows of a run: its latents, the codes of some test galaxies, its decoder.

nats of a latent   how much its posterior says (auxvae.analysis.spread); None for an encoder without a width
rho                correlation of samples of the posterior with each factor over the test rows; R where it has a kind
aligned            an auxiliary latent with |rho| of at least 0.5 with its variable. What value u of the variable a
                   value z of the latent stands for: the least-squares line u = a + b z over samples of the test rows

The galaxies are that nearest to the middle of all factors, and others at equal steps through the test rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.analysis.aligned import posterior_samples
from auxvae.analysis.decoder_layers import Layer, decoder_layers
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.spread import latent_nats
from auxvae.analysis.traversal import typical_rows
from auxvae.config.labels import latent_names
from auxvae.config.run import Run
from auxvae.data.device import choose_device
from auxvae.data.store import Rows, Store
from auxvae.metrics.alignment import correlation_matrix
from auxvae.metrics.posterior import ACTIVE
from foundation.faults import Fault, Refused, Words, listed

GALAXIES = 8
ALIGNED = 0.5  # least |rho| of an auxiliary latent with its variable
REACH = 0.005  # quantile of the codes where the slider of a latent begins; it ends at 1 less this
Codes = Float[ndarray, "N D"]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Explored:
    """A run as the page has it: latents, codes (galaxies, d_Z), layers of the decoder and their numbers."""

    run: Run
    latents: list[dict[str, Any]]
    codes: NDArray[np.float32]
    layers: list[Layer]
    numbers: NDArray[np.float32]


def galaxies_of(rows: Rows) -> list[int]:
    """Which of the rows are shown: a typical one, and others at equal steps."""
    first = typical_rows(rows.variables, 1)
    count = len(rows.numbers)
    others = [k * count // GALAXIES for k in range(GALAXIES)]
    return list(dict.fromkeys([*first, *others]))[: min(GALAXIES, count)]


def explored(run: Run, folder: Path, store: Store, rows: Rows) -> Explored:
    """Read a run back beside its test rows, and measure its latents; a run that does not decode is refused."""
    model = TrainedModel(folder, run, store, rows, choose_device("cpu"))
    if not model.can_decode:
        value = Words("a run that does not decode")
        raise Refused(Fault(str(folder), value, "the page shows decoded images", "name a run of another method"))
    if run.settings.inputs:
        value = Words(f"a run whose decoder is given {listed(run.settings.inputs)}")
        raise Refused(Fault(str(folder), value, "the page decodes latents alone", "name a run without inputs"))
    layers, numbers = decoder_layers(model.model, model.likelihood, str(folder))
    mean, log_variance = model.encode()
    return Explored(run, latents_of(model, mean, log_variance), mean[galaxies_of(rows)], layers, numbers)


def latents_of(model: TrainedModel, mean: Codes, log_variance: Codes) -> list[dict[str, Any]]:
    """Name, range, nats, correlations and, where it is aligned, variable and line of each latent."""
    run, rows = model.run, model.rows
    sampled = posterior_samples(run, mean, log_variance)
    factors = np.stack(list(rows.factors.values()), 1)
    rho = np.nan_to_num(correlation_matrix(sampled, factors, run.dataset.kinds))
    nats = latent_nats(run, mean, log_variance)
    ends = np.quantile(mean, [REACH, 1 - REACH], axis=0)
    shown = mean[galaxies_of(rows)]
    low, high = np.minimum(ends[0], shown.min(0)), np.maximum(ends[1], shown.max(0))
    latents: list[dict[str, Any]] = []
    for j, name in enumerate(latent_names(run)):
        nats_j = None if nats is None or _is_copy(run, j) else float(nats[j])
        entry = {"name": name, "low": float(low[j]), "high": float(high[j]), "nats": nats_j, "variable": None}
        entry["active"] = nats_j is None or nats_j >= ACTIVE
        entry["rho"] = {factor: float(value) for factor, value in zip(rows.factors, rho[j], strict=True)}
        latents.append(entry | _of_variable(model, sampled[:, j], j))
    return latents


def _of_variable(model: TrainedModel, sampled: Array, j: int) -> dict[str, Any]:
    """Variable of an auxiliary latent, its limits over the training rows, and the line where it is aligned."""
    if j >= model.run.aux_latents:
        return {}
    name = model.run.variables[j]
    values = model.rows.variables[name]
    low, high = model.scaling.factor_low[name], model.scaling.factor_high[name]
    said = {"variable": name, "variable_low": low, "variable_high": high, "aligned": False}
    if not (sampled.std() and values.std()):
        return {**said, "variable_rho": 0.0}
    correlation = float(np.corrcoef(sampled, values)[0, 1])
    slope = correlation * values.std() / sampled.std()
    line = [float(values.mean() - slope * sampled.mean()), float(slope)]
    return {**said, "variable_rho": correlation, "aligned": abs(correlation) >= ALIGNED, "line": line}


def _is_copy(run: Run, j: int) -> bool:
    """Whether a latent is an auxiliary variable itself."""
    return run.composition.conditional == "copied" and j < run.aux_latents

"""Leakage of a trained run: samples of its posterior on training and test rows against the factors of both.

kl_aux, kl_recon   nats per image that the posterior of the auxiliary and of the residual latents holds, against their
                   prior: N(u_j, v) and N(0, 1); no kl_aux, and no coverage, of latents that are copies of u (cvae)
recon_active       residual latents that hold more than 0.01 nat
covered_... width  auxvae.metrics.calibration
others             auxvae.metrics.leakage
"""

from __future__ import annotations

import numpy as np

from auxvae.analysis.model import TrainedModel
from auxvae.config.kinds import variables_of
from auxvae.config.run import Run
from auxvae.data.loader import measured_rows
from auxvae.data.randomness import normal
from auxvae.metrics.calibration import calibration_scores
from auxvae.metrics.leakage import Codes, Factor, leakage_alone, leakage_scores
from auxvae.metrics.posterior import ACTIVE, divergence
from auxvae.metrics.score import Score, exact, mean_score

FITTED_ROWS = 16_384  # training rows that the trees learn from, at most


def leakage(train: TrainedModel, test: TrainedModel, resamples: int) -> dict[str, Score]:
    """The scores of one run, read twice: beside training rows and beside test rows; none without auxiliary latents."""
    if not _has_blocks(test.run):
        return {}
    return leakage_scores(*_both(train, test), test.run.aux, resamples) | _posterior(test)


def leakage_of_validation(train: TrainedModel, validation: TrainedModel, resamples: int) -> dict[str, Score]:
    """The score `leakage` alone, by which settings are chosen; none where there is no residual latent either."""
    run = validation.run
    if not _has_blocks(run) or len(run.variables) == run.network.latents:
        return {}
    return {"leakage": leakage_alone(*_both(train, validation), run.aux, resamples)}


def _has_blocks(run: Run) -> bool:
    """Whether there are auxiliary latents."""
    return bool(run.aux) and run.composition.has_aux_latents


def _both(train: TrainedModel, test: TrainedModel) -> tuple[Codes, dict[str, Factor]]:
    """Codes and auxiliary variables of the rows that trees learn from and of those that they are tested on."""
    codes = Codes(_samples(train, "leakage training"), _samples(test, "leakage test"))
    names = dict.fromkeys((*test.rows.factors, *test.run.aux, *test.run.settings.inputs))
    return codes, {name: Factor(*(_variables(each, name) for each in (train, test))) for name in names}


def _variables(model: TrainedModel, name: str) -> np.ndarray:
    """The auxiliary variables of one factor of the rows, or one that is no factor, (N, V); numbers of another input."""
    if name not in (*model.rows.factors, *model.run.aux):
        return model.numbers_of(name)
    return np.stack([model.rows.variables[each] for each in variables_of([name], model.run.dataset.kinds)], 1)


def _samples(model: TrainedModel, purpose: str) -> np.ndarray:
    """One sample of the posterior of each row, (N, D)."""
    mean, log_variance = model.encode()
    noise = normal(model.run.seed, purpose, 0, mean.shape).numpy()
    return np.asarray(mean + noise * np.exp(0.5 * log_variance), dtype=np.float64)


def _posterior(model: TrainedModel) -> dict[str, Score]:
    """What the posterior of each block holds, and whether it covers; nothing for a deterministic encoder."""
    if model.run.encoder == "deterministic":
        return {}
    mean, log_variance = model.encode()
    count = len(model.run.variables)
    recon = divergence(mean[:, count:], log_variance[:, count:])
    active = exact(float((recon.mean(0) > ACTIVE).sum()), len(mean))
    of_residual = {"kl_recon": mean_score(recon.sum(1)), "recon_active": active}
    if model.run.composition.conditional == "copied":
        return of_residual
    return of_residual | _of_aux(model, mean[:, :count], log_variance[:, :count])


def _of_aux(model: TrainedModel, mean: np.ndarray, log_variance: np.ndarray) -> dict[str, Score]:
    """What the posterior of the auxiliary latents holds, and whether it covers; mean and log variance are (N, a)."""
    variance, names = model.run.prior_variance, model.run.variables
    u = model.rows.aux(names, model.scaling).numpy()
    aux = measured_rows(model.run, model.rows, model.scaling)
    errors = aux.error.numpy()
    finite = np.isfinite(errors)
    width = np.sqrt(variance + np.where(finite, errors, 0.0) ** 2)
    nats = finite * divergence((mean - aux.values.numpy()) / width, log_variance - 2 * np.log(width))
    return {"kl_aux": mean_score(nats.sum(1))} | calibration_scores(mean, np.exp(0.5 * log_variance), u, names)

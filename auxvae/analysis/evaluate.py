"""Scores of one run on its test rows, and the codes behind them, beside the values of every image.

bound              auxvae.analysis.bound
kl                 nats per image of the posterior against the run's own prior: N(u_j, v) for auxiliary latents, the
                   learned one of ivae and idvae, and that of the residual latents, else N(0, 1); without auxiliary
                   latents that are the factors themselves (cvae); absent where the prior has no density for every z
lds ...            auxvae.metrics.alignment: lds and lds_corrected over the auxiliary variables, lds_all... over every
                   factor
prior_...          auxvae.metrics.prior_match: posterior samples of the residual latents, unless their prior is learned
images             auxvae.analysis.reconstructions
others             auxvae.metrics.suite, of posterior means or samples as the table of metrics says
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.bound import bound_scores
from auxvae.analysis.files import CODES, SCORES
from auxvae.analysis.leakage import leakage
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.reconstructions import image_scores
from auxvae.analysis.swap import swap
from auxvae.analysis.validation import kl_scores
from auxvae.config.labels import latent_names
from auxvae.config.run import Run
from auxvae.data.randomness import normal
from auxvae.data.store import Store
from auxvae.metrics.alignment import alignment_scores, correlation_matrix, informative_scores, lds
from auxvae.metrics.columns import contrasted
from auxvae.metrics.posterior import informative_latents
from auxvae.metrics.prior_match import match_scores
from auxvae.metrics.score import IMAGE, Score
from auxvae.metrics.suite import study_scores
from auxvae.models.model import POINT
from foundation.files import atomic_write, write_json

Array = NDArray[np.float64]
Codes = NDArray[np.float32]


def evaluate(run: Run, store: Store, model: TrainedModel, train: TrainedModel, folder: Path, resamples: int) -> None:
    """Write scores.json and codes.nc of a run, from its model beside the test rows and beside training rows."""
    mean, log_variance = model.encode()
    scores = image_scores(store, model, mean) if model.can_decode else {}
    scores |= bound_scores(model) | code_scores(run, model, mean, log_variance, resamples)
    scores |= leakage(train, model, resamples) | swap(model, store.holds_galaxies)
    with atomic_write(folder / CODES) as part:
        codes_dataset(run, model, mean, log_variance).assign(_by_image(scores)).to_netcdf(part)
    write_json(folder / SCORES, {name: score.to_json() for name, score in scores.items()})


def code_scores(run: Run, model: TrainedModel, mean: Codes, log_variance: Codes, resamples: int) -> dict[str, Score]:
    """Scores of posterior means and log variances (N, D): nats, alignment with the factors, match with the prior."""
    has_width = (log_variance > POINT).any(0)
    sampled = posterior_samples(run, mean, np.where(has_width, log_variance, -np.inf))
    scores = aligned_scores(run, model.rows.factors, mean, log_variance, sampled, resamples)
    scores |= study_scores(mean.astype(np.float64), sampled, model.rows.factors, resamples)
    prior = model.sample_prior()
    if prior is not None:
        scores |= match_scores(sampled[:, len(run.aux) :], prior.astype(np.float64))
    return {**kl_scores(model, mean, log_variance), **scores}


def posterior_samples(run: Run, mean: Codes, log_variance: Codes) -> Array:
    """One sample of the posterior of each row, (N, D)."""
    noise = normal(run.seed, "scores", 0, mean.shape).numpy()
    return np.asarray(mean + noise * np.exp(0.5 * log_variance), dtype=np.float64)


def aligned_scores(
    run: Run, factors: dict[str, Array], mean: Codes, log_variance: Codes, sampled: Array, resamples: int
) -> dict[str, Score]:
    """LDS of means and samples (N, D) for the auxiliary variables (all factors without any) and for all factors."""
    codes, names = mean.astype(np.float64), run.aux or tuple(factors)
    columns = np.stack([factors[name] for name in names], 1)
    raw, corrected = (lds(sampled, columns, corrected=each, resamples=resamples) for each in (False, True))
    of_samples = {"lds_sampled": raw, "lds_sampled_corrected": corrected}
    scores = {name: score._replace(matrix=None) for name, score in of_samples.items()}
    scores |= alignment_scores(codes, factors, run.aux, resamples)
    if run.encoder == "deterministic":  # without a width, no latent can be called informative
        return scores
    return scores | informative_scores(codes, factors, informative_latents(mean, log_variance), resamples)


def _by_image(scores: dict[str, Score]) -> dict[str, tuple[str, Array]]:
    """The value of every test image of those contrasted scores that are means over images, for paired differences."""
    matrices = {name: scores[name].matrix for name in contrasted() if name in scores}
    by_image = {name: each for name, each in matrices.items() if each is not None and each.dims == (IMAGE,)}
    return {name: ("galaxy", each.values) for name, each in by_image.items()}


def codes_dataset(run: Run, model: TrainedModel, mean: Codes, log_variance: Codes) -> xr.Dataset:
    """Codes and factors of the test rows, and the correlation matrix of samples of the codes with the factors."""
    factors = model.rows.factors
    values = np.stack(list(factors.values()), 1)
    sampled = posterior_samples(run, mean, np.where((log_variance > POINT).any(0), log_variance, -np.inf))
    return xr.Dataset(
        {
            "mean": (("galaxy", "latent"), mean),
            "log_variance": (("galaxy", "latent"), log_variance),
            "factors": (("galaxy", "factor"), values),
            "rho": (("latent", "factor"), correlation_matrix(sampled, values)),
        },
        coords={"latent": latent_names(run), "factor": list(factors)},
        attrs={"run": run.id},
    )

"""Scores of one run on its test rows, and the codes behind them, beside the values of every image.

bound              auxvae.analysis.bound
kl                 nats per image of the posterior against the run's own prior: N(u_j, v) for auxiliary latents, the
                   learned one of ivae and idvae, and that of the residual latents, else N(0, 1); without auxiliary
                   latents that are the factors themselves (cvae); absent where the prior has no density for every z
lds ...            auxvae.metrics.alignment: lds and lds_corrected over the auxiliary variables, lds_all... over every
                   factor
prior_...          auxvae.metrics.prior_match: posterior samples of the residual latents, unless their prior is learned
images             auxvae.analysis.reconstructions
few_labels ...     auxvae.analysis.downstream, where the study asks for it
others             auxvae.metrics.suite, of posterior means or samples as the table of metrics says
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.aligned import aligned_scores, posterior_samples
from auxvae.analysis.bound import bits_per_pixel, bound_scores
from auxvae.analysis.files import CODES, SCORES
from auxvae.analysis.followed import followed
from auxvae.analysis.leakage import leakage
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.origins import STORE_VERSIONS
from auxvae.analysis.reconstructions import image_scores
from auxvae.analysis.samples import sample_scores
from auxvae.analysis.spread import PRIOR, prior_spread
from auxvae.analysis.swap import swap
from auxvae.analysis.validation import kl_scores
from auxvae.config.labels import latent_names
from auxvae.config.run import Run
from auxvae.data.store import Store
from auxvae.metrics.alignment import correlation_matrix
from auxvae.metrics.columns import contrasted
from auxvae.metrics.prior_match import match_scores
from auxvae.metrics.score import IMAGE, Score
from auxvae.metrics.suite import study_scores
from auxvae.metrics.targets import flags_of
from foundation.files import atomic_write, write_json

Array = NDArray[np.float64]
Codes = NDArray[np.float32]


def evaluate(
    run: Run,
    store: Store,
    model: TrainedModel,
    train: TrainedModel,
    folder: Path,
    resamples: int,
    downstream: dict[str, Score],
) -> None:
    """Write scores.json and codes.nc of a run, from its model beside the test rows and beside training rows.

    downstream: scores of the downstream analysis, which are kept beside the others.
    """
    mean, log_variance = model.encode()
    scores = image_scores(store, model, mean) if model.can_decode else {}
    scores |= bound_scores(model) | sample_scores(store, model)
    scores |= bits_per_pixel(model, scores) | code_scores(run, model, mean, log_variance, resamples)
    scores |= leakage(train, model, resamples) | swap(model, store.holds_galaxies) | downstream
    scores |= followed(model, mean, resamples)
    with atomic_write(folder / CODES) as part:
        origin = {STORE_VERSIONS: json.dumps(store.dataset.attrs.get("versions", {}))}
        coded = codes_dataset(run, model, mean, log_variance).assign(_by_image(scores))
        coded.assign_attrs(origin).to_netcdf(part)
    write_json(folder / SCORES, {name: score.to_json() for name, score in scores.items()})


def code_scores(run: Run, model: TrainedModel, mean: Codes, log_variance: Codes, resamples: int) -> dict[str, Score]:
    """Scores of posterior means and log variances (N, D): nats, alignment with the factors, match with the prior."""
    sampled, factors = posterior_samples(run, mean, log_variance), model.rows.factors
    scores = aligned_scores(run, factors, mean, log_variance, resamples)
    scores |= study_scores(mean.astype(np.float64), sampled, factors, resamples, run.dataset.kinds)
    prior = model.sample_prior()
    if prior is not None:
        scores |= match_scores(sampled[:, len(run.variables) :], prior.astype(np.float64))
    return {**kl_scores(model, mean, log_variance), **scores}


def beside_factors(run: Run, model: TrainedModel) -> dict[str, xr.DataArray]:
    """Those auxiliary variables of the run that are no factors, (galaxy, added); nothing where there are none."""
    names = [name for name in run.aux if name not in run.dataset.factors]
    values = [model.rows.variables[name] for name in names]
    return {"beside": xr.DataArray(np.stack(values, 1), {"added": names}, ["galaxy", "added"])} if names else {}


def _by_image(scores: dict[str, Score]) -> dict[str, tuple[str, Array]]:
    """The value of every test image of those contrasted scores that are means over images, for paired differences."""
    matrices = {name: scores[name].matrix for name in contrasted() if name in scores}
    by_image = {name: each for name, each in matrices.items() if each is not None and each.dims == (IMAGE,)}
    return {name: ("galaxy", each.values) for name, each in by_image.items()}


def codes_dataset(run: Run, model: TrainedModel, mean: Codes, log_variance: Codes) -> xr.Dataset:
    """Codes and factors of the test rows, correlations of samples of the codes with the factors, and their prior."""
    factors, kinds = model.rows.factors, run.dataset.kinds
    table = xr.DataArray(np.stack(list(factors.values()), 1), {"factor": list(factors)}, ["galaxy", "factor"])
    sampled = posterior_samples(run, mean, log_variance)
    return xr.Dataset(
        {
            "mean": (("galaxy", "latent"), mean),
            "log_variance": (("galaxy", "latent"), log_variance),
            "factors": table,
            "rho": (("latent", "factor"), correlation_matrix(sampled, table, kinds)),
            **beside_factors(run, model),
            PRIOR: (("latent", "quantile"), prior_spread(model)),
            **{name: ("factor", each) for name, each in flags_of(kinds, factors).items()},
        },
        coords={"latent": latent_names(run)},
        attrs={"run": run.id},
    )

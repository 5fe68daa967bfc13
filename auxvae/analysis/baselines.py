"""Baselines of the downstream analysis, once for a data set and number of latents, on the same labelled rows.

pixels    raw pixels, on the scale on which their noise is known (auxvae.data.likelihoods)
pca       as many principal components of them as the runs have latents
network   a supervised network (auxvae.metrics.network_regression) on INPUTS principal components: the pixels without
          what is noise alone
noise     numbers that know nothing of the images: chance
moments   shear from adaptive moments (auxvae.metrics.shapes) of the noisy images, calibrated on training rows

Principal components are those of the training images, which need no labels; neither do the codes of a run. One JSON
file holds the scores and the record of what made them, beside a NetCDF of the curves. The evaluation writes both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from auxvae.analysis.downstream import Measured, Truth, of_codes
from auxvae.analysis.files import baselines_file
from auxvae.config.analyses import Analyses
from auxvae.config.run import Run
from auxvae.data.likelihoods import likelihood
from auxvae.data.randomness import generator, normal
from auxvae.data.store import Rows, Store
from auxvae.metrics.network_regression import network_regression
from auxvae.metrics.score import Score
from auxvae.metrics.shear import bias_scores, moments_shear
from foundation.files import atomic_write, digest_of, read_json, write_json
from foundation.provenance import code_hash

Array = NDArray[np.float64]
SEED = 0  # of the labelled rows
INPUTS = 32  # components that the network is given
MOMENTS = 4096  # galaxies of a split whose moments are measured: they take long


def are_measured(run: Run, results: Path, analyses: Analyses) -> bool:
    """Whether the baselines of a run's data set are there, made by this code and with these settings."""
    file = baselines_file(results, run)
    both = file.is_file() and file.with_suffix(".nc").is_file()
    return both and read_json(file, "the baselines").get("record") == _record(run, analyses)


def _record(run: Run, analyses: Analyses) -> dict[str, Any]:
    settings = {"downstream": asdict(analyses)["downstream"], "bootstrap": analyses.bootstrap}
    code = code_hash("auxvae.analysis.baselines")
    return {"code": code, "data": run.dataset.digest, "settings": digest_of(settings)}


def write_baselines(run: Run, store: Store, train: Rows, test: Rows, results: Path, analyses: Analyses) -> None:
    """Measure the baselines of a run's data set, and write their files."""
    file = baselines_file(results, run)
    measured = dict(baselines(store, train, test, run.network.latents, analyses))
    curves = {name: each.curves for name, each in measured.items() if each.curves.data_vars}
    with atomic_write(file.with_suffix(".nc")) as part:
        xr.concat(list(curves.values()), xr.DataArray(list(curves), dims="run", name="run")).to_netcdf(part)
    scores = {
        name: {metric: score._replace(matrix=None).to_json() for metric, score in each.scores.items()}
        for name, each in measured.items()
    }
    write_json(file, {"record": _record(run, analyses), "scores": scores})


def baselines(
    store: Store, train: Rows, test: Rows, latents: int, analyses: Analyses
) -> Iterator[tuple[str, Measured]]:
    """The curves and scores of every baseline, by name."""
    wanted, resamples = analyses.downstream, analyses.bootstrap
    assert wanted is not None
    truth = Truth(train.factors, test.factors, store.source.kinds, store.holds_galaxies)
    pixels, pixels_test = _on_scale(store, train, test)
    inputs, inputs_test = components(pixels, pixels_test, max(INPUTS, latents))
    few, few_test = inputs[:, :latents], inputs_test[:, :latents]
    noise = [normal(SEED, f"noise {name}", 0, (len(each), latents)).double().numpy()
             for name, each in (("train", pixels), ("test", pixels_test))]  # fmt: skip
    yield "pixels", of_codes(pixels, pixels_test, truth, wanted, SEED, resamples)
    yield "pca", of_codes(few, few_test, truth, wanted, SEED, resamples)
    network = inputs[:, :INPUTS], inputs_test[:, :INPUTS]
    yield "network", of_codes(*network, truth, wanted, SEED, resamples, network_regression)
    yield "noise", of_codes(noise[0], noise[1], truth, wanted, SEED, resamples)
    yield "moments", Measured(xr.Dataset(), moments_scores(train, test, truth, resamples))


def _on_scale(store: Store, train: Rows, test: Rows) -> tuple[Array, Array]:
    """Images (N, P) and (M, P): where their noise is known on the scale that makes it even, others as they are."""
    if store.noise["kind"] == "none":
        return _flat(train.images), _flat(test.images)
    extremes = float(train.images.min()), float(train.images.max())
    scale = likelihood("noise", None, store.noise, train.noise_std, extremes)
    return _flat(scale.to_scale(train.images)), _flat(scale.to_scale(test.images))


def _flat(images: Any) -> Array:
    return np.asarray(images.flatten(1).numpy(), dtype=np.float64)


def components(pixels: Array, pixels_test: Array, number: int) -> tuple[Array, Array]:
    """The principal components of both, by those of the first, as many as there can be."""
    most = min(number, pixels.shape[1], len(pixels) - 1)
    seed = generator(SEED, "components").initial_seed() % 2**32
    analysis = PCA(most, svd_solver="randomized", random_state=seed).fit(pixels)
    return analysis.transform(pixels), analysis.transform(pixels_test)


def moments_scores(train: Rows, test: Rows, truth: Truth, resamples: int) -> dict[str, Score]:
    """Bias of the shear from adaptive moments, as measured and as calibrated on training rows."""
    if not truth.components():
        return {}
    by_split = [moments_shear(each.images[:MOMENTS, 0].double().numpy()) for each in (test, train)]
    scores: dict[str, Score] = {}
    for component in truth.components():
        pairs = [
            (measured[component], factors[component][:MOMENTS])
            for measured, factors in zip(by_split, (truth.test, truth.train), strict=True)
        ]
        scores |= bias_scores("shear", component, pairs[0], pairs[1], resamples)
    return scores

"""Films of a run's data set: whether the codes of successive images lie on a line (auxvae.metrics.trajectories).

    straightness_PATH               of posterior means, active latents alone, standardised over the films
    straightness_PATH_pixels        of the images on the scale of the likelihood: what there was to straighten
    straightness_PATH_untrained     of the same encoder with its initial weights: what any such network does
    straightness_PATH_factors       of the factors that move, in their units; their logarithms can be straighter

Intervals are over films. Codes of methods whose encoder sees the auxiliary variables (cvae, idvae) are straight by what
they are told. Absent where no film turns, as of a factor that moves in few steps. Latents that say nothing of an image
are left out: standardised, they turn at random. The simulations draw the films (simulations.films), into a file beside
the store, STORE-films.npz.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.config.analyses import Analyses, Films
from auxvae.config.run import Run
from auxvae.data.store import Rows, Store
from auxvae.metrics.posterior import ACTIVE, held_nats
from auxvae.metrics.score import Score
from auxvae.metrics.trajectories import straightness, turns
from foundation.faults import Fault, Refused, Words, reason

PATHS = ("line", "arc")


def films_of(store: Path) -> Path:
    """The file of films of a store."""
    return store.with_name(f"{store.stem}-films.npz")


def film_scores(model: TrainedModel, store: Store, results: Path, analyses: Analyses) -> dict[str, Score]:
    """Straightness of every path that the study asks for, with its companions; nothing without films."""
    if analyses.films is None:
        return {}
    films = _read(films_of(store.path), model.run.dataset.digest, analyses.films)
    frames = films["image"].shape[1]
    pictured = TrainedModel(
        results / "runs" / model.run.id, model.run, store, _rows(films, store, model.run), model.device
    )
    pixels = np.asarray(pictured.likelihood.to_scale(pictured.rows.images.clone()).flatten(1).numpy(), dtype=np.float64)
    trained = pictured.encode()[0][:, _active(*model.encode())]
    untrained = pictured.with_initial_weights().encode()[0]
    shared: dict[str, NDArray[np.floating]] = {"": trained, "_pixels": pixels, "_untrained": untrained}
    scores: dict[str, Score] = {}
    for path, along in analyses.films.paths.items():
        factors = np.stack([films[name].reshape(-1) for name in along], 1)
        scores |= _scores(path, shared | {"_factors": factors}, films["path"] == path, frames)
    return scores


def _read(path: Path, digest: str, wanted: Films) -> dict[str, NDArray[Any]]:
    """The arrays of a file of films; another data set's, or films of other settings, are refused."""
    remedy = f"draw them by `python -m simulations films STORE {path.name} ...`, or take analyses.films away"
    if not path.is_file():
        raise Refused(Fault(str(path), Words("no file"), "the study asks for films", remedy))
    try:
        with np.load(path, allow_pickle=False) as file:
            films = {name: file[name] for name in file.files}
        there = {name: tuple(films[f"along_{name}"].tolist()) for name in PATHS if f"along_{name}" in films}
        counts, frames = {int((films["path"] == name).sum()) for name in there}, films["image"].shape[1]
        drawn_of = str(films["digest"])
    except (OSError, ValueError, LookupError, zipfile.BadZipFile) as error:
        value = Words(f"a file that cannot be read ({reason(error)})")
        raise Refused(Fault(str(path), value, "films are those of the simulations", remedy)) from None
    same = there == wanted.paths and counts == {wanted.count} and frames == wanted.frames
    if not same or drawn_of != digest:
        value = Words("films of other settings" if not same else "films of another data set")
        raise Refused(Fault(str(path), value, "they are those that the study asks for", remedy))
    return films


def _scores(
    path: str, codes: Mapping[str, NDArray[np.floating]], films: NDArray[np.bool_], frames: int
) -> dict[str, Score]:
    """Of the films of one path, from codes of all images; none of codes without a latent, or that never turn."""
    of_path = {
        name: each.reshape(len(films), frames, each.shape[1])[films].astype(np.float64) for name, each in codes.items()
    }
    return {f"straightness_{path}{name}": straightness(each) for name, each in of_path.items() if turns(each)}


def _active(mean: Float[ndarray, "N D"], log_variance: Float[ndarray, "N D"]) -> Sequence[int]:
    """The latents that tell an image from others by more than ACTIVE nats, were they normal."""
    return np.flatnonzero(held_nats(mean, log_variance) > ACTIVE).tolist()


def _rows(films: Mapping[str, NDArray[Any]], store: Store, run: Run) -> Rows:
    """The frames of all films as rows of a store."""
    images = films["image"].reshape(-1, *store.image_shape)
    noise = store.noise_std("train")
    numbers = np.arange(len(images))
    return Rows(
        numbers=numbers,
        images=torch.from_numpy(images),
        factors={name: films[name].reshape(-1) for name in run.dataset.factors},
        truth=None,
        noise_std=None if noise is None else noise.mean().expand(len(images)).clone(),
        context=np.zeros(len(images), dtype=np.intp),
        source=run.dataset,
    )

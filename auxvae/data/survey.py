"""Images of any sealed store for a run that was trained on another: are they on the scale that the run's network reads?

A store is refused unless it has the same number of pixels and channels, the same pixel scale (arcsec) where both state
one, the same unit of a pixel, the same kind of noise and, of Poisson noise, the same sky as the run's store. Blocks
of its rows are refused where a pixel is not finite, or is none that the run's likelihood takes.

A simulated store states the scale of its pixels in its spec, a converted one in the attribute `pixel_scale` of `image`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from astropy.units import Unit
from numpy.typing import NDArray

from auxvae.config.contexts import contexts_of
from auxvae.config.kinds import kinds_of
from auxvae.config.run import Run, Source
from auxvae.data.inputs import absent
from auxvae.data.likelihoods import Likelihood, likelihood
from auxvae.data.pixel_weights import PixelWeights, pixel_weights
from auxvae.data.preparation import unweighed, with_weights
from auxvae.data.scaling import Scaling
from auxvae.data.store import Rows, Store
from foundation.console import log
from foundation.faults import Fault, Refused, Words
from foundation.files import read_json

BLOCK = 2048  # rows that are read and encoded together
OTHER = "convert or simulate the images as the run's were, or train a run on images like these"


def open_survey(path: Path, run_store: Store, inputs: Sequence[str] = ()) -> Store:
    """A sealed store of any data set, whose images are on the scale of a run's store; else refused with all faults.

    inputs: what the run is given beside every image, which the store must have in the same unit and shape.
    """
    store = sealed_store(path)
    faults = [
        *_faults(store, run_store),
        *(fault for name in inputs for fault in _input_faults(name, store, run_store)),
    ]
    if faults:
        raise Refused(faults)
    for name in inputs:
        _note_beyond(name, store, run_store)
    return store


def _note_beyond(name: str, store: Store, run_store: Store) -> None:
    """A line where numbers of an input lie outside of those that the run was trained with."""
    if store.dataset[name].ndim > 1:
        return
    trained = run_store.column(name, run_store.numbers("train"))
    values, low, high = store.column(name, np.arange(len(store.split))), trained.min(), trained.max()
    if beyond := int(((values < low) | (values > high)).sum()):
        share = f"{name} of {beyond:,} of {len(values):,} images"
        log.info(f"{store.path}: {share} lies outside of {low:.4g} to {high:.4g}, where the run was trained")


def sealed_store(path: Path) -> Store:
    """A sealed store of any data set."""
    return Store(path, _source_of(path))


def _source_of(path: Path) -> Source:
    """The data set of a sealed store, by the facts in its seal."""
    if not (path / "seal.json").is_file():
        value = Words("no seal.json" if path.is_dir() else "no folder")
        remedy = "name a store that 'simulations draw' or 'simulations convert' finished"
        raise Refused(Fault(str(path), value, "a sealed store is read here", remedy))
    facts = read_json(path / "seal.json", "the seal of a store").get("facts", {})
    try:
        stamp, channels, train = (int(facts[key]) for key in ("stamp", "channels", "train"))
        kinds, contexts = kinds_of(facts), contexts_of(facts)
        factors = tuple(facts["factors"])
        return Source(facts["name"], facts["digest"], factors, stamp, channels, train, kinds=kinds, contexts=contexts)
    except (KeyError, TypeError, ValueError) as error:
        value = Words(f"facts that cannot be read ({type(error).__name__}: {error})")
        raise Refused(Fault(f"{path}/seal.json", value, "a seal has facts", "make the store again")) from None


def pixel_scale(store: Store) -> float | None:
    """Side of a pixel in arcsec, None where the store does not state it."""
    attributes = store.dataset.attrs
    scene: Mapping[str, Any] = attributes.get("spec", {}).get("scene", {})
    if "pixel_scale" in scene:
        return float(scene["pixel_scale"])
    stated = store.dataset["image"].attrs
    unit = Unit(stated.get("pixel_scale_units", "arcsec"))
    return float((stated["pixel_scale"] * unit).to_value("arcsec")) if "pixel_scale" in stated else None


def _faults(store: Store, run_store: Store) -> Iterator[Fault]:
    """What of a store is not as in the run's."""
    facts = {each: _facts(each) for each in (store, run_store)}
    for name, value in facts[store].items():
        if value != facts[run_store][name]:
            text = f"the run was trained on {facts[run_store][name]}"
            yield Fault(f"{store.path}: {name}", Words(value), text, OTHER)
    _note_noise(store, run_store)
    scale, of_run = pixel_scale(store), pixel_scale(run_store)
    if scale is None or of_run is None:
        silent = store if scale is None else run_store
        log.info(
            f"{silent.path}: no pixel scale is stated, so that nobody can say whether it is the same in both stores"
        )
    elif not math.isclose(scale, of_run, rel_tol=1e-3):
        text = f"the run was trained on pixels of {of_run:g} arcsec"
        yield Fault(f"{store.path}: pixel scale", Words(f"{scale:g} arcsec"), text, OTHER)


def _note_noise(store: Store, run_store: Store) -> None:
    """A line where Gaussian noise is of another size than the run's: `domain` judges what that means."""
    if any("noise_std" not in each.dataset.variables for each in (store, run_store)):
        return
    here, there = (float(np.median(each.dataset["noise_std"].values)) for each in (store, run_store))
    if not math.isclose(here, there, rel_tol=0.05):
        text = f"a noise of {here:.4g} per pixel in the median, where the run was trained with {there:.4g}"
        log.info(f"{store.path}: {text}")


def _input_faults(name: str, store: Store, run_store: Store) -> Iterator[Fault]:
    """What of an input is not as in the run's store."""
    if name not in store.dataset.variables:
        yield absent(name, store.path)
        return
    asked, of_run = (each.dataset[name] for each in (store, run_store))
    units = [each.attrs.get("units") or "no unit" for each in (asked, of_run)]
    shapes = ["x".join(map(str, each.shape[1:])) or "a number for each image" for each in (asked, of_run)]
    for what, (here, there) in (("unit", units), ("shape", shapes)):
        if here != there:
            yield Fault(f"{store.path}: {what} of {name}", Words(here), f"the run was given {there}", OTHER)


def _facts(store: Store) -> dict[str, str]:
    """What must be the same in two stores, in words."""
    channels, height, width = store.image_shape
    noise = store.noise.get("kind", "none")
    sky = float(store.noise.get("sky") or 0.0)
    return {
        "images": f"{channels} x {height} x {width} pixels",
        "unit": store.dataset["image"].attrs.get("units") or "no unit",
        "noise": f"poisson noise over a sky of {sky:g}" if noise == "poisson" else f"{noise} noise",
        "inverse variances": "some" if store.has_variances else "none",
    }


def rows_for(run: Run, store: Store, numbers: NDArray[np.intp]) -> Rows:
    """The images of any store as rows of a run's data set, for an encoder that sees no factors: those but inputs are 1.

    Inputs of the run are the store's own.
    """
    count = len(numbers)
    noise_std = store.dataset["noise_std"].values[numbers] if "noise_std" in store.dataset.variables else None
    return Rows(
        numbers=numbers,
        images=store.images("image", numbers)[0],
        factors={
            name: store.column(name, numbers) if name in run.settings.inputs else np.ones(count)
            for name in run.dataset.factors
        },
        truth=None,
        noise_std=None if noise_std is None else torch.tensor(noise_std),
        context=np.zeros(count, dtype=np.intp),
        source=run.dataset,
    )


def blocks(run: Run, store: Store, numbers: NDArray[np.intp]) -> Iterator[Rows]:
    """The rows with these numbers, ascending, block by block; refused where a pixel is not finite."""
    for start in range(0, len(numbers), BLOCK):
        rows = rows_for(run, store, numbers[start : start + BLOCK])
        wrong = ~torch.isfinite(rows.images).flatten(1).all(1).numpy()
        if wrong.any():
            value = Words(f"pixels that are not finite in {wrong.sum()} images, first in row {rows.numbers[wrong][0]}")
            raise Refused(Fault(f"{store.path}/image", value, "every pixel is a number", "drop or mend those images"))
        yield rows


def likelihood_of(run: Run, run_store: Store, store: Store, rows: Rows, scaling: Scaling) -> Likelihood:
    """The run's likelihood for rows of any store, refused where their pixels are none that it takes."""
    name, sigma = run.settings.likelihood, run.settings.sigma
    of_run, extremes = pixel_weights(run_store, name), (float(rows.images.min()), float(rows.images.max()))
    typical = of_run.sigma if of_run else None
    if typical is None:
        likelihood(name, sigma, run_store.noise, rows.noise_std, extremes, rows.noise_std)
    kind = unweighed(name, sigma, run_store, rows.noise_std, (scaling.count_low, scaling.count_high))
    return with_weights(kind, PixelWeights(store, typical) if store.weighs_pixels else None, rows.numbers)

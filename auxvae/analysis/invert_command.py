"""`python -m auxvae invert RUN STORE`: invert images under a run's decoder, print how good it is, write the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.inversion import Target, images_of
from auxvae.analysis.invert import STARTS, Columns, Reading, inverted
from auxvae.analysis.invert_options import Wanted, chosen_rows, good_pixels, hidden_columns, offsets_of
from auxvae.analysis.invert_table import Truth, table
from auxvae.analysis.measure import calibrated, measured_factors, true_factors
from auxvae.analysis.measure_table import has_limits, limits_of
from auxvae.analysis.surveyed import Trained, judged_rows, read_trained, refuse_unwritable, rows_of, write_table
from auxvae.config.methods import METHODS, Method
from auxvae.data.store import Store
from auxvae.data.survey import blocks, open_survey
from auxvae.metrics.convergence import ESS, RHAT
from auxvae.models.latent_prior import LatentPrior, Marginals
from foundation.console import counted, log
from foundation.faults import Fault, Refused, Words, listed

BLOCK = 64  # images that are inverted together


def invert(folder: Path, path: Path, out: Path, data: Path | None, wanted: Wanted) -> str:
    """Write what the posteriors of the images say of their factors, and return the table that is printed."""
    refuse_unwritable(out)
    trained = read_trained(folder, data)
    names = measured_factors(trained)
    prior = prior_of(trained)
    store = open_survey(path, trained.store)
    judged = judged_rows(trained, store)
    chosen = chosen_rows(wanted.rows, judged)
    reading = reading_of(trained, names, store)
    columns = all_inverted(trained, store, judged[chosen], prior, reading, wanted)
    units = {name: trained.store.dataset[name].attrs.get("units", "") for name in names}
    truth = truth_of(trained, store, names, judged, chosen, wanted)
    facts = {"run": trained.run.id, "store": store.source.digest, "units": units, "mask": wanted.mask}
    facts |= {"second": wanted.second, "draws": wanted.draws, "seed": wanted.seed, "rhat": RHAT, "ess": ESS}
    text = "\n".join([title(store, judged[chosen], wanted), *table(columns, units, truth, STARTS)])
    which = {name: each[judged[chosen]] for name, each in rows_of(trained, store).items()}
    write_table(out, {**which, **columns}, facts)
    log.info(f"{out}: written, {len(judged[chosen]):,} rows; 'python -m auxvae domain' says whether to trust the run")
    return text


def prior_of(trained: Trained) -> LatentPrior:
    """p(z) of the run; one without a decoder, a likelihood or a density is refused."""
    run, where = trained.run, str(trained.folder)
    able = [name for name, each in METHODS.items() if _can_invert(each)]
    if not _can_invert(run.composition) or not trained.model.can_decode:
        value, allowed = Words(f"a run of {run.method}"), f"images are inverted under decoders of {listed(able)}"
        raise Refused(Fault(where, value, allowed, "name a run of one of them"))
    if run.settings.likelihood == "log10":
        value, allowed = Words("the likelihood log10"), "squares of logarithms are no likelihood of an image"
        raise Refused(Fault(where, value, allowed, "name a run with another one"))
    residual = trained.model.model.prior  # type: ignore[attr-defined]  # every autoencoder has one
    if residual is not None and not run.prior.has_density():
        value, allowed = Words(f"the prior {run.prior.words()}"), "a posterior needs a density of the residual latents"
        raise Refused(Fault(where, value, allowed, "name a run with another prior"))
    return LatentPrior(Marginals(trained.model.data.aux.cpu(), run.prior_variance), residual)


def _can_invert(method: Method) -> bool:
    return method.family == "autoencoder" and method.conditional == "gaussian" and not method.module


def reading_of(trained: Trained, names: tuple[str, ...], store: Store) -> Reading:
    """How the latents of a run become factors."""
    scaling = trained.model.scaling
    places = {name: trained.run.variables.index(name) for name in names}
    return Reading(places, scaling.factor_low, scaling.factor_high, calibrated(trained, names, None, store))


def all_inverted(
    trained: Trained, store: Store, numbers: NDArray[np.intp], prior: LatentPrior, reading: Reading, wanted: Wanted
) -> Columns:
    """The columns of all the rows, (N,) each."""
    good, parts = good_pixels(store.image_shape, wanted.mask), []
    offsets_of(wanted.second, store, numbers)  # refused before the first block is inverted
    _refuse_bounded(trained, wanted)
    trained.model.model.network.requires_grad_(False)
    with counted(store.path.name, len(numbers), "images") as progress:
        for part in _cut(numbers):
            rows = next(blocks(trained.run, store, part))
            images = images_of(trained, store, rows, good, offsets_of(wanted.second, store, part))
            _refuse_hidden(store, images.model.good, part)
            parts.append(inverted(Target.of(images, prior), reading, wanted.draws, wanted.seed))
            progress.advance(len(part))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _cut(numbers: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(numbers), BLOCK):
        yield numbers[start : start + BLOCK]


def _refuse_bounded(trained: Trained, wanted: Wanted) -> None:
    if wanted.second and trained.model.likelihood.bounded:
        value, text = Words("images in [0, 1]"), "the light of two sources adds up in photons"
        raise Refused(Fault("--second", value, text, "leave --second out"))


def _refuse_hidden(store: Store, good: NDArray[np.bool_] | None, numbers: NDArray[np.intp]) -> None:
    """Refuse an image of which no pixel counts."""
    hidden = None if good is None else ~good.any((1, 2, 3))
    if hidden is not None and hidden.any():
        value = Words(f"{hidden.sum()} images without a pixel that counts, first in row {numbers[hidden][0]}")
        raise Refused(Fault(str(store.path), value, "an image needs one", "choose other rows by --rows, or hide fewer"))


def truth_of(
    trained: Trained, store: Store, names: tuple[str, ...], judged: NDArray[np.intp], chosen: slice, wanted: Wanted
) -> Truth:
    """The true factors of the rows that the store has, those of second sources too, and the least scatter."""
    true = {name: each[judged[chosen]] for name, each in true_factors(trained, store, names).items()}
    for name in (f"second_{each}" for each in names):
        if name in store.source.factors:
            true[name] = np.asarray(store.dataset[name].values, dtype=np.float64)[judged[chosen]]
    if not (wanted.limits and true and has_limits(store)) or wanted.second or store.weighs_pixels:
        return Truth(true, {})
    split = "test" if len(judged) < len(store.split) else ""
    at = f"{chosen.start}:{chosen.stop}"
    limits = limits_of(store, chosen.stop - chosen.start, split, "--at", at, "--mask", str(wanted.mask))
    return Truth(true, limits)


def title(store: Store, numbers: NDArray[np.intp], wanted: Wanted) -> str:
    """What was inverted, in one line."""
    width = store.image_shape[2]
    hidden = f", {hidden_columns(width, wanted.mask)} of {width} columns hidden" if wanted.mask else ""
    second = f", a second source at {wanted.second}" if wanted.second else ""
    return f"{store.path.name}: {len(numbers):,} images{hidden}{second}, {wanted.draws} draws of 4 chains"

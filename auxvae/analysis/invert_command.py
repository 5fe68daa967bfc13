"""`python -m auxvae invert RUN STORE`: invert images under a run's decoder, print how good it is, write the file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from auxvae.analysis.inversion import Target, images_of
from auxvae.analysis.invert import CHAINS, STARTS, Columns, Reading, inverted
from auxvae.analysis.invert_calibration import calibrated_columns, factors_of, refuse_few
from auxvae.analysis.invert_options import Wanted, chosen_rows, good_pixels, hidden_columns
from auxvae.analysis.invert_sample import Sample, calibration_sample, sample_of
from auxvae.analysis.invert_table import Truth, table
from auxvae.analysis.measure import calibrated, measured_factors, true_factors
from auxvae.analysis.measure_table import has_limits, limits_of
from auxvae.analysis.surveyed import Trained, judged_rows, read_trained, refuse_unwritable, rows_of, write_table
from auxvae.config.methods import METHODS, Method
from auxvae.data.store import Store
from auxvae.data.survey import open_survey
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
    store = open_survey(path, trained.store, trained.run.settings.inputs)
    judged = judged_rows(trained, store)
    chosen = chosen_rows(wanted.rows, judged)
    sample = sample_of(store, judged[chosen], wanted)
    calibrating = calibration_sample(trained, sample, wanted.calibrate) if wanted.calibrate else None
    if calibrating is not None:
        refuse_few(len(calibrating.numbers))
    _refuse_blended(trained, wanted)
    under = Under(trained, prior, reading_of(trained, names, store), wanted)
    columns = all_inverted(under, sample)
    if calibrating is not None:
        widths = factors_of(all_inverted(under, calibrating), truth_of(trained, calibrating, names))
        columns |= calibrated_columns(columns, widths)
    units = {name: trained.store.dataset[name].attrs.get("units", "") for name in names}
    truth = Truth(
        truth_of(trained, sample, names), limits_for(sample, judged, chosen, wanted, trained.run.settings.inputs)
    )
    text = "\n".join([title(sample, wanted), *table(columns, units, truth, STARTS)])
    which = {name: each[judged[chosen]] for name, each in rows_of(trained, store).items()}
    facts = {"run": trained.run.id, "store": store.source.digest, "units": units, "rhat": RHAT, "ess": ESS}
    write_table(out, {**which, **columns}, {**facts, **dataclasses.asdict(wanted)})
    log.info(f"{out}: written, {len(sample.numbers):,} rows; 'python -m auxvae domain' says whether to trust the run")
    return text


@dataclass(frozen=True)
class Under:
    """What images are inverted under."""

    trained: Trained
    prior: LatentPrior
    reading: Reading
    wanted: Wanted


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
    aux, error = trained.model.data.aux.cpu(), trained.model.data.error
    known_alone = aux if error is None else torch.where(error.cpu().isfinite(), aux, torch.nan)
    return LatentPrior(Marginals(known_alone, run.prior_variance), residual)


def _can_invert(method: Method) -> bool:
    return method.family == "autoencoder" and method.conditional == "gaussian" and not method.module


def reading_of(trained: Trained, names: tuple[str, ...], store: Store) -> Reading:
    """How the latents of a run become factors."""
    scaling = trained.model.scaling
    places = {name: trained.run.variables.index(name) for name in names}
    return Reading(places, scaling.factor_low, scaling.factor_high, calibrated(trained, names, None, store))


def all_inverted(under: Under, sample: Sample) -> Columns:
    """The columns of all the rows, (N,) each."""
    trained, store, wanted, parts = under.trained, sample.store, under.wanted, []
    good = good_pixels(store.image_shape, wanted.mask)
    trained.model.model.network.requires_grad_(False)
    with counted(store.path.name, len(sample.numbers), "images") as progress:
        for start in range(0, len(sample.numbers), BLOCK):
            part = sample.take(slice(start, start + BLOCK))
            images = images_of(trained, store, part.rows(trained.run), good, part.offsets)
            _refuse_hidden(store, images.model.good, part.numbers)
            parts.append(inverted(Target.of(images, under.prior), under.reading, wanted.draws, wanted.seed))
            progress.advance(len(part.numbers))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _refuse_blended(trained: Trained, wanted: Wanted) -> None:
    if wanted.second and trained.run.settings.inputs:
        value = Words(f"a run that is given {listed(trained.run.settings.inputs)}")
        text = "two sources would need two of them"
        raise Refused(Fault("--second", value, text, "leave --second out, or name another run"))
    if wanted.second and trained.model.likelihood.bounded:
        value, text = Words("images in [0, 1]"), "the light of two sources adds up in photons"
        raise Refused(Fault("--second", value, text, "leave --second out"))


def _refuse_hidden(store: Store, good: NDArray[np.bool_] | None, numbers: NDArray[np.intp]) -> None:
    """Refuse an image of which no pixel counts."""
    hidden = None if good is None else ~good.any((1, 2, 3))
    if hidden is not None and hidden.any():
        value = Words(f"{hidden.sum()} images without a pixel that counts, first in row {numbers[hidden][0]}")
        raise Refused(Fault(str(store.path), value, "an image needs one", "choose other rows by --rows, or hide fewer"))


def truth_of(trained: Trained, sample: Sample, names: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """The true factors of the rows that the store has, (N,) each, those of second sources too."""
    every = true_factors(trained, sample.store, names)
    true = {name: each[sample.numbers] for name, each in every.items()}
    if sample.partners is not None:
        return true | {f"second_{name}": each[sample.partners] for name, each in every.items()}
    stated = [name for name in names if sample.offsets is not None and f"second_{name}" in sample.store.source.factors]
    for name in stated:
        values = np.asarray(sample.store.dataset[f"second_{name}"].values, dtype=np.float64)
        true[f"second_{name}"] = values[sample.numbers]
    return true


def limits_for(
    sample: Sample, judged: NDArray[np.intp], chosen: slice, wanted: Wanted, inputs: Sequence[str] = ()
) -> dict[str, NDArray[np.float64]]:
    """The least scatter of the factors of the rows, by the pixels that are left; none where it is not known.

    inputs: what the run is given beside the images, which is known.
    """
    store, one_offset = sample.store, sample.offsets is None or len(sample.offsets.unique(dim=0)) == 1
    if not (wanted.limits and has_limits(store) and one_offset) or store.weighs_pixels:
        return {}
    if sample.offsets is not None and sample.partners is None:
        return {}
    split = "test" if len(judged) < len(store.split) else ""
    options = ["--at", f"{chosen.start}:{chosen.stop}", "--mask", str(wanted.mask)]
    if sample.offsets is not None:
        options += ["--second", ",".join(map(str, sample.offsets[0].tolist()))]
    return limits_of(store, chosen.stop - chosen.start, split, *options, inputs=inputs)


def title(sample: Sample, wanted: Wanted) -> str:
    """What was inverted, in one line."""
    width = sample.store.image_shape[2]
    hidden = f", {hidden_columns(width, wanted.mask)} of {width} columns hidden" if wanted.mask else ""
    second = f", a second source {'blended in ' * wanted.blend}at {wanted.second}" if wanted.second else ""
    count = f"{len(sample.numbers):,} images{hidden}{second}"
    return f"{sample.store.path.name}: {count}, {wanted.draws} draws of each of {CHAINS} chains"

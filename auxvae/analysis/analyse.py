"""Everything that is computed from one trained run: scores, codes, sensitivity, pictures; scores of validation rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from auxvae.analysis.baselines import are_measured, write_baselines
from auxvae.analysis.concepts import concept_scores
from auxvae.analysis.consistency import Changes, changes
from auxvae.analysis.context_images import context_images
from auxvae.analysis.controls import are_scored, write_controls
from auxvae.analysis.downstream import of_run
from auxvae.analysis.effects import effects_of, mechanisms_of
from auxvae.analysis.evaluate import evaluate
from auxvae.analysis.files import (
    CODES,
    CONTEXTS,
    DOWNSTREAM,
    GUIDED,
    PICTURES,
    RECORD,
    SCORES,
    SENSITIVITY,
    baselines_file,
)
from auxvae.analysis.films import film_scores, films_of
from auxvae.analysis.guided_runs import guided_run
from auxvae.analysis.interventions import InContexts, of_contexts, plain_row
from auxvae.analysis.leakage import FITTED_ROWS
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.sensitivity import sensitivity
from auxvae.analysis.traversal import traversal
from auxvae.analysis.validation import is_validated, write_validation
from auxvae.config.analyses import Analyses
from auxvae.config.run import Fleet, Run, Source
from auxvae.data.device import choose_device, free_memory
from auxvae.data.run_folder import claim
from auxvae.data.store import Rows, Store, open_store, refuse_beyond_memory
from auxvae.metrics.score import Score
from auxvae.metrics.table import measure_modules
from foundation.console import counted, log
from foundation.faults import Fault, Refused
from foundation.files import atomic_write, digest_file, digest_of, read_json, write_json
from foundation.provenance import code_hash
from foundation.workers import run_all

EXAMPLES = 8
Job = Callable[[], None]
IMAGE_SCORES = 25.0  # largest memory of the scores of images, by that of the test images (12,500 of 64 x 64 pixels)
ON_GPU = 3e9  # bytes that a process takes on a GPU: its CUDA context, and activations of some thousand images
HEADLINE = ("nats", "ssim_asinh", "lds_sampled_corrected", "leakage")


def validate_fleet(
    fleet: Fleet, candidates: Collection[str], analyses: Analyses, device: str, path: Path, results: Path, workers: int
) -> None:
    """Score those runs of a fleet that are chosen among on validation rows, and write a manifest when all are."""
    runs = [run for run in fleet.runs if run.id in candidates]
    with ExitStack() as locks:
        held, faults = claim(runs, results, locks)
        _do_all(_validations(held, analyses, device, path, results), device, workers, faults)
    write_json(results / "fleets" / f"{fleet.id}-validation.json", {"runs": [run.id for run in runs]})


def analyse_fleet(
    fleet: Fleet,
    analyses: Analyses,
    device: str,
    path: Path,
    results: Path,
    workers: int,
    left_out: Collection[str] = (),
) -> None:
    """Analyse the runs of a fleet that are not analysed yet, without those left out; write a manifest when all are."""
    runs = [run for run in fleet.runs if run.id not in left_out]
    with ExitStack() as locks:
        held, faults = claim(runs, results, locks)
        jobs = _validations(held, analyses, device, path, results)  # first, so that a process holds one split at a time
        if not are_scored(fleet.runs[0], results, analyses.bootstrap):
            jobs.append(partial(_score_controls, fleet.runs[0], path, results, analyses.bootstrap))
        jobs += _baselines(fleet.runs[0], analyses, path, results)
        judged = [(run, judge_of(run, runs)) for run in held]
        jobs += [
            partial(analyse, run, analyses, device, path, results, judge)
            for run, judge in judged
            if not is_analysed(results / "runs" / run.id, run, analyses, judge, path)
        ]
        _do_all(jobs, device, workers, faults)
    write_json(results / "fleets" / f"{fleet.id}-scores.json", {"runs": [run.id for run in runs]})


def _validations(runs: list[Run], analyses: Analyses, device: str, path: Path, results: Path) -> list[Job]:
    waiting = [run for run in runs if not is_validated(results / "runs" / run.id, run, analyses.bootstrap)]
    return [partial(validate, run, analyses, device, path, results) for run in waiting]


def _do_all(jobs: list[Job], device: str, workers: int, faults: list[Fault]) -> None:
    """Do all jobs; refuse at the end with what stopped any, and with these faults."""
    at_a_time = processes(choose_device(device), workers)
    stopped: list[Fault] = []
    with counted("evaluation", len(jobs), "runs") as progress:
        for _, refused in run_all(jobs, _do, at_a_time):
            stopped += refused.faults if refused else ()
            progress.advance(1)
    if faults or stopped:
        raise Refused([*faults, *stopped])


def processes(device: torch.device, workers: int) -> int:
    """How many processes evaluate: most of the work is fits on one core, so they share a GPU while its memory lasts."""
    return workers if device.type == "cpu" else max(1, min(workers, int(free_memory(device) // ON_GPU)))


def _do(job: Job) -> None:
    job()


def _score_controls(run: Run, path: Path, results: Path, resamples: int) -> None:
    """Score the controls of a run's data set."""
    _use_one_core()
    write_controls(run, _rows(path, run.dataset, "test")[1].factors, results, resamples)


def _baselines(run: Run, analyses: Analyses, path: Path, results: Path) -> list[Job]:
    """The job that measures the downstream baselines of a run's data set, if it is due; files of no use are removed."""
    if analyses.downstream is None:
        for suffix in (".json", ".nc"):
            baselines_file(results, run).with_suffix(suffix).unlink(missing_ok=True)
        return []
    is_due = not are_measured(run, results, analyses)
    return [partial(_measure_baselines, run, analyses, path, results)] if is_due else []


def _measure_baselines(run: Run, analyses: Analyses, path: Path, results: Path) -> None:
    _use_one_core()
    store, rows = _rows(path, run.dataset, "test")
    write_baselines(run, store, _training_rows(path, run.dataset), rows, results, analyses)


def is_analysed(
    folder: Path, run: Run, analyses: Analyses, judge: Run | None = None, store: Path | None = None
) -> bool:
    """Whether the folder holds all that this code computes from these very weights, and films, with these settings."""
    asked = (*((DOWNSTREAM,) if analyses.downstream else ()), *((CONTEXTS,) if run.dataset.contexts else ()))
    asked += (GUIDED,) if run.composition.family == "score" else ()
    if not all((folder / name).is_file() for name in (SENSITIVITY, PICTURES, CODES, SCORES, RECORD, *asked)):
        return False
    return bool(read_json(folder / RECORD, "the record of an analysis") == _record(folder, run, analyses, judge, store))


def _record(folder: Path, run: Run, analyses: Analyses, judge: Run | None, store: Path | None) -> dict[str, Any]:
    code = code_hash("auxvae.analysis.analyse", *measure_modules(), *run.modules)
    by = {"judge": digest_file(folder.parent / judge.id / "spec.json")} if judge else {}
    if store and analyses.films and films_of(store).is_file():
        by["films"] = digest_file(films_of(store))
    return {"code": code, "run": digest_file(folder / "spec.json"), "analyses": digest_of(analyses.of_a_run), **by}


def validate(run: Run, analyses: Analyses, device: str, path: Path, results: Path) -> None:
    """Write validation.json of a run."""
    folder, (store, model) = results / "runs" / run.id, _read_back(run, device, path, results, "validation")
    train = TrainedModel(folder, run, store, _training_rows(path, run.dataset), model.device)
    write_validation(run, model, train, folder, analyses.bootstrap)


def judge_of(run: Run, runs: Sequence[Run]) -> Run | None:
    """The run whose denoiser judges the guidance of another: of the next seed among those that differ in it alone."""
    if run.composition.family != "score" or run.settings.diffusion.denoiser:
        return None  # all seeds share a denoiser that was trained before
    others = sorted((each for each in runs if replace(each, seed=run.seed) == run), key=lambda each: each.seed)
    after = [each for each in others if each.seed > run.seed] + [each for each in others if each.seed < run.seed]
    return after[0] if after else None


def analyse(run: Run, analyses: Analyses, device: str, path: Path, results: Path, judge: Run | None = None) -> None:
    """Write sensitivity.nc, pictures.nc, codes.nc and scores.json of a run and, last, the record of what made them.

    And downstream.nc, where the study asks for it, contexts.json, where the data set has contexts, and guided.nc of a
    score-based autoencoder, by the denoiser of the run `judge`.
    """
    folder, (store, model) = results / "runs" / run.id, _read_back(run, device, path, results, "test")
    codes, log_variance = model.encode()
    lost = sensitivity(run, model, codes, log_variance, analyses.sensitivity, store.holds_galaxies)
    _write(lost, folder / SENSITIVITY)
    pictures = traversal(run, model, codes, analyses.traversal).merge(examples(model, codes))
    _write(pictures.merge(context_images(model)), folder / PICTURES)
    train = TrainedModel(folder, run, store, _training_rows(path, run.dataset), model.device)
    scores = _downstream(train, model, store.holds_galaxies, analyses, folder)
    scores |= _in_contexts(store, model, folder) | concept_scores(model, analyses.bootstrap)
    scores |= _guided(model, judge, store, results) | film_scores(model, store, results, analyses)
    evaluate(run, store, model, train, folder, analyses.bootstrap, scores)
    write_json(folder / RECORD, _record(folder, run, analyses, judge, path))
    log.info(f"{run.title}: {_headline(folder)}")


def _downstream(
    train: TrainedModel, test: TrainedModel, galaxies: bool, analyses: Analyses, folder: Path
) -> dict[str, Score]:
    """Write the curves of the downstream analysis, or remove those of an earlier one; its scores."""
    if analyses.downstream is None:
        (folder / DOWNSTREAM).unlink(missing_ok=True)
        return {}
    measured = of_run(train, test, galaxies, analyses.downstream, analyses.bootstrap)
    _write(measured.curves, folder / DOWNSTREAM)
    return measured.scores


def _guided(model: TrainedModel, judge: Run | None, store: Store, results: Path) -> dict[str, Score]:
    """Write what the latents of a run tell a denoiser, if it has one; the scores."""
    other = None
    if judge is not None:
        other = TrainedModel(results / "runs" / judge.id, judge, store, model.rows, model.device)
    guided = guided_run(model, other)
    if guided is None:
        return {}
    _write(guided.by_level, results / "runs" / model.run.id / GUIDED)
    return guided.scores


def _in_contexts(store: Store, test: TrainedModel, folder: Path) -> dict[str, Score]:
    """Write how the model's images follow the interventions of its data set, if it has any; the scores."""
    if not test.run.dataset.contexts:
        return {}
    mechanisms, galaxies = mechanisms_of(store), store.holds_galaxies
    measured = of_contexts(test, galaxies) if test.can_decode else InContexts([], {})
    changed = changes(test, galaxies, mechanisms) if test.can_decode else Changes({}, {})
    rows = [plain_row(row | changed.rows.get(str(row["context"]), {})) for row in measured.rows]
    strengths, scores = effects_of(test, mechanisms)
    write_json(folder / CONTEXTS, {"rows": rows, "effects": strengths})
    return {**measured.scores, **changed.scores, **scores}


def _read_back(run: Run, device: str, path: Path, results: Path, split: str) -> tuple[Store, TrainedModel]:
    """The store, and the trained run beside the rows of a split."""
    _use_one_core()
    store, rows = _rows(path, run.dataset, split)
    model = TrainedModel(results / "runs" / run.id, run, store, rows, choose_device(device))
    if model.can_decode:
        remedy = f"evaluate on a larger machine, or give the store fewer {split} rows by its column 'split'"
        refuse_beyond_memory(f"{path}: {split} images", round(IMAGE_SCORES * rows.images.nbytes), remedy)
    return store, model


def _use_one_core() -> None:
    """Sums depend on the order of their parts, and runs share the cores."""
    torch.set_num_threads(1)
    threadpool_limits(1)


@lru_cache(1)
def _rows(path: Path, source: Source, split: str) -> tuple[Store, Rows]:
    """The store and the rows of a split, read once for all runs of a fleet that follow one another."""
    store = open_store(path, source)
    return store, store.read(split, truth=True)


@lru_cache(1)
def _training_rows(path: Path, source: Source) -> Rows:
    """Training rows, against whose codes leakage is learned, read once for all runs of a fleet."""
    return open_store(path, source).read("train", most=FITTED_ROWS)


def examples(model: TrainedModel, codes: NDArray[np.float32]) -> xr.Dataset:
    """The first test images, their truth where the store has it, reconstructions, and images sampled from the model.

    (example, y, x) in photons, summed over channels; empty for a model that does not decode.
    """
    if not model.can_decode:
        return xr.Dataset()
    stamps: dict[str, object] = {
        "example_image": model.rows.images[:EXAMPLES],
        "example_reconstruction": model.decode_counts(codes[:EXAMPLES]),
        "sampled_image": model.sample_counts(min(EXAMPLES, len(codes))),
    }
    if model.rows.truth is not None:
        stamps["example_truth"] = model.rows.truth[:EXAMPLES]
    return xr.Dataset({name: (("example", "y", "x"), np.asarray(each).sum(1)) for name, each in stamps.items()})


def _write(dataset: xr.Dataset, path: Path) -> None:
    with atomic_write(path) as part:
        dataset.to_netcdf(part)


def _headline(folder: Path) -> str:
    scores = read_json(folder / SCORES, "the scores of a run")
    return ", ".join(f"{name} {scores[name]['value']:.4g}" for name in HEADLINE if name in scores)

"""python -m auxvae: check a study, train a fleet, evaluate a run, gather a study and draw its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from auxvae.analysis.survey_commands import COMMANDS, Log
from foundation.console import log, open_log, run_app

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
Spec = Annotated[Path, typer.Argument(help="A config file, or the study.json that the workflow writes.")]
Results = Annotated[Path, typer.Argument(help="The study's results folder.")]


@app.command()
def check(config: Path, log_to: Log = None) -> None:
    """Check a whole study before anything runs; exit status 2 with one sentence per fault."""
    open_log(log_to)
    from auxvae.config.reading import study_of
    from auxvae.config.trials import tried

    study = study_of(config, tried)
    for note in study.notes:
        log.info(note)
    log.info(f"{config}: {study.estimate()}")


@app.command()
def schema(
    page: Annotated[Optional[Path], typer.Option(help="Fill the tables of this Markdown page instead.")] = None,
) -> None:
    """Print the JSON schema of a config, for editors: config/schema.json is this."""
    from auxvae.config.reading import ask_simulations
    from auxvae.config.reference import documented
    from auxvae.config.schema import study_schema
    from foundation.files import write_text

    whole = study_schema(ask_simulations("schema"))
    if page is None:
        typer.echo(json.dumps(whole, indent=2))
    else:
        write_text(page, documented(page.read_text(encoding="utf-8"), whole))


@app.command()
def train(
    spec: Spec,
    store: Annotated[Path, typer.Argument(help="The data set's Zarr store.")],
    results: Results,
    fleet: Annotated[str, typer.Option(help="Which fleet of the study; the first if empty.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time on a CPU.")] = 1,
    log_to: Log = None,
) -> None:
    """Train the runs of a fleet that are not finished; a manifest is written when all are."""
    open_log(log_to)
    from auxvae.analysis.follow import follow_metrics
    from auxvae.analysis.selection import settled
    from auxvae.config.reading import study_of
    from auxvae.data.failures import refuse_all_failed
    from auxvae.training.fleet import train_all

    study = study_of(spec)
    train_all(settled(study, study.fleet(fleet), results), store, results, study.config.device, workers, follow_metrics)
    refuse_all_failed(study.runs, results)


@app.command()
def evaluate(
    spec: Spec,
    store: Annotated[Path, typer.Argument(help="The data set's Zarr store.")],
    results: Results,
    fleet: Annotated[str, typer.Option(help="Which fleet of the study; the first if empty.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time on a CPU.")] = 1,
    validation: Annotated[
        bool, typer.Option("--validation", help="Only what `select` chooses by: scores of its runs on validation rows.")
    ] = False,
    log_to: Log = None,
) -> None:
    """Scores, codes, sensitivity and pictures of the runs of a fleet that have none yet, into their folders."""
    open_log(log_to)
    from auxvae.analysis.analyse import analyse_fleet, validate_fleet
    from auxvae.analysis.selection import left_out, settled
    from auxvae.config.reading import study_of
    from auxvae.data.failures import failures

    study = study_of(spec)
    named, analyses, device = settled(study, study.fleet(fleet), results), study.config.analyses, study.config.device
    candidates, failed = study.candidates(named), failures(named.runs, results).keys()
    if validation:
        validate_fleet(named, {*candidates} - failed, analyses, device, store, results, workers)
    else:
        absent = left_out(candidates, results) | study.retrained | failed
        analyse_fleet(named, analyses, device, store, results, workers, absent)


@app.command()
def select(spec: Spec, results: Results, log_to: Log = None) -> None:
    """Choose among the settings of every group with a `select` on validation rows, into selection.json."""
    open_log(log_to)
    from auxvae.analysis.selection import select as choose
    from auxvae.config.reading import study_of

    choose(study_of(spec).choices, results)


@app.command()
def measurements(
    spec: Spec,
    results: Results,
    dataset: Annotated[str, typer.Argument(help="The data set that the runs were trained on.")],
    log_to: Log = None,
) -> None:
    """Measure with the runs of a data set those that `analyses.measure` names for it (docs/measure.md)."""
    open_log(log_to)
    from auxvae.analysis.measurements import measure_runs
    from auxvae.analysis.selection import shown_runs
    from auxvae.config.reading import study_of

    study = study_of(spec)
    log.info(f"{measure_runs(study, shown_runs(study, results), results, dataset)}: written")


@app.command()
def collect(spec: Spec, results: Results, log_to: Log = None) -> None:
    """Gather the runs of a study into scores.parquet and analysis.nc; with measurements, measurements.parquet too."""
    open_log(log_to)
    from auxvae.analysis.collect import collect as collect_runs
    from auxvae.analysis.measurements import gather
    from auxvae.analysis.selection import shown_runs
    from auxvae.config.candidates import pairs_of
    from auxvae.config.labels import families
    from auxvae.config.reading import study_of

    study = study_of(spec)
    runs = shown_runs(study, results)
    collect_runs(runs, results, study.choices, families(study.config.datasets), pairs_of(study, runs))
    if study.config.analyses.measure:
        gather(study, results)


@app.command()
def report(spec: Spec, results: Results, log_to: Log = None) -> None:
    """Draw the figures, write the tables, and report.html with both."""
    open_log(log_to)
    from auxvae.config.reading import study_of
    from auxvae.report import page as pages

    study = study_of(spec)
    pages.tabulate(study, results)
    pages.draw(study, results)
    pages.page(study, results)
    log.info(f"{results / 'report.html'}: open it in a browser")


@app.command()
def archive(
    spec: Spec,
    results: Results,
    target: Annotated[Path, typer.Argument(help="The zip to write.")],
    weights: Annotated[bool, typer.Option("--weights", help="The networks' weights too.")] = False,
    log_to: Log = None,
) -> None:
    """Gather a finished study into one file that can be cited, with a checksum of everything in it."""
    open_log(log_to)
    from auxvae.config.reading import config_of, study_of
    from auxvae.report.archive import archive as write_archive

    write_archive(study_of(spec), config_of(spec), results, target, weights)


@app.command()
def unpack(
    source: Annotated[Path, typer.Argument(help="The zip that `archive` wrote.")],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    log_to: Log = None,
) -> None:
    """Verify an archive, and make its tables, figures and report again from what is in it."""
    open_log(log_to)
    from auxvae.config.reading import study_of
    from auxvae.report import page as pages
    from auxvae.report.unpack import unpack as read_archive

    study = study_of(read_archive(source, folder))
    pages.tabulate(study, folder)
    pages.draw(study, folder)
    pages.page(study, folder)
    log.info(f"{folder / 'report.html'}: made again; open it in a browser")


@app.command()
def explore(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs: results/STUDY/runs/ID.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("explore.html"),
    store: Annotated[
        Optional[Path], typer.Option(help="The runs' Zarr store, where it is not in the study's folder.")
    ] = None,
    log_to: Log = None,
) -> None:
    """Write one page with a slider for each latent, the decoded image live, and the true image beside it."""
    open_log(log_to)
    from auxvae.report.explore import explore as write_page

    write_page(runs, out, store)


@app.command()
def extract(
    denoiser: Annotated[Path, typer.Argument(help="Folder of a denoiser (docs/sami.md) or of a run of sami.")],
    store: Annotated[Path, typer.Argument(help="The Zarr store of images to learn from.")],
    results: Annotated[Path, typer.Argument(help="A new folder for the results.")],
    latents: Annotated[int, typer.Option(min=1)] = 8,
    width: Annotated[int, typer.Option(min=4, help="Of the encoder.")] = 16,
    epochs: Annotated[int, typer.Option(min=1)] = 20,
    weight: Annotated[float, typer.Option(min=0, help="Of the divergence of latents; from 1 on they collapse.")] = 0.2,
    seeds: Annotated[int, typer.Option(min=1, help="How many encoders.")] = 3,
    versions: Annotated[
        int,
        typer.Option(min=0, max=64, help="Noisy versions of each image, kept with the denoiser's errors; 0: new ones."),
    ] = 4,
    likelihood: Annotated[str, typer.Option(help="Of the images; else that of the run, or of the noise.")] = "",
    sigma: Annotated[Optional[float], typer.Option(help="Of the gaussian likelihood.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time on a CPU.")] = 1,
    log_to: Log = None,
) -> None:
    """Learn encoders from a denoiser that was trained before, score them, and draw their report."""
    open_log(log_to)
    from auxvae.analysis.extract import Wanted, write_extraction
    from auxvae.config.reading import study_of

    wanted = Wanted(latents, width, epochs, weight, seeds, versions, likelihood, sigma)
    spec = write_extraction(denoiser, store, results, wanted)
    for fleet in study_of(spec).fleets:
        train(spec, store, results, fleet.id, workers, log_to)
        evaluate(spec, store, results, fleet.id, workers, log_to=log_to)
    collect(spec, results, log_to)
    report(spec, results, log_to)


@app.command()
def score(
    codes: Annotated[Path, typer.Argument(help="npz, Zarr, NetCDF or Parquet with codes and factors.")],
    out: Annotated[Optional[Path], typer.Option(help="Write the scores to this JSON file.")] = None,
    only: Annotated[str, typer.Option(help="Metrics by name, separated by commas; all if empty.")] = "",
    reference: Annotated[
        bool, typer.Option(help="Boosted trees too, as the field's standard library has them.")
    ] = False,
    resamples: Annotated[int, typer.Option(min=2, help="Bootstrap samples of the intervals.")] = 100,
) -> None:
    """Score anyone's representation; exit status 2 with one sentence per fault."""
    open_log(None)
    from auxvae.analysis import scoring
    from auxvae.analysis.strays import strays
    from auxvae.metrics.suite import suite
    from foundation.files import write_json

    representation = scoring.read_codes(codes)
    chosen = scoring.chosen_metrics(only, representation)
    scores = suite(representation, chosen, reference, resamples)
    typer.echo(scoring.table(scores))
    sentences = [] if chosen else scoring.left_out(representation)
    for sentence in [*sentences, *scoring.rare_classes(representation), *strays(representation)]:
        log.info(sentence)
    if out is not None:
        write_json(out, {name: measured.to_json() for name, measured in scores.items()})
        log.info(f"{out}: written")


for each in COMMANDS:
    app.command()(each)

if __name__ == "__main__":
    run_app(lambda: app(prog_name="python -m auxvae"))

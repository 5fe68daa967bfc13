"""Subcommands of `python -m auxvae` that take a finished run to the images of another store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from foundation.console import open_log

Log = Annotated[Optional[Path], typer.Option("--log", help="Write the lines to this file too.")]
Finished = Annotated[Path, typer.Argument(help="The folder of a finished run: results/STUDY/runs/ID.")]
Data = Annotated[Optional[Path], typer.Option(help="The run's own Zarr store, where it is not in the study's folder.")]


def measure(
    run: Finished,
    store: Annotated[Path, typer.Argument(help="A sealed Zarr store of images like those of the run.")],
    out: Annotated[Path, typer.Option(help="The Parquet file to write, a row per image.")],
    calibrate: Annotated[
        Optional[Path], typer.Option(help="Calibrate on this store; else on validation rows of the run's own.")
    ] = None,
    data: Data = None,
    limits: Annotated[
        int, typer.Option(min=0, help="Rows whose least scatter is computed, where the store was simulated; 0: none.")
    ] = 200,
    shapes: Annotated[bool, typer.Option("--shapes", help="GalSim's HSM shapes of every image too.")] = False,
    log_to: Log = None,
) -> None:
    """Measure the auxiliary factors of every image, with calibrated intervals of 68 and 95 % (docs/measure.md)."""
    open_log(log_to)
    from auxvae.analysis.measure_command import measure as measure_store

    typer.echo(measure_store(run, store, out, calibrate, data, limits, shapes))


def domain(
    run: Finished,
    store: Annotated[Path, typer.Argument(help="A sealed Zarr store of images.")],
    out: Annotated[Optional[Path], typer.Option(help="A Parquet file to write, a row per image.")] = None,
    data: Data = None,
    false_alarms: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Share of images like the run's own that are called outside.")
    ] = 0.01,
    log_to: Log = None,
) -> None:
    """Say of every image, and of a whole store, whether it is like those that a run was trained on."""
    open_log(log_to)
    from auxvae.analysis.domain import domain as judge

    typer.echo(judge(run, store, out, data, false_alarms))


def invert(
    run: Finished,
    store: Annotated[Path, typer.Argument(help="A sealed Zarr store of images like those of the run.")],
    out: Annotated[Path, typer.Option(help="The Parquet file to write, a row per image.")],
    rows: Annotated[str, typer.Option(help="START:STOP; of the run's own store among its test rows. [0:64]")] = "",
    mask: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the columns, from the left, that is hidden besides.")
    ] = 0.0,
    second: Annotated[
        str, typer.Option(help="A second source DOWN,RIGHT of the centre, in whole pixels or variables of the store.")
    ] = "",
    blend: Annotated[
        bool, typer.Option("--blend", help="Blend the images here, each with another row at --second, to try it out.")
    ] = False,
    calibrate: Annotated[
        int, typer.Option(min=0, help="Validation rows that are inverted alike, for intervals that hold; 0: none.")
    ] = 128,
    draws: Annotated[int, typer.Option(min=50, help="Of each of the 4 chains of an image.")] = 300,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    limits: Annotated[bool, typer.Option(help="The least scatter beside, where the store was simulated.")] = True,
    data: Data = None,
    log_to: Log = None,
) -> None:
    """Invert images under a run's decoder: maximum and sampled posterior of latents and factors (docs/invert.md)."""
    open_log(log_to)
    from auxvae.analysis.invert_command import invert as invert_store
    from auxvae.analysis.invert_options import Wanted

    typer.echo(invert_store(run, store, out, data, Wanted(rows, mask, second, blend, calibrate, draws, seed, limits)))


COMMANDS = (measure, domain, invert)

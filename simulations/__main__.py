"""python -m simulations: simulate data, check a store or config, draw any galaxy, import your images or public ones."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Optional

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread per worker: GalSim's own threads slow small stamps down

import typer

from foundation.console import log, open_log, run_app
from foundation.faults import Fault, Refused, Words, listed, shown, suggest
from foundation.yaml_file import load_yaml
from simulations.convert_command import convert
from simulations.facts import Declared, Facts, dataset_schema, read_declared
from simulations.spec import Dataset

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
app.command()(convert)
Log = Annotated[Optional[Path], typer.Option("--log", help="Write the messages to this file as well.")]


def declared(config: Path) -> Declared:
    """The data sets of a config file; refused with all faults if there are any."""
    faults: list[Fault] = []
    datasets = read_declared(load_yaml(config), faults)
    if faults:
        raise Refused(faults)
    return datasets


@app.command()
def check(path: Path, log_to: Log = None) -> None:
    """Verify a store, or check the data sets of a config; exit status 2 with one sentence per fault."""
    open_log(log_to)
    if path.is_dir():
        from simulations.check import check as check_store

        check_store(path)
    elif path.suffix in (".yaml", ".yml"):
        log.info(f"{path}: {', '.join(declared(path).facts)} can be simulated")
    else:
        allowed = "check takes the folder of a store or a YAML file"
        raise Refused(Fault(str(path), Words("neither a store nor a config"), allowed, "correct the path"))


@app.command()
def facts(config: Path) -> None:
    """Print as JSON the facts of a config's data sets that the models need, and the faults of the data sets."""
    open_log(None)
    faults: list[Fault] = []
    datasets = read_declared(load_yaml(config, []), faults)  # names given twice are said by the study's reader
    plain = [{**vars(fault), "value": Words(shown(fault.value))} for fault in faults]
    typer.echo(json.dumps({"facts": datasets.to_json(), "faults": plain}))
    raise typer.Exit(2 if faults else 0)


@app.command()
def schema() -> None:
    """Print the JSON schema of a data set in a config, for the schema of a whole study."""
    typer.echo(json.dumps(dataset_schema()))


@app.command()
def draw(
    spec: Annotated[str, typer.Argument(help="A config file, or the spec of a data set as JSON.")],
    store: Annotated[Path, typer.Argument(help="The Zarr store to make.")],
    name: Annotated[str, typer.Option(help="Which data set of the config.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    part: Annotated[
        str, typer.Option(help="Draw one part of the rows alone, such as 2/8; a call without --part seals the store.")
    ] = "",
    log_to: Log = None,
) -> None:
    """Simulate a data set into a store, or finish an unfinished store."""
    open_log(log_to)
    from simulations.draw import simulate
    from simulations.journal import Part

    dataset, dataset_facts = _named(spec, name or store.stem)
    simulate(dataset, dataset_facts, store, workers, Part.read(part) if part else None)


def _named(spec: str, name: str) -> tuple[Dataset, Facts]:
    """The data set of that name and its facts, from JSON or from a config file."""
    datasets = _from_json(spec, name) if spec.lstrip().startswith("{") else declared(Path(spec))
    if name not in datasets.simulated:
        allowed = f"the config simulates {listed(datasets.simulated)}"
        raise Refused(Fault("--name", name, allowed, suggest(name, datasets.simulated, "name one of them")))
    return datasets.simulated[name], datasets.facts[name]


def _from_json(spec: str, name: str) -> Declared:
    """One data set, from its spec as JSON; refused with all faults if there are any."""
    try:
        value = json.loads(spec)
    except ValueError as error:
        raise Refused(Fault("the spec", Words(str(error)), "it must be JSON", "name a config file")) from None
    faults: list[Fault] = []
    datasets = read_declared({"datasets": {name: value}}, faults)
    if faults:
        raise Refused(faults)
    return datasets


@app.command()
def render(
    store: Annotated[Path, typer.Argument(help="A simulated, sealed store.")],
    rows: Annotated[Path, typer.Argument(help="An npz with one array for each factor, (rows,), in the store's units.")],
    stamps: Annotated[Path, typer.Argument(help="The npz to write: image (rows, y, x), photons per pixel.")],
) -> None:
    """Draw the noise-free stamps of any factor values in the scene of a store; what images are linear in, as JSON."""
    open_log(None)
    from simulations.render import render as render_rows

    typer.echo(json.dumps(render_rows(store, rows, stamps)))


@app.command()
def films(
    store: Annotated[Path, typer.Argument(help="A simulated, sealed store.")],
    out: Annotated[Path, typer.Argument(help="The npz to write: image (film, frame, y, x), path, and the factors.")],
    line: Annotated[str, typer.Option(help="Factors that move on a straight line, with commas.")] = "",
    arc: Annotated[str, typer.Option(help="Two factors that move on half a circle, with a comma.")] = "",
    count: Annotated[int, typer.Option(min=1, help="Films of each path.")] = 64,
    frames: Annotated[int, typer.Option(help="Images of each film.")] = 16,
    log_to: Log = None,
) -> None:
    """Draw noise-free films whose factors move, in the scene of a store."""
    open_log(log_to)
    from simulations.films import films as draw_films

    paths = {
        path: [each.strip() for each in names.split(",")] for path, names in (("line", line), ("arc", arc)) if names
    }
    draw_films(store, out, paths, count, frames)


@app.command()
def limits(
    store: Annotated[Path, typer.Argument(help="A sealed store of simulated galaxies with noise.")],
    out: Annotated[Path, typer.Argument(help="The npz to write: row, and for each factor NAME and NAME_with_prior.")],
    rows: Annotated[int, typer.Option(min=1, help="How many, at equal steps.")] = 100,
    split: Annotated[str, typer.Option(help="Of the train, validation or test rows alone.")] = "",
    fixed: Annotated[str, typer.Option(help="Factors that are known for every image, such as psf_fwhm.")] = "",
    mask: Annotated[float, typer.Option(help="Share of the columns, from the left, whose pixels are hidden.")] = 0.0,
    second: Annotated[str, typer.Option(help="DOWN,RIGHT in pixels: each row with another one blended in there.")] = "",
    part: Annotated[str, typer.Option("--at", help="START:STOP, these of the rows alone.")] = "",
    log_to: Log = None,
) -> None:
    """Compute the least scatter that the noise of each image allows an estimate of its factors, as JSON and npz."""
    open_log(log_to)
    from simulations.limits import SPLITS
    from simulations.limits import limits as least

    if split and split not in SPLITS:
        raise Refused(Fault("--split", split, f"the splits are {listed(SPLITS)}", suggest(split, SPLITS, "name one")))
    constant = [name for name in fixed.split(",") if name]
    typer.echo(json.dumps(least(store, out, rows, split, constant, mask, part, second)))


@app.command()
def shapes(
    store: Annotated[Path, typer.Argument(help="A sealed store of images of one band.")],
    out: Annotated[Path, typer.Argument(help="The npz to write: row, sigma, e1, e2, g1, g2.")],
    log_to: Log = None,
) -> None:
    """Measure every image by GalSim's HSM: adaptive moments, and shear corrected for the PSF where it is known."""
    open_log(log_to)
    from simulations.hsm import shapes as measure

    typer.echo(json.dumps(measure(store, out)))


@app.command()
def official(
    name: Annotated[
        str, typer.Argument(help="dsprites, cars3d, shapes3d, smallnorb, cifar10, tiny_imagenet, mnist or celeba.")
    ],
    source: Annotated[Path, typer.Argument(help="The official file or folder (docs/official_data.md).")],
    store: Annotated[Path, typer.Argument(help="The Zarr store to make.")],
    most: Annotated[Optional[int], typer.Option(min=8, help="Take a random subset of this many images.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the subset and of the random split.")] = 0,
    log_to: Log = None,
) -> None:
    """Make a store of the official files of a public data set."""
    open_log(log_to)
    from simulations.official import import_official

    import_official(name, source, store, most, seed)


if __name__ == "__main__":
    run_app(lambda: app(prog_name="python -m simulations"))
    sys.exit(0)

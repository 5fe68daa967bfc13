"""python -m simulations: draw data, check a store or config, print its facts, take in your images or official ones."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Optional

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread per worker: GalSim's own threads slow small stamps down

import typer

from foundation.console import log, open_log, run_app
from foundation.faults import Fault, Refused, Words, listed, shown
from foundation.yaml_file import load_yaml
from simulations.facts import Declared, Facts, dataset_schema, read_declared
from simulations.spec import Dataset

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
Log = Annotated[Optional[Path], typer.Option("--log", help="Write the lines to this file too.")]


def declared(config: Path) -> Declared:
    """The data sets of a config file, or all that is wrong with them."""
    faults: list[Fault] = []
    datasets = read_declared(load_yaml(config), faults)
    if faults:
        raise Refused(faults)
    return datasets


@app.command()
def check(path: Path, log_to: Log = None) -> None:
    """Let a store prove itself, or check the data sets of a config; exit status 2 with a sentence per fault."""
    open_log(log_to)
    if path.is_dir():
        from simulations.check import check as check_store

        check_store(path)
    elif path.suffix in (".yaml", ".yml"):
        log.info(f"{path}: {', '.join(declared(path).facts)} can be drawn")
    else:
        raise Refused(
            Fault(str(path), Words("no store"), "a store's folder or a YAML file is checked", "mend the path")
        )


@app.command()
def facts(config: Path) -> None:
    """Print what the models must know of a config's data sets, and what is wrong with them, as JSON."""
    open_log(None)
    faults: list[Fault] = []
    datasets = read_declared(load_yaml(config), faults)
    plain = [{**vars(fault), "value": Words(shown(fault.value))} for fault in faults]
    typer.echo(json.dumps({"facts": datasets.to_json(), "faults": plain}))
    raise typer.Exit(2 if faults else 0)


@app.command()
def schema() -> None:
    """Print the JSON schema of a data set in a config, for the schema of a whole study."""
    typer.echo(json.dumps(dataset_schema()))


@app.command()
def draw(
    spec: Annotated[str, typer.Argument(help="A config file, or a data set's spec as JSON.")],
    store: Annotated[Path, typer.Argument(help="The Zarr store to make.")],
    name: Annotated[str, typer.Option(help="Which data set of the config.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    log_to: Log = None,
) -> None:
    """Draw a data set into a store; finishes one that was left unfinished."""
    open_log(log_to)
    from simulations.draw import simulate

    dataset, sizes = _named(spec, name or store.stem)
    simulate(dataset, sizes, store, workers)


def _named(spec: str, name: str) -> tuple[Dataset, Facts]:
    """A data set and its facts, from JSON or from a config."""
    if not spec.lstrip().startswith("{"):
        datasets = declared(Path(spec))
    else:
        faults: list[Fault] = []
        try:
            value = json.loads(spec)
        except ValueError as error:
            raise Refused(Fault("the spec", Words(str(error)), "it must be JSON", "name a config file")) from None
        datasets = read_declared({"datasets": {name: value}}, faults)
        if faults:
            raise Refused(faults)
    if name not in datasets.simulated:
        text = f"the config simulates {listed(datasets.simulated)}"
        raise Refused(Fault("--name", name, text, "name one of them"))
    return datasets.simulated[name], datasets.facts[name]


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="npz, HDF5, FITS table or Zarr with images and factor columns.")],
    store: Annotated[Path, typer.Argument(help="The Zarr store to make.")],
    images: Annotated[str, typer.Option(help="Name of the images.")] = "image",
    factors: Annotated[str, typer.Option(help="Names of the factors, with commas; all other columns if empty.")] = "",
    unit: Annotated[Optional[list[str]], typer.Option(help="Unit of a factor, as radius=arcsec; repeat it.")] = None,
    noise: Annotated[
        str, typer.Option(help="none, poisson, poisson:SKY or gaussian:SIGMA, in the image's unit.")
    ] = "none",
    seed: Annotated[int, typer.Option(help="Of the random split into training, validation and test rows.")] = 0,
    log_to: Log = None,
) -> None:
    """Make a store of your own images, so that a study can take it with `store: PATH`."""
    open_log(log_to)
    from simulations.convert import convert as convert_file

    convert_file(source, store, images, factors, unit or [], noise, seed)


@app.command()
def official(
    name: Annotated[
        str, typer.Argument(help="dsprites, cars3d, shapes3d, smallnorb, cifar10, tiny_imagenet or mnist.")
    ],
    source: Annotated[Path, typer.Argument(help="The official file or folder (docs/official_data.md).")],
    store: Annotated[Path, typer.Argument(help="The Zarr store to make.")],
    most: Annotated[Optional[int], typer.Option(min=8, help="Take a random subset of so many images.")] = None,
    seed: Annotated[int, typer.Option(help="Of the subset and of the random split.")] = 0,
    log_to: Log = None,
) -> None:
    """Make a store of a public data set's official files."""
    open_log(log_to)
    from simulations.official import bring

    bring(name, source, store, most, seed)


if __name__ == "__main__":
    run_app(lambda: app(prog_name="python -m simulations"))
    sys.exit(0)

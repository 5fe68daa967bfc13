"""Images from elsewhere into a store: files, shards and folders of the layouts that surveys have (docs/own_images.md).

Images are (N, y, x) or (N, channel, y, x) once they are arranged as options state; a factor is one number per image.
Units are those in the file (`simulations.sources`) unless `--unit NAME=UNIT` replaces them; astropy must understand
them. The rows are split at random by seed, 75 / 12.5 / 12.5 %, unless the file has a column `split` of 0, 1 and 2. A
factor is a number on a line unless it is declared circular, with its period, or categorical (simulations.kinds).

Packed numbers are unpacked; missing ones are refused, whether the file marks them (`simulations.sources`) or a number
stands for them (`simulations.sentinels`), since no number of a store means "not measured". What else a source has of
each image, such as inverse variances and ids, becomes a layer of the store (`simulations.sources.carried`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.units import Unit

from foundation.console import log
from foundation.faults import Fault, Refused, Words, listed, suggest
from simulations import store
from simulations.collection import Collection, picked
from simulations.declaration import with_kinds
from simulations.intake import Intake, refuse_existing, write
from simulations.sources.measured import error_layers, measurements, with_measurements
from simulations.sources.opened import Columns, opened
from simulations.sources.options import Options, names_in
from simulations.sources.shards import gathered
from simulations.sources.verified import RESERVED, column_faults
from simulations.sources.view import View, viewed

COUNTS = ("ph", "photon", "photons", "ct", "count", "counts", "electron", "electrons", "e-")  # units of numbers


def convert(
    source: Path,
    path: Path,
    images: str,
    factors: str,
    units: list[str],
    noise: str,
    seed: int,
    circular: Sequence[str] = (),
    categorical: Sequence[str] = (),
    fill_absent: bool = False,
    options: Options | None = None,
) -> None:
    """Check the whole source and write it as a sealed store at `path`, which must be new.

    `images` is the name of the image column and `factors` the names of factors separated by commas (all other columns
    if empty); `units` are NAME=UNIT, `noise` is none, poisson, poisson:SKY or gaussian:SIGMA; `circular` are
    NAME=PERIOD, in the factor's unit, `categorical` names. fill_absent: absent chunks are their fill value.
    """
    refuse_existing(path)
    options = options or Options()
    with opened(source, options) as opened_columns:
        view = viewed(_with_units(opened_columns, units), images, options)
        names = _factor_names(view, factors, options)
        columns = gathered(view.columns, (*names, *options.errors.values(), "split"))
        declared = [*categorical, *(each.partition("=")[0] for each in circular), view.classes]
        columns = with_measurements(columns, names, declared, options)
        unit_of = {name: columns[name].unit for name in names if name in columns} | _unit_options(
            units, names, (*view.sizes, view.images)
        )
        faults = [
            *column_faults(source, columns, view.images, names, categorical, options.gaps),
            *_unit_faults(unit_of | _units(view)),
        ]
        faults += _layer_faults(source, view, names)
        faults += _image_unit_faults(view, noise, options.bin)
        _refuse(faults + list(_absent_faults(columns, (view.images, *names, "split", *view.used), fill_absent)))
        origin = {"source": source.name} if view.layers else {}
        intake = Intake(_noise(noise), seed, "simulations.convert", _image_attributes(view), origin)
        whole = _collection(source, columns, view, unit_of)
        layers = {**whole.layers, **error_layers(columns, unit_of, options)}
        whole = replace(whole, layers=layers, measurements=measurements(options))
        collection = with_kinds(whole, circular, categorical, seed)
        write(_with_classes(collection, view.classes), path, intake)


def _collection(source: Path, columns: Columns, view: View, unit_of: dict[str, str]) -> Collection:
    """The collection whose factors are the columns named in unit_of."""
    images = columns[view.images]
    rows, *shape = images.shape
    factors = {name: np.asarray(columns[name][:], dtype=np.float64) for name in unit_of}
    split = np.asarray(columns["split"][:]).astype(np.int8) if "split" in columns else None
    read = partial(picked, images)
    return Collection(str(source), rows, tuple(shape), read, factors, unit_of, split, layers=view.layers)


def _with_classes(collection: Collection, classes: str) -> Collection:
    """The collection with the factor that its layout knows to be classes, unless its kind is declared."""
    if classes not in collection.factors or classes in (*collection.circular, *collection.categorical):
        return collection
    return replace(collection, categorical=(*collection.categorical, classes))


def _layer_faults(source: Path, view: View, names: Sequence[str]) -> Iterator[Fault]:
    """Factors that have the name of a layer."""
    for name in names:
        if name in view.layers:
            text = "a layer of the store has this name"
            yield Fault(f"{source}: {name}", name, text, "leave that factor out with --factors, or rename the column")


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise Refused(faults)


def _factor_names(view: View, factors: str, options: Options) -> list[str]:
    """The names in `factors`, each once; if it is empty, all columns of one number per image without another role."""
    if factors:
        return list(dict.fromkeys(names_in(factors)))
    apart = {view.images, *RESERVED, *view.aside, *options.errors.values()}
    others = {name: column for name, column in view.columns.items() if name not in apart}
    for column in others.values():
        if len(column.shape) != 1:
            log.info(f"{column.where} is no factor, of shape {column.shape}: a factor is one number per image")
        elif column.is_text:
            log.info(f"{column.where} is no factor, of texts: a factor is a number, and classes are numbered")
    return [name for name, column in others.items() if len(column.shape) == 1 and not column.is_text]


def _with_units(columns: Columns, options: list[str]) -> Columns:
    """The columns with the units that options NAME=UNIT state; those that are wrong are refused afterwards."""
    stated = {name: unit for name, _, unit in (option.partition("=") for option in options)}
    return {name: replace(column, unit=stated.get(name, column.unit)) for name, column in columns.items()}


def _units(view: View) -> dict[str, str]:
    """The units of what is carried beside the factors."""
    return {name: view.columns[name].unit for name in view.sizes}


def _unit_options(options: list[str], names: list[str], sizes: Sequence[str]) -> dict[str, str]:
    """Units of factors by name, from the options NAME=UNIT of the command line; sizes: what else has a unit."""
    pairs = [option.partition("=") for option in options]
    for name, equals, _ in pairs:
        if not equals:
            raise Refused(Fault("--unit", name, "a unit is written as NAME=UNIT", f"write {name}=..."))
        if name not in (*names, *sizes):
            raise Refused(Fault("--unit", name, f"the factors are {listed(names)}", suggest(name, names, "name one")))
    return {name: unit for name, _, unit in pairs if name in names}


def _unit_faults(unit_of: dict[str, str]) -> Iterator[Fault]:
    """Units that astropy does not understand."""
    for name, unit in unit_of.items():
        try:
            Unit(unit)
        except ValueError:
            yield Fault(f"unit of {name}", unit, "astropy must know it", f"set another with --unit {name}=UNIT")


def _image_attributes(view: View) -> dict[str, Any]:
    """Attributes of the images, in the unit that the source states; photons where it states none."""
    unit = view.columns[view.images].unit if view.images in view.columns else ""
    stated = {} if unit.lower() in ("", *COUNTS) else {"units": unit, "long_name": "value of a pixel"}
    return {**store.PHOTONS, **stated, **view.attributes}


def _image_unit_faults(view: View, noise: str, binned: int) -> Iterator[Fault]:
    """Poisson noise of what is no number of photons or electrons, and sums of magnitudes."""
    column = view.columns.get(view.images)
    if column is not None and binned > 1 and "mag" in column.unit.lower():
        text, remedy = "--bin adds pixels, and logarithms do not add", "convert them to a flux, or leave --bin out"
        yield Fault(column.where, Words(f"images in {column.unit}"), text, remedy)
    if column is not None and noise.startswith("poisson") and column.unit.lower() not in ("", *COUNTS):
        text = "Poisson noise is that of numbers of photons or electrons"
        remedy = f"convert the pixels to them and write --unit {view.images}=ph, or state the noise as gaussian:SIGMA"
        yield Fault(column.where, Words(f"images in {column.unit}"), text, remedy)


def _absent_faults(columns: Columns, names: Sequence[str], fill_absent: bool) -> Iterator[Fault]:
    """Columns with absent chunks; if these are accepted as their fill value, a message says how many there are."""
    for column in (columns[name] for name in dict.fromkeys(names) if name in columns):
        if fill_absent and column.absent:
            log.info(f"{column.where}: {column.absent} of {column.chunks} chunks are absent, taken as {column.fill}")
        elif not fill_absent:
            yield from column.absent_faults()


def _noise(text: str) -> dict[str, Any]:
    """Kind and parameter of the noise, from none, poisson, poisson:SKY or gaussian:SIGMA."""
    kind, _, parameter = text.partition(":")
    try:
        kinds: dict[str, dict[str, Any]] = {
            "none": {"kind": "none"},
            "poisson": {"kind": "poisson", "sky": float(parameter or 0)},
            "gaussian": {"kind": "gaussian", "sigma": float(parameter or "nan")},
        }
        noise = kinds[kind]
    except (KeyError, ValueError):
        noise = {}
    if not noise or not 0 <= noise.get("sky", 0) < np.inf or not 0 < noise.get("sigma", 1) < np.inf:
        allowed = "it is none, poisson, poisson:SKY or gaussian:SIGMA"
        raise Refused(Fault("--noise", text, allowed, "write one of them, in the unit of the images"))
    return noise

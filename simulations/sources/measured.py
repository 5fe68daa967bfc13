"""Factors that are measurements: columns of their standard errors, and values that some images lack.

--errors z=z_err    the errors of the factor z, kept as z_error: 0 or more where there is a value
--gaps z            rows may have no value: marked as missing, NaN, or a number that evidently stands for it
                    (simulations.sentinels); kept as NaN, in training rows alone
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from foundation.console import log
from foundation.faults import Fault, Refused, Words, listed, suggest
from simulations.layers import Layer
from simulations.measured import Measurement, error_of
from simulations.sentinels import sentinel
from simulations.sources.column import Column, in_memory
from simulations.sources.options import Options

Columns = dict[str, Column]
FEWEST = 10  # values of a factor with gaps


def with_measurements(columns: Columns, names: list[str], declared: list[str], options: Options) -> Columns:
    """The columns, those with gaps in memory with NaN for what is missing; refused with what options say wrongly.

    names: of the factors. declared: of those that are angles or classes.
    """
    faults = [*_option_faults(columns, names, declared, options)]
    if faults:
        raise Refused(faults)
    filled = {name: _with_nan(columns[name]) for name in options.gaps}
    for name, column in filled.items():
        lacking = int(np.isnan(column[:]).sum())
        log.info(f"{column.where}: {lacking:,} of {column.shape[0]:,} rows have no value of {name}")
    faults = [*_value_faults(columns | filled, options)]
    if faults:
        raise Refused(faults)
    return columns | filled


def measurements(options: Options) -> tuple[Measurement, ...]:
    """What the store says of its factors."""
    names = dict.fromkeys([*options.errors, *options.gaps])
    return tuple(
        Measurement(name, name, error_of(name) if name in options.errors else "", name in options.gaps)
        for name in names
    )


def error_layers(columns: Mapping[str, Column], units: Mapping[str, str], options: Options) -> dict[str, Layer]:
    """The columns of errors, as layers of the store in the units of their factors."""
    layers = {}
    for name, source in options.errors.items():
        values = _errors(columns[source], np.asarray(columns[name][:], dtype=np.float64))
        attributes = {"units": units.get(name, ""), "long_name": f"standard error of {name}"}
        layers[error_of(name)] = Layer(("galaxy",), (), "float64", attributes, values.__getitem__)
    return layers


def _errors(column: Column, factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Errors (N,), NaN where the factor has no value."""
    return np.where(np.isnan(factor), np.nan, np.asarray(column[:], dtype=np.float64))


def _with_nan(column: Column) -> Column:
    values = np.asarray(column[:], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    present = values[np.isfinite(values)]
    if present.size and (mark := sentinel(present)):
        values[values == mark.value] = np.nan
    return replace(in_memory(column.where, values, column.unit), aside=column.aside)


def _option_faults(columns: Columns, names: list[str], declared: list[str], options: Options) -> Iterator[Fault]:
    for option, named in (("--errors", options.errors), ("--gaps", options.gaps)):
        for name in named:
            if name not in names:
                remedy = suggest(name, names, "name one of them")
                yield Fault(option, name, f"the factors are {listed(names)}", remedy)
            elif name in declared:
                yield Fault(
                    option, name, "an angle or a class has a value in every row, without errors", "leave it out"
                )
    for name, source in options.errors.items():
        if source not in columns:
            remedy = suggest(source, columns, "name one of them")
            yield Fault("--errors", f"{name}={source}", f"the columns are {listed(columns)}", remedy)
        elif columns[source].is_text or len(columns[source].shape) != 1:
            text = "errors are one number per image"
            yield Fault("--errors", f"{name}={source}", text, "name another column")
        elif name in columns and {columns[source].unit, columns[name].unit} - {"", columns[name].unit}:
            value = Words(f"{source} in {columns[source].unit}")
            text = f"errors have the unit of their factor, and {name} has {columns[name].unit or 'none'}"
            yield Fault("--errors", value, text, f"write it in the unit of {name}, or state --unit {name}=...")


def _value_faults(columns: Columns, options: Options) -> Iterator[Fault]:
    """Factors with hardly any value, and errors that are none."""
    for name in options.gaps:
        count = int(np.isfinite(columns[name][:]).sum())
        if count < FEWEST:
            value, text = Words(f"{count} values"), f"a factor has {FEWEST} values at least"
            yield Fault(columns[name].where, value, text, "leave it out: name the others with --factors")
    for name, source in options.errors.items():
        factor = np.asarray(columns[name][:], dtype=np.float64)
        errors = _errors(columns[source], factor)[~np.isnan(factor)]
        if bad := int((~(np.isfinite(errors) & (errors >= 0))).sum()):
            value = Words(f"{bad:,} errors that are missing or below 0 where {name} has a value")
            text = "a standard error is 0 or more"
            yield Fault(columns[source].where, value, text, "drop those rows, or leave --errors out")

"""Columns of a store that are measurements of factors, with standard errors: declared here, for configs and facts.

A drawn data set has those that its key `measurements` names (simulations.photometry); a converted one has factors that
are measurements themselves, whose errors or gaps `convert --errors` and `--gaps` declare. NaN stands for a value that
is missing, and for its error.

Neither GalSim nor numpy is imported here, because this module also runs inside the Snakefile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from foundation.faults import Fault, Words, listed
from simulations.examination import Examination
from simulations.spec import Dataset


@dataclass(frozen=True)
class Measurement:
    """A column: the factor that it measures, which may be the column itself, the column of its errors, '' for none.

    gaps: whether some rows may have no value.
    """

    name: str
    of: str
    error: str = ""
    gaps: bool = False


class Photometry(NamedTuple):
    """What is measured on the images of a drawn data set: of which factor, and its long name."""

    of: str
    long_name: str


MEASUREMENTS: Mapping[str, Photometry] = {
    "kron_flux": Photometry("flux", "photons in 2.5 Kron radii"),
    "hsm_g1": Photometry("g1", "reduced shear of a round galaxy by HSM"),
    "hsm_g2": Photometry("g2", "reduced shear of a round galaxy by HSM"),
}


def error_of(name: str) -> str:
    """The column of the standard errors of a measurement."""
    return f"{name}_error"


def measurements_of(dataset: Dataset) -> tuple[Measurement, ...]:
    """Those that are made of the images of a drawn data set."""
    return tuple(Measurement(name, MEASUREMENTS[name].of, error_of(name), True) for name in dataset.measurements)


def measured_columns(dataset: Dataset) -> dict[str, dict[str, str]]:
    """The columns of a drawn data set's measurements and of their errors, with their attributes."""
    columns: dict[str, dict[str, str]] = {}
    for name in dataset.measurements:
        unit, long_name = dataset.factors[MEASUREMENTS[name].of].unit, MEASUREMENTS[name].long_name
        columns[name] = {"units": unit, "long_name": long_name}
        columns[error_of(name)] = {"units": unit, "long_name": f"standard error of {name}"}
    return columns


def measurement_faults(x: Examination) -> Iterator[Fault]:
    """Measurements of images that are no galaxies, of what is no factor, of noise that nobody knows."""
    dataset, where = x.dataset, f"{x.where}.measurements"
    if not dataset.measurements:
        return
    if dataset.scene.kind:
        text = "flux and shear are measured on images of galaxies"
        yield Fault(where, Words(f"images of {dataset.scene.kind}"), text, "take it away")
        return
    if dataset.scene.is_real and dataset.noise.kind == "none":
        text = "the noise of a catalogue's images, left as it is, has no known error"
        yield Fault(where, Words("noise of kind none"), text, "write noise: {kind: gaussian, sigma: ...}")
    for name in dataset.measurements:
        if (factor := MEASUREMENTS[name].of) not in dataset.factors:
            text = f"it measures {factor}, and the factors are {listed(dataset.factors)}"
            yield Fault(where, name, text, f"add the factor {factor}, or take it away")


def read_measurements(declared: Any, factors: Iterable[str]) -> tuple[Measurement, ...]:
    """Those of a seal; a ValueError where they are none, or of what is no factor."""
    every = tuple(Measurement(**each) for each in declared)
    for each in every:
        texts = (each.name, each.of, each.error)
        if not all(isinstance(text, str) for text in texts) or each.of not in (*factors,):
            raise ValueError("its measurements are of other factors")
    return every

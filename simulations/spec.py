"""What a data set is: factors with units and distributions, a scene, a noise, a design.

Only the standard library is imported here, because this module also runs inside the Snakefile.

A factor is named after the parameter of the scene that it sets. The parameters, their units and their limits:

    flux            ph      photons in all
    radius          arcsec  scale or half-light radius (`scene.radius`), of the disk where there is a bulge
    sersic_index    -       Sérsic n in [0.3, 6.2], rounded to 0.05 so that GalSim's tables are reused
    bulge_radius    arcsec  half-light radius of the bulge (de Vaucouleurs)
    bulge_fraction  -       share of the flux that is in the bulge
    g1, g2          -       reduced shear, |g| < 1
    offset_x, _y    pix     shift of the galaxy from the centre of the stamp
    psf_fwhm        arcsec  full width at half maximum of the PSF
    psf_beta        -       Moffat beta
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from foundation.declare import Count, Fraction, NonNegative, Positive, Range
from foundation.faults import Fault, Words, listed
from foundation.files import digest_of


@dataclass(frozen=True)
class Parameter:
    """A quantity that a scene takes: its unit, the units it may be declared in, its physical limits, its name."""

    unit: str
    units: Mapping[str, float]
    limits: Range
    long_name: str


_ARCSEC = {"arcsec": 1.0, "mas": 1e-3, "arcmin": 60.0}
_PLAIN = {"": 1.0}

PARAMETERS = {
    "flux": Parameter("ph", {"ph": 1.0}, Range(0, above=True), "flux"),
    "radius": Parameter("arcsec", _ARCSEC, Range(0, above=True), "radius"),
    "sersic_index": Parameter("", _PLAIN, Range(0.3, 6.2), "Sérsic index"),
    "bulge_radius": Parameter("arcsec", _ARCSEC, Range(0, above=True), "half-light radius of the bulge"),
    "bulge_fraction": Parameter("", _PLAIN, Range(0, 1), "bulge-to-total flux ratio"),
    "g1": Parameter("", _PLAIN, Range(-1, 1), "reduced shear g1"),
    "g2": Parameter("", _PLAIN, Range(-1, 1), "reduced shear g2"),
    "offset_x": Parameter("pix", {"pix": 1.0}, Range(), "offset along x"),
    "offset_y": Parameter("pix", {"pix": 1.0}, Range(), "offset along y"),
    "psf_fwhm": Parameter("arcsec", _ARCSEC, Range(0, above=True), "FWHM of the PSF"),
    "psf_beta": Parameter("", _PLAIN, Range(1.1, above=True), "Moffat beta of the PSF"),
}

_ALWAYS = ("flux", "radius", "psf_fwhm")
REQUIRED = {
    "exponential": _ALWAYS,
    "sersic": (*_ALWAYS, "sersic_index"),
    "de_vaucouleurs": _ALWAYS,
    "bulge_disk": (*_ALWAYS, "bulge_radius", "bulge_fraction"),
}
DEFAULTS = {"g1": 0.0, "g2": 0.0, "offset_x": 0.0, "offset_y": 0.0}
MOFFAT_BETA = 2.5  # GalSim's Moffat examples and the Subaru and LSST PSF fits lie between 2 and 4
HALF_LIGHT_OF_EXPONENTIAL = 1.6783469900166605  # half-light radius over scale radius: root of (1+x) exp(-x) = 1/2


@dataclass(frozen=True)
class Factor:
    """A named generative parameter: its unit and the distribution it is drawn from.

    uniform and log_uniform take `low` and `high`; normal takes `mean` and `std`; truncated_normal all four.
    `levels` is the number of values in a grid design.
    """

    distribution: Literal["uniform", "log_uniform", "normal", "truncated_normal"]
    unit: str = ""
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    std: Positive | None = None
    levels: Count | None = None

    def support(self) -> tuple[float, float]:
        """The least and the greatest value that can be drawn, in the declared unit."""
        if self.distribution == "normal":
            return (-math.inf, math.inf)
        return (_given(self.low), _given(self.high))

    def faults(self, where: str) -> list[Fault]:
        """What the distribution needs and does not have, and ranges that hold nothing."""
        bounds, bell = ("low", "high"), ("mean", "std")
        needs = {"normal": bell, "truncated_normal": (*bounds, *bell)}.get(self.distribution, bounds)
        found = [_missing(f"{where}.{n}", self.distribution) for n in needs if getattr(self, n) is None]
        found += [
            Fault(f"{where}.{n}", getattr(self, n), f"{self.distribution} does not take it", "take it away")
            for n in (*bounds, *bell)
            if n not in needs and getattr(self, n) is not None
        ]
        low, high = self.support()
        if not found and not low < high:
            text = f"low ({low:g}) must be less than high ({high:g})"
            found.append(Fault(f"{where}.low", low, text, "swap or widen them; a constant goes to scene.constants"))
        if not found and self.distribution == "log_uniform" and low <= 0:
            found.append(Fault(f"{where}.low", low, "log_uniform needs a low above 0", "raise it or take uniform"))
        return found


def _given(value: float | None) -> float:
    return math.nan if value is None else value


def _missing(where: str, distribution: str) -> Fault:
    return Fault(where, Words("nothing"), f"{distribution} needs it", "add it")


@dataclass(frozen=True)
class Scene:
    """What is drawn: a galaxy of one kind, a PSF of one kind, a square stamp; parameters that stay constant."""

    galaxy: Literal["exponential", "sersic", "de_vaucouleurs", "bulge_disk"] = "exponential"
    psf: Literal["gaussian", "moffat", "kolmogorov", "airy"] = "gaussian"
    radius: Literal["scale", "half_light"] = "half_light"
    stamp: Annotated[int, Range(8, 512)] = 33
    pixel_scale: Positive = 0.2
    constants: dict[str, float] = field(default_factory=dict)

    def takes(self) -> tuple[str, ...]:
        """Names of the parameters that this scene takes, the required ones first."""
        moffat = ("psf_beta",) if self.psf == "moffat" else ()
        return (*REQUIRED[self.galaxy], *DEFAULTS, *moffat)

    def faults(self, where: str) -> list[Fault]:
        """Constants that the scene does not take or that are out of their limits; a scale radius nobody defines."""
        found = [
            Fault(f"{where}.constants.{name}", value, f"{name} must be {PARAMETERS[name].limits}", "change it")
            for name, value in self.constants.items()
            if name in PARAMETERS and not PARAMETERS[name].limits.holds(value)
        ]
        if self.radius == "scale" and self.galaxy == "de_vaucouleurs":
            text = "a de Vaucouleurs scale radius is some 3,500 times smaller than the galaxy"
            found.append(Fault(f"{where}.radius", self.radius, text, "write half_light"))
        return found


@dataclass(frozen=True)
class Noise:
    """The noise of each image: none; Gaussian of known `sigma` (ph) or by signal-to-noise; Poisson with a `sky`.

    snr is that of a matched filter on the noise-free stamp m, sqrt(sum m^2) / sigma. sky is in photons per
    pixel; it adds its variance and is subtracted again.
    """

    kind: Literal["none", "gaussian", "poisson"] = "none"
    sigma: Positive | None = None
    snr: Positive | None = None
    sky: NonNegative | None = None

    def faults(self, where: str) -> list[Fault]:
        """Settings that the kind does not take, and Gaussian noise without exactly one of sigma and snr."""
        legal = {"none": (), "gaussian": ("sigma", "snr"), "poisson": ("sky",)}[self.kind]
        given = [name for name in ("sigma", "snr", "sky") if getattr(self, name) is not None]
        found = [
            Fault(f"{where}.{name}", getattr(self, name), f"{self.kind} noise takes {listed(legal)}", "take it away")
            for name in given
            if name not in legal
        ]
        if self.kind == "gaussian" and not found and len(given) != 1:
            found.append(Fault(where, given, "gaussian noise takes sigma or snr, one of the two", "give one"))
        return found


@dataclass(frozen=True)
class Split:
    """Shares of the rows for training, for validation and for the scores; they add up to 1."""

    train: Fraction = 0.75
    validation: Fraction = 0.125
    test: Fraction = 0.125

    def counts(self, galaxies: int) -> tuple[int, int, int]:
        """Rows in each part; rounding goes to the test rows."""
        train, validation = round(self.train * galaxies), round(self.validation * galaxies)
        return train, validation, galaxies - train - validation

    def faults(self, where: str) -> list[Fault]:
        """Shares that do not add up."""
        total = self.train + self.validation + self.test
        good = math.isclose(total, 1, abs_tol=1e-9)
        return [] if good else [Fault(where, total, "the three shares must add up to 1", "change one")]


@dataclass(frozen=True)
class Dataset:
    """One data set to simulate, in full; two equal specs give equal bytes."""

    factors: dict[str, Factor]
    galaxies: Count
    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    design: Literal["latin_hypercube", "sobol", "random", "grid"] = "latin_hypercube"
    scene: Scene = field(default_factory=Scene)
    noise: Noise = field(default_factory=Noise)
    split: Split = field(default_factory=Split)
    image_true: bool = False

    @property
    def digest(self) -> str:
        """Hash of the spec; the store carries it, and a store of another spec is refused.

        Keys that are absent (null, false, empty) are left out, so that a new key of that kind leaves every store valid;
        all other defaults are in it, so that a store drawn with another default is refused.
        """
        return digest_of(_present(to_json(self)))

    @property
    def image_bytes(self) -> int:
        """Bytes of the images in the store, the noise-free twin included."""
        return self.galaxies * self.scene.stamp**2 * 4 * (2 if self.image_true else 1)

    def parameter_range(self, name: str) -> tuple[float, float]:
        """Least and greatest value of a scene parameter over the data set, in its own unit."""
        if name in self.factors and name in PARAMETERS:
            declared = self.factors[name]
            scale = PARAMETERS[name].units.get(declared.unit, math.nan)
            return (declared.support()[0] * scale, declared.support()[1] * scale)
        value = self.constant(name)
        return (value, value)

    def constant(self, name: str) -> float:
        """Value of a parameter that is no factor; NaN where none is given and there is no default."""
        default = MOFFAT_BETA if name == "psf_beta" else DEFAULTS.get(name, math.nan)
        return self.scene.constants.get(name, default)


def _present(value: Any) -> Any:
    """A JSON value without the keys at which nothing stands: null, false, or an empty section."""
    if not isinstance(value, Mapping):
        return value
    present = {key: _present(each) for key, each in value.items()}
    return {key: each for key, each in present.items() if each is not None and each is not False and each != {}}


def to_json(dataset: Dataset) -> dict[str, Any]:
    """The spec as plain JSON, from which `facts.read_dataset` makes an equal one."""
    return asdict(dataset)

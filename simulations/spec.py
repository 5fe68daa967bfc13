"""What a data set is: factors with units and distributions, a scene, a noise, a design.

Neither GalSim nor numpy is imported here, because this module also runs inside the Snakefile.

A factor is named after the parameter of the scene that it sets: simulations.parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, field
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from foundation.faults import Fault, Words, listed
from foundation.fields import (
    SECTION,
    Count,
    Flag,
    Fraction,
    NonNegative,
    Number,
    Positive,
    Range,
    Section,
    Seed,
    Text,
    Whole,
)
from foundation.files import digest_of
from simulations.parameters import DEFAULTS, MOFFAT_BETA, PARAMETERS, REQUIRED

PARAMETER_NAMES = Field(json_schema_extra={"propertyNames": {"enum": [*PARAMETERS]}})


@dataclass(frozen=True, config=SECTION)
class Factor(Section):
    """A named generative parameter: its unit and the distribution it is drawn from."""

    distribution: Literal["uniform", "log_uniform", "normal", "truncated_normal"]
    """`uniform` and `log_uniform` take `low` and `high`; `normal` `mean` and `std`; `truncated_normal` all four"""

    unit: Text = ""
    """the unit of the numbers here, of those that the parameter may be declared in"""

    low: Number | None = None
    """the least value"""

    high: Number | None = None
    """the greatest value"""

    mean: Number | None = None
    """of the normal distribution, before it is truncated"""

    std: Positive | None = None
    """of the normal distribution, before it is truncated"""

    levels: Count | None = None
    """number of values in a grid design"""

    def support(self) -> tuple[float, float]:
        """The least and the greatest value that can be drawn, in the declared unit."""
        if self.distribution == "normal":
            return (-math.inf, math.inf)
        return (math.nan if self.low is None else self.low, math.nan if self.high is None else self.high)

    def faults(self) -> Iterator[Fault]:
        """What the distribution needs and does not have, and ranges that hold nothing."""
        bounds, bell = ("low", "high"), ("mean", "std")
        needs = {"normal": bell, "truncated_normal": (*bounds, *bell)}.get(self.distribution, bounds)
        missing = [name for name in needs if getattr(self, name) is None]
        unused = [name for name in (*bounds, *bell) if name not in needs and getattr(self, name) is not None]
        for name in missing:
            yield Fault(f".{name}", Words("nothing"), f"{self.distribution} needs it", "add it")
        for name in unused:
            yield Fault(f".{name}", getattr(self, name), f"{self.distribution} does not take it", "take it away")
        if not missing and not unused:
            yield from self._bounds()

    def _bounds(self) -> Iterator[Fault]:
        low, high = self.support()
        if not low < high:
            text = f"low ({low:g}) must be less than high ({high:g})"
            yield Fault(".low", low, text, "swap or widen them; a constant goes to scene.constants")
        elif self.distribution == "log_uniform" and low <= 0:
            yield Fault(".low", low, "log_uniform needs a low above 0", "raise it or take uniform")


@dataclass(frozen=True, config=SECTION)
class Scene(Section):
    """What is drawn: a galaxy of one kind, a PSF of one kind, a square stamp; parameters that stay constant."""

    galaxy: Literal["exponential", "sersic", "de_vaucouleurs", "bulge_disk"] = "exponential"
    """the profile of its light"""

    psf: Literal["gaussian", "moffat", "kolmogorov", "airy"] = "gaussian"
    """the profile of the point-spread function"""

    radius: Literal["scale", "half_light"] = "half_light"
    """what the parameter `radius` is"""

    stamp: Annotated[Whole, Range(8, 512)] = 33
    """pixels along each side"""

    pixel_scale: Positive = 0.2
    """arcsec per pixel"""

    constants: Annotated[dict[Text, Number], PARAMETER_NAMES] = field(default_factory=dict)
    """parameters that do not vary, by name, in their first unit"""

    def takes(self) -> tuple[str, ...]:
        """Names of the parameters that this scene takes, the required ones first."""
        moffat = ("psf_beta",) if self.psf == "moffat" else ()
        return (*REQUIRED[self.galaxy], *DEFAULTS, *moffat)

    def faults(self) -> Iterator[Fault]:
        """Constants that are out of their limits; a scale radius that nobody defines."""
        for name, value in self.constants.items():
            if name in PARAMETERS and not PARAMETERS[name].limits.holds(value):
                yield Fault(f".constants.{name}", value, f"{name} must be {PARAMETERS[name].limits}", "change it")
        if self.radius == "scale" and self.galaxy == "de_vaucouleurs":
            text = "a de Vaucouleurs scale radius is some 3,500 times smaller than the galaxy"
            yield Fault(".radius", self.radius, text, "write half_light")


@dataclass(frozen=True, config=SECTION)
class Noise(Section):
    """The noise of each image."""

    kind: Literal["none", "gaussian", "poisson"] = "none"
    """`gaussian` takes `sigma` or `snr`, `poisson` a `sky`"""

    sigma: Positive | None = None
    """standard deviation per pixel, in photons"""

    snr: Positive | None = None
    """signal-to-noise ratio of a matched filter on the noise-free stamp m, sqrt(sum m^2) / sigma"""

    sky: NonNegative | None = None
    """photons per pixel; it adds its variance and is subtracted again"""

    def faults(self) -> Iterator[Fault]:
        """Settings that the kind does not take, and Gaussian noise without exactly one of sigma and snr."""
        legal = {"none": (), "gaussian": ("sigma", "snr"), "poisson": ("sky",)}[self.kind]
        written = [name for name in ("sigma", "snr", "sky") if getattr(self, name) is not None]
        unused = [name for name in written if name not in legal]
        for name in unused:
            yield Fault(f".{name}", getattr(self, name), f"{self.kind} noise takes {listed(legal)}", "take it away")
        if self.kind == "gaussian" and not unused and len(written) != 1:
            value = Words("both sigma and snr" if written else "neither sigma nor snr")
            yield Fault("", value, "gaussian noise takes one of the two", "write sigma or snr")


@dataclass(frozen=True, config=SECTION)
class Split(Section):
    """Shares of the rows for training, for validation and for the scores; they add up to 1."""

    train: Fraction = 0.75
    """share of the training rows"""

    validation: Fraction = 0.125
    """share of the validation rows"""

    test: Fraction = 0.125
    """share of the test rows"""

    def counts(self, galaxies: int) -> tuple[int, int, int]:
        """Rows in each part; rounding goes to the test rows."""
        train, validation = round(self.train * galaxies), round(self.validation * galaxies)
        return train, validation, galaxies - train - validation

    def faults(self) -> Iterator[Fault]:
        """Shares that do not add up."""
        total = self.train + self.validation + self.test
        if not math.isclose(total, 1, abs_tol=1e-9):
            yield Fault("", total, "the three shares must add up to 1", "change one")


@dataclass(frozen=True, config=SECTION)
class Dataset(Section):
    """One data set to simulate, in full; two equal specs give equal bytes."""

    factors: Annotated[dict[Text, Factor], PARAMETER_NAMES]
    """the parameters that vary, by name"""

    galaxies: Count
    """number of images"""

    seed: Seed = 0
    """of every random number"""

    design: Literal["latin_hypercube", "sobol", "random", "grid"] = "latin_hypercube"
    """how the factors are spread; a `grid` needs the `levels` of each factor"""

    scene: Scene = field(default_factory=Scene)
    """what is drawn"""

    noise: Noise = field(default_factory=Noise)
    """the noise of each image"""

    split: Split = field(default_factory=Split)
    """shares of training, validation and test rows"""

    image_true: Flag = False
    """keep the noise-free images too"""

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
        """Value of a parameter that is no factor; NaN where there is neither a constant nor a default."""
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

"""What a data set is: factors with units and distributions, a scene, a noise, a design.

Neither GalSim nor numpy is imported here, because this module also runs inside the Snakefile.

A factor is named after the parameter of the scene that it sets: simulations.parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, field
from typing import Annotated, Any, Literal

from pydantic import field_validator, model_validator
from pydantic.dataclasses import dataclass

from foundation.faults import Fault, Words, listed
from foundation.fields import (
    SECTION,
    Flag,
    Fraction,
    Many,
    Name,
    Number,
    Range,
    Section,
    Seed,
    Text,
    Whole,
    refused,
)
from foundation.files import digest_of
from simulations.correlations import Correlation
from simulations.distributions import Factor
from simulations.longhand import Longhand, as_factor, as_noise, as_scene, as_split
from simulations.parameters import (
    BRIGHTEST,
    DEFAULTS,
    MOFFAT_BETA,
    MOST_GALAXIES,
    PARAMETERS,
)
from simulations.scene_spec import PARAMETER_NAMES, Scene, untaken
from simulations.structure import Context, Part, parts_of

LATER = ("correlations", "mechanisms", "contexts", "measurements")  # which data sets without them know nothing of
FLOAT32 = 1e-7  # relative step of the numbers in which images are kept
FAINTEST_SNR = 1e-3  # below it the images are noise, whatever the galaxy


@dataclass(frozen=True, config=SECTION)
class Noise(Section):
    """The noise of each image."""

    kind: Literal["none", "gaussian", "poisson"] = "none"
    """`gaussian` takes `sigma` or `snr`, `poisson` a `sky`"""

    sigma: Annotated[Number, Range(0, BRIGHTEST, above=True)] | None = None
    """standard deviation per pixel, in photons"""

    snr: Annotated[Number, Range(FAINTEST_SNR, 1 / FLOAT32)] | None = None
    """signal-to-noise ratio of a matched filter on the noise-free stamp m, sqrt(sum m^2) / sigma"""

    sky: Annotated[Number, Range(0, BRIGHTEST)] | None = None
    """photons per pixel; it adds its variance and is subtracted again"""

    @model_validator(mode="before")
    @classmethod
    def _of_a_kind(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and "kind" not in value:
            kinds = {"sigma": "gaussian", "snr": "gaussian", "sky": "poisson"}
            for kind in (kinds[name] for name in kinds if name in value):
                raise refused(Fault(".kind", Words("nothing"), "a noise says its kind", f"add 'kind: {kind}'"))
        return value

    def faults(self) -> Iterator[Fault]:
        """Settings that the kind does not take, and Gaussian noise without exactly one of sigma and snr."""
        legal = {"none": (), "gaussian": ("sigma", "snr"), "poisson": ("sky",)}[self.kind]
        written = [name for name in ("sigma", "snr", "sky") if getattr(self, name) is not None]
        unused = [name for name in written if name not in legal]
        for name in unused:
            yield Fault(
                f".{name}", getattr(self, name), f"noise of kind {self.kind} takes {listed(legal)}", "take it away"
            )
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
            value = Words(f"{self.train:g}, {self.validation:g} and {self.test:g} of the rows, {total:g} together")
            yield Fault("", value, "the shares of training, validation and test must add up to 1", "change one")


@dataclass(frozen=True, config=SECTION)
class Dataset(Section):
    """One data set to simulate, in full; two equal specs give equal bytes."""

    factors: Annotated[dict[Text, Annotated[Factor, Longhand(as_factor)]], PARAMETER_NAMES]
    """the parameters that vary, by name"""

    galaxies: Annotated[Whole, Range(1, MOST_GALAXIES)]
    """number of images"""

    seed: Seed = 0
    """of every random number"""

    design: Literal["latin_hypercube", "sobol", "random", "grid"] = "latin_hypercube"
    """how the factors are spread; a `grid` needs the `levels` of each factor"""

    scene: Annotated[Scene, Longhand(as_scene)] = field(default_factory=Scene)
    """what is drawn"""

    noise: Annotated[Noise, Longhand(as_noise)] = field(default_factory=Noise)
    """the noise of each image"""

    split: Annotated[Split, Longhand(as_split)] = field(default_factory=Split)
    """shares of training, validation and test rows"""

    correlations: tuple[Correlation, ...] = ()
    """list of `{of: [flux, radius], rho: 0.7}`: factors that are drawn correlated; all others are independent"""

    mechanisms: dict[Text, dict[Text, Number]] = field(default_factory=dict)
    """by factor, its causes among the factors, each with its weight in standard deviations: `radius: {flux: 0.8}`"""

    contexts: dict[Name, Context] = field(default_factory=dict)
    """by name, groups of rows with an intervention each; one of them, `obs: {}`, without any"""

    image_true: Flag = False
    """keep the noise-free images too"""

    measurements: Many[Literal["kron_flux", "hsm_g1", "hsm_g2"]] = ()
    """what is measured on the noisy images, with standard errors, beside the factors: `kron_flux` of flux, `hsm_g1` and
    `hsm_g2` of the shear ([how](measurements.md)); a group of runs may be given them in place of the truth"""

    @field_validator("contexts")
    @classmethod
    def _by_name(cls, contexts: dict[str, Context]) -> dict[str, Context]:
        """In an order that a spec written as JSON keeps: rows are dealt to the contexts one after the other."""
        return dict(sorted(contexts.items()))

    @property
    def digest(self) -> str:
        """Hash of the spec; the store carries it, and a store of another spec is refused.

        Keys that are absent (null, false, empty) are left out, so that a new key of that kind leaves every store valid;
        all other defaults are in it, so that a store drawn with another default is refused. In place of the path of a
        catalogue there is what it holds.
        """
        whole = to_json(self)
        if self.scene.is_catalogued:
            whole["scene"]["catalogue"] = self.scene.source_catalogue.digest
        return digest_of(_present(whole))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The rows of each context; a data set without contexts is one."""
        contexts = self.contexts.values() or [Context()]
        return parts_of(contexts, self.galaxies, self.split.train, self.split.validation)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Training, validation and test rows."""
        parts = self.parts
        return sum(p.train for p in parts), sum(p.validation for p in parts), sum(p.test for p in parts)

    @property
    def image_bytes(self) -> int:
        """Bytes of the images in the store, the noise-free twin included."""
        return self.galaxies * math.prod(self.scene.image_shape) * 4 * (2 if self.image_true else 1)

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
    """The spec as plain JSON, from which `facts.read_dataset` makes an equal one.

    What a data set has not leaves no trace in it: stores are what they were before there were any.
    """
    whole = {key: value for key, value in asdict(dataset).items() if value or key not in LATER}
    whole["scene"] = {key: value for key, value in whole["scene"].items() if key not in untaken(dataset.scene)}
    return whole

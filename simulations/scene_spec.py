"""What is drawn: the scene of a data set, galaxies by their profile or of a catalogue, or a painting.

Neither GalSim nor numpy is imported here, because this module also runs inside the Snakefile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from foundation.faults import Fault
from foundation.fields import SECTION, Number, Positive, Range, Section, Text, Whole, refused
from simulations.catalogue import Catalogue, catalogue_of
from simulations.parameters import CATALOGUED, DEFAULTS, LARGEST_STAMP, PAINTINGS, PARAMETERS, REQUIRED

OF_CATALOGUES = ("catalogue", "largest", "faintest")  # settings that only galaxies of a catalogue take
OF_GALAXIES = ("galaxy", "psf", "radius", "pixel_scale", *OF_CATALOGUES)  # and those that only galaxies take
PARAMETER_NAMES = Field(json_schema_extra={"propertyNames": {"enum": [*PARAMETERS]}})


@dataclass(frozen=True, config=SECTION)
class Scene(Section):
    """What is drawn: a galaxy and a PSF of one kind each, or quads, on a square stamp; constant parameters."""

    ELSEWHERE: ClassVar[dict[str, str]] = {name: f"{name!r} within 'constants'" for name in PARAMETERS}

    galaxy: Literal["exponential", "sersic", "de_vaucouleurs", "bulge_disk", "real", "cosmos"] = "exponential"
    """the profile of its light; `real`: images of a catalogue, `cosmos`: the fits of one
    ([how](real_galaxies.md))"""

    psf: Literal["gaussian", "moffat", "kolmogorov", "airy"] = "gaussian"
    """the profile of the point-spread function"""

    radius: Literal["scale", "half_light"] = "half_light"
    """what the parameter `radius` is"""

    stamp: Annotated[Whole, Range(8, LARGEST_STAMP)] = 33
    """pixels along each side"""

    pixel_scale: Annotated[Number, Range(1e-6, 3600)] = 0.2
    """arcsec per pixel, from the microarcseconds of interferometers to the degrees of all-sky cameras"""

    constants: Annotated[dict[Text, Number], PARAMETER_NAMES] = field(default_factory=dict)
    """parameters that do not vary, by name, in their first unit"""

    catalogue: Text | None = None
    """path of the catalogue of `real` and `cosmos` galaxies, a FITS file"""

    largest: Positive | None = None
    """largest half-light radius of the catalogue's galaxies that are shown, in arcsec"""

    faintest: Number | None = None
    """faintest magnitude of the catalogue's galaxies that are shown"""

    kind: Literal["quads", "digits", "disks"] | None = None
    """galaxies where nothing is said; `quads`: coloured quadrants around a shape ([how](contexts.md#quads)), and
    `digits`: handwriting ([how](contexts.md#digits)), `disks`: one before a uniform background; all take `stamp` and
    `constants` alone"""

    @model_validator(mode="before")
    @classmethod
    def _of_a_kind(cls, value: Any) -> Any:
        unused = [key for key in OF_GALAXIES if isinstance(value, Mapping) and key in value]
        if unused and value.get("kind") in PAINTINGS:
            text = f"a scene of {value['kind']} takes kind, stamp and constants"
            raise refused(*(Fault(f".{key}", value[key], text, "take it away") for key in unused))
        if "radius" in unused and value.get("galaxy") in CATALOGUED:
            text = f"{value['galaxy']} galaxies have the sizes of their catalogue"
            raise refused(Fault(".radius", value["radius"], text, "take it away"))
        return value

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return PAINTINGS[self.kind].channels if self.kind else 1

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of an image: (y, x) of a galaxy, (channel, y, x) of quads."""
        return (self.stamp, self.stamp) if self.channels == 1 else (self.channels, self.stamp, self.stamp)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the parameters that have no default."""
        return tuple(PAINTINGS[self.kind].parameters) if self.kind else REQUIRED[self.galaxy]

    def takes(self) -> tuple[str, ...]:
        """Names of the parameters that this scene takes, the required ones first."""
        moffat = ("psf_beta",) if self.psf == "moffat" else ()
        return self.needs if self.kind else (*self.needs, *DEFAULTS, *moffat)

    @property
    def is_catalogued(self) -> bool:
        """Whether it shows galaxies of a catalogue, real ones or fits."""
        return self.kind is None and self.galaxy in CATALOGUED

    @property
    def is_real(self) -> bool:
        """Whether it shows images of galaxies, which have noise of their own."""
        return self.kind is None and self.galaxy == "real"

    @property
    def source_catalogue(self) -> Catalogue:
        """The catalogue of such a scene; refused where it cannot be read."""
        return catalogue_of(self.galaxy, self.catalogue or "")

    @property
    def sources(self) -> tuple[int, ...]:
        """Indices in the catalogue of the galaxies that are shown."""
        return self.source_catalogue.selected(self.largest, self.faintest)

    def faults(self) -> Iterator[Fault]:
        """A scale radius that nobody defines, and a catalogue of galaxies that come from none."""
        for key in OF_CATALOGUES if not self.is_catalogued else ():
            if (value := getattr(self, key)) is not None:
                text = f"{self.galaxy} galaxies come from no catalogue"
                yield Fault(f".{key}", value, text, f"take it away, or write galaxy: {' or '.join(CATALOGUED)}")
        if self.radius == "scale" and self.galaxy == "de_vaucouleurs":
            text = "a de Vaucouleurs scale radius is some 3,500 times smaller than the galaxy"
            yield Fault(".radius", self.radius, text, "write half_light")


def untaken(scene: Scene) -> tuple[str, ...]:
    """The keys of a scene that say nothing of it."""
    if scene.kind:
        return OF_GALAXIES
    if scene.is_catalogued:
        return ("kind", "radius", *(key for key in OF_CATALOGUES if getattr(scene, key) is None))
    return ("kind", *OF_CATALOGUES)

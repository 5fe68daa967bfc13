"""What is wrong with a data set whose parts are each well-formed: names, units, design, limits, and what none can draw.

Every check reads only what is sound (simulations.examination), so that all faults are said at once, and each once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from foundation.faults import Fault, Words, listed, meant, suggest
from simulations.catalogue_checks import catalogue_faults
from simulations.correlations import correlated, matrix_of, root_of
from simulations.examination import Examination
from simulations.extent import extent_faults
from simulations.measured import measurement_faults
from simulations.parameters import PAINTINGS, PARAMETERS, SERSIC_STEP, SPELLINGS
from simulations.scene_spec import Scene
from simulations.spec import FAINTEST_SNR, FLOAT32, Dataset
from simulations.structure_checks import structure_faults

DIMMEST = 1e-20  # photons: the pixels of a fainter galaxy come near the least that float32 holds


def dataset_faults(dataset: Dataset, where: str, faults: Iterable[Fault] = ()) -> list[Fault]:
    """All faults of a data set beside those that its parts had, `faults`, and which are left out of it."""
    examination = Examination(dataset, where, [*faults])
    earlier = len(examination.faults)
    of_galaxies, of_paintings = (_steps, _shear, _light, structure_faults, extent_faults), (_painted, structure_faults)
    of_catalogues = (_shear, _light, structure_faults, catalogue_faults)
    of_kind = of_paintings if dataset.scene.kind else of_catalogues if dataset.scene.is_catalogued else of_galaxies
    for check in (_names, _units, _design, _correlations, _split, _limits, measurement_faults, *of_kind):
        examination.faults += [*check(examination)]
    return examination.faults[earlier:]


def _names(x: Examination) -> Iterator[Fault]:
    if not x.sound("scene.galaxy", "scene.psf", "scene.kind"):
        return
    dataset, takes = x.dataset, x.dataset.scene.takes()
    allowed = f"{_in_words(dataset.scene)} takes {listed(takes)}"
    places = {f"{x.where}.factors.{n}": n for n in dataset.factors}
    places |= {f"{x.where}.scene.constants.{n}": n for n in dataset.scene.constants}
    misspelt = {meant(name, takes) for name in places.values() if name not in PARAMETERS}
    for place, name in places.items():
        if name in PARAMETERS and name not in takes and _kind_of(name) == dataset.scene.kind:
            yield Fault(place, name, allowed, "take it away, or take a galaxy or PSF that has it")
        elif name not in takes:
            yield Fault(place, name, allowed, suggest(name, takes, "rename it or take it away"))
    for name in dataset.factors.keys() & dataset.scene.constants.keys():
        yield Fault(f"{x.where}.scene.constants.{name}", name, "it is a factor as well", "keep one of the two")
    for name in dataset.scene.needs:
        declared = name in dataset.factors or name in dataset.scene.constants
        misplaced = any(fault.where == f"{x.where}.scene.{name}" and fault.value == "this key" for fault in x.faults)
        sound = x.sound(f"factors.{name}", f"scene.constants.{name}") and not misplaced
        if not declared and name not in misspelt and sound:
            yield Fault(f"{x.where}.factors.{name}", Words("nothing"), allowed, f"add {name} or a constant for it")


def _kind_of(name: str) -> str | None:
    """The kind of painting that has a parameter; None of galaxies."""
    return next((kind for kind, painting in PAINTINGS.items() if name in painting.parameters), None)


def _in_words(scene: Scene) -> str:
    if scene.kind:
        return f"a scene of {scene.kind}"
    galaxy = f"{'an' if scene.galaxy[0] in 'aeiou' else 'a'} {scene.galaxy} galaxy"
    return f"{galaxy} with {'an' if scene.psf[0] in 'aeiou' else 'a'} {scene.psf} PSF"


def _painted(x: Examination) -> Iterator[Fault]:
    """A size, a noise or noise-free twins that paintings do not have."""
    dataset, where, kind = x.dataset, x.where, x.dataset.scene.kind
    stamps = PAINTINGS[kind].stamps if kind else ()
    if x.sound("scene.stamp") and dataset.scene.stamp not in stamps:
        text = f"{kind} are painted at {' or '.join(map(str, stamps))} pixels along each side"
        remedy = f"write {' or '.join(f'stamp: {stamp}' for stamp in stamps)}"
        yield Fault(f"{where}.scene.stamp", dataset.scene.stamp, text, remedy)
    if x.sound("noise") and dataset.noise.kind != "none":
        yield Fault(f"{where}.noise.kind", dataset.noise.kind, f"{kind} have no noise", "write noise: {kind: none}")
    if dataset.image_true:
        text = f"{kind} have no noise, so that their images are noise-free already"
        yield Fault(f"{where}.image_true", True, text, "take it away")


def _correlations(x: Examination) -> Iterator[Fault]:
    """Correlations of what is no factor, said twice, on a grid, or that no numbers can have together."""
    dataset, where = x.dataset, f"{x.where}.correlations"
    if not dataset.correlations or not x.sound("factors", "correlations"):
        return
    faults = [*_wrongly_named(dataset, where)]
    if dataset.design == "grid":
        text = "the rows of a grid are every combination of its levels, and so uncorrelated"
        yield Fault(where, Words("correlated factors"), text, "take another design")
    names = correlated(dataset.correlations, dataset.factors)
    if not faults and root_of(matrix_of(dataset.correlations, names)) is None:
        value = Words(f"correlations of {listed(names)} that exclude each other")
        faults.append(Fault(where, value, "together they must be a correlation matrix", "bring some nearer to 0"))
    yield from faults


def _wrongly_named(dataset: Dataset, where: str) -> Iterator[Fault]:
    earlier: set[frozenset[str]] = set()
    for i, each in enumerate(dataset.correlations):
        for name in (name for name in each.of if name not in dataset.factors):
            text, remedy = f"the factors are {listed(dataset.factors)}", "name one of them"
            yield Fault(f"{where}[{i}].of", name, text, suggest(name, dataset.factors, remedy))
        if frozenset(each.of) in earlier:
            yield Fault(f"{where}[{i}].of", Words(listed(each.of)), "two factors have one correlation", "keep one")
        earlier.add(frozenset(each.of))


def _units(x: Examination) -> Iterator[Fault]:
    for name, factor in x.dataset.factors.items():
        sound = x.sound(f"factors.{name}.unit", f"factors.{name}.units")
        if name not in PARAMETERS or factor.unit in PARAMETERS[name].units or not sound:
            continue
        units = [unit for unit in PARAMETERS[name].units if unit]
        place, spelt = f"{x.where}.factors.{name}.unit", SPELLINGS.get(factor.unit.strip().lower(), "")
        if not units:
            yield Fault(place, factor.unit, f"{name} has no unit", "take it away")
        elif not factor.unit:
            yield Fault(place, Words("nothing"), f"{name} is measured in {listed(units)}", f"write unit: {units[0]}")
        else:
            remedy = f"did you mean {spelt!r}?" if spelt in units else f"convert its numbers and write unit: {units[0]}"
            yield Fault(place, factor.unit, f"{name} is measured in {listed(units)}", remedy)


def _design(x: Examination) -> Iterator[Fault]:
    dataset, where = x.dataset, x.where
    if not dataset.factors and x.sound("factors"):
        yield Fault(f"{where}.factors", Words("none"), "at least one factor must vary", "add one")
    if not x.sound("design"):
        return
    if dataset.design == "sobol" and x.sound("galaxies") and dataset.galaxies & (dataset.galaxies - 1):
        near = 2 ** min(round(math.log2(dataset.galaxies)), 29)  # 2^30 is more than a data set may have
        yield Fault(f"{where}.galaxies", dataset.galaxies, "Sobol points balance at powers of 2", f"write {near}")
    yield from _grid(x) if dataset.design == "grid" else _levels(x)


def _levels(x: Examination) -> Iterator[Fault]:
    for name, factor in x.dataset.factors.items():
        if factor.levels is not None:
            text = f"the design {x.dataset.design} has no levels"
            yield Fault(f"{x.where}.factors.{name}.levels", factor.levels, text, "take it away or write design: grid")


def _grid(x: Examination) -> Iterator[Fault]:
    dataset, where = x.dataset, x.where
    for name, factor in dataset.factors.items():
        if factor.levels is None:
            yield Fault(f"{where}.factors.{name}.levels", Words("nothing"), "a grid needs levels per factor", "add it")
        elif factor.levels == 1:
            text = "a factor of one level does not vary"
            yield Fault(f"{where}.factors.{name}.levels", 1, text, "raise it; a constant goes to scene.constants")
    levels = [factor.levels for factor in dataset.factors.values() if factor.levels is not None]
    points = math.prod(levels)
    if len(levels) == len(dataset.factors) and points != dataset.galaxies and x.sound("galaxies", "factors"):
        yield Fault(f"{where}.galaxies", dataset.galaxies, f"the grid has {points:,} points", f"write {points}")


def _split(x: Examination) -> Iterator[Fault]:
    if not x.sound("galaxies", "split", "contexts"):
        return
    dataset = x.dataset
    for name, rows in zip(("train", "validation", "test"), dataset.counts, strict=True):
        if rows < 1:
            text = f"{dataset.galaxies} galaxies leave {rows} {name} rows and each part needs one"
            share = getattr(dataset.split, name)
            yield Fault(f"{x.where}.split.{name}", share, text, "raise the share or the number")


def _limits(x: Examination) -> Iterator[Fault]:
    for name in (*x.dataset.factors, *x.dataset.scene.constants):
        low, high = x.range(name) if name in PARAMETERS else (math.nan, math.nan)
        limits = PARAMETERS[name].limits if name in PARAMETERS else None
        if limits is None or math.isnan(low) or (limits.holds(low) and limits.holds(high)):
            continue
        text = f"{name} must be {limits} {PARAMETERS[name].unit}".rstrip()
        if name not in x.dataset.factors:
            yield Fault(x.place(name), low, text, "change it")
            continue
        remedy = "take truncated_normal" if x.dataset.factors[name].distribution == "normal" else "narrow the range"
        yield Fault(x.place(name), Words(x.written(name)), text, remedy)


def _steps(x: Examination) -> Iterator[Fault]:
    """Sérsic indices that rounding makes one."""
    low, high = x.range("sersic_index")
    if low < high and round(low / SERSIC_STEP) == round(high / SERSIC_STEP):
        text = f"it is rounded to {SERSIC_STEP:g} and so does not vary"
        remedy = "widen it; a constant goes to scene.constants"
        yield Fault(x.place("sersic_index"), Words(x.written("sersic_index")), text, remedy)


def _shear(x: Examination) -> Iterator[Fault]:
    largest = math.hypot(x.largest("g1"), x.largest("g2"))
    if largest >= 1:
        text = "|g| must stay below 1, where an ellipse becomes a line"
        yield Fault(x.place("g1"), Words(f"|g| up to {largest:.4g}"), text, "narrow g1 or g2")


def _light(x: Examination) -> Iterator[Fault]:
    """Images that hold no light, no noise, or less of either than float32 resolves."""
    low, high = x.range("flux")
    noise, brightest = x.dataset.noise, f"the brightest galaxy has {high:g} photons"
    if low < DIMMEST:
        text = f"images are float32, which hold no galaxy of less than {DIMMEST:g} photons"
        yield Fault(x.place("flux"), Words(x.written("flux")), text, "raise it, or check the unit")
    elif not x.sound("noise"):
        return
    elif noise.kind == "poisson" and high < 1:
        text = "Poisson noise counts whole photons, of which no galaxy has one"
        yield Fault(x.place("flux"), Words(x.written("flux")), text, "give photons, or take gaussian noise")
    elif noise.kind == "poisson" and high < FAINTEST_SNR * math.sqrt(high + (noise.sky or 0)):
        text = f"{brightest}, and in the noise of that sky nothing of it is left"
        yield Fault(f"{x.where}.noise.sky", noise.sky, text, "lower it or raise flux")
    elif noise.sigma is not None and high < FAINTEST_SNR * noise.sigma:
        text = f"{brightest}, and in that noise nothing of it is left"
        yield Fault(f"{x.where}.noise.sigma", noise.sigma, text, "lower it or raise flux")
    elif noise.sigma is not None and x.sound("scene") and noise.sigma < FLOAT32 * high / x.dataset.scene.stamp**2:
        text = f"{brightest}, and float32 images do not resolve so little noise beside it"
        yield Fault(f"{x.where}.noise.sigma", noise.sigma, text, "raise it, or take noise none")

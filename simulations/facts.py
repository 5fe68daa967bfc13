"""The `datasets` section of a study: what is to be simulated, what exists already, and what others need to know of it.

`Facts` is all that the models ever learn of a data set before it is there: names, sizes, noise. It is also what
`python -m simulations facts CONFIG` prints as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from foundation.declare import read_despite
from foundation.faults import Fault, Refused, Words, as_step, listed, meant, shown, suggest
from foundation.fields import NAME
from foundation.files import read_json
from foundation.written import as_written
from simulations.cost import core_seconds
from simulations.kinds import Kind, read_kinds
from simulations.measured import Measurement, measurements_of, read_measurements
from simulations.parameters import BRIGHTEST, PARAMETERS
from simulations.presets import PRESETS, over_preset
from simulations.reach import dataset_faults
from simulations.spec import Dataset
from simulations.structure import ContextFacts, facts_of, read_contexts
from simulations.symmetries import Symmetry, read_symmetries, symmetries_of

WEIGHTS = ("inverse_variance", "mask")  # arrays that say what a pixel counts for
COLUMNS = ("psf", "psf_fwhm", "pixel_scale")  # layers of a row for each image that a model may be given beside it
MOST = 200  # data sets of a study; to estimate what their drawing takes needs some 5 ms each


@dataclass(frozen=True)
class Facts:
    """What a model must know of a data set: factors, size, noise, symmetries, kinds; `store` of an existing one.

    weights: which of `inverse_variance` and `mask` a store has for its pixels. columns: which of COLUMNS it has.
    measurements: of factors, with errors.
    """

    name: str
    digest: str
    factors: tuple[str, ...]
    galaxies: int
    train: int
    test: int
    stamp: int
    channels: int
    noise: str
    image_true: bool
    image_bytes: int
    symmetries: tuple[Symmetry, ...] = ()
    kinds: tuple[Kind, ...] = ()
    contexts: tuple[ContextFacts, ...] = ()
    store: str | None = None
    weights: tuple[str, ...] = ()
    sky: float | None = None  # photons per pixel that were subtracted; None where a store does not say
    population: str | None = None  # real or cosmos, whose galaxies differ by more than their factors
    columns: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    pixel_scale: float | None = None  # arcsec, of simulated galaxies; None where facts do not say, as of other stores


@dataclass(frozen=True)
class Declared:
    """The data sets of one study: those to simulate, and the facts of all; of faulty ones the names of the factors."""

    simulated: dict[str, Dataset]
    facts: dict[str, Facts]
    doubtful: dict[str, list[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON, with the core seconds that drawing takes; of faulty data sets their factors."""
        faulty = {name: {"name": name, "factors": names, "doubtful": True} for name, names in self.doubtful.items()}
        seconds = {name: {"core_seconds": core_seconds(dataset)} for name, dataset in self.simulated.items()}
        return {**faulty, **{name: {**asdict(facts), **seconds.get(name, {})} for name, facts in self.facts.items()}}


def read_declared(config: Mapping[str, Any], faults: list[Fault]) -> Declared:
    """All data sets of a config; what is wrong is appended to `faults` and left out."""
    declared = Declared({}, {})
    section = config.get("datasets")
    if not isinstance(section, Mapping) or not section:
        faults.append(Fault("datasets", section, "at least one named data set is needed", "add one"))
        return declared
    if len(section) > MOST:
        value, allowed = Words(f"{len(section):,} data sets"), f"a study has {MOST} at most"
        faults.append(Fault("datasets", value, allowed, "divide the study"))
        return declared
    for name, value in section.items():
        where = f"datasets.{as_step(name)}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            faults.append(Fault(where, name, "a name is letters, digits and _, a letter first", "rename it"))
        elif isinstance(value, Mapping) and "store" in value:
            _existing(name, value, where, declared, faults)
        else:
            wrong: list[Fault] = []
            _simulated(name, value, where, declared, wrong)
            faults += as_written(wrong, config)
    return declared


def _simulated(name: str, value: object, where: str, declared: Declared, faults: list[Fault]) -> None:
    """A data set that is to be drawn, or the names of its factors if something else is wrong with it."""
    if (dataset := read_dataset(value, where, faults)) is not None:
        declared.simulated[name] = dataset
        declared.facts[name] = _facts(name, dataset)
    elif names := _factor_names(value):
        declared.doubtful[name] = names


def _factor_names(value: object) -> list[str]:
    """The names of the factors of a data set that is faulty otherwise; none where they cannot be told."""
    if not isinstance(value, Mapping):
        return []
    preset = value.get("preset")
    usual = PRESETS[preset]["factors"] if isinstance(preset, str) and preset in PRESETS else {}
    written = value.get("factors", usual)
    if not isinstance(written, Mapping):
        return []
    names = [str(name) if name in PARAMETERS else meant(str(name), PARAMETERS) for name in written]
    return [*dict.fromkeys([*filter(None, names), *(PARAMETERS if "" in names else ())])]


def read_dataset(value: object, where: str, faults: list[Fault]) -> Dataset | None:
    """A data set from a mapping; the settings of `preset: NAME` stand where the mapping says nothing.

    Whatever can be read beside a faulty part is checked too, so that all faults are said at once.
    """
    if isinstance(value, Mapping) and "preset" in value:
        name = value["preset"]
        if not isinstance(name, str) or name not in PRESETS:
            remedy = suggest(str(name), PRESETS, "take one of them")
            faults.append(Fault(f"{where}.preset", name, f"the presets are {listed(PRESETS)}", remedy))
            return None
        value = over_preset(PRESETS[name], value)
    elif fault := _source_fault(value, where):
        faults.append(fault)
        return None
    named = value.get("factors") if isinstance(value, Mapping) else None
    if isinstance(named, Mapping) and len(named) > 4 * len(PARAMETERS):
        text = f"a scene has {len(PARAMETERS)} parameters"
        faults.append(Fault(f"{where}.factors", Words(f"{len(named):,} factors"), text, "keep those that vary"))
        return None
    wrong: list[Fault] = []
    dataset = read_despite(Dataset, value, where, wrong)
    if wrong and isinstance(value, Mapping):
        dataset = read_despite(Dataset, {**value, **_stand_ins(wrong, where)}, where, [])
    if isinstance(dataset, Dataset):
        wrong += dataset_faults(dataset, where, wrong)
    faults += wrong
    return dataset if isinstance(dataset, Dataset) and not wrong else None


def _source_fault(value: object, where: str) -> Fault | None:
    """The fault of a preset or a store that is not written as one."""
    if isinstance(value, str):
        key = "preset" if meant(value, PRESETS) else "store" if value.endswith(".zarr") else ""
        text = "a section of named settings stands here"
        return Fault(where, value, text, f"write {{{key}: {meant(value, PRESETS) or value}}}") if key else None
    fields = Dataset.__dataclass_fields__
    for key in value if isinstance(value, Mapping) else ():
        similar = meant(str(key), [*fields, "preset", "store"])
        if key not in fields and similar in ("preset", "store"):
            text = f"the keys here are preset, store, {listed(fields)}"
            return Fault(f"{where}.{as_step(key)}", Words("this key"), text, f"did you mean {similar!r}?")
    return None


def _stand_ins(faults: list[Fault], where: str) -> dict[str, Any]:
    """What takes the place of needed keys that are faulty, so that the others can be checked."""
    faulty = {fault.where for fault in faults}
    return {key: value for key, value in {"galaxies": 2**20, "factors": {}}.items() if f"{where}.{key}" in faulty}


def dataset_schema() -> dict[str, Any]:
    """JSON schema of what may stand under `datasets.<name>`, with the schemas of its parts under `$defs`."""
    schema = TypeAdapter(Dataset).json_schema()
    needed = schema.pop("required")
    preset = {"enum": [*PRESETS], "description": "a preset's settings, which the other keys then override"}
    store = {"type": "string", "description": "path of a sealed store that exists already; it takes no other key"}
    schema["properties"] = {"preset": preset, "store": store, **schema["properties"]}
    alone = {"required": ["store"], "maxProperties": 1}
    return {**schema, "anyOf": [alone, {"required": ["preset"]}, {"required": needed}]}


def _facts(name: str, dataset: Dataset) -> Facts:
    train, _, test = dataset.counts
    scene = dataset.scene
    sizes = {"galaxies": dataset.galaxies, "train": train, "test": test, "stamp": scene.stamp}
    sizes["channels"] = scene.channels
    noise = {"noise": dataset.noise.kind, "image_true": dataset.image_true, "image_bytes": dataset.image_bytes}
    sky = (dataset.noise.sky or 0.0) if dataset.noise.kind == "poisson" else None
    contexts = facts_of(dataset.contexts, dataset.parts)
    others = {**sizes, "sky": sky, **noise, "symmetries": symmetries_of(dataset), "contexts": contexts}
    of_scene: dict[str, Any] = {"population": scene.galaxy if scene.is_catalogued else None}
    of_scene |= {"pixel_scale": None if scene.kind else scene.pixel_scale, "measurements": measurements_of(dataset)}
    return Facts(name, dataset.digest, tuple(dataset.factors), **others, **of_scene)  # type: ignore[arg-type]


def _refuse_broken(sealed: Mapping[str, Any]) -> None:
    """A ValueError that names the first of a seal's numbers and names for which there is something else."""
    keys = {each.name: each for each in fields(Facts)}
    if unknown := [*(sealed.keys() - keys.keys())]:
        raise ValueError(f"{listed(sorted(unknown))} is none of them")
    if absent := [n for n, each in keys.items() if each.default is each.default_factory and n not in (*sealed, "name")]:
        raise ValueError(f"{listed(absent)} is absent")
    if (sky := sealed.get("sky")) is not None and not (type(sky) in (int, float) and 0 <= sky < BRIGHTEST):
        raise ValueError(f"sky is {shown(sky)}, not a number of photons")
    for key in ("galaxies", "train", "test", "stamp", "channels", "image_bytes"):
        if type(sealed[key]) is not int or not 1 <= sealed[key] < 2**63:
            raise ValueError(f"{key} is {shown(sealed[key])}, not a whole number above 0")
    if sealed["train"] + sealed["test"] >= sealed["galaxies"]:
        raise ValueError(f"{sealed['train']} training and {sealed['test']} test rows of {sealed['galaxies']}")
    for key in ("digest", "noise"):
        if not isinstance(sealed[key], str):
            raise ValueError(f"{key} is {shown(sealed[key])}, not text")
    names = sealed["factors"]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"factors is {shown(names)}, not a list of names")
    if len({*names}) < len(names):
        raise ValueError("factors has a name twice")
    if not isinstance(sealed["image_true"], bool):
        raise ValueError(f"image_true is {shown(sealed['image_true'])}, not true or false")


def _existing(name: str, value: Mapping[str, Any], where: str, declared: Declared, faults: list[Fault]) -> None:
    """Facts of a store that is there already, from its seal alone."""
    path = value["store"]
    for key in value.keys() - {"store"}:
        faults.append(Fault(f"{where}.{key}", Words("this key"), "an existing store takes no settings", "take it away"))
    if isinstance(path, str) and {"{", "}"} & {*path}:
        text = "the path has no braces, which Snakemake takes for names of its own"
        faults.append(Fault(f"{where}.store", path, text, "rename the folder"))
        return
    if not isinstance(path, str) or not _is_file(Path(path, "seal.json")):
        remedy = "make one with 'python -m simulations convert' or 'official', or correct the path"
        faults.append(Fault(f"{where}.store", path, "a sealed store must be there", remedy))
        return
    try:
        sealed = _sealed(path)
        declared_facts = {  # stores of earlier versions declare none
            "symmetries": read_symmetries(sealed.get("symmetries", ())),
            "kinds": read_kinds(sealed.get("kinds", ()), sealed["factors"]),
            "contexts": read_contexts(sealed.get("contexts", ()), sealed["factors"]),
            "measurements": read_measurements(sealed.get("measurements", ()), sealed["factors"]),
        }
        names = {"name": name, "store": path, "factors": tuple(sealed["factors"])}
        names["weights"] = tuple(each for each in WEIGHTS if each in sealed.get("weights", ()))
        names["columns"] = _columns(path)
        declared.facts[name] = Facts(**{**sealed, **names, **declared_facts})
    except (Refused, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        is_plain = isinstance(error, (Refused, ValueError, OSError))
        unread = "its symmetries, kinds, contexts or measurements cannot be read"
        reason = " ".join(str(error).split()) if is_plain else unread
        allowed, remedy = "seal.json must hold the data set's facts", "make the store again"
        faults.append(Fault(f"{where}.store", Words(f"a broken seal ({reason})"), allowed, remedy))


def _sealed(path: str) -> Mapping[str, Any]:
    """The facts in a store's seal; a ValueError says what is wrong with them."""
    whole = read_json(Path(path, "seal.json"), "the seal of a store")
    sealed = whole.get("facts") if isinstance(whole, Mapping) else None
    if not isinstance(sealed, Mapping):
        raise ValueError("it holds no facts")
    _refuse_broken(sealed)
    return sealed


def _columns(path: str) -> tuple[str, ...]:
    """Those of COLUMNS that a store has, by the files in its seal: stores of earlier versions state none."""
    files = read_json(Path(path, "seal.json"), "the seal of a store").get("files", {})
    return tuple(name for name in COLUMNS if f"{name}/zarr.json" in files)


def _is_file(path: Path) -> bool:
    """Whether a file is there; a name that no file can have, or a folder that nobody may open, has none."""
    try:
        return path.is_file()
    except OSError:
        return False

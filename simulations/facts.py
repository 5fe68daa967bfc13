"""The `datasets` section of a study: what is to be simulated, what exists already, and what others need to know of it.

`Facts` is all that the models ever learn of a data set before it is there: names, sizes, noise. It is also what
`python -m simulations facts CONFIG` prints as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from foundation.declare import read_despite
from foundation.faults import Fault, Refused, Words, listed, shown, suggest
from foundation.fields import NAME
from foundation.files import read_json
from simulations.cost import core_seconds
from simulations.kinds import Kind, read_kinds
from simulations.presets import PRESETS, over_preset
from simulations.reach import dataset_faults
from simulations.spec import Dataset
from simulations.symmetries import Symmetry, read_symmetries, symmetries_of


@dataclass(frozen=True)
class Facts:
    """What a model must know of a data set: factors, size, noise, symmetries, kinds; `store` of an existing one."""

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
    store: str | None = None


@dataclass(frozen=True)
class Declared:
    """The data sets of one study: those to simulate, and the facts of all."""

    simulated: dict[str, Dataset]
    facts: dict[str, Facts]

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON, with the time that the drawing takes on one core (s) and the sky (ph per pixel)."""
        return {name: {**asdict(facts), **self._of_drawing(name)} for name, facts in self.facts.items()}

    def _of_drawing(self, name: str) -> dict[str, float]:
        if name not in self.simulated:
            return {}
        dataset = self.simulated[name]
        return {"core_seconds": core_seconds(dataset), "sky": dataset.noise.sky or 0.0}


def read_declared(config: Mapping[str, Any], faults: list[Fault]) -> Declared:
    """All data sets of a config; what is wrong is appended to `faults` and left out."""
    declared = Declared({}, {})
    section = config.get("datasets")
    if not isinstance(section, Mapping) or not section:
        faults.append(Fault("datasets", section, "at least one named data set is needed", "add one"))
        return declared
    for name, value in section.items():
        where = f"datasets.{name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            faults.append(Fault(where, name, "a name is letters, digits and _, a letter first", "rename it"))
        elif isinstance(value, Mapping) and "store" in value:
            _existing(name, value, where, declared, faults)
        elif (dataset := read_dataset(value, where, faults)) is not None:
            declared.simulated[name] = dataset
            declared.facts[name] = _facts(name, dataset)
    return declared


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
    wrong: list[Fault] = []
    dataset = read_despite(Dataset, value, where, wrong)
    if wrong and isinstance(value, Mapping):
        dataset = read_despite(Dataset, {**value, **_stand_ins(wrong, where)}, where, [])
    if isinstance(dataset, Dataset):
        wrong += dataset_faults(dataset, where, wrong)
    faults += wrong
    return dataset if isinstance(dataset, Dataset) and not wrong else None


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
    train, _, test = dataset.split.counts(dataset.galaxies)
    scene = dataset.scene
    sizes = {"galaxies": dataset.galaxies, "train": train, "test": test, "stamp": scene.stamp, "channels": 1}
    noise = {"noise": dataset.noise.kind, "image_true": dataset.image_true, "image_bytes": dataset.image_bytes}
    others = {**sizes, **noise, "symmetries": symmetries_of(dataset)}
    return Facts(name, dataset.digest, tuple(dataset.factors), **others)  # type: ignore[arg-type]


def _existing(name: str, value: Mapping[str, Any], where: str, declared: Declared, faults: list[Fault]) -> None:
    """Facts of a store that is there already, from its seal alone."""
    path = value["store"]
    for key in value.keys() - {"store"}:
        faults.append(Fault(f"{where}.{key}", Words("this key"), "an existing store takes no settings", "take it away"))
    if not isinstance(path, str) or not _is_file(Path(path, "seal.json")):
        remedy = "make one with 'python -m simulations convert' or 'official', or correct the path"
        faults.append(Fault(f"{where}.store", path, "a sealed store must be there", remedy))
        return
    try:
        sealed = read_json(Path(path, "seal.json"), "the seal of a store")["facts"]
        declared_facts = {  # stores of earlier versions declare none
            "symmetries": read_symmetries(sealed.get("symmetries", ())),
            "kinds": read_kinds(sealed.get("kinds", ()), sealed["factors"]),
        }
        names = {"name": name, "store": path, "factors": tuple(sealed["factors"])}
        declared.facts[name] = _verified(Facts(**{**sealed, **names, **declared_facts}))
    except (Refused, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        allowed, reason = "seal.json must hold the data set's facts", " ".join(str(error).split())
        faults.append(Fault(f"{where}.store", Words(f"a broken seal ({reason})"), allowed, "make the store again"))


def _is_file(path: Path) -> bool:
    """Whether a file is there; a name that no file can have, or a folder that nobody may open, has none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _verified(facts: Facts) -> Facts:
    """The facts of a seal; a ValueError names the first that is none: a text or nothing in place of a number."""
    for name in ("galaxies", "train", "test", "stamp", "channels", "image_bytes"):
        value = getattr(facts, name)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**63:
            raise ValueError(f"{name} is {shown(value)}, and no number of them")
    if facts.train + facts.test >= facts.galaxies:
        raise ValueError(f"{facts.train} training and {facts.test} test rows of {facts.galaxies}")
    texts = (facts.digest, facts.noise, *facts.factors)
    if (
        not facts.factors
        or not all(isinstance(each, str) for each in texts)
        or len({*facts.factors}) < len(facts.factors)
    ):
        raise ValueError("digest, noise or factors are no names")
    if not isinstance(facts.image_true, bool):
        raise ValueError(f"image_true is {shown(facts.image_true)}")
    return facts

"""Verification of a store against its seal and its spec; each disagreement is one fault.

1. The seal: every file exists and has the size and the SHA-256 in the seal, all numbers are finite, the values of a
   categorical factor are its classes, and layers hold what they may (simulations.layers).
2. The rows: factors, split and context are those of the design; in every context the interventions and mechanisms
   that its rows show are those that are declared (simulations.context_check).
3. The images: the noise-free stamp m drawn from the stored factors explains the stored image x,
   mean (x - m)^2 / var = 1 within 5 standard errors (without noise, x = m to 1e-5 of its peak), and the sampled images
   together are as bright as their factors imply, sum (x - m) m / var = 0 within 5 standard errors. Images of a
   catalogue have no noise-free stamp: they are drawn again with their noise, and are the same to 1e-5 of their peak.
   Measurements, if there are any, are those that the stored images give again.
4. The physics: flux, shear, radius and PSF, or the colours of quads and the size of their shape, measured on noise-free
   drawings of the same rows agree with the stored factors within the tolerances of `simulations.measurement` and
   `simulations.quad_measurement`, and of a catalogue's galaxies of `simulations.catalogue_measurement`.
5. The symmetries that the store declares: each operation on these drawings gives those of the galaxies whose signs it
   flips, to ROUNDING of the peak (drawings by FFT differ by up to 1e-7 of it).
Steps 2 to 5 need the spec of a simulated store; of converted stores only the first step is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from foundation.console import Progress, counted, log
from foundation.faults import Fault, Refused, Words
from foundation.files import digest_file, read_json
from simulations import catalogue_measurement, digit_measurement, disk_measurement, measurement, quad_measurement, store
from simulations.context_check import context_faults
from simulations.draw import draw_rows
from simulations.factors import draw_context, draw_factors, draw_split
from simulations.facts import WEIGHTS, read_dataset
from simulations.galaxy import Stamp, Values, parameters
from simulations.kinds import read_kinds
from simulations.layers import layer_fault
from simulations.noise import noise_std
from simulations.parameters import SHOWN
from simulations.photometry_check import gaps_in, measurement_faults
from simulations.population import draw_shown
from simulations.scene_spec import Scene
from simulations.scenes import draw
from simulations.spec import Dataset
from simulations.symmetries import Symmetry, read_symmetries

SAMPLE = 32  # number of rows that are drawn again
FAINTEST = 0.1  # expected photons per pixel; for fainter pixels Poisson noise is too far from Gaussian
ROUNDING = 1e-6
REDRAWN = 1e-5  # of the peak of an image: transforms of other lengths and libraries round in other ways
REMAKE = "make the store again"
MEASURES = {
    None: measurement.measure,
    "quads": quad_measurement.measure,
    "digits": digit_measurement.measure,
    "disks": disk_measurement.measure,
}
OPERATIONS: dict[str, Callable[[Stamp], NDArray[np.float32]]] = {
    "mirror_x": np.fliplr,
    "mirror_y": np.flipud,
    "half_turn": lambda stamp: np.rot90(stamp, 2),
    "transpose": np.transpose,
    "antitranspose": lambda stamp: np.rot90(stamp, 2).T,
    "quarter_turn": np.rot90,
    "three_quarter_turn": lambda stamp: np.rot90(stamp, 3),
}


def check(path: Path) -> None:
    """Refuse a store with all its faults; log what was verified if there are none."""
    if not (path / "seal.json").is_file():
        value = Words("no seal.json")
        raise Refused(Fault(str(path), value, "a finished store has its seal", "run the simulation again to finish it"))
    seal = read_json(path / "seal.json", "the seal of a store")
    faults = list(_files(path, seal))
    if faults:
        raise Refused(faults)
    group = zarr.open_group(path, mode="r")
    faults = [*_facts(path, group, seal["facts"])]
    rows = sum(array.shape[0] for _, array in group.arrays())
    with counted(path.name, rows, "rows") as progress:
        faults += _numbers(path, group, progress)
    faults += [*_classes(path, group), *_rows(path, group)]
    if faults:
        raise Refused(faults)
    physics = ", factors and physics" if "spec" in group.attrs else "; all numbers are finite"
    log.info(f"{path}: {seal['facts']['galaxies']:,} images agree with their seal{physics}")


def _facts(path: Path, group: zarr.Group, facts: dict[str, Any]) -> Iterator[Fault]:
    """Facts in the seal that differ from the store."""
    shape = group["image"].shape  # type: ignore[union-attr]
    split = np.asarray(group["split"][:])  # type: ignore[index]
    actual = {
        "digest": group.attrs.get("spec_digest"),
        "factors": group.attrs.get("factors"),
        "galaxies": shape[0],
        "stamp": shape[-1],
        "channels": shape[1] if len(shape) == 4 else 1,
        "train": int((split == 0).sum()),
        "test": int((split == 2).sum()),
        "image_true": "image_true" in group,
        "symmetries": group.attrs.get("symmetries"),
        "kinds": group.attrs.get("kinds"),
        "weights": [name for name in WEIGHTS if name in group],
    }
    later = (name for name in ("contexts", "measurements") if name in group.attrs or facts.get(name))
    actual |= {name: group.attrs.get(name) for name in later}
    for name, value in actual.items():
        if facts.get(name, [] if name == "weights" else None) != value:
            yield Fault(f"{path}/seal.json: {name}", facts.get(name), f"the store has {value}", REMAKE)


def _files(path: Path, seal: Any) -> Iterator[Fault]:
    """Files that the seal does not list, and listed files that are missing or have changed."""
    if not isinstance(seal, dict) or not isinstance(seal.get("files"), dict) or not isinstance(seal.get("facts"), dict):
        yield Fault(f"{path}/seal.json", Words("no facts and files"), "a seal contains both", REMAKE)
        return
    for name in sorted({str(f.relative_to(path)) for f in store.files(path)} - seal["files"].keys()):
        yield Fault(f"{path}/{name}", Words("a file"), "the seal does not list it", "remove it")
    for name, entry in seal["files"].items():
        file = path / name
        size = file.stat().st_size if file.is_file() else None
        if size != entry["bytes"]:
            value = Words("no file" if size is None else f"{size} bytes")
            yield Fault(str(file), value, f"the seal lists {entry['bytes']} bytes", REMAKE)
        elif digest_file(file) != entry["sha256"]:
            yield Fault(str(file), Words("changed bytes"), "its SHA-256 must be that in the seal", REMAKE)


def _numbers(path: Path, group: zarr.Group, progress: Progress) -> Iterator[Fault]:
    """Columns with values that are not finite, layers with impossible ones; images are read shard by shard."""
    factors, gaps = list(group.attrs.get("factors", ())), gaps_in(group)  # type: ignore[arg-type]
    for name, array in group.arrays():
        step = (array.shards or array.chunks)[0]
        bad = 0
        for i in range(0, array.shape[0], step):
            values = np.asarray(array[i : i + step])
            progress.advance(len(values))
            if values.dtype.kind not in "iufb":  # texts
                continue
            bad += int((~np.isfinite(values) & ~(np.isnan(values) & (name in gaps))).sum())
            if name not in factors and (fault := layer_fault(f"{path}/{name}", name, values, i)):
                yield fault
        if bad:
            yield Fault(f"{path}/{name}", Words(f"{bad} values that are not finite"), "all must be finite", REMAKE)


def _classes(path: Path, group: zarr.Group) -> Iterator[Fault]:
    """Values of categorical factors that are none of their classes."""
    for kind in read_kinds(group.attrs.get("kinds", ()), group.attrs["factors"]):  # type: ignore[arg-type]
        values = np.asarray(group[kind.factor][:])  # type: ignore[index]
        if kind.classes and (other := np.setdiff1d(values, kind.classes)).size:
            text = f"its {len(kind.classes)} classes are declared"
            yield Fault(f"{path}/{kind.factor}", float(other[0]), text, REMAKE)


def _rows(path: Path, group: zarr.Group) -> Iterator[Fault]:
    """Rows that are not those of the store's spec; nothing where the store has no spec."""
    spec = group.attrs.get("spec")
    if spec is None:
        return
    faults: list[Fault] = []
    dataset = read_dataset(spec, f"{path}: spec", faults)
    yield from faults
    if dataset is not None:
        columns = {n: np.asarray(a[:]) for n, a in group.arrays() if n not in ("image", "image_true")}
        yield from _catalogue(path, dataset, group)
        yield from _design(path, dataset, columns)
        yield from context_faults(path, dataset, columns)
        yield from _images(path, dataset, group, columns)
        yield from measurement_faults(path, dataset, group, columns, _sampled(dataset, columns))
        yield from _physics(path, dataset, columns)
        yield from _symmetries(path, dataset, group, columns)


def _catalogue(path: Path, dataset: Dataset, group: zarr.Group) -> Iterator[Fault]:
    """A catalogue that is no longer the one of the store."""
    if dataset.scene.is_catalogued and dataset.digest != group.attrs.get("spec_digest"):
        text = f"{dataset.scene.catalogue} must hold the galaxies that the store was drawn from"
        yield Fault(f"{path}: scene.catalogue", Words("another catalogue"), text, "put that catalogue back there")


def _design(path: Path, dataset: Dataset, columns: dict[str, Any]) -> Iterator[Fault]:
    """Factors and split that are not those of seed and design."""
    expected: dict[str, Any] = {
        "split": draw_split(dataset, 0, dataset.galaxies),
        **draw_factors(dataset, 0, dataset.galaxies),
        **({"context": draw_context(dataset, 0, dataset.galaxies)} if dataset.contexts else {}),
        **(draw_shown(dataset, 0, dataset.galaxies) if dataset.scene.is_catalogued else {}),
    }
    for name, values in expected.items():
        off = np.flatnonzero(~np.isclose(columns[name], values, rtol=1e-9, atol=0))
        if off.size:
            i = off[0]
            text = f"row {i} of seed {dataset.seed} has {values[i]:.8g}"
            yield Fault(f"{path}/{name}", float(columns[name][i]), f"{text}; {off.size} rows differ", REMAKE)


def _sampled(dataset: Dataset, columns: dict[str, Any]) -> Iterator[tuple[int, dict[str, float]]]:
    """`SAMPLE` rows at equal steps through the store, and their scene parameters from the stored factors."""
    names = [*dataset.factors, *(SHOWN if dataset.scene.is_catalogued else ())]
    for row in np.unique(np.linspace(0, dataset.galaxies - 1, SAMPLE).astype(int)):
        yield int(row), parameters(dataset, {name: float(columns[name][row]) for name in names})


def _images(path: Path, dataset: Dataset, group: zarr.Group, columns: dict[str, Any]) -> Iterator[Fault]:
    """Images that the galaxy of their factors does not explain, one at a time; then the brightness of all together."""
    if dataset.scene.is_real:
        yield from _redrawn(path, dataset, group, columns)
        return
    light, weight, shown = 0.0, 0.0, dataset.scene.kind or "galaxy"
    for row, values in _sampled(dataset, columns):
        stamp = draw(dataset.scene, values).astype(np.float64)
        residual = np.asarray(group["image"][row], dtype=np.float64) - stamp  # type: ignore[index]
        variance = _variance(dataset, stamp)
        bright = variance > FAINTEST * (dataset.noise.kind == "poisson")
        stamp, residual, variance = stamp[bright], residual[bright], variance[bright]
        light += float((residual * stamp / variance).sum())
        weight += float((stamp**2 / variance).sum())
        excess = _excess(dataset, residual, variance)
        if not abs(excess) < 5:
            value = Words(f"a residual {excess:.3g} standard errors from the noise")
            yield Fault(f"{path}/image[{row}]", value, f"it must show the {shown} of its factors within 5", REMAKE)
    if not abs(light) < 5 * np.sqrt(weight):
        value = Words(f"images {1 + light / weight:.5g} times as bright as their factors imply")
        yield Fault(f"{path}/image", value, f"the ratio must be 1 within {5 / np.sqrt(weight):.2g}", REMAKE)


def _redrawn(path: Path, dataset: Dataset, group: zarr.Group, columns: dict[str, Any]) -> Iterator[Fault]:
    """Images of a catalogue's galaxies that differ from those which their rows draw again."""
    for row, _ in _sampled(dataset, columns):
        again, image = draw_rows(dataset, row, row + 1)["image"][0], np.asarray(group["image"][row])  # type: ignore[index]
        off = float(np.abs(again - image).max() / np.abs(again).max())
        if not off <= REDRAWN:
            value = Words(f"an image off by {off:.2g} of its peak")
            text = f"it must be the one that its row draws again, to {REDRAWN:g}"
            yield Fault(f"{path}/image[{row}]", value, text, REMAKE)


def _variance(dataset: Dataset, stamp: Any) -> Any:
    """Variance of the noise in each pixel (ph^2); for noise-free images, that of rounding to single precision."""
    if dataset.noise.kind == "poisson":
        return np.maximum(stamp, 0) + (dataset.noise.sky or 0.0)
    sigma = noise_std(dataset.noise, stamp) if dataset.noise.kind == "gaussian" else 1e-5 * np.abs(stamp).max()
    return np.full_like(stamp, sigma**2)


def _excess(dataset: Dataset, residual: Any, variance: Any) -> float:
    """Standard errors by which the mean of residual^2 / variance differs from 1; without noise 0, or inf if above."""
    if dataset.noise.kind == "none":
        return 0.0 if (residual**2 <= variance).all() else np.inf
    spread = 2 + 1 / variance if dataset.noise.kind == "poisson" else np.full_like(variance, 2.0)
    return float((residual**2 / variance - 1).sum() / np.sqrt(spread.sum()))


def _physics(path: Path, dataset: Dataset, columns: dict[str, Any]) -> Iterator[Fault]:
    """Stored factors that a noise-free drawing does not confirm."""
    measure = catalogue_measurement.measure if dataset.scene.is_catalogued else MEASURES[dataset.scene.kind]
    for row, values in _sampled(dataset, columns):
        for name, (measured, tolerance) in measure(dataset.scene, values).items():
            if not abs(measured - values[name]) <= tolerance:
                text = f"the drawing measures {measured:.6g} +- {tolerance:.2g}"
                yield Fault(f"{path}/{name}[{row}]", values[name], text, "report this disagreement as a bug")


def _symmetries(path: Path, dataset: Dataset, group: zarr.Group, columns: dict[str, Any]) -> Iterator[Fault]:
    """Declared symmetries that a noise-free drawing does not have, each at the first row that shows it."""
    for symmetry in read_symmetries(group.attrs.get("symmetries", ())):  # type: ignore[arg-type]
        for row, values in _sampled(dataset, columns):
            deviation = asymmetry(dataset.scene, values, symmetry)
            if not deviation <= ROUNDING:
                value = Words(f"the drawing of row {row} off by {deviation:.2g} of its peak")
                text = f"a declared symmetry must hold to {ROUNDING:g}"
                yield Fault(f"{path}: symmetry {symmetry.operation}", value, text, "report this disagreement as a bug")
                break


def asymmetry(scene: Scene, values: Values, symmetry: Symmetry) -> float:
    """Largest difference, over the peak, of a stamp after the operation and the drawing with the signs flipped."""
    stamp = draw(scene, values)
    flipped = draw(scene, {**values, **{name: -values[name] for name in symmetry.flips}})
    return float(np.abs(OPERATIONS[symmetry.operation](stamp) - flipped).max() / stamp.max())

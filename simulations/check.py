"""Does a store prove itself? Every disagreement is one sentence.

1. The seal: every file is there, of the size and the SHA-256 that the seal says.
2. The rows: factors and split are those of the design; all numbers are finite.
3. The images: the noise-free stamp m drawn from the stored factors explains the stored image x,
   mean (x - m)^2 / var = 1 within 5 standard errors (without noise, x = m to 1e-5 of its peak), and all sampled images
   together are as bright as their factors say, sum (x - m) m / var = 0 within 5 standard errors.
4. The physics, re-measured on noise-free drawings of the same rows:
   flux    sum of the pixels of a drawing 100 half-light radii wide, within 2 %
   g1, g2  hollow adaptive moments before the PSF (`simulations.moments`), within 0.002
   radius  size of the same moments over that of the round profile of radius 1, within 0.5 %
   psf     full width at half maximum of the drawn PSF, within 1 %
Steps 2 to 4 need the spec of a simulated store; a converted one has only its seal and its numbers checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import galsim
import numpy as np
import zarr

from foundation.console import log
from foundation.faults import Fault, Refused, Words
from foundation.files import digest_file, read_json
from simulations import store
from simulations.factors import draw_factors, draw_split
from simulations.facts import read_dataset
from simulations.galaxy import Values, draw, half_light_of, parameters, profile, psf
from simulations.moments import Moments, hollow_moments
from simulations.noise import noise_std
from simulations.spec import Dataset, Scene

SAMPLE = 32  # rows that are drawn again
FAINTEST = 0.1  # expected photons per pixel: below, Poisson noise is too far from normal
REMAKE = "make the store again"


def check(path: Path) -> None:
    """Refuse a store that does not prove itself, with all that is wrong; otherwise say what was checked."""
    if not (path / "seal.json").is_file():
        value = Words("no seal.json")
        raise Refused(Fault(str(path), value, "a finished store has its seal", "finish it: run the simulation again"))
    seal = read_json(path / "seal.json", "the seal of a store")
    faults = list(_files(path, seal))
    if faults:
        raise Refused(faults)
    group = zarr.open_group(path, mode="r")
    faults = [*_facts(path, group, seal["facts"]), *_numbers(path, group), *_rows(path, group)]
    if faults:
        raise Refused(faults)
    log.info(f"{path}: {seal['facts']['galaxies']:,} galaxies agree with their seal, factors and physics")


def _facts(path: Path, group: zarr.Group, facts: dict[str, Any]) -> Iterator[Fault]:
    """What the seal says of the store, against the store."""
    shape = group["image"].shape  # type: ignore[union-attr]
    split = np.asarray(group["split"][:])  # type: ignore[index]
    found = {
        "digest": group.attrs.get("spec_digest"),
        "factors": group.attrs.get("factors"),
        "galaxies": shape[0],
        "stamp": shape[-1],
        "channels": shape[1] if len(shape) == 4 else 1,
        "train": int((split == 0).sum()),
        "test": int((split == 2).sum()),
        "image_true": "image_true" in group,
    }
    for name, value in found.items():
        if facts.get(name) != value:
            yield Fault(f"{path}/seal.json: {name}", facts.get(name), f"the store says {value}", REMAKE)


def _files(path: Path, seal: Any) -> Iterator[Fault]:
    if not isinstance(seal, dict) or not isinstance(seal.get("files"), dict) or not isinstance(seal.get("facts"), dict):
        yield Fault(f"{path}/seal.json", Words("no facts and files"), "a seal holds both", REMAKE)
        return
    for name in sorted({str(f.relative_to(path)) for f in store.files(path)} - seal["files"].keys()):
        yield Fault(f"{path}/{name}", Words("a file"), "the seal knows nothing of it", "take it away")
    for name, known in seal["files"].items():
        file = path / name
        size = file.stat().st_size if file.is_file() else None
        if size != known["bytes"]:
            value = Words("no file" if size is None else f"{size} bytes")
            yield Fault(str(file), value, f"the seal says {known['bytes']} bytes", REMAKE)
        elif digest_file(file) != known["sha256"]:
            yield Fault(str(file), Words("other bytes"), "its SHA-256 must be the seal's", REMAKE)


def _numbers(path: Path, group: zarr.Group) -> Iterator[Fault]:
    """Columns that hold a number which is not finite; images are read shard by shard."""
    for name, array in group.arrays():
        step = (array.shards or array.chunks)[0]
        bad = sum(int((~np.isfinite(np.asarray(array[i : i + step]))).sum()) for i in range(0, array.shape[0], step))
        if bad:
            yield Fault(f"{path}/{name}", Words(f"{bad} values that are not finite"), "all must be", REMAKE)


def _rows(path: Path, group: zarr.Group) -> Iterator[Fault]:
    spec = group.attrs.get("spec")
    if spec is None:
        return
    faults: list[Fault] = []
    dataset = read_dataset(spec, f"{path}: spec", faults)
    yield from faults
    if dataset is not None:
        columns = {n: np.asarray(a[:]) for n, a in group.arrays() if n not in ("image", "image_true")}
        yield from _design(path, dataset, columns)
        yield from _images(path, dataset, group, columns)
        yield from _physics(path, dataset, columns)


def _design(path: Path, dataset: Dataset, columns: dict[str, Any]) -> Iterator[Fault]:
    expected: dict[str, Any] = {
        "split": draw_split(dataset, 0, dataset.galaxies),
        **draw_factors(dataset, 0, dataset.galaxies),
    }
    for name, values in expected.items():
        off = np.flatnonzero(~np.isclose(columns[name], values, rtol=1e-9, atol=0))
        if off.size:
            i = off[0]
            text = f"row {i} of seed {dataset.seed} has {values[i]:.8g}"
            yield Fault(f"{path}/{name}", float(columns[name][i]), f"{text}; {off.size} rows differ", REMAKE)


def _sampled(dataset: Dataset, columns: dict[str, Any]) -> Iterator[tuple[int, dict[str, float]]]:
    """Rows spread over the store, with their scene parameters as the stored factors say."""
    for row in np.unique(np.linspace(0, dataset.galaxies - 1, SAMPLE).astype(int)):
        yield int(row), parameters(dataset, {name: float(columns[name][row]) for name in dataset.factors})


def _images(path: Path, dataset: Dataset, group: zarr.Group, columns: dict[str, Any]) -> Iterator[Fault]:
    """Images that the galaxy of their factors does not explain, one by one and, for their brightness, together."""
    light, weight = 0.0, 0.0
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
            value = Words(f"an image {excess:.3g} standard errors off")
            yield Fault(f"{path}/image[{row}]", value, "it must show the galaxy of its factors within 5", REMAKE)
    if not abs(light) < 5 * np.sqrt(weight):
        value = Words(f"images {1 + light / weight:.5g} times as bright as their factors say")
        yield Fault(f"{path}/image", value, f"it must be 1 within {5 / np.sqrt(weight):.2g}", REMAKE)


def _variance(dataset: Dataset, stamp: Any) -> Any:
    """Variance of the noise of each pixel; without noise, that of single-precision rounding."""
    if dataset.noise.kind == "poisson":
        return np.maximum(stamp, 0) + (dataset.noise.sky or 0.0)
    sigma = noise_std(dataset.noise, stamp) if dataset.noise.kind == "gaussian" else 1e-5 * np.abs(stamp).max()
    return np.full_like(stamp, sigma**2)


def _excess(dataset: Dataset, residual: Any, variance: Any) -> float:
    """Standard errors by which the mean of residual^2 / variance exceeds 1; without noise only an excess counts."""
    if dataset.noise.kind == "none":
        return 0.0 if (residual**2 <= variance).all() else np.inf
    spread = 2 + 1 / variance if dataset.noise.kind == "poisson" else np.full_like(variance, 2.0)
    return float((residual**2 / variance - 1).sum() / np.sqrt(spread.sum()))


def _physics(path: Path, dataset: Dataset, columns: dict[str, Any]) -> Iterator[Fault]:
    for row, values in _sampled(dataset, columns):
        for name, (measured, tolerance) in measure(dataset.scene, values).items():
            if not abs(measured - values[name]) <= tolerance:
                text = f"the drawing measures {measured:.6g} +- {tolerance:.2g}"
                yield Fault(f"{path}/{name}[{row}]", values[name], text, "report it: drawing and factor disagree")


def measure(scene: Scene, values: Values) -> dict[str, tuple[float, float]]:
    """Measured value and tolerance of every parameter that a drawing shows, from noise-free drawings."""
    galaxy, seeing, radius = profile(scene, values), psf(scene, values), values["radius"]
    round_one = {**values, "radius": 1.0, "g1": 0.0, "g2": 0.0}
    if "bulge_radius" in values:
        round_one["bulge_radius"] = values["bulge_radius"] / radius
    reference = profile(scene, round_one)
    half_light = half_light_of(scene, round_one)
    one, seen = _moments(reference, half_light), _moments(galaxy, half_light * radius)
    whole = galsim.Convolve(galaxy, seeing).drawImage(nx=400, ny=400, scale=half_light * radius / 4)
    fwhm = seeing.drawImage(nx=301, ny=301, scale=values["psf_fwhm"] / 60, method="no_pixel").calculateFWHM()
    return {
        "flux": (float(whole.array.sum()), 0.02 * values["flux"]),
        "g1": (seen.g1, 2e-3),
        "g2": (seen.g2, 2e-3),
        "radius": (seen.size / one.size, 5e-3 * radius),
        "psf_fwhm": (float(fwhm), 0.01 * values["psf_fwhm"]),
    }


def _moments(galaxy: galsim.GSObject, half_light: float) -> Moments:
    image = galaxy.drawImage(nx=200, ny=200, scale=half_light / 8, method="no_pixel")
    return hollow_moments(image.array, half_light / 8, half_light)

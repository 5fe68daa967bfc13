"""What `measure` prints: how good the measurements are where a store has the true factors, and what to compare with.

The least scatter that noise allows is that of `python -m simulations limits`, on some of the rows: `of limit` is the
robust scatter of (y - u) / limit over those rows, with its error 1.17 / sqrt(N), so that faint and bright galaxies are
compared each with its own. An unbiased estimate cannot be below 1; one that knows the range of the factor, as every
model does that was trained on it, can, and `with prior` compares it with the least of such.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.true_images import can_be_drawn
from auxvae.config.reading import ask_simulations
from auxvae.data.store import Store
from auxvae.metrics.measurement import Estimate, Quality, quality, quartiles, robust_scatter
from auxvae.metrics.shear import COMPONENTS, shear_bias
from foundation.faults import listed

Array = NDArray[np.float64]
Columns = Mapping[str, Array]
SIZES = ("flux", "radius")  # factors whose quartiles show where intervals hold
RESAMPLES = 400
ERROR_OF_SCATTER = 1.17  # of the robust scatter of N Gaussian values: this times the scatter over sqrt(N)


def has_limits(store: Store) -> bool:
    """Whether the store's galaxies were simulated here from their factors, with noise, so that there are limits."""
    kind = store.dataset.attrs.get("spec", {}).get("scene", {}).get("kind")
    return can_be_drawn(store) and not kind and store.noise.get("kind") != "none"


def limits_of(store: Store, rows: int, split: str, *options: str, inputs: Sequence[str] = ()) -> dict[str, Array]:
    """The least scatter of every factor, NAME and NAME_with_prior, of so many rows and their numbers, `row`.

    options: further ones of the command. inputs: what a run is given beside the images; factors among them are known.
    """
    fixed = ",".join(name for name in inputs if name in store.source.factors)
    return _asked("limits", store, "--rows", str(rows), "--split", split, "--fixed", fixed, *options)


def shapes_of(store: Store) -> dict[str, Array]:
    """HSM's shapes of every image: row, sigma, e1, e2, and g1, g2 where the PSF is known; NaN where it fails."""
    return _asked("shapes", store)


def _asked(command: str, store: Store, *options: str) -> dict[str, Array]:
    """The arrays of the file that a command of the simulations writes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, f"{command}.npz")
        ask_simulations(command, str(store.path), str(out), *options)
        with np.load(out, allow_pickle=False) as file:
            return {name: np.asarray(file[name], dtype=np.float64) for name in file.files}


def widths(estimates: Mapping[str, Estimate], units: Mapping[str, str]) -> Iterator[str]:
    """Lines of the median half widths alone, for a store without true factors."""
    yield f"{'factor':<12}{'unit':<8}{'median half width 68 %, 95 %':>32}"
    for name, each in estimates.items():
        half = np.median(each.half, axis=0)
        yield f"{name:<12}{units[name]:<8}{half[0]:>21.4g}{half[1]:>11.4g}"


def qualities(
    estimates: Mapping[str, Estimate], true: Columns, units: Mapping[str, str], limits: Columns
) -> Iterator[str]:
    """Lines of bias, scatter, widths, coverage and, where there are limits, the scatter in their units."""
    head = f"{'factor':<10}{'unit':<8}{'bias':>21}{'scatter':>11}{'half 68 %':>11}{'95 %':>11}"
    coverage = f"{'covered 68 %':>16}{'95 %':>14}"
    helped: list[str] = []
    yield head + coverage + (f"{'of limit':>14}{'with prior':>14}" if limits else "")
    for name in (name for name in estimates if name in true):
        each = quality(estimates[name], true[name])
        bias = f"{each.bias:.3g} ± {each.bias_error:.2g}"
        line = f"{name:<10}{units[name]:<8}{bias:>21}{each.scatter:>11.4g}{each.half[0]:>11.4g}{each.half[1]:>11.4g}"
        ratios = _of_limits(estimates[name], true[name], limits, name) if name in limits else []
        yield line + _coverage(each, 16, 14) + "".join(f"{f'{ratio:.2f} ± {error:.2f}':>14}" for ratio, error in ratios)
        if ratios and ratios[0][0] < 1 - 3 * ratios[0][1]:
            helped.append(name)
    if helped:
        yield f"{listed(helped)}: better than unbiased estimates can be; the run knows the range, as 'with prior' does"


def _coverage(each: Quality, *spaces: int) -> str:
    texts = (f"{value:.3f} ± {error:.3f}" for value, error in zip(each.coverage, each.coverage_error, strict=True))
    return "".join(f"{text:>{space}}" for text, space in zip(texts, spaces, strict=True))


def _of_limits(estimate: Estimate, true: Array, limits: Columns, name: str) -> list[tuple[float, float]]:
    """The scatter in units of the limits without and with prior, and its errors; `place` are the limits' rows here."""
    rows = limits["place"].astype(int)
    error, ratios = estimate.value[rows] - true[rows], []
    for each in (limits[name], limits[f"{name}_with_prior"]):
        sound = np.isfinite(each)
        scatter = robust_scatter(error[sound] / each[sound]) if sound.any() else np.nan
        ratios.append((scatter, ERROR_OF_SCATTER * scatter / np.sqrt(max(sound.sum(), 1))))
    return ratios


def by_quartile(estimates: Mapping[str, Estimate], true: Columns, sizes: Columns) -> Iterator[str]:
    """Lines of the coverage of both intervals by quartile of the true flux and size."""
    yield f"{'factor':<10}{'quarter of':<12}" + "".join(f"{f'{k + 1}: 68 %':>16}{'95 %':>15}" for k in range(4))
    for name in (name for name in estimates if name in true):
        for size, values in sizes.items():
            parts = (quality(estimates[name].take(rows), true[name][rows]) for rows in quartiles(values))
            yield f"{name:<10}{size:<12}" + "".join(_coverage(each, 16, 15) for each in parts)


def shear_lines(source: str, estimates: Columns, true: Columns) -> Iterator[str]:
    """Lines of m and c of each component with their standard errors; failures are counted."""
    for name in (name for name in COMPONENTS if name in estimates and name in true):
        there = np.isfinite(estimates[name])
        bias = shear_bias(estimates[name], true[name], RESAMPLES)
        if not bias:
            yield f"{source} {name}: too few shapes for a line"
            continue
        m, c = (f"{key} = {bias[key].value:.4f} ± {bias[key].se:.4f}" for key in ("m", "c"))
        scatter = robust_scatter((estimates[name] - true[name])[there])
        failed = f", {(~there).mean():.1%} of {len(there):,} failed" if not there.all() else ""
        yield f"{source} {name}: {m}, {c}, scatter {scatter:.4g}{failed}"

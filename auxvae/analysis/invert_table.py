"""What `invert` prints: convergence, and where a store has the true factors how good posterior and encoder alone are.

Images whose chains did not converge are counted and left out of the table. Errors of coverages are binomial; `of limit`
and `with prior` as `measure` has them (auxvae.analysis.measure_table).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.invert import Columns
from auxvae.analysis.invert_calibration import CALIBRATED
from auxvae.analysis.measure_table import ERROR_OF_SCATTER
from auxvae.metrics.conformal import LEVELS
from auxvae.metrics.convergence import ESS, RHAT
from auxvae.metrics.measurement import robust_scatter
from foundation.faults import listed

Array = NDArray[np.float64]
OFF = 3.0  # binomial errors from which a coverage is not what it says
ESTIMATORS = {"posterior": "", "calibrated": CALIBRATED, "maximum": "_map", "encoder": "_encoder"}  # and their columns
REASONS = {
    "posterior": "the decoder is not exact, or the images are not like those of the training",
    "calibrated": "the images are not like the validation rows",
    "encoder": "it was calibrated on other images than these",
}
FEWEST = 4  # images from which a scatter is printed


@dataclass(frozen=True)
class Truth:
    """True factors (N,) of the images by name, and the least scatter NAME, NAME_with_prior (N,) where it is known."""

    factors: Mapping[str, Array]
    limits: Mapping[str, Array]


def table(columns: Columns, units: Mapping[str, str], truth: Truth, starts: int) -> Iterator[str]:
    """All lines."""
    used = np.asarray(columns["converged"], dtype=bool)
    yield from diagnostics(columns, used, starts)
    names = [name for name in columns if name.removeprefix("second_") in units]
    if used.sum() < FEWEST:
        more = "more --rows" if len(used) < FEWEST else "more --draws"
        yield f"a table is of {FEWEST} converged images at least: ask for {more}"
    elif not any(name in truth.factors for name in names):
        yield from widths(columns, used, names, units)
    else:
        yield from qualities(columns, used, [name for name in names if name in truth.factors], units, truth)


def diagnostics(columns: Columns, used: NDArray[np.bool_], starts: int) -> Iterator[str]:
    """Lines of convergence, and of what the maximum gains."""
    count, said = len(used), f"R-hat at most {RHAT:g} and ESS at least {ESS:g}"
    left = "" if used.all() else f"; the other {count - used.sum()} are marked in the file and left out below"
    yield f"chains converged for {used.sum()} of {count} images ({said}){left}"
    low, middle, high = np.quantile(np.asarray(columns["gain"], dtype=float), [0.16, 0.5, 0.84])
    agreeing = int((np.asarray(columns["agreeing"]) == starts).sum())
    yield (
        f"the maximum gains {middle:.3g} nats over the encoder's mean (median; 16 to 84 %: {low:.3g} to {high:.3g}); "
        f"all {starts} starts agree for {agreeing} of {count}"
    )


def widths(columns: Columns, used: NDArray[np.bool_], names: list[str], units: Mapping[str, str]) -> Iterator[str]:
    """Lines of the median half widths, for a store without true factors."""
    yield f"{'factor':<16}{'unit':<8}{'median half width 68 %, 95 %':>32}{'encoder':>11}{'':>11}"
    for name in names:
        halves = [_half(columns, each, level, used) for each in (name, f"{name}_encoder") for level in LEVELS]
        yield f"{name:<16}{units[name.removeprefix('second_')]:<8}" + "".join(
            f"{half:>{space}.4g}" for half, space in zip(halves, (21, 11, 11, 11), strict=True)
        )


def qualities(
    columns: Columns, used: NDArray[np.bool_], names: list[str], units: Mapping[str, str], truth: Truth
) -> Iterator[str]:
    """Lines of bias, scatter, widths, coverage and the scatter in units of the limits, by estimator."""
    head = f"{'factor':<16}{'unit':<8}{'by':<11}{'bias':>20}{'scatter':>10}{'half 68 %':>11}{'95 %':>10}"
    limited = f"{'of limit':>18}{'with prior':>18}" if truth.limits else ""
    yield head + f"{'covered 68 %':>16}{'95 %':>15}" + limited
    there = {by: suffix for by, suffix in ESTIMATORS.items() if f"{names[0]}{suffix}" in columns}
    off: dict[str, list[str]] = {by: [] for by in there if by != "maximum"}
    for name in names:
        for by, suffix in there.items():
            label, unit = (name, units[name.removeprefix("second_")]) if by == "posterior" else ("", "")
            error = np.asarray(columns[f"{name}{suffix}"], dtype=np.float64)[used] - truth.factors[name][used]
            line = f"{label:<16}{unit:<8}{by:<11}"
            line += " " * 30 if by == "calibrated" else f"{_bias(error):>20}{robust_scatter(error):>10.4g}"
            if by in off:
                held = [_held(columns, f"{name}{suffix}", truth.factors[name], level, used) for level in LEVELS]
                off[by] += [name] * any(_is_off(each, level) for each, level in zip(held, LEVELS, strict=True))
                line += _intervals(columns, f"{name}{suffix}", held, used)
            else:
                line += " " * 52
            limits = () if by == "calibrated" else _of_limits(error, name, truth.limits, used)
            yield line + "".join(f"{each:>18}" for each in limits)
    yield from verdicts(off)


def _intervals(columns: Columns, name: str, held: list[NDArray[np.bool_]], used: NDArray[np.bool_]) -> str:
    """Half widths and coverages of the two levels."""
    halves = zip((_half(columns, name, level, used) for level in LEVELS), (11, 10), strict=True)
    shares = zip(map(_share, held), (16, 15), strict=True)
    return "".join(f"{half:>{space}.4g}" for half, space in halves) + "".join(
        f"{each:>{space}}" for each, space in shares
    )


def verdicts(off: Mapping[str, list[str]]) -> Iterator[str]:
    """Sentences on whether coverage holds."""
    for by, names in off.items():
        if names:
            yield f"{by}: intervals of {listed(names)} do not hold as often as they say; {REASONS[by]}"
        else:
            yield f"{by}: intervals hold as often as they say, within {OFF:g} errors"


def _bias(error: Array) -> str:
    return f"{error.mean():.3g} ± {error.std(ddof=1) / np.sqrt(len(error)):.2g}"


def _ends(columns: Columns, name: str, level: float) -> list[Array]:
    return [np.asarray(columns[f"{name}_{end}{level * 100:.0f}"], dtype=np.float64) for end in ("low", "high")]


def _half(columns: Columns, name: str, level: float, used: NDArray[np.bool_]) -> float:
    low, high = _ends(columns, name, level)
    return float(np.median((high - low)[used])) / 2


def _held(columns: Columns, name: str, true: Array, level: float, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    low, high = _ends(columns, name, level)
    return np.asarray(((low <= true) & (true <= high))[used])


def _share(held: NDArray[np.bool_]) -> str:
    share = held.mean()
    return f"{share:.3f} ± {np.sqrt(share * (1 - share) / len(held)):.3f}"


def _is_off(held: NDArray[np.bool_], level: float) -> bool:
    """By the error of the coverage that is stated, which is not 0 where every interval holds."""
    return bool(abs(held.mean() - level) > OFF * np.sqrt(level * (1 - level) / len(held)))


def _of_limits(error: Array, name: str, limits: Mapping[str, Array], used: NDArray[np.bool_]) -> Iterator[str]:
    """The scatter in units of the limits without and with prior, with its error."""
    for each in (limits[name][used], limits[f"{name}_with_prior"][used]) if name in limits else ():
        sound = np.isfinite(each)
        scatter = robust_scatter(error[sound] / each[sound]) if sound.any() else np.nan
        yield f"{scatter:.2f} ± {ERROR_OF_SCATTER * scatter / np.sqrt(max(sound.sum(), 1)):.2f}"

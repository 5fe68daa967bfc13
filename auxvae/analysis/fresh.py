"""What the winner's curse was: the rule's value of each chosen setting with seeds that it was not chosen by.

The least of many noisy means lies below its own expectation. selection.json holds the value by which a setting won;
here is the mean of the same rule over the runs of its fresh seeds, on the same validation rows, with its interval.
What remains of the choice's advantage is the setting's own, but for the rows, which both have in common.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from auxvae.analysis.files import VALIDATION
from auxvae.analysis.selection import fresh_runs, mean_of_seeds, value_of
from auxvae.config.choices import Choice
from auxvae.data.failures import failures

BOUNDS = ("mean", "low", "high")


def place_of(where: str, coverage: str) -> str:
    """The name of a choice in analysis.nc: its group's place in the config, and its coverage."""
    return f"{where} {coverage}".strip()


def fresh_values(choices: Iterable[Choice], results: Path) -> xr.Dataset:
    """`fresh (choice, bound)`, in the unit of the rule, and `fresh_seeds (choice)`, over how many; empty without any.

    Runs that failed are left out; NaN where all did, and for the interval of one seed.
    """
    values = {}
    for choice in (each for each in choices if each.fresh_seeds):
        runs = fresh_runs([choice], results).values()
        failed = failures(runs, results)
        trained = [run.id for run in runs if run.id not in failed]
        place = place_of(choice.where, choice.candidates[0][0].coverage)
        values[place] = [value_of(choice.rule, results / "runs" / run / VALIDATION) for run in trained]
    if not values:
        return xr.Dataset()
    bounds = [mean_of_seeds(each) if each else (np.nan,) * len(BOUNDS) for each in values.values()]
    counts = [len(each) for each in values.values()]
    coords = {"choice": np.array([*values], dtype=object), "bound": np.array(BOUNDS, dtype=object)}
    return xr.Dataset({"fresh": (("choice", "bound"), bounds), "fresh_seeds": ("choice", counts)}, coords)

"""How much of the factors stands on single axes under each prior of config/mmd.yaml: the numbers of docs/findings.md.

    python benchmarks/prior_axes.py results/mmd

The largest |rho| of each factor, averaged over the factors, by seed; paired differences of the engineered priors with
Student's 95 % interval over seeds; a uniform against a normal prior, by kernel and weight. Test rows.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

PAIRS = (("matched", "normal"), ("permuted", "normal"), ("mismatched", "normal"), ("matched", "permuted"))


def means(results):
    """By row of the tables, the mean over the factors of their |rho|, (seeds,)."""
    scores = pd.read_parquet(Path(results) / "scores.parquet").query("split == 'test' and metric.str.match('rho_')")
    of_run = scores.groupby("run")["value"].mean()
    cells = pd.read_csv(Path(results) / "tables" / "cells.csv").query("table == 'factors' and column == 'rho_flux'")
    return {row: of_run[runs.split()].to_numpy() for row, runs in zip(cells["row"], cells["runs"], strict=True)}


def difference(one, other):
    """Mean paired difference over seeds, and half of its 95 % interval."""
    values = one - other
    return values.mean(), t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))


def main(results):
    """Print the tables."""
    rows = means(results)
    for row, values in rows.items():
        print(f"{row:<50}{values.mean():.3f}   {' '.join(f'{value:.3f}' for value in values)}")
    pairs = [(f"shaped ae_mmd, {one}", f"shaped ae_mmd, {other}") for one, other in PAIRS]
    for one, other in (*pairs, ("correlated ae_mmd, joint", "correlated ae_mmd, normal")):
        print("{} - {}: {:.3f} +- {:.3f}".format(one, other, *difference(rows[one], rows[other])))
    for row in (row for row in rows if "_uniform, mmd " in row and "wae" in row):
        print(f"{row}, against normal: {(rows[row] - rows[row.replace('_uniform', '_normal')]).mean():.3f}")


if __name__ == "__main__":
    main(sys.argv[1])

"""How much of each latent is a polynomial of the factors: R^2 on held-out test galaxies, run by run.

    python benchmarks/polynomials.py results/default

Codes are regressed on all products of the standardised factors up to degree 4, on two thirds of the test rows.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import xarray as xr

DEGREE = 4


def products(factors):
    """All products of the columns up to the degree, a constant among them."""
    columns = range(factors.shape[1])
    chosen = (c for k in range(DEGREE + 1) for c in itertools.combinations_with_replacement(columns, k))
    return np.stack([np.prod(factors[:, list(c)], axis=1) for c in chosen], axis=1)


def main(results):
    """Print a line per run."""
    for path in sorted(results.glob("runs/*/codes.nc")):
        with xr.open_dataset(path) as codes:
            latents, factors = codes["mean"].values.astype(float), codes["factors"].values
        design = products((factors - factors.mean(0)) / factors.std(0))
        cut = 2 * len(design) // 3
        weights = np.linalg.lstsq(design[:cut], latents[:cut], rcond=None)[0]
        left = ((latents[cut:] - design[cut:] @ weights) ** 2).mean(0) / latents[cut:].var(0)
        print(path.parent.name, np.round(1 - left, 2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""About the upper limit that noise sets on |rho| between any estimate and its factor, for the galaxies of the paper.

    python benchmarks/fisher.py [GALAXIES]

With the Fisher information F of the factors (simulations/limits.py) and a Gaussian prior of variance V, the least mean
squared error is about E[(F + V^-1)^-1], and the largest correlation of an estimate with its factor sqrt(1 - error / V).

An approximation, not a bound: the prior is uniform, F changes within the width of a posterior, and the posteriors of
faint galaxies are not Gaussian. For the PSF, which the noise limits most, read the result as 0.89 to 0.90. Beside it
the error where the PSF of every image is known: without its row and column of F.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys

import numpy as np

from simulations.factors import draw_factors
from simulations.facts import read_declared
from simulations.limits import information


def main(galaxies):
    """Print the limits of the correlation and of the root mean square error for every factor."""
    declared = read_declared({"datasets": {"d": {"preset": "paper", "galaxies": 4096}}}, [])
    dataset = declared.simulated["d"]
    factors = draw_factors(dataset, 0, galaxies)
    widths = {name: np.subtract(*dataset.factors[name].support()[::-1]) for name in factors}
    prior = np.array([width**2 / 12 for width in widths.values()])
    rows = [dict(zip(factors, values, strict=True)) for values in zip(*factors.values(), strict=True)]
    matrices = [information(dataset, row, prior**0.5) + np.diag(1 / prior) for row in rows]
    errors = [np.diag(np.linalg.inv(matrix)) for matrix in matrices]
    others = [k for k, name in enumerate(factors) if name != "psf_fwhm"]
    known_psf = iter(np.mean([np.diag(np.linalg.inv(matrix[np.ix_(others, others)])) for matrix in matrices], 0))
    for name, error, variance in zip(factors, np.mean(errors, 0), prior, strict=True):
        least = np.sqrt(error) / widths[name]
        beside = "" if name == "psf_fwhm" else f", {np.sqrt(next(known_psf)) / widths[name]:.5f} where the PSF is known"
        print(f"{name:9} |rho| {np.sqrt(1 - error / variance):.4f}   error {least:.5f} of the range{beside}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000)

"""Simulated galaxies per second and core, including writing the store, compared with a bare GalSim loop.

    python benchmarks/simulate.py [GALAXIES]

The bare loop draws the same scene (sheared exponential under a Gaussian PSF, 33 x 33 pixels) from the same factors and
adds GalSim's Poisson noise with a separate generator for each image; it stores nothing. The two alternate, because the
speed of the machine drifts, and the result is the median of the ratios.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import sys
import tempfile
import time
from pathlib import Path

import galsim

from foundation.console import open_log
from simulations.draw import simulate
from simulations.factors import draw_factors
from simulations.facts import read_declared

ROUNDS = 5


def bare(factors, count):
    """Draw every galaxy with GalSim alone."""
    for i in range(count):
        galaxy = galsim.Exponential(flux=factors["flux"][i], scale_radius=factors["radius"][i])
        galaxy = galaxy.shear(g1=factors["g1"][i], g2=factors["g2"][i])
        observed = galsim.Convolve(galaxy, galsim.Gaussian(fwhm=factors["psf_fwhm"][i]))
        image = observed.drawImage(nx=33, ny=33, scale=0.2)
        image.addNoise(galsim.PoissonNoise(galsim.BaseDeviate(i + 1), sky_level=0.0))


def timed(function, *arguments):
    """Seconds of one call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main(count):
    """Print both speeds and the ratio."""
    open_log(None)
    declared = read_declared({"datasets": {"d": {"preset": "paper", "galaxies": count}}}, [])
    dataset, facts = declared.simulated["d"], declared.facts["d"]
    factors = draw_factors(dataset, 0, count)
    complete, loop = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            complete.append(timed(simulate, dataset, facts, Path(folder) / "d.zarr", 1))
        loop.append(timed(bare, factors, count))
    ratio = statistics.median(b / a for a, b in zip(complete, loop, strict=True))
    print(f"bare GalSim loop  {count / statistics.median(loop):8,.0f} galaxies/s")
    print(f"simulate, sealed  {count / statistics.median(complete):8,.0f} galaxies/s")
    print(f"ratio             {ratio:8.2f}  (target: at least 0.85)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 4096)

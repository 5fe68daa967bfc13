"""The denoiser of a run on disks of three factors against the exact one, which knows how disks are drawn.

    python benchmarks/denoiser.py STORE RESULTS/runs/RUN

Exact: E[x|x_t] over all disks of the data set, the positions on a grid of STEP pixels and the background on one of
BACKGROUNDS values, both uniform. Squared errors of eps summed over pixels, the mean over test images, by log SNR, on
the same noise. At log SNR above -2 the grid is too coarse for the posterior.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from auxvae.analysis.explore import run_of
from auxvae.analysis.model import TrainedModel
from auxvae.data.randomness import generator
from auxvae.data.store import open_store
from auxvae.models.schedules import alpha, sigma
from simulations.disks import covered

STEP, BACKGROUNDS, IMAGES = 0.25, 61, 512
LEVELS = (-9, -8, -7, -6, -5, -4, -3, -2)


def shapes(spec, stamp):
    """The share of each pixel that a disk covers, for every position of the grid, (P, pixels)."""
    edges = [(spec["factors"][f"disk_{axis}"]["low"], spec["factors"][f"disk_{axis}"]["high"]) for axis in "xy"]
    grids = [np.arange(low, high + STEP / 2, STEP) for low, high in edges]
    radius = spec["scene"]["constants"]["disk_radius"]
    places = [{"disk_x": x, "disk_y": y, "disk_radius": radius} for x in grids[0] for y in grids[1]]
    return torch.tensor(np.stack([covered(stamp, each).ravel() for each in places]), dtype=torch.float64)


def exact(y, s, a, foreground, low, high):
    """E[x|y] of images y = x + s eps, (N, pixels) in units of brightness; a: shapes (P, pixels)."""
    b = torch.linspace(low, high, BACKGROUNDS, dtype=torch.float64)
    rest = 1 - a
    # |y - b (1 - a) - f a|^2 = const - 2 b y.(1 - a) - 2 f y.a + b^2 |1 - a|^2 + f^2 |a|^2 + 2 b f a.(1 - a)
    of_shape = -2 * foreground * y @ a.T + foreground**2 * a.square().sum(1)
    of_both = -2 * y @ rest.T + 2 * foreground * (a * rest).sum(1)
    squares = of_shape[..., None] + of_both[..., None] * b + rest.square().sum(1)[:, None] * b**2
    weights = torch.softmax((-squares / (2 * s**2)).flatten(1), 1).reshape(squares.shape)
    return (weights * b).sum(2) @ rest + foreground * weights.sum(2) @ a


@torch.no_grad()
def main(store, folder):
    """Print a row for each level."""
    run = run_of(Path(folder))
    opened = open_store(Path(store), run.dataset)
    model = TrainedModel(Path(folder), run, opened, opened.read("test"), torch.device("cpu"))
    network, drawn = model.model.network, opened.dataset.attrs["spec"]
    a = shapes(drawn, run.dataset.stamp)
    images = network.standard(model.likelihood.to_scale(model.rows.images[:IMAGES]))
    unit = float(model.likelihood.to_counts(torch.tensor(network.std)))  # of standardised images, in brightness
    zero = float(model.likelihood.to_counts(torch.tensor(network.mean)))
    background = drawn["factors"]["background"]
    print("| log SNR | denoiser | exact | ratio |\n|---|---|---|---|")
    for k, level in enumerate(LEVELS):
        at = torch.full((len(images),), float(level))
        eps = torch.randn(images.shape, generator=generator(0, "denoiser", k))
        noisy = alpha(at)[:, None, None, None] * images + sigma(at)[:, None, None, None] * eps
        errors = (eps - network.smoothed(noisy, at)).square().flatten(1).sum(1).double()
        s = float(np.exp(-level / 2))
        y = ((images + s * eps).double() * unit + zero).flatten(1)
        mean = exact(y, s * unit, a, drawn["scene"]["constants"]["foreground"], background["low"], background["high"])
        best = ((y - mean) / (s * unit) - eps.double().flatten(1)).square().sum(1)
        print(f"| {level} | {errors.mean():.3f} | {best.mean():.3f} | {errors.mean() / best.mean():.3f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The cost of each method: its training step relative to that of a plain VAE with the same network, on one core.

    python benchmarks/methods.py [NETWORK ...]        conv4 by default; target 1.15, for methods with a second network 2

Batch 256, d_Z = 10. The two steps alternate, so that both run at the same speed of the machine; the result is the
median of the ratios. A step is random numbers, forward, terms, backward, clip and Adam, on random images of the
paper's size.
"""

import statistics
import sys
import time

import torch

from auxvae.config.methods import METHODS
from auxvae.config.spec import Network
from auxvae.config.study import read_study
from auxvae.data.likelihoods import Poisson
from auxvae.data.randomness import generator
from auxvae.losses.objective import Objective
from auxvae.models.autoencoder import build
from auxvae.training.train import adam
from simulations.facts import read_declared

ROWS, TURNS = 256, 15


def runs_of(name):
    """One run per method, with auxiliary variables g1 and g2 for the methods that need any."""
    coverage = {method: {"coverages": ["two"]} if METHODS[method].needs_aux else {} for method in METHODS}
    config = {
        "study": "steps",
        "datasets": {"galaxies": {"preset": "paper"}},
        "coverages": {"two": ["g1", "g2"]},
        "network": {"name": name, "latents": 10},
        "runs": [{"method": method, **coverage[method]} for method in METHODS],
    }
    return read_study(config, read_declared(config, []).to_json(), []).runs


def step_of(run):
    """A function that performs the i-th training step of a run."""
    factors = {name: torch.rand(4096, generator=generator(0, name)) for name in run.dataset.factors}
    rows = torch.rand(4096, len(run.aux), generator=generator(0, "rows"))
    objective = Objective.of(run, Poisson(0.0), factors, rows, torch.device("cpu"))
    network = build(run, 3.0, 5.0, bounded=False)
    optimiser = adam(network, run.training)
    images = 20 * torch.rand(ROWS, 1, 33, 33, generator=generator(0, "images"))
    u = torch.rand(ROWS, len(run.aux), generator=generator(0, "u"))

    def step(i):
        values, _ = objective.values(network, images, u, objective.draw("latents", i, u), 0.5)
        optimiser.zero_grad(set_to_none=True)
        (values @ objective.weights).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1e4)
        optimiser.step()

    return step


def seconds(step, i):
    """Duration of one step (s)."""
    start = time.perf_counter()
    step(i)
    return time.perf_counter() - start


def main(names):
    """Print one line per network and method."""
    torch.set_num_threads(1)
    for name in names:
        runs = runs_of(name)
        plain = step_of(next(run for run in runs if run.method == "vae"))
        for run in runs:
            step = step_of(run)
            seconds(plain, 0), seconds(step, 0)
            turns = [(seconds(step, i), seconds(plain, i)) for i in range(TURNS)]
            ratio = statistics.median(a / b for a, b in turns)
            bound = 2.0 if METHODS[run.method].second else 1.15
            print(f"{name:9} {run.method:13} {ratio:5.2f} of a VAE's step, target {bound:.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or [Network().name])

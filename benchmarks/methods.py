"""What a method costs: its training step against a plain VAE's with the same network, batch 256, d_Z = 10, one core.

    python benchmarks/methods.py [NETWORK ...]        conv4 if none is named; targets 1.15, with a companion network 2

The two steps take turns, so that both see the same machine; the ratio is the median over the turns. A step is random
numbers, forward, terms, backward, clip and Adam, on random images of the paper's size.
"""

import statistics
import sys
import time

import torch

from auxvae.config.methods import METHODS
from auxvae.config.study import read_study
from auxvae.data.likelihoods import Poisson
from auxvae.data.loader import batch_of
from auxvae.data.randomness import generator
from auxvae.data.scaling import Scaling
from auxvae.models.model import TrainingData, draws_at, make_model
from auxvae.training.optimiser import adam
from simulations.facts import read_declared

ROWS, TURNS = 256, 15


def runs_of(name):
    """One run per method, given g1 and g2."""
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
    """A function that makes the i-th step of a run."""
    factors = {name: torch.rand(4096, generator=generator(0, name)) for name in run.dataset.factors}
    rows = torch.rand(4096, len(run.aux), generator=generator(0, "rows"))
    limits = [dict.fromkeys(factors, bound) for bound in (0.0, 1.0)]
    data = TrainingData(Poisson(0.0), Scaling(0.0, 100.0, 3.0, 5.0, *limits, torch.zeros(1, 33, 33)), factors, rows)
    model = make_model(run, data, torch.device("cpu"))
    optimiser = adam(model, run.training)
    images = 20 * torch.rand(ROWS, 1, 33, 33, generator=generator(0, "images"))
    aux = torch.rand(ROWS, len(run.aux), generator=generator(0, "u"))
    batch = batch_of(images, aux, torch.arange(ROWS))

    def step(i):
        terms = model.loss(batch, draws_at(model.draw(0, "latents", i, 1, ROWS), 0), torch.tensor(0.5)).terms
        optimiser.zero_grad(set_to_none=True)
        sum(run.weights[name] * value for name, value in terms.items()).backward()
        torch.nn.utils.clip_grad_norm_(model.network.parameters(), 1e4)
        optimiser.step()

    return step


def seconds(step, i):
    """Time of one step."""
    start = time.perf_counter()
    step(i)
    return time.perf_counter() - start


def main(names):
    """A line per network and method."""
    torch.set_num_threads(1)
    for name in names:
        runs = runs_of(name)
        plain = step_of(next(run for run in runs if run.method == "vae"))
        for run in runs:
            step = step_of(run)
            seconds(plain, 0), seconds(step, 0)
            turns = [(seconds(step, i), seconds(plain, i)) for i in range(TURNS)]
            ratio = statistics.median(a / b for a, b in turns)
            bound = 2.0 if METHODS[run.method].companion else 1.15
            print(f"{name:9} {run.method:13} {ratio:5.2f} of a VAE's step, target {bound:.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["conv4"])

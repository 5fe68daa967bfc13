"""Training steps of one run on one core: the whole step against the bare network, and Aux-VAE against the β-VAE.

    python benchmarks/train.py STORE        a store of the paper's galaxies, as the default study leaves it

The terms, the clip and the optimiser are what a step costs beside forward and backward of the network.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from auxvae.config.study import read_study
from auxvae.data.store import Store
from auxvae.models.model import draws_at
from auxvae.training.loop import Trainer
from foundation.yaml_file import load_yaml
from simulations.facts import read_declared

ROUNDS, STEPS = 7, 10


def milliseconds(step):
    """Median over rounds of the time of one step."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for i in range(STEPS):
            step(i)
        times.append((time.perf_counter() - start) / STEPS * 1e3)
    return statistics.median(times)


def bare(trainer, batch):
    """Forward and backward of the network alone."""
    noise = torch.zeros(len(batch.rows), trainer.run.network.latents)
    network = trainer.model.network
    return lambda _: network(batch.images, noise, noise)[1].square().sum().backward()


def main(path):
    """Print a line per method."""
    torch.set_num_threads(1)
    config = load_yaml(Path(__file__).parent.parent / "config" / "config.yaml")
    study = read_study(config, read_declared(config, []).to_json(), [])
    for run in study.runs[:2]:
        with tempfile.TemporaryDirectory() as work:
            trainer = Trainer(run, Store(path, run.dataset), Path(work), torch.device("cpu"))
        batch = trainer.loader.data.take(torch.arange(run.training.batch))
        draws = trainer.draws("latents", 0, STEPS, run.training.batch)
        step = lambda i, t=trainer, b=batch, d=draws: t._step(b, draws_at(d, i), torch.tensor(0.5), i)  # noqa: E731
        whole, alone = milliseconds(step), milliseconds(bare(trainer, batch))
        speed = 1e3 * run.training.batch / whole
        print(f"{run.title:24} {whole:6.1f} ms a step, {speed:6,.0f} images/s, {whole / alone:.2f} of the bare network")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

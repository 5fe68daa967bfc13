"""Steps of runs trained as one program against the plain loop: Aux-VAE given all five factors, one core.

    python benchmarks/stack.py STORE        a store of the paper's galaxies, as the default study leaves it

Core milliseconds of a step of one run, in turns with the plain loop; the ratio is the median over the turns.
"""

import dataclasses
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from auxvae.config.study import read_study
from auxvae.data.store import open_store
from auxvae.models.model import draws_at
from auxvae.training.loop import Trainer
from auxvae.training.stack import Stack
from foundation.yaml_file import load_yaml
from simulations.facts import read_declared

ROUNDS, STEPS = 5, 40


def trainer_of(run, seed, path):
    """A trainer of the run with another seed."""
    folder = Path(tempfile.mkdtemp())
    return Trainer(dataclasses.replace(run, seed=seed), open_store(path, run.dataset), folder, torch.device("cpu"))


def milliseconds(step, runs):
    """Core milliseconds of a step of one run."""
    start = time.process_time()
    for i in range(STEPS):
        step(i)
    return (time.process_time() - start) / STEPS / runs * 1e3


def plain_step(trainer):
    """A step of the plain loop."""
    plan, draws = trainer.loader.plan(0, 0), trainer.draws("latents", 0, STEPS, trainer.loader.size)
    progress = torch.tensor(0.5)
    return lambda i: trainer._step(trainer.loader.data.take(plan[i]), draws_at(draws, i), progress, i)


def stacked_step(stack):
    """A step of all runs of a stack."""
    plans = [trainer.loader.plan(trainer.run.seed, 0) for trainer in stack.trainers]
    draws, progress = stack.draws(0), torch.tensor(0.5)

    def step(i):
        batches = [trainer.loader.data.take(plan[i]) for trainer, plan in zip(stack.trainers, plans, strict=True)]
        stack._step(stack._joined(batches), draws_at(draws, i), progress, i)

    return step


def main(path):
    """Print a line for each number of runs."""
    torch.set_num_threads(1)
    config = load_yaml(Path(__file__).parent.parent / "config" / "config.yaml")
    study = read_study(config, read_declared(config, []).to_json(), [])
    run = next(run for run in study.runs if run.coverage == "full")
    alone = plain_step(trainer_of(run, 0, path))
    print("| runs | plain, ms | stacked, ms | ratio |\n|---|---|---|---|")
    for count in (1, 2, 4, 8, 16, 32):
        together = stacked_step(Stack([trainer_of(run, seed, path) for seed in range(count)]))
        turns = [(milliseconds(alone, 1), milliseconds(together, count)) for _ in range(ROUNDS)]
        plain, stacked = (statistics.median(each) for each in zip(*turns, strict=True))
        print(
            f"| {count} | {plain:.2f} | {stacked:.2f} | {statistics.median(a / b for a, b in turns):.2f} |", flush=True
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

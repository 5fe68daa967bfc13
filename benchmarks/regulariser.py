"""What each regulariser of config/regulariser.yaml costs: core seconds of training a run, in a stack of three seeds.

    python benchmarks/regulariser.py STORE [CONFIG]        the study's store, and its config if it is another

Steps of each group take turns with those of the first, so that both see the same machine: the seconds are those of the
first group times the median ratio. The study itself cannot say: its benchmark files are of whole fleets, and a run's
files hold no times, since a restarted run ends in the same bytes.
"""

import statistics
import sys
from pathlib import Path

import torch
from stack import ROUNDS, milliseconds, stacked_step, trainer_of

from auxvae.config.study import read_study
from auxvae.training.stack import Stack
from foundation.yaml_file import load_yaml
from simulations.facts import read_declared

SEEDS = range(3)
CONFIG = Path(__file__).parent.parent / "config" / "regulariser.yaml"


def first_runs(path):
    """The first run of every group of a config, by its name, in the order of the groups."""
    config = load_yaml(path)
    runs = {}
    for run in read_study(config, read_declared(config, []).to_json(), []).runs:
        runs.setdefault(run.label or run.method, run)
    return runs


def step_of(run, store):
    """A step of three seeds of a run."""
    return stacked_step(Stack([trainer_of(run, seed, store) for seed in SEEDS], lambda trainer: None))


def main(store, config=CONFIG):
    """Print a line for each group; two stacks are in memory at a time."""
    torch.set_num_threads(1)
    runs = first_runs(config)
    name, run = next(iter(runs.items()))
    first, count = step_of(run, store), run.training.epochs * (run.dataset.train // run.training.batch)
    print(f"| regulariser | core s a run | of {name} |\n|---|---|---|")
    for label, each in runs.items():
        step = step_of(each, store)
        turns = [(milliseconds(step, len(SEEDS)), milliseconds(first, len(SEEDS))) for _ in range(ROUNDS)]
        ratio = statistics.median(a / b for a, b in turns)
        seconds = ratio * statistics.median(b for _, b in turns) * count / 1e3
        print(f"| {label} | {seconds:.1f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

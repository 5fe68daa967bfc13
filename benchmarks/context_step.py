"""A training step of the context module against one of the same autoencoder without it, in stacks of three seeds.

    python benchmarks/context_step.py STORE CONFIG      config/context_galaxies.yaml or context_quad.yaml, and its store

Steps take turns, so that all see the same machine; the ratio is the median over the turns. Core milliseconds a run.
"""

import statistics
import sys
from pathlib import Path

import torch
from regulariser import SEEDS, first_runs, step_of
from stack import ROUNDS, milliseconds

GROUPS = ("base_pooled", "pooled", "end_to_end")  # the first is what the others are compared with


def main(store, config):
    """Print a line for each group."""
    torch.set_num_threads(1)
    runs = first_runs(config)
    steps = {name: step_of(runs[name], store) for name in GROUPS}
    for step in steps.values():
        milliseconds(step, len(SEEDS))
    turns = {name: [] for name in GROUPS}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            turns[name].append(milliseconds(step, len(SEEDS)))
    print("| group | step, ms | ratio |\n|---|---|---|")
    for name, each in turns.items():
        ratio = statistics.median(a / b for a, b in zip(each, turns[GROUPS[0]], strict=True))
        print(f"| {name} | {statistics.median(each):.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

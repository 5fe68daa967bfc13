"""A training step of a score-based autoencoder: what guidance, a denoiser at work and the bank of its errors take.

    python benchmarks/score_step.py STORE       disks.zarr, as config/sami_disks.yaml leaves it

Core milliseconds, 64 images. Steps take turns with those of the run as it stands in the config; the ratio is the median
over the turns. Each image's errors are computed once: the first steps with the bank fill it, all others read it.
"""

import statistics
import sys
from dataclasses import replace
from pathlib import Path

import torch
from regulariser import first_runs
from stack import ROUNDS, milliseconds, plain_step, trainer_of

CONFIG = Path(__file__).parent.parent / "config" / "sami_disks.yaml"
ALONE = {"learning": "first", "start": 0.3, "warm_up": 0.5}  # the step is that of half of the training
VARIANTS = {
    "second order, through the gradient itself": {"gradient": "second"},
    "the encoder alone, its denoiser not trained": ALONE,
    "the same, errors read from the bank": ALONE | {"versions": 1},
}


def step_of(run, store, **diffusion):
    """A step of the run with other settings."""
    settings = replace(run.settings, diffusion=replace(run.settings.diffusion, **diffusion))
    return plain_step(trainer_of(replace(run, settings=settings), 0, store))


def main(store):
    """Print a line for each."""
    torch.set_num_threads(1)
    run = first_runs(CONFIG)["sami"]
    first = step_of(run, store)
    filling = milliseconds(step_of(run, store, **VARIANTS["the same, errors read from the bank"]), 1)
    steps = {name: step_of(run, store, **settings) for name, settings in VARIANTS.items()}
    steps["width 32"] = plain_step(trainer_of(replace(run, network=replace(run.network, width=32)), 0, store))
    for step in (first, *steps.values()):
        milliseconds(step, 1)  # the bank is filled, and everything is warm
    print("| step | core ms | ratio |\n|---|---|---|")
    base = []
    for name, step in steps.items():
        turns = [(milliseconds(step, 1), milliseconds(first, 1)) for _ in range(ROUNDS)]
        base += [other for _, other in turns]
        ratio = statistics.median(one / other for one, other in turns)
        print(f"| {name} | {statistics.median(one for one, _ in turns):.1f} | {ratio:.2f} |", flush=True)
    usual = statistics.median(base)
    print(f"| the same, filling the bank | {filling:.1f} | {filling / usual:.2f} |")
    print(f"| as in config/sami_disks.yaml | {usual:.1f} | 1 |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

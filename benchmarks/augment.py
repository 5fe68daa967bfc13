"""What augmentation costs and gives: Aux-VAE with the published penalty, given all five factors, turned images or not.

    python benchmarks/augment.py STORE                   a store of the paper's galaxies, as the default study leaves it
    python benchmarks/augment.py STORE EPOCHS BATCH      trains three seeds, each way

The first prints core milliseconds of a step of one run, batches included, on one core, of the plain loop and of a
stack; augmented and plain in turns, and the ratio is the median over the turns. The second prints what the last epoch
leaves on validation rows.
"""

import dataclasses
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from stack import STEPS, milliseconds, stacked_step

from auxvae.config.study import read_study
from auxvae.data.store import open_store
from auxvae.models.model import draws_at
from auxvae.training.loop import Trainer
from auxvae.training.stack import Stack
from foundation.yaml_file import load_yaml
from simulations.facts import read_declared

ROUNDS, RUNS, SEEDS = 9, 5, 3
GROUP = {
    "method": "aux_vae",
    "preset": "penalty",
    "coverages": "full",
    "weights": {"inter": 8000},
    "activation": "gelu",
}


def run_of(batch, augment, epochs=18):
    """The run on the galaxies and the network of the default study."""
    config = load_yaml(Path(__file__).parent.parent / "config" / "config.yaml")
    config["training"] |= {"batch": batch, "augment": augment, "epochs": epochs, "learning_rate": 5e-3}
    config["runs"] = [GROUP]
    return read_study(config, read_declared(config, []).to_json(), []).runs[0]


def trainers_of(run, count, path):
    """Trainers of so many seeds."""
    source = open_store(path, run.dataset)
    runs = [dataclasses.replace(run, seed=seed) for seed in range(count)]
    return [Trainer(each, source, Path(tempfile.mkdtemp()), torch.device("cpu")) for each in runs]


def plain_step(trainer):
    """A step of the plain loop, on the next batch of its epoch."""
    batches, draws = trainer.loader.batches(0, 0), trainer.draws("latents", 0, STEPS, trainer.loader.size)
    progress = torch.tensor(0.5)
    return lambda i: trainer._step(next(batches), draws_at(draws, i), progress, i)


def steps_of(batch, augment, path):
    """For the plain loop and for a stack: what makes a new epoch's step, and the number of runs."""
    run = run_of(batch, augment)
    [trainer], stack = trainers_of(run, 1, path), Stack(trainers_of(run, RUNS, path), lambda trainer: None)
    return [(lambda: plain_step(trainer), 1), (lambda: stacked_step(stack), RUNS)]


def quality(path, epochs, batch):
    """Print a line for each way: by seed, nats of the reconstruction and |rho| of the PSF on validation rows."""
    print("| augmented | core s a run | nats | PSF |\n|---|---|---|---|")
    for augment in (False, True):
        start, trainers = time.process_time(), trainers_of(run_of(batch, augment, epochs), SEEDS, path)
        stack = Stack(trainers, lambda trainer: None)
        while stack.going:
            stack.epoch()
        seconds = (time.process_time() - start) / SEEDS
        nats = [f"{trainer.state.history[-1]['validation_reconstruction']:.1f}" for trainer in trainers]
        psf = [f"{psf_correlation(trainer):.3f}" for trainer in trainers]
        print(f"| {augment} | {seconds:.1f} | {', '.join(nats)} | {', '.join(psf)} |", flush=True)


def psf_correlation(trainer):
    """|rho| of the PSF with its latent, over the validation rows."""
    column, (_, codes) = trainer.run.aux.index("psf_fwhm"), trainer._validate()
    pair = torch.stack([codes[:, column], trainer.validation.data.aux[: len(codes), column]])
    return abs(float(torch.corrcoef(pair)[0, 1]))


def cost(path):
    """Print a line for each batch size and kind of loop."""
    print("| batch | runs | plain, ms | augmented, ms | ratio |\n|---|---|---|---|---|")
    for batch in (64, 128):
        for pair in zip(*(steps_of(batch, augment, path) for augment in (False, True)), strict=True):
            for make, count in pair:
                milliseconds(make(), count)  # warm up
            turns = [[milliseconds(make(), count) for make, count in pair] for _ in range(ROUNDS)]
            plain, augmented = (statistics.median(each) for each in zip(*turns, strict=True))
            ratio = statistics.median(b / a for a, b in turns)
            print(f"| {batch} | {pair[0][1]} | {plain:.2f} | {augmented:.2f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) == 2:
        cost(Path(sys.argv[1]))
    else:
        quality(Path(sys.argv[1]), *map(int, sys.argv[2:]))

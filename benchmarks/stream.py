"""Images read shard by shard against images in memory: rate of training, largest memory, and a limit of memory.

    python benchmarks/stream.py FOLDER        a folder with 8 GB free, for stores that are deleted in the end

Stores of 64 x 64 pixels (disks with noise, converted like a user's images) in the shards of every store. Rates: images
through a trainer in one process, in turns of as many steps as a window has, the medians of wall and of core seconds.
Memory: the resident set of a process that prepares and trains one window; what the system caches of files is not in it.
The limit is that of the data segment (RLIMIT_DATA), which a process cannot pass.
"""

import argparse
import logging
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch

from auxvae.config.study import read_study
from auxvae.data.store import Store
from auxvae.training.loop import Trainer
from foundation.faults import Refused
from simulations.facts import read_declared

SIZES, STAMP, BLOCK = (50_000, 150_000), 64, 1000
STEPS = 114  # of 64 images: the training rows of one window
TURNS = {"components": 15, "conv4": 3}
LIMIT = 2.5e9


def make(folder, galaxies):
    """A store of disks of one flux, radius and shear each, with noise of standard deviation 1."""
    path, source = folder / f"{galaxies}.zarr", folder / f"{galaxies}.h5"
    g, half = np.random.default_rng(0), STAMP / 2
    y, x = np.mgrid[:STAMP, :STAMP].astype(np.float32) - half
    factors = {name: g.uniform(*ends, galaxies) for name, ends in {"flux": (5, 50), "radius": (3, 9)}.items()}
    with h5py.File(source, "w") as file:
        images = file.create_dataset("image", (galaxies, STAMP, STAMP), "f4")
        for start in range(0, galaxies, BLOCK):
            flux, radius = (each[start : start + BLOCK, None, None].astype(np.float32) for each in factors.values())
            noise = g.standard_normal((len(flux), STAMP, STAMP), dtype=np.float32)
            images[start : start + BLOCK] = flux * np.exp(-(x**2 + y**2) / radius**2) + noise
        for name, values in factors.items():
            file[name] = values
    command = [sys.executable, "-m", "simulations", "convert", source, path, "--noise", "gaussian:1"]
    subprocess.run(command, check=True, capture_output=True)
    source.unlink()
    return path


def run_of(path, network, order):
    """A variational autoencoder on a store."""
    config = {
        "study": "stream",
        "datasets": {"disks": {"store": str(path)}},
        "network": {"name": network},
        "training": {"order": order, "epochs": 1000},
        "runs": [{"method": "vae"}],
    }
    return read_study(config, read_declared(config, []).to_json(), []).runs[0]


def trainer_of(path, network, order):
    """The trainer of that run."""
    run = run_of(path, network, order)
    return Trainer(run, Store(path, run.dataset), Path(tempfile.mkdtemp()), torch.device("cpu"))


def turns(trainer):
    """Seconds on the clock and of the cores for as many steps as a window has, again and again."""
    random = trainer.draws("latents", 0, STEPS, trainer.loader.size)
    epoch, progress = 0, torch.tensor(0.5)
    batches = trainer.loader.batches(0, epoch)
    while True:
        clock, cores = time.perf_counter(), time.process_time()
        for i in range(STEPS):
            batch = next(batches, None)
            if batch is None:
                epoch += 1
                batches = trainer.loader.batches(0, epoch)
                batch = next(batches)
            trainer._step(batch, random._make(each[i] for each in random), progress, i)
        yield time.perf_counter() - clock, time.process_time() - cores


def rates(path, network):
    """A line of rates, in memory and streamed, and their ratios on the clock and in core time."""
    both = [turns(trainer_of(path, network, order)) for order in ("rows", "shards")]
    measured = [[next(each) for each in both] for _ in range(TURNS[network] + 1)][1:]
    images = STEPS * 64
    clock, cores = (np.array(measured)[..., i] for i in (0, 1))
    speed = [images / statistics.median(times) for times in clock.T]
    ratios = [statistics.median(each[:, 0] / each[:, 1]) for each in (clock, cores)]
    return f"| {network} | {speed[0]:,.0f} | {speed[1]:,.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} |"


def alone(path, network, order, limit):
    """In a process of its own: prepare and train one window under a limit, and print the memory, or the refusal."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        trainer = trainer_of(path, network, order)
        next(turns(trainer))
        status = Path("/proc/self/status").read_text()  # getrusage would count the process that started this one
        print(f"{int(re.findall('VmHWM: *[^0-9]*([0-9]+)', status)[0]) / 1024:.0f} MB")
    except Refused as refused:
        print(refused)


def in_a_process(path, network, order, limit=resource.RLIM_INFINITY):
    """What `alone` prints."""
    command = [sys.executable, __file__, str(path), "--alone", network, order, str(int(limit))]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    return ended.stdout.strip() or ended.stderr.strip().splitlines()[-1]


def main(folder):
    """Print the tables."""
    small, large = (make(folder, galaxies) for galaxies in SIZES)
    print("| network | in memory, images/s | streamed | ratio, clock | ratio, core time |\n" + "|---" * 5 + "|")
    for network in TURNS:
        print(rates(small, network), flush=True)
    print("\n| conv4 | images | in memory | streamed |\n" + "|---" * 4 + "|")
    for path, galaxies in zip((small, large), SIZES, strict=True):
        memory = [in_a_process(path, "conv4", order) for order in ("rows", "shards")]
        size = f"{galaxies:,} images | {4 * galaxies * STAMP**2 / 1e9:.2g} GB"
        print(f"| {size} | {' | '.join(memory)} |", flush=True)
    for order in ("rows", "shards"):
        print(f"\n{LIMIT / 1e9:g} GB, {order}: {in_a_process(large, 'components', order, LIMIT)}", flush=True)


if __name__ == "__main__":
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--alone", nargs=3)
    options = parser.parse_args()
    if options.alone:
        alone(options.path, *options.alone[:2], int(options.alone[2]))
    else:
        with tempfile.TemporaryDirectory(dir=options.path) as work:
            main(Path(work))

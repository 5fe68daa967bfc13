"""What a GPU gains: speed against the size of a stack, share of the card's rate, the paper's study, precision.

    python benchmarks/gpu.py                          on a CUDA GPU, under 8 minutes: it stops by itself
    python benchmarks/gpu.py --device cpu --tiny      the same program in small, which only shows that it works

Aux-VAE given all five factors, on the paper's galaxies, which are simulated first. Plain: the plain loop, in which runs
follow one another. Stacked: one program for all runs, its steps launched by Python. Graph: its steps replayed as one
CUDA graph, as in training. The study of the paper is 405 trainings of 1,000 epochs of 11,468 images. What the time or
the memory does not suffice for is said in its place.
"""

import argparse
import dataclasses
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from auxvae.config.study import read_study
from auxvae.data.device import set_precision
from auxvae.data.store import open_store
from auxvae.models.model import draws_at
from auxvae.training.loop import Trainer
from auxvae.training.replay import GraphReplay
from auxvae.training.stack import Stack, _sharing, train_stack
from auxvae.training.stack_size import is_out_of_memory, release
from foundation.faults import Refused
from foundation.yaml_file import load_yaml
from simulations.draw import simulate
from simulations.facts import read_declared

LIMIT = 450.0  # seconds, after which nothing new is begun
NETWORKS = ("components", "conv4")
PRECISIONS = ("float32", "tf32", "bfloat16")
TRAININGS, EPOCHS, IMAGES = 405, 1000, 11_468
STARTED = time.monotonic()


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is measured: sizes of stacks, seconds per number, galaxies, side of a product, pairs, epochs."""

    sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    seconds: float = 0.5
    galaxies: int | None = None
    side: int = 8192
    pairs: int = 16
    epochs: int = 6


TINY = Scale((1, 2), 0.05, 1024, 256, 2, 1)


def time_is_up():
    """Whether nothing new is begun."""
    return time.monotonic() - STARTED > LIMIT


def declared_study(scale):
    """The runs of the default study on the paper's galaxies, and the simulation that they need."""
    config = load_yaml(Path(__file__).parent.parent / "config" / "config.yaml")
    del config["analyses"]
    if scale.galaxies:
        next(iter(config["datasets"].values()))["galaxies"] = scale.galaxies
    declared = read_declared(config, [])
    return declared, read_study(config, declared.to_json(), [])


def run_on(network, study, precision="float32", **training):
    """Aux-VAE given all five factors on a network, with the published batch of 64."""
    run = next(run for run in study.runs if run.coverage == "full")
    training = {"batch": 64, "gpu_precision": precision} | training
    return dataclasses.replace(
        run,
        network=dataclasses.replace(run.network, name=network, components=None),
        training=dataclasses.replace(run.training, **training),
    )


def trainers_of(run, count, store, device):
    """Trainers of so many seeds; their images lie on the device once."""
    trainers, source = [], open_store(store, run.dataset)
    for seed in range(count):
        seeded = dataclasses.replace(run, seed=seed)
        trainers.append(_sharing(Trainer(seeded, source, Path(tempfile.mkdtemp()), device), trainers))
    return trainers


def wait(device):
    """Until the device has done what was queued."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def per_second(step, device, scale):
    """Calls per second: some to warm up, then rounds of ten until the time is over."""
    for _ in range(5):
        step()
    wait(device)
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < scale.seconds:
        for _ in range(10):
            step()
        done += 10
        wait(device)
    return done / (time.perf_counter() - start)


def plain_step(trainer):
    """A step of the plain loop; always the same batch."""
    rows, draws = trainer.loader.plan(0, 0)[0], draws_at(trainer.draws("latents", 0, 1, trainer.loader.size), 0)
    progress = torch.tensor(0.5, device=trainer.device)
    return lambda: trainer._step(trainer.loader.data.take(rows), draws, progress, 0)


def first_step_of(training, step):
    """A step that always reads the first numbers of its epoch, which are loaded."""
    training.load(0, 0)

    def again():
        training.step.zero_()
        step()

    return again


def stack_rates(run, count, store, device, scale):
    """Steps per second of a stack, launched by Python and as a graph (None without CUDA), and seconds of an epoch."""
    stack = Stack(trainers_of(run, count, store, device), lambda trainer: None)
    eager = per_second(first_step_of(stack.training, stack.training), device, scale)
    graph = None
    if device.type == "cuda":
        graph = per_second(first_step_of(stack.training, GraphReplay(stack.training)), device, scale)
    return eager, graph, stack


def epoch_seconds(stack, device):
    """Seconds of a whole epoch of a stack: numbers, steps, validation, history; the second, after all recording."""
    for trainer in stack.trainers:
        trainer.state.step = 0
    stack.epoch()
    wait(device)
    start = time.perf_counter()
    stack.epoch()
    wait(device)
    return time.perf_counter() - start


def speed_table(network, study, store, device, scale):
    """Print a line per size of the stack; return the plain steps per second and the best epoch, (seconds, runs)."""
    run = run_on(network, study, epochs=1000, patience=None, clip=2e4)
    trainer = trainers_of(run, 1, store, device)[0]
    batch, plain = trainer.loader.size, per_second(plain_step(trainer), device, scale)
    print(
        f"\n{network}, images of {batch} a step; the plain loop: {plain * batch:,.0f} images/s, {plain:,.1f} steps/s\n"
    )
    print("| runs | stacked, images/s | graph, images/s | graph, runs x steps/s | graph / plain | epoch, s |")
    print("|---|---|---|---|---|---|")
    best = None
    for count in scale.sizes:
        if time_is_up():
            print(f"| {count} | not measured: the time is up | | | | |", flush=True)
            continue
        try:
            eager, graph, stack = stack_rates(run, count, store, device, scale)
            seconds = epoch_seconds(stack, device)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            print(f"| {count} | out of memory | | | | |", flush=True)
            release(device)
            break
        best = min(filter(None, (best, (seconds / count, count))))
        cells = ("no graph", "", "") if graph is None else _graph_cells(graph, count, batch, plain)
        print(f"| {count} | {eager * count * batch:,.0f} | {' | '.join(cells)} | {seconds:.3g} |", flush=True)
        del stack
        release(device)
    return plain, best


def _graph_cells(graph, count, batch, plain):
    rate = graph * count
    return f"{rate * batch:,.0f}", f"{rate:,.0f}", f"{rate / plain:.1f}"


def step_operations(run, store, device):
    """Floating-point operations of matrix products and convolutions in a step of one run, by torch's counter."""
    trainer = trainers_of(run, 1, store, device)[0]
    draws = draws_at(trainer.draws("latents", 0, 1, trainer.loader.size), 0)
    batch = trainer.loader.data.take(trainer.loader.plan(0, 0)[0])
    with FlopCounterMode(display=False) as counter:
        loss = trainer.model.loss(batch, draws, torch.tensor(0.5, device=device))
        sum(loss.terms.values()).backward()
    return counter.get_total_flops()


def achievable(device, scale):
    """Print the rate of a large product of matrices by precision, and return that of float32, in operations/s."""
    print("\n| product of matrices | TFLOP/s |\n|---|---|")
    rates = {}
    for precision in PRECISIONS:
        set_precision(device, precision)
        kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
        a = torch.ones(scale.side, scale.side, dtype=kind, device=device)
        calls = per_second(lambda a=a: a @ a, device, scale)
        rates[precision] = 2 * scale.side**3 * calls
        print(f"| {precision} | {rates[precision] / 1e12:.3g} |", flush=True)
    set_precision(device, "float32")
    return rates["float32"]


def share_of_rate(network, study, store, device, measured, peak):
    """Print the share of the card's rate that the fastest stack reaches, by its whole epochs."""
    seconds, count = measured
    run = run_on(network, study)
    operations, steps = step_operations(run, store, device), trainers_of(run, 1, store, device)[0].loader.steps
    rate = operations * steps / seconds
    text = f"{operations / 1e9:.3g} GFLOP a step, {rate / 1e12:.3g} TFLOP/s in stacks of {count}"
    print(f"\n{network}: {text}: {rate / peak:.1%} of the product in float32")


def paper(network, study, store, device, plain, measured):
    """Print the hours of the whole study of the paper, scaled from the fastest epoch, and of the plain loop's steps."""
    seconds, count = measured
    trainer = trainers_of(run_on(network, study), 1, store, device)[0]
    images = trainer.loader.steps * trainer.loader.size
    stacks = TRAININGS * EPOCHS * IMAGES / images * seconds / 3600
    alone = TRAININGS * EPOCHS * IMAGES / trainer.loader.size / plain / 3600
    print(f"| {network} | {count} | {stacks:,.2f} | {alone:,.1f} | {alone / stacks:.1f} |", flush=True)


def precisions(network, study, store, device, scale):
    """Print how far the last validation loss moves from float32's with each precision: paired seeds, mean +- s.e."""
    losses = {}
    for precision in PRECISIONS:
        if time_is_up():
            print(f"| {network} | {precision} | not measured: the time is up |")
            return
        run = run_on(network, study, precision, epochs=scale.epochs)
        runs = [dataclasses.replace(run, seed=seed) for seed in range(scale.pairs)]
        set_precision(device, precision)
        with tempfile.TemporaryDirectory() as folder:
            train_stack(runs, store, Path(folder), device)
            tables = [pd.read_parquet(Path(folder) / "runs" / each.id / "history.parquet") for each in runs]
        losses[precision] = [float(table["validation_loss"].iloc[-1]) for table in tables]
        moved = [a - b for a, b in zip(losses[precision], losses["float32"], strict=True)]
        error = statistics.stdev(moved) / len(moved) ** 0.5
        print(f"| {network} | {precision} | {statistics.mean(moved):+.3g} +- {error:.2g} |", flush=True)
    set_precision(device, "float32")


def measure(device, scale):
    """Print all tables."""
    declared, study = declared_study(scale)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {os.cpu_count()} cores, one thread"
    print(f"{name}, torch {torch.__version__}, AUXVAE_GRAPH={os.environ.get('AUXVAE_GRAPH', '1')}")
    with tempfile.TemporaryDirectory() as folder:
        store, source = Path(folder) / "galaxies.zarr", study.runs[0].dataset.name
        simulate(declared.simulated[source], declared.facts[source], store)
        measured = {network: speed_table(network, study, store, device, scale) for network in NETWORKS}
        peak = achievable(device, scale)
        timed = {network: each for network, each in measured.items() if each[1]}
        for network, (_, best) in timed.items():
            share_of_rate(network, study, store, device, best, peak)
        print("\n| the paper's study | runs in a stack | stacks, hours | plain, hours | ratio |\n|---|---|---|---|---|")
        for network, (plain, best) in timed.items():
            paper(network, study, store, device, plain, best)
        change = f"change of the validation loss after {scale.epochs} epochs, nats"
        print(f"\n| network | precision | {change} |\n|---|---|---|")
        for network in NETWORKS:
            precisions(network, study, store, device, scale)
    print(f"\nmeasured in {time.monotonic() - STARTED:.0f} s")


def main():
    """Read the command line; without a GPU, say so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small sizes, which only show that the program works")
    chosen = parser.parse_args()
    if chosen.device == "cuda" and not torch.cuda.is_available():
        print("benchmarks/gpu.py: torch sees no CUDA GPU on this machine; add --device cpu --tiny", file=sys.stderr)
        sys.exit(2)
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    device = torch.device(chosen.device)
    set_precision(device, "float32")
    try:
        measure(device, TINY if chosen.tiny else Scale())
    except Refused as refused:
        print(refused, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()

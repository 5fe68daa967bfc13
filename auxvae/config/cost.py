"""What a job of a study asks of a machine: cores, memory in MB, minutes. Bounds for a cluster, not measurements.

    memory = BASE + processes (PROCESS + images)    images are those that a process holds, float32, several times over
    time   = 3 x the estimate of the study on these cores without a GPU

All of them grow with the attempt, so that a job which was killed for either comes back with more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from auxvae.config.networks import BACKBONES
from auxvae.config.run import Run, Source

MOST_CORES = 16  # of one job; a profile's `max-threads` says less where nodes are smaller
BESIDE_A_GPU = 4  # cores of a training on a GPU, where all runs of a fleet are a few programs after one another
BASE, PROCESS = 800, 900  # MB of the program that starts the others, and of one of them with a small data set
HELD = 3  # times the training images that a training holds: as read, scaled, and one more while either is made
SCORED = 25  # times the test images that an evaluation holds: reconstructions, SSIM, moments
EVALUATION_SECONDS = 15  # a run, on one core: its pictures, sensitivities and the suite of metrics
USUAL_WIDTH = 32  # of the speeds of networks
WITH_DENOISER, FILLING, FROM_BANK = 0.4, 1.4, 0.1  # of a step whose denoiser is not trained: benchmarks/README.md
TRAIN_TO_TEST = 6  # training rows for each test row, where nothing else is said
SAMPLED, SAMPLED_GROWTH = (
    6.5e-6,
    1.1,
)  # s a pixel and step, all decoded images of an evaluation together: sami_disks.yaml
LABEL_SECONDS = 1.5e-3  # of each labelled row of the downstream analysis: 2 ms of few, 0.8 of 4,096, on ten latents
BASELINES = 4  # of the downstream analysis, once for a data set
MINUTES = 10  # that any job may take: start of Python on a slow disk, reading, writing


def core_hours(runs: Sequence[Run], labelled: int = 0) -> float:
    """Time of training and evaluation of these runs on one CPU core, in hours; labelled: rows of `downstream`."""
    seconds = sum(
        _rows(run) * run.training.epochs * run.dataset.stamp**2 * run.dataset.channels / _speed(run) for run in runs
    )
    seconds += sum(sampling_seconds(run, run.dataset.train // TRAIN_TO_TEST) for run in runs)
    return (seconds + (EVALUATION_SECONDS + LABEL_SECONDS * labelled) * len(runs)) / 3600


def sampling_seconds(run: Run, test: int) -> float:
    """Time in which the evaluation of a score-based run samples images of so many test rows; 0 of any other run."""
    if run.composition.family != "score":
        return 0.0
    pixels = test * run.dataset.stamp**2 * run.dataset.channels
    width: float = (run.network.width / USUAL_WIDTH) ** SAMPLED_GROWTH
    return SAMPLED * pixels * run.settings.diffusion.steps * width


def _speed(run: Run) -> float:
    """Pixels a second of a training on one core."""
    backbone = BACKBONES[run.network.name]
    speed: float = backbone.pixels_per_second * (USUAL_WIDTH / run.network.width) ** backbone.growth
    return speed / _share_of_steps(run) if backbone.family == "score" else speed


def _share_of_steps(run: Run) -> float:
    """The time of a score-based training as a share of one whose denoiser learns throughout."""
    diffusion, epochs = run.settings.diffusion, run.training.epochs
    alone = epochs * (1.0 if diffusion.denoiser else 1 - diffusion.start if diffusion.learning == "first" else 0.0)
    filling = min(alone, float(diffusion.versions))
    of_encoder = filling * FILLING + (alone - filling) * FROM_BANK if diffusion.versions else alone * WITH_DENOISER
    return (epochs - alone + of_encoder) / epochs


def _rows(run: Run) -> int:
    """The training rows that a run reads: those of its contexts, where the data set has any."""
    return sum(each.train for each in run.contexts) if run.contexts else run.dataset.train


def cores(runs: int, device: str = "cpu") -> int:
    """Cores that a job on so many runs can use: one a run, up to MOST_CORES; few beside a GPU."""
    return min(BESIDE_A_GPU if device == "cuda" else MOST_CORES, runs)


def training_memory(runs: Sequence[Run], processes: int, attempt: int = 1) -> int:
    """MB of a job that trains runs in so many processes; runs that read shard by shard hold few images."""
    return _memory(processes, max(map(_held, runs)), attempt)


def _held(run: Run) -> float:
    """MB of the images that a training holds, of their weights, and of versions of them (auxvae.losses.bank)."""
    times = 0 if run.training.order == "shards" else HELD + bool(run.dataset.weights)
    versions = run.settings.diffusion.versions if run.composition.family == "score" else 0
    return (times + versions) * _images(run.dataset, run.dataset.train)


def evaluation_memory(source: Source, test: int, processes: int, attempt: int = 1) -> int:
    """MB of a job that scores so many test images in each of so many processes."""
    return _memory(processes, SCORED * _images(source, test), attempt)


def _memory(processes: int, held: float, attempt: int) -> int:
    return attempt * math.ceil(BASE + processes * (PROCESS + held))


def _images(source: Source, rows: int) -> float:
    """MB of so many images."""
    return 4 * rows * source.channels * source.stamp**2 / 1e6


def training_minutes(runs: Sequence[Run], processes: int, attempt: int = 1) -> int:
    """Minutes of a job that trains these runs."""
    return attempt * (MINUTES + math.ceil(3 * 60 * core_hours(runs) / processes))


def evaluation_minutes(runs: Sequence[Run], test: int, processes: int, attempt: int = 1, labelled: int = 0) -> int:
    """Minutes of a job that evaluates these runs: one a run, more of more than 2,048 test images; labelled: as above.

    The first job of a data set measures the baselines of labelled rows as well, which take as long as those of runs.
    """
    downstream = 3 * LABEL_SECONDS * labelled / 60 * (len(runs) + BASELINES)
    sampling = 3 * sum(sampling_seconds(run, test) for run in runs) / 60
    usual = max(1.0, test / 2048) * len(runs)
    return attempt * (MINUTES + math.ceil((usual + downstream + sampling) / processes))


def measuring_memory(stores: Sequence[Any], attempt: int = 1) -> int:
    """MB of a job that measures images of these data sets, by their facts: those of the largest several times over."""
    most: float = max(4 * each.galaxies * each.channels * each.stamp**2 / 1e6 for each in stores)
    return attempt * math.ceil(BASE + PROCESS + HELD * most)


def measuring_minutes(times: int, attempt: int = 1) -> int:
    """Minutes of a job in which runs measure data sets so many times, half a minute each on one core."""
    return attempt * (MINUTES + 2 * times)

"""How the drawing of a data set is divided into jobs, and what they ask for; the store is the same, however it is.

A data set is one job for every PART_SECONDS of a core (simulations.cost), and a job asks for a CPU for every
CPU_SECONDS of its part, at most CPUS: beyond it more jobs help, and a job that asks for more CPUs than a node has would
wait for ever.
"""

from __future__ import annotations

import math

from simulations.cost import core_seconds, worker_bytes
from simulations.spec import Dataset

PART_SECONDS, CPU_SECONDS, CPUS = 300, 20, 4
MOST = 1000  # parts: beyond them Snakemake's bookkeeping would cost more than it saves


def parts_of(dataset: Dataset) -> tuple[str, ...]:
    """Names of the parts that are drawn by jobs of their own, such as 2-of-3; none where one job draws and seals."""
    parts = min(MOST, math.ceil(core_seconds(dataset) / PART_SECONDS))
    return tuple(f"{number}-of-{parts}" for number in range(1, parts + 1)) if parts > 1 else ()


def cpus_for(dataset: Dataset) -> int:
    """CPUs that a job which draws, a part or all of the data set, can use."""
    return min(CPUS, max(1, math.ceil(_job_seconds(dataset) / CPU_SECONDS)))


def minutes_for(dataset: Dataset, cpus: int) -> int:
    """A bound for a job that draws: three times the estimate, and what starting and waiting for a disk may take."""
    return 10 + math.ceil(3 * _job_seconds(dataset) / cpus / 60)


def sealing_minutes_for(dataset: Dataset) -> int:
    """A bound for the job that verifies what others drew: a pass over its bytes at 50 MB/s, and a lost part."""
    return minutes_for(dataset, 1) + math.ceil(dataset.image_bytes / 50e6 / 60)


def megabytes_for(dataset: Dataset, cpus: int) -> int:
    """Memory of a job that draws: itself, two copies of a shard of 40 MB or 64 images, and its workers."""
    row = 4 * math.prod(dataset.scene.image_shape)
    shard = max(40e6, 64 * row) * (2 if dataset.image_true else 1)
    worker = 200 + (64 * row + worker_bytes(dataset)) / 1e6
    return math.ceil(600 + 2 * shard / 1e6 + worker * cpus)


def _job_seconds(dataset: Dataset) -> float:
    """Seconds of one core of one of the jobs that draw."""
    return core_seconds(dataset) / max(1, len(parts_of(dataset)))

"""What following the metrics costs a training: their share of an epoch, conv4, batch 64, on one core.

    python benchmarks/follow.py results/default/data/galaxies.zarr          target 2 %

An epoch is its steps (the median of twenty, times their number) and the look at the validation rows; the metrics in
closed form of those rows' codes are timed beside it.
"""

import statistics
import sys
import time
from pathlib import Path

import torch

from auxvae.analysis.follow import follow_metrics
from auxvae.config.study import read_study
from auxvae.data.store import Store
from auxvae.models.model import draws_at
from auxvae.training.loop import Trainer
from foundation.yaml_file import load_yaml
from simulations.facts import read_declared


def median(of, turns):
    """Median time of the i-th call, seconds."""
    taken = []
    for i in range(turns):
        start = time.perf_counter()
        of(i)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main(path, work=Path("benchmarks/results/follow")):
    """Print the share."""
    config = load_yaml(Path("config/config.yaml"))
    run = read_study(config, read_declared(config, []).to_json(), []).runs[1]
    trainer = Trainer(run, Store(Path(path), run.dataset), work, torch.device("cpu"), follow_metrics)
    batch = trainer.loader.data.take(torch.arange(run.training.batch))
    draws = trainer.draws("latents", 0, 20, run.training.batch)
    step = median(lambda i: trainer._step(batch, draws_at(draws, i), torch.tensor(0.5), i), 20)
    look = median(lambda i: trainer._validate(), 3)
    codes = trainer._validate()[1]
    follow = median(lambda i: trainer.follow(codes), 9)
    epoch = step * trainer.loader.steps + look
    print(f"epoch {epoch:.2f} s, metrics of {len(codes)} validation rows {1e3 * follow:.1f} ms: {follow / epoch:.2%}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])

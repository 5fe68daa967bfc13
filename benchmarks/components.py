"""How many components should the encoder be given? Validation rows of a data set for several K, beside the rule's.

    python benchmarks/components.py CONFIG STORE K [K ...]       the first run of a config, on the store of its data set

The rule is that of auxvae.data.components. Two seeds for each K; nats and largest nats of an image are of the
validation rows, as are the correlations: the smallest over the auxiliary variables of the best latent's.
"""

import dataclasses
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from auxvae.config.study import read_study
from auxvae.data.store import Store
from auxvae.training.loop import Trainer
from foundation.yaml_file import load_yaml
from simulations.facts import read_declared

SEEDS = (0, 1)


def trained(run, store):
    """The trainer of a run at its best validation epoch, and its core seconds."""
    with tempfile.TemporaryDirectory() as work:
        trainer = Trainer(run, store, Path(work), torch.device("cpu"))
        start = time.process_time()
        trainer.train()
    trainer.model.network.load_state_dict(trainer.state.best)
    return trainer, time.process_time() - start


@torch.no_grad()
def measured(trainer, likelihood):
    """Mean and largest nats of the validation rows, the smallest correlation, and the validation bound."""
    batch = trainer.validation.data
    codes, _ = trainer.model.encode(batch)
    nats = likelihood.nats(batch.images, trainer.model.decode(codes))
    count = codes.shape[1]
    rho = np.abs(np.corrcoef(codes.T, batch.aux.T)[:count, count:]).max(0) if batch.aux.shape[1] else [np.nan]
    return float(nats.mean()), float(nats.max()), float(np.min(rho)), trainer.state.best_bound


def main(config, path, counts):
    """Print a line for each number of components."""
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    declared = load_yaml(Path(config))
    run = read_study(declared, read_declared(declared, []).to_json(), []).runs[0]
    store = Store(Path(path), run.dataset)
    print("| K | nats | largest | smallest ρ | validation loss | core-s |\n|---|---|---|---|---|---|")
    for count in (None, *counts):
        network, rows = dataclasses.replace(run.network, components=count), []
        for seed in SEEDS:
            trainer, seconds = trained(dataclasses.replace(run, network=network, seed=seed), store)
            rows.append((*measured(trainer, trainer.model.fixed.likelihood), seconds))
        nats, largest, rho, loss, seconds = np.mean(rows, 0)
        name = count or f"rule: {trainer.scaling.components.inputs}"
        print(f"| {name} | {nats:.1f} | {largest:.0f} | {rho:.3f} | {loss:.1f} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(count) for count in sys.argv[3:]])

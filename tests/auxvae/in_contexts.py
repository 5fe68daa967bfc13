"""A tiny study of galaxies in contexts: its config, runs, store, and trained models."""

import copy

import torch

from auxvae.analysis.model import TrainedModel
from auxvae.config.run import Run
from auxvae.data.store import Store
from auxvae.training import loop
from auxvae.training.loop import open_trainer
from simulations.draw import simulate
from tests.conftest import TINY, study_of

CPU = torch.device("cpu")
BRIGHTER, LARGER = {"flux": {"mean": 1, "std": 0.5}}, {"radius": {"low": 0.5, "high": 0.9}}
CONTEXTS = {
    "larger": {"do": LARGER},
    "obs": {},
    "brighter": {"do": BRIGHTER},
    "both": {"do": {**BRIGHTER, **LARGER}, "share": 0.2, "held_out": True},
}


def with_contexts(**group):
    """The tiny study on galaxies in contexts, with one group of runs."""
    config = copy.deepcopy(TINY)
    config["datasets"]["galaxies"] |= {"mechanisms": {"radius": {"flux": 0.7}}, "contexts": CONTEXTS}
    small = {"network": {"name": "components", "latents": 8, "width": 8}, "training": {"epochs": 2, "batch": 16}}
    return {**config, "coverages": {}, **small, "runs": [group]}


def run_of(**group) -> Run:
    """The first run of such a study."""
    return study_of(with_contexts(**group))[1].runs[0]


def drawn(folder):
    """The store of galaxies in contexts."""
    declared, _ = study_of(with_contexts(method="vae"))
    path = folder / "galaxies.zarr"
    simulate(declared.simulated["galaxies"], declared.facts["galaxies"], path)
    return path


def trainer_of(run, store, folder):
    """A run before its first step."""
    return open_trainer(run, store, folder, CPU, loop.follow_nothing)


def trained_of(run, store, folder, split="test"):
    """A run as analyses have it, beside all test rows or those of another split."""
    opened = Store(store, run.dataset)
    return TrainedModel(folder / "runs" / run.id, run, opened, opened.read(split), CPU)

"""A study that learns an encoder from a denoiser that was trained before, and from nothing else (docs/sami.md).

The denoiser is a folder with denoiser.json and denoiser.safetensors, or the folder of a finished run of `sami`, whose
moving average is then written as such a folder into the results.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from auxvae.analysis.explore import run_of
from auxvae.config.denoisers import FACTS, DenoiserFacts, facts_of
from auxvae.config.run import Run
from auxvae.data import run_folder
from auxvae.models.denoiser import Denoiser
from auxvae.models.loaded_denoiser import write_denoiser
from foundation.faults import Fault, Refused
from foundation.files import write_text

STUDY = "study.yaml"
WARM_UP = 0.5  # of the divergence: an encoder that begins beside a good denoiser collapses without (docs/sami.md)


@dataclass(frozen=True)
class Wanted:
    """What is asked of the encoder; likelihood and sigma: the scale of the images, of a run its own if left out.

    versions: of each training image (auxvae.losses.bank).
    """

    latents: int
    width: int
    epochs: int
    weight: float
    seeds: int
    versions: int
    likelihood: str
    sigma: float | None


def write_extraction(denoiser: Path, store: Path, results: Path, wanted: Wanted) -> Path:
    """Write the config of the study into the results folder; the workflow takes it like any other."""
    folder, scale = denoiser, {"likelihood": wanted.likelihood or "noise", "sigma": wanted.sigma}
    if not (denoiser / FACTS).is_file() and (denoiser / "spec.json").is_file():
        run = run_of(denoiser)
        folder = results / "denoiser"
        _export(denoiser, run, folder)
        if not wanted.likelihood:
            scale = {"likelihood": run.settings.likelihood, "sigma": wanted.sigma or run.settings.sigma}
    facts = facts_of(str(folder))
    levels = {"denoiser": str(folder.resolve()), "low": facts.low, "high": facts.high}
    group: dict[str, Any] = {
        "method": "sami",
        "weights": {"kl_floored": wanted.weight},
        "seeds": [*range(wanted.seeds)],
        "diffusion": {**levels, "guided_until": min(-1.0, facts.high), "versions": wanted.versions, "warm_up": WARM_UP},
        **{key: value for key, value in scale.items() if value is not None},
    }
    config = {
        "study": results.name,
        "datasets": {"images": {"store": str(store.resolve())}},
        "network": {"name": "unet", "latents": wanted.latents, "width": wanted.width},
        "training": {"epochs": wanted.epochs, "learning_rate": 2.0e-3, "keep": "last"},
        "runs": [group],
    }
    path = results / STUDY
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(config, indent=2) + "\n")  # JSON is YAML, too
    return path


def _export(source: Path, run: Run, folder: Path) -> None:
    """Write the denoiser of a finished run as a folder of its own."""
    if run.composition.family != "score" or run.settings.diffusion.denoiser:
        text = "only a run that trained a denoiser has one"
        raise Refused(Fault(str(source), run.method, text, "name a run of sami, or the folder of its own denoiser"))
    trained, diffusion = run_folder.load(source, run), run.settings.diffusion
    with torch.random.fork_rng(devices=()):
        network = Denoiser(run.dataset.channels, run.network.width)
    prefix = "average."
    network.load_state_dict(
        {name.removeprefix(prefix): each for name, each in trained.weights.items() if name.startswith(prefix)}
    )
    facts = DenoiserFacts(
        channels=run.dataset.channels,
        stamp=run.dataset.stamp,
        mean=trained.scaling.mean,
        std=trained.scaling.std,
        low=diffusion.low,
        high=diffusion.high,
        width=run.network.width,
    )
    write_denoiser(folder, network, facts)

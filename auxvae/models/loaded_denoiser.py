"""A denoiser that was trained elsewhere, read from its folder (auxvae.config.denoisers), and one written to a folder.

Weights are safetensors. A network of one's own is the class of a Python file in the folder, which is run: take none
from people whom you would not let run a program.
"""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save
from torch import Tensor, nn

from auxvae.config.denoisers import FACTS, WEIGHTS, DenoiserFacts, digest_of_denoiser, facts_of
from auxvae.models.denoiser import Denoiser
from auxvae.models.schedules import alpha, sigma
from foundation.faults import Fault, Refused, Words
from foundation.files import atomic_write, write_json

TRIAL = 2  # images


class LoadedDenoiser(nn.Module):
    """A network with what it predicts turned into noise."""

    def __init__(self, network: nn.Module, predicts: str) -> None:
        """`predicts`: noise, velocity or image."""
        super().__init__()
        self.network, self.predicts = network.eval(), predicts

    def train(self, mode: bool = True) -> LoadedDenoiser:
        """Nothing: what was trained before neither learns nor drops units while an encoder does."""
        return self

    def forward(self, noisy: Float[Tensor, "B C H W"], level: Float[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
        """The noise eps in images x_t at levels of noise (B,)."""
        predicted: Tensor = self.network(noisy, level)
        if self.predicts == "noise":
            return predicted
        a, s = alpha(level)[:, None, None, None], sigma(level)[:, None, None, None]
        return s * noisy + a * predicted if self.predicts == "velocity" else (noisy - a * predicted) / s


def read_denoiser(folder: str, sha256: str | None = None) -> tuple[LoadedDenoiser, DenoiserFacts]:
    """The denoiser of a folder without gradients, tried on noise; one whose files changed or that fails is refused."""
    if sha256 and digest_of_denoiser(folder) != sha256:
        raise Refused(Fault(folder, Words("other bytes"), "the run was declared with another denoiser", "start again"))
    facts = facts_of(folder)
    try:
        network = _class_of(Path(folder, facts.file), facts.name or "")() if facts.file else None
        loaded = LoadedDenoiser(network or Denoiser(facts.channels, facts.width), facts.predicts)
        loaded.network.load_state_dict(load_file(Path(folder, WEIGHTS)))
        _try(loaded, facts)
    except Exception as error:  # whatever a stranger's network raises is a fault of the folder
        value = Words(f"a network that fails ({type(error).__name__}: {str(error)[:200]})")
        text = "it takes images (B, C, H, W) and log SNR (B,) and returns images"
        raise Refused(Fault(folder, value, text, "correct the folder: docs/sami.md")) from None
    return loaded.requires_grad_(False), facts


@torch.no_grad()
def _try(loaded: LoadedDenoiser, facts: DenoiserFacts) -> None:
    """Refuse a denoiser that returns another shape, or numbers that are not finite."""
    noise = torch.randn(TRIAL, facts.channels, facts.stamp, facts.stamp, generator=torch.Generator().manual_seed(0))
    for level in (facts.low, facts.high):
        predicted = loaded(noise, torch.full((TRIAL,), level))
        if predicted.shape != noise.shape or not bool(predicted.isfinite().all()):
            raise ValueError(f"it returns {tuple(predicted.shape)} for {tuple(noise.shape)}, or what is not finite")


def _class_of(path: Path, name: str) -> type[nn.Module]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network: type[nn.Module] = getattr(module, name)
    return network


def write_denoiser(folder: Path, network: Denoiser, facts: DenoiserFacts) -> None:
    """Write a `unet` and its facts, the facts last."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / WEIGHTS) as part:
        part.write_bytes(save({name: each.contiguous() for name, each in network.state_dict().items()}))
    write_json(folder / FACTS, {name: value for name, value in asdict(facts).items() if value is not None})

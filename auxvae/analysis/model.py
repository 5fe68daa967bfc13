"""A trained run as functions of arrays: images to codes, codes to images, in photons; no gradients, any device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auxvae.config.run import Run
from auxvae.data import run_folder as runs
from auxvae.data.likelihoods import Gaussian, Likelihood
from auxvae.data.store import Part, Store, run_likelihood
from auxvae.models.autoencoder import build

Array = NDArray[np.float32]
ROWS = 512  # images that pass through the network together


class Model:
    """A run read back from its folder, beside one part of its store."""

    def __init__(self, folder: Path, run: Run, store: Store, part: Part, device: torch.device) -> None:
        """Read the run, refuse another one, and put its network on the device."""
        self.trained = runs.load(folder, run)
        known = self.trained.scaling
        self.part, self.device = part, device
        self.likelihood: Likelihood = run_likelihood(run, store, part, (known.count_low, known.count_high))
        self.network = build(run, known.mean, known.std, self.likelihood.bounded)
        self.network.load_state_dict(self.trained.weights)
        self.network.to(device).eval()

    @torch.no_grad()
    def encode(self) -> tuple[Array, Array]:
        """Mean and log variance of the posterior of every image of the part, each (N, d_Z)."""
        scaled = self.likelihood.to_scale(self.part.images)
        told = self.part.told(self.trained.run.aux, self.trained.scaling)
        u = torch.nn.functional.pad(told, (0, self.trained.run.network.latents - told.shape[1]))
        pieces = zip(scaled.split(ROWS), u.split(ROWS), strict=True)
        both = [self.network.encode(rows.to(self.device), seen.to(self.device)) for rows, seen in pieces]
        mean, log_variance = (torch.cat(each).cpu().numpy() for each in zip(*both, strict=True))
        return mean, log_variance

    @torch.no_grad()
    def decode(self, codes: Array) -> Tensor:
        """Reconstructions (N, C, H, W) on the likelihood's scale."""
        rows = torch.from_numpy(np.ascontiguousarray(codes, dtype=np.float32)).split(ROWS)
        return torch.cat([self.network.decode(each.to(self.device)).cpu() for each in rows])

    def decode_counts(self, codes: Array, images: NDArray[np.intp] | None = None) -> Array:
        """Reconstructions (N, C, H, W) in photons per pixel.

        `images` says which image of the part each row of codes belongs to, by default the first N in order; it matters
        where the noise, and so the scale, differs from image to image.
        """
        kind = self.likelihood
        if isinstance(kind, Gaussian) and isinstance(kind.sigma, Tensor):
            kind = Gaussian(kind.sigma[np.arange(len(codes)) if images is None else images])
        return np.asarray(kind.to_counts(self.decode(codes)).numpy())

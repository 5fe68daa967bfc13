"""A second family of models, for the tests alone: linear regression with a moving average and a projection.

z = W x with rows of W of length one, projected back after each step; codes are those of the moving average of W. It has
no decoder, no posterior width and no random numbers: whatever needs one of these must do without.
"""

import torch
from torch import nn

from auxvae.config.methods import METHODS, Method
from auxvae.config.networks import FAMILIES
from auxvae.data.randomness import generator
from auxvae.models.model import Loss, Model, Posterior

DECAY = 0.9


class Weights(nn.Module):
    """W (d_Z, pixels), its moving average, and a number per latent that lets unit rows reach any scale."""

    def __init__(self, latents, pixels, source):
        super().__init__()
        self.rows = nn.Parameter(torch.randn(latents, pixels, generator=source))
        self.scale = nn.Parameter(torch.ones(latents))
        self.register_buffer("average", self.rows.detach().clone())
        self.project()

    @torch.no_grad()
    def project(self):
        self.rows /= self.rows.norm(dim=1, keepdim=True)


class Linear(Model):
    """The family."""

    can_decode = False

    def __init__(self, run, data, device):
        self.run, self.scaling = run, data.scaling
        pixels = run.dataset.channels * run.dataset.stamp**2
        self.network = Weights(run.network.latents, pixels, generator(run.seed, "weights")).to(device)

    def _codes(self, batch, rows):
        images = (batch.images.flatten(1) - self.scaling.mean) / self.scaling.std
        return images @ (rows.T * self.network.scale)

    def loss(self, batch, draws, progress):
        z = self._codes(batch, self.network.rows)
        error = 0.5 * (z[:, : batch.aux.shape[1]] - batch.aux).square().sum(1).mean()
        return Loss({"regression": error}, Posterior(*[z.detach()] * 3))

    def encode(self, batch):
        z = self._codes(batch, self.network.average)
        return z, torch.full_like(z, -20.0)

    def after_step(self, batch, codes):
        self.network.project()
        self.network.average.mul_(DECAY).add_((1 - DECAY) * self.network.rows)


def register():
    """Add the family and a method of it to the tables: the two places that a family takes, beside its class."""
    FAMILIES["linear"] = "tests.auxvae.linear:Linear"
    METHODS["linear"] = Method(
        {"regression": 1}, "none", conditional="gaussian", encoder="deterministic", family="linear"
    )


def unregister():
    """Take them out again."""
    del FAMILIES["linear"], METHODS["linear"]

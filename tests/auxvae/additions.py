"""What test_additions adds: a term, a prior, a backbone and metrics, each the one function or class that it takes."""

import numpy as np
import torch
from torch import nn

from auxvae.metrics.score import exact
from auxvae.models.backbones import Backbone
from auxvae.models.priors import Prior


def sparsity(inputs, fixed):
    """Mean absolute value of the posterior means, a loss term."""
    return inputs.posterior.mean.abs().sum(1).mean()


class Triangular(Prior):
    """Sum of two uniform numbers, of unit variance."""

    def sample(self, u, source):
        both = torch.rand(2, len(u), self.dimensions, generator=source)
        return (both.sum(0) - 1) * 6**0.5


def shallow(shape, act):
    """One linear layer each way."""
    pixels = shape.channels * shape.stamp**2
    image = nn.Unflatten(1, (shape.channels, shape.stamp, shape.stamp))
    return Backbone(nn.Flatten(), nn.Sequential(nn.Linear(shape.latents, pixels), image), pixels)


def size(inputs, resamples):
    """A metric: the mean absolute code."""
    return exact(float(np.abs(inputs.codes).mean()), len(inputs.codes))


def spread(inputs, resamples):
    """A metric: the standard deviation of all codes."""
    return exact(float(inputs.codes.std()), len(inputs.codes))

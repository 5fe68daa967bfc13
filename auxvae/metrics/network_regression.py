"""A supervised network that is trained on n labelled rows and nothing else: the baseline of auxvae.metrics.few_labels.

FOLDS networks of two layers of WIDTH units (GELU, Adam, a rate that falls as a cosine), each trained on four fifths
of the labelled rows and kept at the step that predicts the last fifth best; their mean predicts. Inputs are scaled as
a whole and variables one by one, by the labelled rows. A labelled row's prediction without itself is that of the
network that did not learn from it. The number of steps does not fall with n: an epoch of 16 rows is one step.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import gelu

from auxvae.metrics.kernel_ridge import Prediction
from auxvae.metrics.standardise import standard_by_first

Array = NDArray[np.float64]
FOLDS, WIDTH, BATCH, STEPS, RATE = 5, 64, 64, 3000, 3e-3
LOOK = 50  # steps between two looks at the rows that are held out


def network_regression(
    x: Float[ndarray, "n D"], y: Float[ndarray, "n V"], x_test: Float[ndarray, "M D"], factors: Sequence[slice]
) -> Prediction:
    """Predictions of y for the test rows; all variables together, whatever the columns of the factors."""
    whole = np.sqrt(max(float(x.var(0).mean()), 1e-20))
    inputs, inputs_test = (torch.tensor((each - x.mean(0)) / whole).float() for each in (x, x_test))
    centre, spread = y.mean(0), np.where(np.ptp(y, axis=0) > 0, y.std(0), 1.0)
    fold = torch.arange(len(y)) % FOLDS
    weights = _trained(inputs, torch.tensor(standard_by_first(y, y)[0]).float(), fold)
    test = _networks(weights, inputs_test.expand(FOLDS, -1, -1)).mean(0)
    left_out = _networks(weights, inputs.expand(FOLDS, -1, -1))[fold, torch.arange(len(y))]
    return Prediction(*(centre + spread * each.double().numpy() for each in (test, left_out)))


def _networks(weights: Sequence[Tensor], x: Float[Tensor, "k n D"]) -> Float[Tensor, "k n V"]:
    first, first_offset, second, second_offset, third, third_offset = weights
    hidden = gelu(torch.baddbmm(first_offset, x, first))
    hidden = gelu(torch.baddbmm(second_offset, hidden, second))
    return torch.baddbmm(third_offset, hidden, third)


def _trained(x: Float[Tensor, "n D"], y: Float[Tensor, "n V"], fold: Tensor) -> list[Tensor]:
    """The weights of every network at the step at which it predicts its own fold best."""
    source = torch.Generator().manual_seed(len(x))
    weights = _initial((x.shape[1], WIDTH, WIDTH, y.shape[1]), source)
    best, least = [each.detach().clone() for each in weights], torch.full((FOLDS,), torch.inf)
    learned = torch.stack([torch.nonzero(fold != k)[:, 0][: len(x) - -(-len(x) // FOLDS)] for k in range(FOLDS)])
    held_out = [torch.nonzero(fold == k)[:, 0] for k in range(FOLDS)]
    adam = torch.optim.Adam(weights, RATE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    for step in range(STEPS):
        rows = learned[:, torch.randint(learned.shape[1], (min(BATCH, learned.shape[1]),), generator=source)]
        loss = (_networks(weights, x[rows]) - y[rows]).square().mean((1, 2)).sum()
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        falling.step()
        if (step + 1) % LOOK == 0:
            _keep_better(weights, best, least, x, y, held_out)
    return best


@torch.no_grad()
def _keep_better(
    weights: list[Tensor], best: list[Tensor], least: Tensor, x: Tensor, y: Tensor, held_out: list[Tensor]
) -> None:
    """Keep the weights of those networks that predict their fold better than before."""
    for k, rows in enumerate(held_out):
        error = (_networks([each[k : k + 1] for each in weights], x[None, rows]) - y[rows]).square().mean()
        if error < least[k]:
            least[k] = error
            for kept, each in zip(best, weights, strict=True):
                kept[k] = each[k]


def _initial(sizes: tuple[int, ...], source: torch.Generator) -> list[Tensor]:
    """Normal weights of variance 2 / inputs, and offsets of 0, for every network."""
    weights: list[Tensor] = []
    for inputs, outputs in itertools.pairwise(sizes):
        normal = torch.randn(FOLDS, inputs, outputs, generator=source) * (2 / inputs) ** 0.5
        weights += [normal.requires_grad_(), torch.zeros(FOLDS, 1, outputs, requires_grad=True)]
    return weights

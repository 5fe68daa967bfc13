"""The power of MMD terms to detect one pair of latents correlated by 0.5 among d independent ones, all N(0, 1).

    python benchmarks/power.py

z-score of each term of losses.mmd, (mean with the pair - mean without) / standard deviation without, over 40 draws and
for several numbers of rows, those of the batch and the queue together. "pairs drawn" uses 2 d random pairs, different
ones in each draw; "its pair" is the term of the dependent pair alone, whose gradient acts on its two latents.
"""

import math

import torch

from auxvae.config.latents import Mmd
from auxvae.data.randomness import generator
from auxvae.losses import mmd
from auxvae.losses.kernels import features

DRAWS = 40


def codes(rows, d, rho, index):
    """Codes (rows, d) whose first two latents are correlated, and prior samples (rows, d)."""
    source = generator(5, f"codes {rows} {d}", index)
    z, y = torch.randn(rows, d, generator=source), torch.randn(rows, d, generator=source)
    z[:, 1] = rho * z[:, 0] + math.sqrt(1 - rho**2) * z[:, 1]
    return z, y


def terms(rows, d, rho, index):
    """The value of every term for one draw."""
    z, y = codes(rows, d, rho, index)
    past = z[:0]
    every = torch.triu_indices(d, d, 1)
    drawn = every[:, torch.randperm(every.shape[1], generator=generator(6, "pairs", index))[: 2 * d]]
    pairs = mmd.pairs(z, past, None)
    return torch.stack([
        mmd.joint(z, past, y, torch.ones(d), Mmd()),
        mmd.joint(z, past, y, torch.ones(d), Mmd("rbf", "prior", (0.5,))),
        mmd.marginal(z, past, features(y).mean(0)).sum(),
        mmd.chosen_pairs(z, past, None, drawn).sum(),
        torch.triu(pairs, 1).sum(),
        pairs[0, 1],
    ])  # fmt: skip


def main():
    """Print one line per number of latents and of rows."""
    torch.set_num_threads(1)
    print("   d   rows  joint imq  joint rbf  marginals  pairs drawn  all pairs  its pair")
    for d in (10, 32, 64):
        for rows in (256, 1024):
            null, paired = (torch.stack([terms(rows, d, rho, i) for i in range(DRAWS)]) for rho in (0.0, 0.5))
            scores = ((paired.mean(0) - null.mean(0)) / null.std(0)).tolist()
            print(f"{d:4d} {rows:6d} " + " ".join(f"{score:10.1f}" for score in scores), flush=True)


if __name__ == "__main__":
    main()

"""Controls: codes whose scores are known in advance, scored like those of a run on the same test rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auxvae.metrics.alignment import alignment_scores, standard
from auxvae.metrics.score import Score
from auxvae.metrics.suite import study_scores

Array = NDArray[np.float64]


def control_codes(factors: Array, latents: int) -> dict[str, Array]:
    """Codes (N, latents) of factors (N, F), by name.

    identity: the factors, then noise. noise: noise alone. duplicated: every factor twice. rotated: the standardised
    factors under a random rotation, which keeps all information and no axis.
    """
    source = np.random.Generator(np.random.Philox(key=1))
    columns = standard(factors)
    noise = source.standard_normal((len(factors), latents))
    rotation, _ = np.linalg.qr(source.standard_normal((factors.shape[1],) * 2))
    bare = {"identity": columns, "duplicated": np.hstack([columns, columns]), "rotated": columns @ rotation}
    padded = {name: np.hstack([codes, noise])[:, : max(latents, codes.shape[1])] for name, codes in bare.items()}
    return {**padded, "noise": noise}


def control_scores(factors: dict[str, Array], latents: int, resamples: int) -> dict[str, dict[str, Score]]:
    """The scores of every control for factors (N,) by name, over all factors."""
    values = np.stack(list(factors.values()), 1)
    return {
        name: alignment_scores(codes, factors, (), resamples) | study_scores(codes, codes, factors, resamples)
        for name, codes in control_codes(values, latents).items()
    }

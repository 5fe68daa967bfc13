"""The methods of the field as one table: a prior, terms with their default weights, a paper.

    minimise  sum_t w_t * term_t        every term in nats per image, averaged over the batch (auxvae.terms)

`vae`       Kingma & Welling, arXiv 1312.6114, eq. 10
`beta_vae`  Higgins et al., ICLR 2017, eq. 4
`aux_vae`   Ganguli et al., arXiv 2507.00298: prior of eq. 3, KL of eq. 4, the three penalties of eq. 7 to 9

Deviation for aux_vae: the published loss divides reconstruction and KL by the number of pixels; here every term is in
nats per image, so a published weight lambda becomes lambda times the number of pixels (preset `paper`). The default
weights were found on the paper's galaxies with the noise likelihood; LOG.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Method:
    """A named composition. `told` says whether the method is given factors, so that it needs a coverage."""

    prior: str
    weights: Mapping[str, float]
    told: bool
    citation: str


METHODS = {
    "vae": Method("normal", {"reconstruction": 1, "kl": 1}, False, "arXiv:1312.6114"),
    "beta_vae": Method("normal", {"reconstruction": 1, "kl": 4}, False, "Higgins et al., ICLR 2017"),
    "aux_vae": Method(
        "auxiliary",
        {"reconstruction": 1, "kl": 1, "explicitness": 2000, "intra": 20, "inter": 12000},
        True,
        "arXiv:2507.00298",
    ),
}

_PIXELS = 33 * 33
# The released galaxy setting: beta 20, lambda_1 0.50 and lambda_2 0.40 beside terms per pixel, log10 likelihood, prior
# variance 1, K = 3 between blocks and 1 within, sums in place of means, products of factors in the inter term.
PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {
        "likelihood": "log10",
        "prior_variance": 1.0,
        "degree": 3,
        "aux_degree": 1,
        "normalise": False,
        "interactions": True,
        "activation": "relu",
    },
}
PAPER_WEIGHTS: dict[str, dict[str, float]] = {
    "vae": {"reconstruction": 1, "kl": 1},
    "beta_vae": {"reconstruction": 1, "kl": 20},
    "aux_vae": {
        "reconstruction": 1,
        "kl": 20,
        "explicitness": 0.50 * _PIXELS,
        "intra": 0.50 * _PIXELS,
        "inter": 0.40 * _PIXELS,
    },
}


def default_weights(method: str, preset: str) -> dict[str, float]:
    """Weights of a method's terms where the config says nothing."""
    weights = PAPER_WEIGHTS[method] if preset == "paper" else METHODS[method].weights
    return {name: float(weight) for name, weight in weights.items()}

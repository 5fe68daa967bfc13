"""The table of priors of the residual latents: the class of each, the settings that it takes, what is known of it.

    normal      N(0, 1)                     uniform    on [-sqrt 3, sqrt 3]            laplace   of scale 1/sqrt 2
    mixture     `components` Gaussians at equal steps from -2 to 2, each of width `std`, rescaled to unit variance
    grid        `levels` equal steps, rescaled to unit variance
    product     the marginals in `of`, one latent each, in turn until every latent has one
    blocks      the priors in `of`, each for its number of `latents`, in order
    auxiliary   N(u_j, std^2), one latent for each auxiliary variable u_j in [0, 1]: the prior of Aux-VAE's auxiliary
                latents
    empirical   rows of the training factors in `factors` (of all that are no auxiliary variables, if none is named),
                standardised: their dependence is part of it
    file        the class `name` of the Python file `path`: docs/own_prior.md

Adding a prior is one entry here and one class in auxvae.models.priors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PriorKind:
    """One kind of prior.

    maker: `module:name` of its class, made from the number of latents and the settings by name. settings: fields of
    PriorSpec that it takes, with their defaults. needs: those without a default. has_density: whether log p(z) is
    finite for every z; is_independent: whether its latents are known to be independent of each other; both hold of a
    prior made of others if they hold of all of these. dimensions: the number of latents that a spec fixes, from the
    spec, the number of factors that are no auxiliary variables, and the number of those that are; None where any
    number will do.
    """

    maker: str
    settings: Mapping[str, object] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    has_density: bool = True
    is_independent: bool = True
    dimensions: Callable[[Any, int, int], int] | None = None

    def is_marginal(self) -> bool:
        """Whether it can be the prior of a single latent in a product."""
        return self.dimensions is None and "of" not in self.settings


_PRIORS = "auxvae.models.priors"

# A setting of a new name is declared in PriorSpec (auxvae.config.latents).
PRIORS = {
    "normal": PriorKind(f"{_PRIORS}:Normal"),
    "uniform": PriorKind(f"{_PRIORS}:Uniform", has_density=False),
    "laplace": PriorKind(f"{_PRIORS}:Laplace"),
    "mixture": PriorKind(f"{_PRIORS}:Mixture", {"components": 5, "std": 0.3}),
    "grid": PriorKind(f"{_PRIORS}:Grid", {"levels": 8}, has_density=False),
    "product": PriorKind(f"{_PRIORS}:Blocks", {"of": ()}, ("of",)),
    "blocks": PriorKind(
        f"{_PRIORS}:Blocks", {"of": ()}, ("of",), dimensions=lambda spec, *_: sum(part.latents or 0 for part in spec.of)
    ),
    "auxiliary": PriorKind(
        f"{_PRIORS}:Conditioned", {"std": 0.1}, has_density=False, dimensions=lambda spec, residual, aux: aux
    ),
    "empirical": PriorKind(
        f"{_PRIORS}:Empirical",
        {"factors": ()},
        has_density=False,
        is_independent=False,
        dimensions=lambda spec, residual, aux: len(spec.factors) or residual,
    ),
    "file": PriorKind(
        f"{_PRIORS}:Prior", {"path": None, "name": None, "sha256": None}, ("path", "name"), is_independent=False
    ),
}

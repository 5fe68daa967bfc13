"""The table of loss terms: where each one's function stands, which settings it reads, which random numbers it needs.

The functions themselves are in auxvae.losses; they are named here by module and function, so that a config can be
checked, and the code behind a run be hashed, without importing torch. Adding a term is one entry here and one function.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """One term of a loss.

    function: `module:name` of a pure function of one run's tensors, in nats per image. reads: settings of a group of
    runs that change its value (`mmd.width` is the key `width` of the section `mmd`). draws: random numbers that it
    needs beside the noise of the latents: `prior_samples`, `shuffle`, `pairs`. needs_density: whether it needs log p(z)
    for every z. in_bound: whether it belongs to the bound by which weights are kept and training is stopped: what the
    model says of the data, or how far its codes are from their prior. The terms of a second network, or measured by
    one, change with the state of that network, and penalties on dependence trade the bound for something else.
    """

    function: str
    reads: tuple[str, ...] = ()
    draws: tuple[str, ...] = ()
    needs_density: bool = False
    in_bound: bool = False


_JOINT = ("mmd.kernel", "mmd.bandwidth", "mmd.scales", "mmd.block")
_COOLING = ("cooling", "cooling_from", "cooling_until")
_UNBIASED = ("correlation", "earlier")

TERMS = {
    "reconstruction": Term("auxvae.losses.reconstruction:reconstruction", in_bound=True),
    "kl": Term("auxvae.losses.divergences:kl", ("prior", "prior_variance"), needs_density=True, in_bound=True),
    "kl_told": Term("auxvae.losses.divergences:kl_told", ("prior_variance",), in_bound=True),
    "kl_free": Term("auxvae.losses.divergences:kl_free", _COOLING, in_bound=True),
    "kl_early": Term("auxvae.losses.divergences:kl_early", _COOLING),
    "denoising": Term("auxvae.losses.denoising:denoising", ("diffusion",)),
    "guided": Term("auxvae.losses.denoising:guided", ("diffusion",), in_bound=True),
    "kl_floored": Term("auxvae.losses.denoising:kl_floored", ("diffusion", "prior_variance"), in_bound=True),
    "calibration": Term(
        "auxvae.losses.divergences:calibration", ("prior_variance", "cooling_from", "cooling_until"), in_bound=True
    ),
    "capacity": Term(
        "auxvae.losses.divergences:capacity", ("prior", "prior_variance", "capacity"), needs_density=True, in_bound=True
    ),
    "explicitness": Term("auxvae.losses.alignment:explicitness", ("aux_degree", "normalise"), ("shuffle",)),
    "intra": Term("auxvae.losses.alignment:intra", ("aux_degree", "normalise", *_UNBIASED), ("shuffle",)),
    "inter": Term("auxvae.losses.alignment:inter", ("degree", "normalise", "interactions", *_UNBIASED), ("shuffle",)),
    "regression": Term("auxvae.losses.alignment:regression", in_bound=True),
    "critics": Term("auxvae.losses.alignment:critics", (), ("shuffle",)),
    "inter_infonce": Term("auxvae.losses.adversarial:inter_infonce"),
    "infonce_critic": Term("auxvae.losses.adversarial:infonce_critic"),
    "inter_odds": Term("auxvae.losses.adversarial:inter_odds"),
    "inter_discriminator": Term("auxvae.losses.adversarial:inter_discriminator", (), ("shuffle",)),
    "vae_of_u": Term("auxvae.losses.divergences:vae_of_u"),
    "total_correlation": Term("auxvae.losses.independence:total_correlation"),
    "density_ratio": Term("auxvae.losses.independence:density_ratio"),
    "discriminator": Term("auxvae.losses.independence:discriminator", (), ("shuffle",)),
    "covariance_of_means": Term("auxvae.losses.independence:covariance_of_means"),
    "variance_of_means": Term("auxvae.losses.independence:variance_of_means"),
    "covariance_of_samples": Term("auxvae.losses.independence:covariance_of_samples"),
    "variance_of_samples": Term("auxvae.losses.independence:variance_of_samples"),
    "mmd": Term("auxvae.losses.matching:joint_mmd", ("prior", *_JOINT, "mmd.queue"), ("prior_samples",), in_bound=True),
    "mmd_marginal": Term("auxvae.losses.matching:mmd_marginal", ("prior", "mmd.width", "mmd.queue"), in_bound=True),
    "mmd_pairs": Term(
        "auxvae.losses.matching:mmd_pairs",
        ("prior", "mmd.width", "mmd.queue", "mmd.pairs"),
        ("prior_samples", "pairs"),
        in_bound=True,
    ),
}

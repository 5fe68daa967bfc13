"""The methods of the field as one table: how auxiliary variables enter, the prior, the terms and weights, a paper.

    minimise  sum_t w_t * term_t        every term in nats per image, averaged over the batch (auxvae.losses)

A column, `conditional`, says how the auxiliary variables u enter the prior p(z|u) of the auxiliary latents:

    gaussian  N(u_j, v), the encoder sees the image alone           arXiv 2507.00298, eq. 3
    copied    the auxiliary latents are u itself, at test too       a conditional VAE: its encoder and decoder see u
    learned   N(m(u), s(u)^2) for every latent, from a network that is trained with the model (iVAE) or as a separate
              VAE of u (IDVAE); the encoder sees u, at test time too

Deviations. aux_vae: the published loss divides reconstruction and KL by the number of pixels; here every term is in
nats per image, so a published weight lambda becomes lambda times the number of pixels (preset `paper`). regressor: its
encoder learns from the auxiliary variables alone; a decoder learns beside it from detached codes, to show what they
hold of the image. factor_vae: discriminator and model are trained in the same step, and its width is a setting.
Where the default weights come from, and what else was tried, stands in LOG.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from auxvae.config.terms import TERMS


@dataclass(frozen=True)
class Method:
    """A named composition.

    conditional: how the auxiliary variables enter, "" where the method takes none. prior: of the residual latents.
    companion: the network trained beside the model. dependence: how explicitness, intra and inter are measured.
    decoder_apart: the decoder learns from detached codes. module: whether a context module stands before the decoder
    (config.module), and whether it is told the contexts, or all are pooled. mmd: the method's defaults of
    config.latents.Mmd. family: the family of models (config.networks) that has its loss, encoder and decoder.
    """

    weights: Mapping[str, float]
    citation: str
    conditional: Literal["", "gaussian", "copied", "learned"] = ""
    prior: str = "normal"
    encoder: Literal["gaussian", "deterministic"] = "gaussian"
    companion: str = ""
    dependence: Literal["polynomial", "hsic", "mine"] = "polynomial"
    decoder_apart: bool = False
    module: Literal["", "contexts", "pooled"] = ""
    mmd: Mapping[str, float] = field(default_factory=dict)
    family: str = "autoencoder"

    @property
    def needs_aux(self) -> bool:
        """Whether the method takes auxiliary variables, so that it needs a coverage."""
        return self.conditional != ""

    @property
    def has_aux_latents(self) -> bool:
        """Whether latents are reserved for its auxiliary variables."""
        return self.conditional in ("gaussian", "copied")

    @property
    def encoder_sees_aux(self) -> bool:
        """Whether its encoder sees the auxiliary variables, in training and at test time."""
        return self.conditional in ("copied", "learned")


DIVERGENCES = {name for name, term in TERMS.items() if term.needs_density}

_BASE = {"reconstruction": 1, "kl": 1}
_COOLED = {**_BASE, "kl_early": 0}
_MATCH = {"reconstruction": 1, "mmd": 1000, "mmd_marginal": 1000, "mmd_pairs": 1000}

METHODS = {
    "vae": Method(_COOLED, "Kingma & Welling, arXiv:1312.6114, eq. 10"),
    "beta_vae": Method({"reconstruction": 1, "kl": 4}, "Higgins et al., ICLR 2017, eq. 4"),
    "annealed_vae": Method({"reconstruction": 1, "capacity": 100}, "Burgess et al., arXiv:1804.03599, eq. 8"),
    "beta_tcvae": Method({**_BASE, "total_correlation": 5}, "Chen et al., arXiv:1802.04942, eq. 4"),
    "factor_vae": Method(
        {**_BASE, "density_ratio": 30, "discriminator": 1},
        "Kim & Mnih, arXiv:1802.05983, eq. 2",
        companion="discriminator",
    ),
    "dip_vae_i": Method(
        {**_BASE, "covariance_of_means": 10, "variance_of_means": 100}, "Kumar et al., arXiv:1711.00848, eq. 6"
    ),
    "dip_vae_ii": Method(
        {**_BASE, "covariance_of_samples": 10, "variance_of_samples": 10}, "Kumar et al., arXiv:1711.00848, eq. 7"
    ),
    "info_vae": Method({"reconstruction": 1, "kl": 0.1, "mmd": 1000}, "Zhao et al., arXiv:1706.02262, eq. 6"),
    "wae_mmd": Method(
        {"reconstruction": 1, "mmd": 1000}, "Tolstikhin et al., arXiv:1711.01558, alg. 2", encoder="deterministic"
    ),
    "ae_mmd": Method(_MATCH, "arXiv:2510.11953, eq. 5", encoder="deterministic", mmd={"queue": 768}),
    "aux_vae": Method(
        {**_BASE, "kl_early": 1, "calibration": 0, "explicitness": 2000, "intra": 20, "inter": 0},
        "arXiv:2507.00298, eq. 3 to 9",
        "gaussian",
    ),
    "aux_hsic": Method(
        {**_BASE, "explicitness": 2000, "intra": 20, "inter": 12000},
        "arXiv:2507.00298 with Gretton et al., ALT 2005",
        "gaussian",
        dependence="hsic",
    ),
    "aux_mine": Method(
        {**_BASE, "explicitness": 100, "intra": 20, "inter": 1000, "critics": 1},
        "arXiv:2507.00298 with Belghazi et al., arXiv:1801.04062, eq. 10",
        "gaussian",
        companion="critics",
        dependence="mine",
    ),
    "aux_infonce": Method(
        {**_BASE, "explicitness": 2000, "intra": 20, "inter_infonce": 1000, "infonce_critic": 1},
        "arXiv:2507.00298 with van den Oord et al., arXiv:1807.03748, eq. 4",
        "gaussian",
        companion="embeddings",
    ),
    "aux_discriminator": Method(
        {**_BASE, "explicitness": 2000, "intra": 20, "inter_odds": 1000, "inter_discriminator": 1},
        "arXiv:2507.00298 with Kim & Mnih, arXiv:1802.05983, eq. 2",
        "gaussian",
        companion="discriminator",
    ),
    "aux_mmd": Method(
        {
            "reconstruction": 1,
            "kl_told": 1,
            "kl_free": 3,
            "explicitness": 2000,
            "intra": 20,
            "mmd_marginal": 3000,
            "mmd_pairs": 3000,
        },
        "arXiv:2507.00298 with arXiv:2510.11953",
        "gaussian",
        prior="uniform",
        mmd={"queue": 960, "width": 0.7},
    ),
    "ivae": Method(_BASE, "Khemakhem et al., arXiv:1907.04809, eq. 9", "learned", companion="learned_prior"),
    "idvae": Method({**_BASE, "vae_of_u": 1}, "Mita et al., arXiv:2007.00830", "learned", companion="factor_vae_of_u"),
    "cvae": Method(_BASE, "Sohn et al., NeurIPS 2015, eq. 4", "copied"),
    "context": Method(_COOLED, "arXiv:2507.04754, section 3", module="contexts"),
    "context_pooled": Method(_COOLED, "arXiv:2507.04754, section 5", module="pooled"),
    "sami": Method({"denoising": 1, "guided": 1, "kl_floored": 0.2}, "arXiv:2512.17127", family="score"),
    "aux_sami": Method(
        {"denoising": 1, "guided": 1, "kl_floored": 0.2, "kl_early": 0.2, "explicitness": 20, "intra": 1},
        "arXiv:2512.17127 with arXiv:2507.00298",
        "gaussian",
        family="score",
    ),
    "regressor": Method(
        {"regression": 1000, "reconstruction": 1},
        "least squares",
        "gaussian",
        encoder="deterministic",
        decoder_apart=True,
    ),
}

# The released galaxy setting: beta 20, lambda_1 0.50 and lambda_2 0.40 beside terms per pixel, log10 likelihood, prior
# variance 1, K = 3 between blocks and 1 within, sums in place of means, products of factors in the inter term.
# penalty: the published measure of dependence, |rho| over the batch, and its penalty throughout, in nats per image.
PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "penalty": {"correlation": "absolute"},
    "paper": {
        "likelihood": "log10",
        "prior_variance": 1.0,
        "degree": 3,
        "aux_degree": 1,
        "normalise": False,
        "interactions": True,
        "correlation": "absolute",
        "activation": "relu",
    },
}
PAPER_WEIGHTS: dict[str, dict[str, float]] = {
    "vae": {"reconstruction": 1, "kl": 1},
    "beta_vae": {"reconstruction": 1, "kl": 20},
    "aux_vae": {
        "reconstruction": 1,
        "kl": 20,
        "kl_early": 0,
        "calibration": 0,
        "explicitness": 0.50,
        "intra": 0.50,
        "inter": 0.40,
    },
}
PER_PIXEL = {"explicitness", "intra", "inter"}  # terms that the released loss weighs beside a mean over the pixels


PENALTY_WEIGHTS: dict[str, dict[str, float]] = {
    "aux_vae": {**_BASE, "kl_early": 0, "calibration": 0, "explicitness": 2000, "intra": 20, "inter": 12000},
}
PRESET_WEIGHTS = {"paper": PAPER_WEIGHTS, "penalty": PENALTY_WEIGHTS}


def default_terms(method: str, preset: str) -> Mapping[str, float]:
    """The terms of a method as the table has them; none where the preset does not have the method."""
    return PRESET_WEIGHTS[preset].get(method, {}) if preset in PRESET_WEIGHTS else METHODS[method].weights


def default_weights(method: str, preset: str, pixels: int) -> dict[str, float]:
    """Weights of a method's terms where the config says nothing, on images of so many pixels, all channels together."""
    scaled = PER_PIXEL if preset == "paper" else set()
    return {
        name: float(weight * (pixels if name in scaled else 1))
        for name, weight in default_terms(method, preset).items()
    }

"""What a loss term reads: the tensors of one batch of one run, and the settings that are fixed for the run."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from auxvae.config.latents import Mmd
from auxvae.config.settings import Settings
from auxvae.data.likelihoods import Likelihood
from auxvae.losses.moments import Moments
from auxvae.losses.queue import Queue
from auxvae.models.model import Posterior
from auxvae.models.priors import Gaussian, Prior

Images = Float[Tensor, "B C H W"]
Nats = Float[Tensor, ""]


class Draws(NamedTuple):
    """The random numbers of one step, or of an epoch, whose arrays have the step as their first axis.

    noise (B, d_Z): standard normal. prior_samples (M, d_Z): samples of the prior, 0 for the auxiliary latents. shuffle
    (B, d_Z): a permutation of the rows for each latent. pairs (2, P): first and second latent of the pairs to compare.
    Arrays that no term uses are empty.
    """

    noise: Float[Tensor, "*S B d"]
    prior_samples: Float[Tensor, "*S M d"]
    shuffle: Int[Tensor, "*S R d"]
    pairs: Int[Tensor, "*S 2 P"]


class Denoised(NamedTuple):
    """The losses of a denoiser on a batch, in nats per image: without guidance, and guided by the latents."""

    unguided: Nats
    guided: Nats


class Scalars(NamedTuple):
    """Continuous settings as tensors without dimensions, so that runs which differ in them can be stacked.

    capacity (nats); cooling, the factor on the KL of the residual latents at the start, which falls between the shares
    cooling_from and cooling_until of the training; kernel_width, of single latents; aux_variance, that
    of the prior of the auxiliary latents.
    """

    capacity: Float[Tensor, ""]
    cooling: Float[Tensor, ""]
    cooling_from: Float[Tensor, ""]
    cooling_until: Float[Tensor, ""]
    kernel_width: Float[Tensor, ""]
    aux_variance: Float[Tensor, ""]


class TermInputs(NamedTuple):
    """One batch: images and reconstruction (B, C, H, W) on the likelihood's scale, factors, codes, random numbers.

    precision (B,) or (B, C, H, W): of the noise of each image or pixel (data.likelihoods). aux (B, d_Z): the auxiliary
    variables in [0, 1]; column j belongs to latent j and is 0 where is_aux[j] is 0. is_aux (d_Z,): 1 for an auxiliary
    latent, 0 for a residual one. owner (d_Z,): number of the factor that a latent belongs to.
    prior: p(z|u), Gaussian. queue: codes of earlier batches. prior_variance (d_Z,): variance of the
    prior's samples, and prior_features (d_Z, 2 m): their mean features.
    factor_moments, product_moments: of the powers of aux and of its products of two, over the training rows. earlier:
    codes of earlier batches beside their aux, (Q, 2 d_Z). progress: the share of the training that is done, in [0, 1].
    error (B, d_Z): standard errors of aux, of runs in which some are not exact; where one is infinite, the variable is
    unknown and aux is its mean.
    """

    images: Images
    precision: Float[Tensor, "B *pixel"]
    aux: Float[Tensor, "B d"]
    is_aux: Float[Tensor, " d"]
    owner: Float[Tensor, " d"]
    prior: Gaussian
    posterior: Posterior
    reconstruction: Images
    noise: Float[Tensor, "B d"]
    prior_samples: Float[Tensor, "M d"]
    shuffle: Int[Tensor, "R d"]
    pairs: Int[Tensor, "2 P"]
    queue: Queue
    prior_variance: Float[Tensor, " d"]
    prior_features: Float[Tensor, "d k"]
    scalars: Scalars
    factor_moments: Moments
    product_moments: Moments
    earlier: Queue
    progress: Float[Tensor, ""]
    companion: nn.Module | None = None
    denoised: Denoised | None = None
    error: Float[Tensor, "B d"] | None = None

    @property
    def observed(self) -> Float[Tensor, "B d"] | None:
        """1 where an auxiliary variable is known, of runs in which some are not."""
        return None if self.error is None else self.error.isfinite().to(self.error.dtype)

    def companion_network(self) -> Any:
        """The network trained beside the model; a term that asks for one belongs to a method that has it."""
        if self.companion is None:
            raise LookupError("the method has no companion network")
        return self.companion


class TermSettings(NamedTuple):
    """What is constant for a run; terms may branch on it, unlike on tensors under `torch.func.vmap`.

    settings: those of the group of runs. mmd: how codes and prior are compared. dependence: `polynomial`, `hsic` or
    `mine`. density: the prior of the residual latents where it is not N(0, 1), whose KL divergence has a closed form.
    prior_independent: whether the latents of the prior are independent of each other, so that their covariance needs no
    samples. gated: inactive latents are left out of the marginal and pair terms (runs with the term `kl_free`).
    """

    likelihood: Likelihood
    settings: Settings
    mmd: Mmd
    dependence: str = "polynomial"
    density: Prior | None = None
    prior_independent: bool = False
    gated: bool = False

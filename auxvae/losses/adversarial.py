r"""Terms that keep the residual latents apart from the auxiliary variables by a network that tries to pair them.

    z_i    residual latents of row i, with 0 in the place of the auxiliary ones
    u_j    auxiliary variables of row j, standardised by the moments of all training rows
    s_ij   the value of z_i and u_j by a network that is trained beside the model (models.critics)

    inter_infonce         I_NCE = 1/B sum_i log [ exp s_ii / (1/B sum_j exp s_ij) ]            (arXiv 1807.03748, eq. 4)
    infonce_critic        -I_NCE, at codes without gradient
    inter_odds            1/B sum_i D(z_i, u_i), D the log odds of a frozen discriminator    (as in arXiv 1802.05983)
    inter_discriminator   the cross entropy of D between rows and codes beside the u of another row, without gradient

Both measures estimate the mutual information I(z; u) of the two blocks, in nats, and reach it with the best network:
I_NCE from below, since its expectation is at most I for every network, so that at independence it is at most 0; E D
from either side, since the best D is the log density ratio. They pair whole rows, where MINE (losses.alignment) has a
critic for every pair of columns.

I_NCE never exceeds log B: 4.9 nats at a batch of 128. Codes that say more of the auxiliary variables than that are told
from each other no better, and the term pulls the less the nearer it is to log B. E D has no such bound, nor a
least value: a discriminator that is behind the model can be led to any value below 0.

Deviations: the critic of I_NCE is an inner product of two embeddings, so that all pairs of rows are one product of
matrices; the discriminator has one output, and sees u in the place of the auxiliary latents.
"""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from auxvae.losses.inputs import Nats, TermInputs, TermSettings
from auxvae.losses.moments import raised
from auxvae.models.critics import frozen

Blocks = tuple[Float[Tensor, "B d"], Float[Tensor, "B d"]]


def inter_infonce(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """What the residual latents say of the auxiliary variables, at most log B."""
    return infonce(frozen(inputs.companion_network())(*_blocks(inputs)))


def infonce_critic(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """What the critic minimises."""
    z, u = _blocks(inputs)
    return -infonce(inputs.companion_network()(z.detach(), u))


def infonce(values: Float[Tensor, "B B"]) -> Nats:
    """I_NCE of a critic's values, of row i's codes with row j's auxiliary variables in row i and column j."""
    paired: Tensor = values.diagonal() - values.logsumexp(1) + math.log(len(values))
    return paired.mean()


def inter_odds(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """What the residual latents say of the auxiliary variables, as the mean log odds of the discriminator."""
    z, u = _blocks(inputs)
    odds: Tensor = frozen(inputs.companion_network())(z + u)
    return odds.mean()


def inter_discriminator(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Cross entropy of the discriminator between rows and codes beside the auxiliary variables of another row."""
    (z, u), network = _blocks(inputs), inputs.companion_network()
    apart = z.detach() + u[inputs.shuffle[:, 0]]
    return 0.5 * (softplus(-network(z.detach() + u)).mean() + softplus(network(apart)).mean())


def _blocks(inputs: TermInputs) -> Blocks:
    """Codes z and auxiliary variables u, each (B, d_Z), and each 0 where the other is not."""
    by = inputs.factor_moments
    return inputs.posterior.sample * (1 - inputs.is_aux), raised(inputs.aux, by, 1)[0] * inputs.is_aux

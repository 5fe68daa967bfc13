r"""The context module: concepts in blocks of latents, an intervention on each, between posterior and decoder.

    h   = GELU(W^(S) z + b)       columns of the concepts in S from W_ivn, the others from W_obs; one block a concept
    eps = stages of               block-diagonal linear, batch norm, GELU
    c   = A^(S) eps + b           diagonal blocks are identity; c_j also hears eps_i by the block A_ji, in [0, 1]
    y   = U c + d                 the decoder's input

with m concepts, k_in latents and k units each. A context is its set S of concepts, a row of 0 and 1 for each image:

    A^(S)_ji  from A_ivn for i in S, else from A_obs; for j in S only columns i in S are kept, all others are cut

(arXiv:2507.04754, section 3, and its released code). With `cut: all` a concept in S hears no other one at all. The
context selects weights and does nothing else: no label enters the loss.

A batch holds one context, and the expressive layer normalises by it: what an intervention shifts is taken out of z, and
has to be learned by the weights of S. Batches of several contexts do not learn them. Moments m, v of a unit h are

    renormalised   in training the values of the running moments of the set of the batch, the gradients of the batch's:
                   h' = r (h - m_B) / sqrt(v_B) + d,   r = sqrt(v_B / v) and d = (m_B - m) / sqrt(v) without gradients
                                                       Ioffe, arXiv:1702.03275, without its bounds on r and d
    batch          in training those of the batch, as published: their errors, 1 / sqrt(B) of a standard deviation, are
                   noise in a code that may be a hundred times more precise
    running        after training, of codes of images, averaged over the last batches of each trained set; of another
                   set, for each concept, the mean over the trained sets that agree on it: reconstructions, and images
                   with z kept
    prior          after training, of fixed samples of the prior: images of the model's own

and `affine: states` gives each concept a scale and a shift of its own for where it is intervened on; by `shared`, as
published, an intervention can move its own concept through the shape of its distribution alone.

Deviations. Batch norm's usual averages over all contexts are no context's. `mask: intervened` leaves W_obs dense where
S is empty, as the released code does, in which case that context is a state of its own; the default masks it always.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu

from auxvae.config.module import Module
from auxvae.data.randomness import generator

EPSILON = 1e-5  # added to variances
MOMENTUM = 0.1  # of the running moments
Source = Literal["batch", "renormalised", "running", "prior"]  # of the moments by which codes are normalised
PRIOR_ROWS = 2048  # of the samples by which codes are normalised after training
Latents = Float[Tensor, "B n"]
Moments = tuple[Tensor, Tensor]  # mean and variance of each unit, (n,) or (B, n)
Sets = Float[Tensor, "#B m"]  # of each row, or one for all


class Sizes(NamedTuple):
    """m concepts, k_in latents and k units of each, stages of the expressive layer and all, units of the output."""

    concepts: int
    latents: int
    units: int
    depth: int
    outputs: int

    @property
    def widths(self) -> list[int]:
        """Units of a concept after each stage, from k_in to k."""
        steps = self.depth - 1
        return [round(self.latents + (self.units - self.latents) * i / max(1, steps)) for i in range(steps + 1)]


class ContextModule(nn.Module):
    """Latents (B, m k_in) and sets (B, m) of concepts that are intervened on, to the decoder's input (B, outputs)."""

    blocks: Tensor
    off_diagonal: Tensor
    prior: Tensor
    trained: Tensor

    def __init__(self, sizes: Sizes, trained: Float[Tensor, "t m"], settings: Module) -> None:
        """`trained`: the sets of the training rows, each once. Weights are left to `reset`, which draws them."""
        super().__init__()
        self.sizes, self.dense_obs, self.cut_all = sizes, settings.mask == "intervened", settings.cut == "all"
        self.in_training: Source = "batch" if settings.moments == "batch" else "renormalised"
        m, width = sizes.concepts, sizes.concepts * sizes.latents
        self.observed, self.intervened = (nn.Parameter(torch.zeros(width, width)) for _ in range(2))
        self.bias = nn.Parameter(torch.zeros(width))
        pairs = list(zip(sizes.widths, sizes.widths[1:], strict=False))
        self.stages = nn.ParameterList(nn.Parameter(torch.zeros(m, out, into)) for into, out in pairs)
        states = 2 if settings.affine == "states" else 1
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(states, m * out)) for _, out in pairs)
        self.shifts = nn.ParameterList(nn.Parameter(torch.zeros(states, m * out)) for _, out in pairs)
        codes = m * sizes.widths[-1]
        self.effects_observed, self.effects_intervened = (nn.Parameter(torch.zeros(codes, codes)) for _ in range(2))
        self.effects_bias = nn.Parameter(torch.zeros(codes))
        self.unpool = nn.Linear(codes, sizes.outputs)
        for i, (_, out) in enumerate(pairs):
            self.register_buffer(f"mean_{i}", torch.zeros(len(trained), m * out))
            self.register_buffer(f"variance_{i}", torch.ones(len(trained), m * out))
        self.register_buffer("trained", trained, persistent=False)
        self.register_buffer("blocks", blocks(m, sizes.latents), persistent=False)
        self.register_buffer("off_diagonal", 1 - blocks(m, sizes.widths[-1]), persistent=False)
        prior = torch.randn(PRIOR_ROWS, width, generator=generator(0, "prior of the context module"))
        self.register_buffer("prior", prior, persistent=False)

    @torch.no_grad()
    def reset(self, source: torch.Generator) -> None:
        """Initial weights: uniform within 1 / sqrt(fan-in of a block), effects within 1 / sqrt((m - 1) k)."""
        sizes = self.sizes
        for weight in (self.observed, self.intervened, self.bias):
            _uniform(weight, sizes.latents**-0.5, source)
        for stage in self.stages:
            _uniform(stage, stage.shape[-1] ** -0.5, source)
        for effects in (self.effects_observed, self.effects_intervened, self.effects_bias):
            _uniform(effects, max(1, (sizes.concepts - 1) * sizes.widths[-1]) ** -0.5, source)
        for tensor in (self.unpool.weight, self.unpool.bias):
            _uniform(tensor, self.unpool.weight.shape[1] ** -0.5, source)
        self.clamp()

    @torch.no_grad()
    def clamp(self) -> None:
        """The projection after each step: effects within [0, 1], none of a concept on itself beside its identity."""
        for effects in (self.effects_observed, self.effects_intervened):
            effects.copy_(effects.clamp(0, 1) * self.off_diagonal)  # vmap has no clamp in place

    @torch.no_grad()
    def follow(self, z: Latents, sets: Float[Tensor, "1 m"]) -> None:
        """Take the moments of a batch of one context into the running ones of its set."""
        h, is_set = self._noise(z, sets), (self.trained == sets).all(1, keepdim=True).to(z)
        for i, stage in enumerate(self.stages):
            h = _blockwise(stage, h)
            moments, now = self._running(i), _moments(h)
            h = self._activated(i, self._normalised(i, h, sets, self.in_training), sets)
            for running, value in zip(moments, now, strict=True):
                running.copy_(running + MOMENTUM * is_set * (value - running))

    def forward(self, z: Latents, sets: Sets, by: Source = "running") -> Float[Tensor, "B outputs"]:
        """The decoder's input, in the set of each row, or in one, (1, m), for all, as in a batch of training."""
        outputs: Tensor = self.unpool(self.concepts(z, sets, by))
        return outputs

    def concepts(self, z: Latents, sets: Sets, by: Source = "running") -> Float[Tensor, "B c"]:
        """The concepts c of latents in contexts, (B, m k)."""
        eps = self.exogenous(z, sets, by)
        chosen = sets.repeat_interleave(self.sizes.widths[-1], 1)
        observed, intervened = self.effects_observed * self.off_diagonal, self.effects_intervened * self.off_diagonal
        if len(sets) == 1:  # A^(S) itself
            cut = chosen.T if self.cut_all else chosen.T * (1 - chosen)
            return eps + eps @ (torch.where(chosen > 0, intervened, observed) * (1 - cut)).T + self.effects_bias
        heard, among = (eps * (1 - chosen)) @ observed.T, (eps * chosen) @ intervened.T
        kept = among * (1 - chosen) if self.cut_all else among
        return eps + heard * (1 - chosen) + kept + self.effects_bias

    def exogenous(self, z: Latents, sets: Sets, by: Source = "running") -> Float[Tensor, "B c"]:
        """The exogenous variables eps, (B, m k): each a function of the latents of its own concept."""
        h, references = self._noise(z, sets), self._of_prior() if by == "prior" else []
        for i, stage in enumerate(self.stages):
            h, references = _blockwise(stage, h), [(_blockwise(stage, each), state) for each, state in references]
            moments = [_moments(each) for each, _ in references]
            h = self._activated(i, self._normalised(i, h, sets, by, moments), sets)
            references = [
                (self._activated(i, _standard(each, its), state), state)
                for (each, state), its in zip(references, moments, strict=True)
            ]
        return h

    def _normalised(
        self, i: int, h: Latents, sets: Sets, by: Source, of_prior: Sequence[Moments] = ()
    ) -> Float[Tensor, "B n"]:
        """Codes of a stage with mean 0 and variance 1 by the moments of a source."""
        if by == "batch":
            return _standard(h, _moments(h))
        if by == "prior":
            each, shares = [torch.stack(values) for values in zip(*of_prior, strict=True)], self._states(sets)
        else:
            each, shares = self._running(i), self._shares(sets)
        moments = _chosen(each, shares, self.stages[i].shape[1])
        return _renormalised(h, moments) if by == "renormalised" else _standard(h, moments)

    def _activated(self, i: int, h: Latents, sets: Sets) -> Latents:
        """Normalised codes scaled, shifted and through the activation, by the state of each concept."""
        (scale, *scales), (shift, *shifts) = self.scales[i], self.shifts[i]
        if scales:
            chosen = sets.repeat_interleave(h.shape[1] // sets.shape[1], 1)
            scale, shift = scale + chosen * (scales[0] - scale), shift + chosen * (shifts[0] - shift)
        return gelu(h * scale + shift)

    def _running(self, i: int) -> list[Float[Tensor, "t n"]]:
        """Mean and variance of a stage for each trained set."""
        return [self.get_buffer(f"mean_{i}"), self.get_buffer(f"variance_{i}")]

    def _noise(self, z: Latents, sets: Sets) -> Latents:
        """The intervenable noise layer."""
        chosen = sets.repeat_interleave(self.sizes.latents, 1)
        observed, intervened = self.observed * self.blocks, self.intervened * self.blocks
        if len(sets) == 1:
            outputs = z @ torch.where(chosen > 0, intervened, observed).T
        else:
            outputs = (z * (1 - chosen)) @ observed.T + (z * chosen) @ intervened.T
        if self.dense_obs:
            is_empty = sets.amax(1, keepdim=True) == 0
            outputs = torch.where(is_empty, z @ self.observed.T, outputs)
        return gelu(outputs + self.bias)

    def _of_prior(self) -> list[tuple[Latents, Sets]]:
        """Samples of the prior after the noise layer: no concept in S, every concept in S, and where S is empty."""
        none = self.prior.new_zeros(1, self.sizes.concepts)
        of_state = [(self._noise(self.prior, each), each) for each in (none, none + 1)]
        if not self.dense_obs:
            return of_state
        masked = gelu(self.prior @ (self.observed * self.blocks).T + self.bias)
        return [(masked, none), of_state[1], of_state[0]]

    def _states(self, sets: Sets) -> Float[Tensor, "s B m"]:
        """The state of each concept, as 0 and 1: not in S, in S, and where S is empty, if that is one."""
        if not self.dense_obs:
            return torch.stack([1 - sets, sets])
        is_empty = (sets.amax(1, keepdim=True) == 0).to(sets) + torch.zeros_like(sets)
        return torch.stack([(1 - sets) * (1 - is_empty), sets, is_empty])

    def _shares(self, sets: Sets) -> Float[Tensor, "t B m"]:
        """By which share each trained set tells the moments of each concept: its own set alone, if it was trained."""
        agree = (self.trained[:, None] == sets).to(sets)
        if self.dense_obs:  # where S is empty the noise layer is another one
            empty = (each.amax(-1, keepdim=True) == 0 for each in (self.trained[:, None], sets))
            agree = agree * torch.eq(*empty).to(sets)
        same = agree.amin(2, keepdim=True)
        shares = torch.where(same.amax(0) > 0, same + torch.zeros_like(agree), agree)
        return shares / shares.sum(0).clamp(min=1)


def blocks(count: int, size: int) -> Float[Tensor, "n n"]:
    """1 within the diagonal blocks of a matrix, 0 elsewhere."""
    mask: Tensor = torch.block_diag(*[torch.ones(size, size)] * count)  # type: ignore[no-untyped-call]
    return mask


def pooled(effects: Float[Tensor, "c c"], concepts: int) -> Float[Tensor, "m m"]:
    """How strongly each concept (column) acts on each (row): the Euclidean norm of every block, (m, m)."""
    size = len(effects) // concepts
    norms: Tensor = effects.reshape(concepts, size, concepts, size).square().sum((1, 3)).sqrt()
    return norms


def _chosen(each: list[Float[Tensor, "s n"]], shares: Float[Tensor, "s B m"], units: int) -> Moments:
    """Mean and variance for each row and unit, by the shares of those that there are."""
    by_unit = shares.repeat_interleave(units, 2)
    mean, variance = ((by_unit * moment[:, None]).sum(0) for moment in each)
    return mean, variance


def _moments(values: Latents) -> Moments:
    return values.mean(0), values.var(0, correction=0)


def _standard(h: Latents, moments: Moments) -> Latents:
    mean, variance = moments
    return (h - mean) * (variance + EPSILON).rsqrt()


def _renormalised(h: Latents, moments: Moments) -> Latents:
    """Codes standardised by these moments, with the gradients of the batch's own."""
    (mean, variance), (of_mean, of_variance) = _moments(h), moments
    ratio = ((variance + EPSILON) / (of_variance + EPSILON)).sqrt().detach()
    offset = ((mean - of_mean) * (of_variance + EPSILON).rsqrt()).detach()
    return _standard(h, (mean, variance)) * ratio + offset


def _blockwise(stage: Float[Tensor, "m o i"], h: Float[Tensor, "B mi"]) -> Float[Tensor, "B mo"]:
    """Every block of a row by the linear map of its concept."""
    parts = h.unflatten(1, (stage.shape[0], stage.shape[2]))
    outputs: Tensor = torch.einsum("bmi,moi->bmo", parts, stage)
    return outputs.flatten(1)


def _uniform(tensor: Tensor, bound: float, source: torch.Generator) -> None:
    tensor.copy_((torch.rand(tensor.shape, generator=source) * 2 - 1) * bound)

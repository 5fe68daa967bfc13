"""The context module of a run (auxvae.models.context_module): its sizes, and when it is trained.

    end to end   start 0, release 0            module and autoencoder together from the first step
    fine-tuned   start 0.4, release 0.5, say   an autoencoder first, then the module alone, then both
    frozen       start 0.5, release 1, say     an autoencoder first, then the module alone

each as shares of the training. Before `start` the decoder gets the latents as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from foundation.faults import Fault
from foundation.fields import SECTION, Number, Range, Section, Whole


@dataclass(frozen=True, config=SECTION)
class Module(Section):
    """The context module: a block of latents for each concept, `network.latents` divided by their number."""

    units: Annotated[Whole, Range(1, 512)] = 8
    """of each concept, k of the paper"""

    depth: Annotated[Whole, Range(1, 8)] = 2
    """the expressive layer of a concept has one stage less than this, and widths that go evenly from its latents to its
    units: 32 latents, 8 units and a depth of 3 are 32, 20, 8"""

    mask: Literal["always", "intervened"] = "always"
    """whether the noise layer has a block for each concept in every context, or is dense where nothing is done, as in
    the released code"""

    cut: Literal["others", "all"] = "others"
    """whose effects on an intervened concept are cut: `others`, of concepts that are not intervened on, as published;
    `all`, of every other concept. They differ where two are intervened on, which training never shows"""

    moments: Literal["running", "batch"] = "running"
    """by which codes are normalised in training: running ones of their context with the gradients of the batch's, or
    those of the batch, as published"""

    affine: Literal["states", "shared"] = "states"
    """scale and shift after that: of each unit another where its concept is intervened on, or one, as published"""

    start: Annotated[Number, Range(0, 1)] = 0.0
    """share of the training after which the module takes part; before it the decoder gets the latents"""

    release: Annotated[Number, Range(0, 1)] = 0.0
    """share of the training until which, from `start` on, the module alone is trained; 1: to the end"""

    def faults(self) -> Iterator[Fault]:
        """A module that never takes part, or that is released before it does."""
        if self.start >= 1:
            yield Fault(".start", self.start, "the module takes part before the end", "lower it")
        elif 0 < self.release <= self.start:
            text = f"the module takes part from {self.start:g} on, and is trained alone after that"
            yield Fault(".release", self.release, text, "raise it, or write 0")

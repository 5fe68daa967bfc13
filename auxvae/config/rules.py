"""The rules by which a setting is chosen on validation rows: each makes a number of a run's scores, the least is best.

    mse_lds   MSE (1 - LDS)                     images and alignment at once       arXiv:2507.00298, Fig. 16
    leakage   max_k R^2(u_k | z_recon)          what the residual latents say of the auxiliary factors
    bound     -log p(x|z) + KL(q(z|x) || p(z|u))    the negative evidence lower bound, whatever the weights of the loss

A setting's value is the mean over its seeds. LDS is that of samples of the posterior, as in the released code: means of
inactive latents would lower it at random. Deviation: the published product is taken where the models are compared; here
the rows that choose are not those that report.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.dataclasses import dataclass

from foundation.fields import SECTION, Flag, Many, OneOf, Section, Seed, Text


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule.

    reads: the scores that it reads. value: the number made of their values by name. terms: what a method's loss must
    have for them. blocks: whether it compares auxiliary and residual latents, so that a model must have both. words:
    what it asks for.
    """

    reads: tuple[str, ...]
    value: Callable[[Mapping[str, float]], float]
    words: str
    terms: tuple[str, ...] = ()
    blocks: bool = False


RULES = {
    "mse_lds": Rule(
        ("mse", "lds_sampled"),
        lambda scores: scores["mse"] * (1 - scores["lds_sampled"]),
        "the least MSE × (1 - LDS), arXiv:2507.00298, Fig. 16",
        terms=("reconstruction",),
    ),
    "leakage": Rule(
        ("leakage",),
        lambda scores: scores["leakage"],
        "the least leakage, the R² of the auxiliary factor that residual latents tell best",
        blocks=True,
    ),
    "bound": Rule(
        ("bound",),
        lambda scores: scores["bound"],
        "the least reconstruction + KL divergence, in nats per image",
        terms=("reconstruction", "kl"),
    ),
}


@dataclass(frozen=True, config=SECTION)
class Select(Section):
    """How one of a group's settings is chosen."""

    rule: Annotated[Text, OneOf(RULES)]
    """`mse_lds`: the published MSE × (1 - LDS); `leakage`: what the residual latents say of the auxiliary factors;
    `bound`: reconstruction + KL divergence. The least mean over the seeds is chosen, the first of equals"""

    interval: Flag = False
    """`true`: every setting must have a 95 % interval over its seeds, and so two seeds at least"""

    fresh_seeds: Many[Seed] = ()
    """a number or a list: the chosen setting is trained again with these, and these runs alone are scored on test rows;
    without them, the runs that were chosen are"""

    @model_validator(mode="before")
    @classmethod
    def _from_a_word(cls, value: Any) -> Any:
        return {"rule": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A rule is written as one word too."""
        return {"anyOf": [{"enum": [*RULES]}, handler(schema)]}

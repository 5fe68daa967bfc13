"""The part of the table of metrics that is about auxiliary and residual latents as two blocks: auxvae.metrics.table."""

from __future__ import annotations

import math
from dataclasses import replace

from auxvae.metrics.metric import EACH_FACTOR, NOISE, POSITIVE, UNIT, Column, Metric

AUX, CONTEXTS = "arXiv:2507.00298", "arXiv:2507.04754"
MOMENTS, WEAK_LENSING = "Hirata & Seljak, MNRAS 2003", "Heymans et al., MNRAS 2006"
DCI = ("disentanglement", "completeness", "informativeness")
NONE, IN_LEAKAGE = Column("0"), Column("", "leakage")
LEAKAGE = Column("0", "leakage", "leakage_chance", chance="leakage_chance", range=UNIT)


def _shear(of: str) -> dict[str, Column]:
    """Multiplicative and additive bias of a component, as measured and as corrected."""
    names = (f"{kind}_{bias}_{EACH_FACTOR}" for kind in (of, f"{of}_corrected") for bias in ("m", "c"))
    return {name: Column("0", "shear") for name in names}


def _distances(of: str) -> dict[str, Column]:
    """A distance with its floor and what two models that know no context have."""
    beside = (f"{of}_floor", f"{of}_obs_images", f"{of}_pooled_images")
    first = Column("floor", "interventions", beside[0], chance=beside[2], compared=True, range=POSITIVE)
    return {of: first, **{name: Column("", "interventions") for name in beside}}


def _perfect_swap(block: str, name: str) -> str:
    """A perfect model's value where everything measured was given: the residual latents change none of it."""
    return {"slope": "1", "bias": "0", "scatter": "0"}[name] if block == "recon" else {"slope": "0"}.get(name, "")


OF_BLOCKS: dict[str, Metric] = {
    "leakage": Metric(
        {
            "leakage": replace(LEAKAGE, compared=True, contrasted=True),
            "leakage_chance": IN_LEAKAGE,
            "leakage_spread": LEAKAGE,
            f"recon_tells_{EACH_FACTOR}": IN_LEAKAGE,
            "leakage_aux": Column("0", "leakage", range=UNIT),
            f"aux_tells_{EACH_FACTOR}": NONE,
        },
        "samples", "codes of training rows", "",
        "what do the residual latents tell of the auxiliary variables, by boosted trees? `leakage` is the largest R2, "
        "`leakage_spread` that of the distance from the median, `recon_tells_...` that of each factor, `leakage_aux` "
        "and `aux_tells_...` those of each factor from the auxiliary latents but its own",
        "what changes neither mean nor spread of a factor",
    ),
    "nats_of_blocks": Metric(
        {"kl_aux": IN_LEAKAGE, "kl_recon": IN_LEAKAGE, "recon_active": IN_LEAKAGE}, "posterior", "posterior", AUX,
        "nats per image of the auxiliary latents against N(u, v) and of the residual ones against N(0, 1); the number "
        "of residual latents that hold more than 0.01 nat",
    ),
    "calibration": Metric(
        {
            f"covered_68_{EACH_FACTOR}": Column("0.683", "calibration"),
            f"covered_95_{EACH_FACTOR}": Column("0.95", "calibration"),
            f"error_{EACH_FACTOR}": Column("", "calibration"),
            f"width_{EACH_FACTOR}": Column("", "calibration"),
        },
        "posterior", "posterior", "",
        "do the posteriors of the auxiliary latents cover their factors? Shares of the rows within one and 1.96 of "
        "their standard deviations; error and mean standard deviation, in shares of the factor's range",
        "what one number for all rows hides",
    ),
    "followed": Metric(
        {
            f"followed_{EACH_FACTOR}": Column("0: the truth, 1: the measurement", "calibration"),
            f"measured_{EACH_FACTOR}": Column("", "calibration", range=POSITIVE),
        },
        "means", "measurements", "",
        "does an auxiliary latent follow the truth or the measurement of its factor, errors and all? b / a of the "
        "latent a t + b (m - t) + c; measured: the error of the measurement itself, in shares of the factor's range",
        "compare with a run that is given the truth: noise moves both, so that its ratio is not 0",
    ),
    "few_labels": Metric(
        {
            f"few_labels_{EACH_FACTOR}": Column("1", "downstream", chance=NOISE, range=(-math.inf, 1.0)),
            f"many_labels_{EACH_FACTOR}": Column("1", "downstream", chance=NOISE, range=(-math.inf, 1.0)),
        },
        "means", "labels", "",
        "how well is each factor told by the fewest and the most labelled codes of the study? R2 on test rows, or the "
        "accuracy of a categorical factor; docs/downstream.md",
        "axes: a rotation scores nearly the same; whether a latent is active: means are read",
    ),
    "shear": Metric(
        {**_shear("shear"), **_shear("labels_shear")}, "means", "labels", WEAK_LENSING,
        "multiplicative and additive bias of g1 and g2 from the auxiliary latents, and from the most labelled codes; "
        "`corrected` by training or labelled rows: a posterior mean is shrunk, so that m < 0 before it",
        "a bias that training galaxies share",
    ),
    "swap": Metric(
        {
            f"swap_{block}_{quantity}_{name}": Column(_perfect_swap(block, name), "swap")
            for block in ("recon", "aux") for quantity in ("flux", "size", "shape")
            for name in ("slope", "bias", "scatter")
        },
        "samples", "images", MOMENTS,
        "one block of the code is another galaxy's: how does what is measured in the decoded image follow what was "
        "measured before? Slope, mean difference and its standard deviation, of ln flux, ln size and ellipticity",
        "what moments do not measure",
    ),
    "interventions": Metric(
        {**_distances("concept"), **_distances("composition")},
        "samples", "contexts", CONTEXTS,
        "are images of the model in a context what the intervention makes of the data? Mean sliced 2-Wasserstein "
        "distance over trained contexts of one concept, and over contexts that training never shows; docs/contexts.md",
        "a shift of few pixels; whether one image changes as its galaxy would",
    ),
    "consistency": Metric(
        {
            "changed_targets": Column("", "interventions", chance="1.41", range=POSITIVE),
            "changed_elsewhere": Column("0", "interventions", chance="1.41", range=POSITIVE),
        },
        "samples", "contexts", CONTEXTS,
        "how far does an intervention on one concept change images of the same latents, in standard deviations: the "
        "factors that it is on, and those that these do not cause? Read by a regression learned from the data's images",
        "a factor that the regression cannot read (R2 below 0.8); a model that knows no context has 0 of both",
    ),
    "paired": Metric(
        {
            "gain_nats": Column("", "guidance", chance="0", range=(-math.inf, math.inf)),
            "gain_own": Column("", "guidance", chance="0", range=(-math.inf, math.inf)),
            "gain_least": Column("", "guidance", chance="0", range=(-math.inf, math.inf)),
        },
        "samples", "denoisers", "arXiv:2512.17127",
        "does the guidance of an image's latents help a denoiser on the same image and noise? Nats by which it lowers "
        "the bound, by the denoiser of another seed and by its own; the least lower end of intervals over the levels",
        "whether latents are disentangled",
    ),
    "concepts": Metric(
        {
            "identified": Column("1", "interventions", range=(-math.inf, 1.0)),
            "identified_elsewhere": Column("", "interventions", range=(-math.inf, 1.0)),
            **{f"block_dci_{name}": Column("1", "interventions") for name in DCI},
            "effects": Column("", "interventions", chance="0.5", range=UNIT),
        },
        "means", "contexts", CONTEXTS,
        "is a concept of a context module a linear function of the factors that it is intervened on by, and of no "
        "others? R2 of its own and of other concepts' factors on other rows; DCI with each concept's block as one code",
        "what is not linear (R2); where factors depend on each other, `identified_elsewhere` of the factors is not 0",
    ),
}  # fmt: skip

r"""The structural model of the quad images as arXiv 2507.04754 publishes it, in standard deviations.

    s_k = sum_i W_ik s_i + e_k,    e_k ~ N(0, V_k)                       published: WEIGHTS, VARIANCES
    S_ki = sum_j W_jk S_ji,   S_kk = V_k + sum_i W_ik S_ki               covariance where nothing is done, causes first
    w_ik = W_ik sd_i / sd_k,    sd_k = sqrt(S_kk)                        what a data set calls `mechanisms`
    do(k):  s_k ~ N(M_k, U_k)  becomes  mean M_k / sd_k, std sqrt(U_k) / sd_k

All contexts are in units of the observational one, whose means are 0. The scatter that a data set leaves to k
(simulations.structure) is then sqrt(V_k) / sd_k.

Neither GalSim nor numpy is imported here, because this module also runs inside the Snakefile.
"""

from __future__ import annotations

import math
from typing import Any

from simulations.structure import in_order

WEIGHTS: dict[str, dict[str, float]] = {
    "quad3": {"quad4": -0.72},
    "shape": {"orientation": 1.45},
    "color": {"shape": -1.34},
    "quad2": {"quad3": 1.56, "shape": 0.58},
    "size": {"color": 1.67, "orientation": -0.81},
    "quad1": {"quad2": -1.23, "quad4": 1.34, "color": -0.95, "orientation": 1.12},
}  # by effect, that of each cause
VARIANCES = {
    "quad1": 1.39, "quad2": 1.16, "quad3": 1.01, "quad4": 1.96, "size": 1.27, "color": 1.42, "shape": 1.31,
    "orientation": 1.18,
}  # fmt: skip
INTERVENTIONS = {
    "quad1": (1.17, 1.95), "quad2": (1.47, 1.36), "quad3": (-1.61, 1.57), "quad4": (-1.97, 1.10), "size": (1.01, 1.31),
    "orientation": (-0.67, 1.26),
}  # fmt: skip  # mean and variance
HELD_OUT = (
    ("quad1", "quad2"), ("quad1", "quad3"), ("quad1", "quad4"), ("quad1", "size"), ("quad1", "orientation"),
    ("quad2", "quad3"), ("quad2", "quad4"), ("quad2", "size"), ("quad2", "orientation"),
)  # fmt: skip
HELD_OUT_SHARE = 0.2  # 10,000 images of a pair, 50,000 of a context with training rows


def deviations() -> dict[str, float]:
    """Standard deviation of every factor where nothing is done."""
    covariance: dict[tuple[str, str], float] = {}
    ordered = in_order(WEIGHTS, VARIANCES) or []
    for i, name in enumerate(ordered):
        causes = WEIGHTS.get(name, {})
        for other in ordered[:i]:
            both = sum(weight * covariance[cause, other] for cause, weight in causes.items())
            covariance[name, other] = covariance[other, name] = both
        explained = sum(weight * covariance[name, cause] for cause, weight in causes.items())
        covariance[name, name] = VARIANCES[name] + explained
    return {name: math.sqrt(covariance[name, name]) for name in VARIANCES}


def mechanisms() -> dict[str, dict[str, float]]:
    """The weights, in standard deviations of cause and effect."""
    sd = deviations()
    return {
        effect: {cause: weight * sd[cause] / sd[effect] for cause, weight in causes.items()}
        for effect, causes in WEIGHTS.items()
    }


def contexts() -> dict[str, dict[str, Any]]:
    """The contexts: nothing done, each intervention alone, and the pairs that are held out."""
    sd = deviations()
    do = {
        k: {"mean": mean / sd[k], "std": math.sqrt(variance) / sd[k]} for k, (mean, variance) in INTERVENTIONS.items()
    }
    pairs = {
        f"{one}_{other}": {"do": {one: do[one], other: do[other]}, "share": HELD_OUT_SHARE, "held_out": True}
        for one, other in HELD_OUT
    }
    return {"obs": {}, **{name: {"do": {name: each}} for name, each in do.items()}, **pairs}

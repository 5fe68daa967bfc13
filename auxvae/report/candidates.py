"""Verdicts on candidate auxiliary variables: a table with their evidence, their error rates, and a figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from auxvae.report.figures import STYLE, empty_figure
from auxvae.report.tables import text_of

WORDS = {
    "irrelevant": "says nothing that the image shows",
    "redundant": "is told already by {base}",
    "new": "says something new",
    "undecided": "undecided: an interval holds the least share that counts",
}
SHOWN = {"image": "#0072B2", "values": "#E69F00", "base_aux": "#D55E00", "base_recon": "#999999", "gain": "#009E73"}
CAPTIONS = {
    "image": "the image, by a model given it",
    "values": "what the base was given",
    "base_aux": "auxiliary latents of the base",
    "base_recon": "residual latents of the base",
    "gain": "gain",
}


def candidates_table(analysis: xr.Dataset) -> pd.DataFrame:
    """A row for each candidate, as text: verdict, truth, R2 from each source, the gain, and what giving it changes."""
    if "candidate_r2" not in analysis:
        return pd.DataFrame()
    rows = {str(name): _row(analysis.sel(candidate=name), str(name)) for name in analysis["candidate"].values}
    return pd.DataFrame.from_dict(rows, orient="index")


def _row(one: xr.Dataset, name: str) -> dict[str, str]:
    base = name.rpartition(" (")[2].removesuffix(")")
    verdict = WORDS[str(one["candidate_verdict"].item())].format(base=base)
    evidence = {str(e): text_of(*one["candidate_r2"].sel(evidence=e).values) for e in one["evidence"].values}
    changes = {f"change of {s}": _change(one["candidate_change"].sel(score=s).values) for s in _names(one)}
    return {"verdict": verdict, "by its making": str(one["candidate_truth"].item()), **evidence, **changes}


def _names(one: xr.Dataset) -> list[str]:
    """The scores of changes; a merge with other tables may have added theirs, which are empty here."""
    return [str(s) for s in one["score"].values if np.isfinite(one["candidate_change"].sel(score=s)[0])]


def _change(bounds: np.ndarray) -> str:
    return text_of(*bounds)


def rates_table(analysis: xr.Dataset) -> pd.DataFrame:
    """Wrong and undecided verdicts on candidates whose truth is known, with exact binomial intervals, as text."""
    if "candidate_rates" not in analysis:
        return pd.DataFrame()
    rates, rows = analysis["candidate_rates"], {}
    for truth in rates["truth"].values:
        for judged in rates["judged"].values:
            one = rates.sel(truth=truth, judged=judged).to_series()
            if np.isfinite(one["verdicts"]) and one["verdicts"]:
                rows[f"{truth}, judged by {judged}"] = {
                    **{name: f"{one[name]:.0f}" for name in ("verdicts", "wrong", "undecided")},
                    "share wrong": f"{one['wrong_share']:.3f} [{one['wrong_low']:.3f}, {one['wrong_high']:.3f}]",
                }
    return pd.DataFrame.from_dict(rows, orient="index")


def candidates_figure(analysis: xr.Dataset) -> Figure:
    """R2 of each candidate from each source with 95 % intervals, and its gain."""
    if "candidate_r2" not in analysis:
        return empty_figure("This study asks of no candidate whether it is new.")
    r2, names = analysis["candidate_r2"], [str(name) for name in analysis["candidate"].values]
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(7.1, 0.32 * len(names) + 1.4), layout="constrained")
        for k, (evidence, colour) in enumerate(SHOWN.items()):
            mean, low, high = (r2.sel(evidence=evidence, bound=bound).values for bound in ("mean", "low", "high"))
            places = np.arange(len(names)) + 0.15 * (k - (len(SHOWN) - 1) / 2)
            ax.errorbar(
                mean, places, xerr=[mean - low, high - mean], fmt="o", ms=3, lw=1, c=colour, label=CAPTIONS[evidence]
            )
        ax.axvline(float(analysis["candidate_least"]), c="black", lw=0.6, ls=":")
        verdicts = analysis["candidate_verdict"].values
        ax.set_yticks(range(len(names)), [f"{n}: {v}" for n, v in zip(names, verdicts, strict=True)], size=6)
        ax.invert_yaxis()
        ax.set_xlabel("R² of the candidate on test rows")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure

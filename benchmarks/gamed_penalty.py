"""How a correlation penalty on minibatches is gamed: docs/gamed_penalty.png and the numbers in docs/findings.md.

    python benchmarks/gamed_penalty.py results/default docs/gamed_penalty.png

Left: codes z = e if |u - 1/2| < w, else 0, with e standard normal and u uniform: independent for w = 1/2 and dependent
below. Expected penalty by batch size, relative to independence. Middle: residual latents of a run with the published
penalty against a factor. Right: leakage of the study's runs by coverage, for both.
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
import xarray as xr

mpl.use("Agg")
from matplotlib import pyplot as plt

from auxvae.losses.dependence import r0
from auxvae.losses.moments import moments
from auxvae.losses.queue import empty_queue
from auxvae.losses.unbiased import hsic_of_pairs, of_powers

WIDTHS = np.array([0.02, 0.04, 0.06, 0.08, 0.12, 0.16, 0.22, 0.3, 0.4, 0.5])
BATCHES, BATCHES_DRAWN, DEGREE = (64, 512), 2000, 3
UNBIASED = {"U-statistic of squared covariances": "#0072B2", "HSIC, unbiased": "#009E73"}


def drawn(width, batch, source):
    """Factor and code of one batch, (B, 1) each."""
    u = torch.rand(batch, 1, generator=source)
    return u, torch.randn(batch, 1, generator=source) * ((u - 0.5).abs() < width)


def expected(batch):
    """Means over many batches of |rho|, of rho^2 - 1/(B - 1), of U and of HSIC, by width, (4, widths)."""
    source, by = torch.Generator().manual_seed(batch), moments(torch.rand(100_000, 1), DEGREE)
    rows = []
    for width in WIDTHS:
        total = np.zeros(4)
        for _ in range(BATCHES_DRAWN * 64 // batch):
            u, z = drawn(width, batch, source)
            rho = r0(z, u, DEGREE)
            squared = r0(z, u, 1) ** 2 - 1 / (batch - 1)
            u_statistic = of_powers(z, u, by, DEGREE, empty_queue(0, 2)).mean()
            total += [float(each) for each in (rho, squared, u_statistic, hsic_of_pairs(z, u))]
        rows.append(total / (BATCHES_DRAWN * 64 // batch))
    return np.array(rows).T


def penalties(ax):
    """The expected penalties against the width of the bump."""
    for batch, line in zip(BATCHES, ("-", "--"), strict=True):
        rho, _, u_statistic, hsic = expected(batch)
        print(f"batch {batch}: |rho| at width 0.06, 0.12, 0.3, 0.5:", np.round(rho[[2, 4, 7, 9]], 3))
        ax.plot(2 * WIDTHS, rho - rho[-1], line, color="#D55E00", label=f"|ρ|, published, batch {batch}")
        for (name, colour), values in zip(UNBIASED.items(), (u_statistic, hsic), strict=True):
            ax.plot(2 * WIDTHS, values, line, color=colour, label=f"{name}, batch {batch}")
    ax.axhline(0, color="0.6", lw=0.6)
    ax.set(xlabel="share of the factor's range in which the latent is not 0", xscale="log")
    ax.set(ylabel="penalty less that of an independent latent", title="The published penalty is least at a dependence")
    ax.set_ylim(-0.06, 0.24)
    ax.legend(frameon=False, fontsize=6)


def bump(ax, results, run):
    """The residual latent of most kurtosis against the shear."""
    with xr.open_dataset(results / "runs" / run / "codes.nc") as codes:
        latents, factors = codes["mean"].values[:, 5:], codes["factors"].sel(factor="g1").values
    z = (latents - latents.mean(0)) / latents.std(0)
    kurtosis = (z**4).mean(0)
    rho = np.corrcoef(z.T) - np.eye(z.shape[1])
    print("kurtosis", np.round(kurtosis), "|rho| of residual latents", np.round(abs(rho).max(0), 2))
    ax.plot(factors, z[:, kurtosis.argmax()], ".", ms=1.5, color="#D55E00")
    ax.set(xlabel="g1", ylabel="residual latent (standard deviations)", title="What training makes of it: a bump")


def leakages(ax, scores, labels):
    """Leakage by coverage, a point for each seed."""
    for offset, (label, chosen) in enumerate(labels.items()):
        table = scores[(scores["metric"] == "leakage") & chosen]
        places = table["coverage"].map({"full": 0, "three": 1, "two": 2}) + 0.2 * offset - 0.1
        ax.plot(places, table["value"], "o", ms=4, label=label, color=("#D55E00", "#0072B2")[offset])
        print(label, table.groupby("coverage")["value"].agg(["min", "max"]).round(3).to_dict("index"))
    ax.set_xticks(range(3), ["five", "three", "two"])
    ax.set(xlabel="factors given", ylabel="leakage (R²)", ylim=(-0.03, 1), title="What the residual latents tell")
    ax.legend(frameon=False)


def main(results, path):
    """Draw the figure of a finished default study."""
    scores = pd.read_parquet(results / "scores.parquet")
    scores = scores[(scores["method"] == "aux_vae") & (scores["split"] == "test")]
    at_zero = scores["run"].map({run: _weights_at_zero(results, run) for run in scores["run"].unique()})
    with_penalty = at_zero.map(lambda names: "kl_early" in names)
    by_order = at_zero.map(lambda names: "calibration" in names) & ~with_penalty
    run = scores.loc[with_penalty & (scores["coverage"] == "full"), "run"].iloc[0]
    with plt.rc_context({"font.size": 8, "axes.titlesize": 8, "figure.dpi": 160}):
        figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
        penalties(axes[0])
        bump(axes[1], results, run)
        leakages(axes[2], scores, {"published penalty": with_penalty, "order": by_order})
        figure.savefig(path)


def _weights_at_zero(results, run):
    """The terms of a run that have no weight."""
    spec = json.loads((results / "runs" / run / "spec.json").read_text())
    return [name for name, weight in spec["run"]["weights"].items() if weight == 0]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

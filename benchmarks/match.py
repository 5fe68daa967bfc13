"""MMD against the β-VAE: match with the prior and independence of the codes, against the reconstruction.

    python benchmarks/match.py results/match docs/match.png

Prints a line per data set and setting, means over the seeds, and draws every run. A method is better at matched
reconstruction where its curve lies below the other's at the same squared error.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from auxvae.config.labels import labels
from auxvae.config.study import read_study
from auxvae.report.figures import STYLE
from foundation.yaml_file import load_yaml
from simulations.facts import read_declared

SHOWN = ("prior_distance", "prior_marginals", "pair_dependence", "total_correlation")
FLOORED = SHOWN[:3]
COLOURS = {"beta_vae": "#D55E00", "ae_mmd": "#0072B2", "wae_mmd": "#009E73"}


def read(results):
    """One row per run, one column per metric, with data set, method and label."""
    config = load_yaml(Path(__file__).parent.parent / "config" / "match.yaml")
    known = labels(read_study(config, read_declared(config, []).to_json(), []).runs)
    scores = pd.read_parquet(results / "scores.parquet")
    scores = scores[scores["run"].isin(known)]
    index = ["dataset", "method", "run", "seed"]
    wide = scores.pivot_table(index=index, columns="metric", values="value").reset_index()
    return wide.assign(label=wide["run"].map(known))


def table(runs):
    """Means over the seeds, printed as a table of the docs."""
    columns = ["nats", "mse", *SHOWN, *(f"{name}_floor" for name in FLOORED)]
    means = runs.groupby("label", sort=False)[columns].mean()
    print(means.round({"nats": 1, "mse": 5, **dict.fromkeys(columns[2:], 3)}).to_markdown())


def draw(runs, path):
    """Every run: a row per data set, a column per measure, against the squared error."""
    with plt.rc_context(STYLE):
        datasets = list(runs["dataset"].unique())
        figure, axes = plt.subplots(len(datasets), len(SHOWN), figsize=(10, 2.6 * len(datasets)), layout="constrained")
        for row, dataset in zip(axes, datasets, strict=True):
            for ax, metric in zip(row, SHOWN, strict=True):
                here = runs[runs["dataset"] == dataset]
                for method, group in here.groupby("method", sort=False):
                    mean = group.groupby("label")[["mse", metric]].mean().sort_values("mse")
                    ax.plot(mean["mse"], mean[metric], "-", color=COLOURS[method], lw=0.8)
                    ax.plot(group["mse"], group[metric], "o", color=COLOURS[method], ms=3, label=method)
                if metric in FLOORED:
                    ax.axhline(here[f"{metric}_floor"].mean(), color="0.6", ls=":", lw=0.8)
                ax.set(xlabel="mean squared error", ylabel=metric, title=dataset)
        axes[0, 0].legend(frameon=False)
        figure.savefig(path)


if __name__ == "__main__":
    every = read(Path(sys.argv[1]))
    table(every)
    draw(every, Path(sys.argv[2]))

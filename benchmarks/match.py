"""MMD compared with the β-VAE: match with the prior and independence of the codes, as functions of the reconstruction.

    python benchmarks/match.py results/match docs/match.png

Prints one line per data set and setting, with means over the seeds, and plots every run. At matched reconstruction a
method is better where its curve is below the other at the same squared error.
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

MEASURES = ("prior_distance", "prior_marginals", "pair_dependence", "total_correlation")
WITH_FLOOR = MEASURES[:3]
COLOURS = {"beta_vae": "#D55E00", "ae_mmd": "#0072B2", "wae_mmd": "#009E73"}


def read(results):
    """One row per run, one column per metric, with data set, method and label."""
    config = load_yaml(Path(__file__).parent.parent / "config" / "match.yaml")
    label_of = labels(read_study(config, read_declared(config, []).to_json(), []).runs)
    scores = pd.read_parquet(results / "scores.parquet")
    scores = scores[scores["run"].isin(label_of) & (scores["split"] == "test")]
    index = ["dataset", "method", "run", "seed"]
    wide = scores.pivot_table(index=index, columns="metric", values="value").reset_index()
    return wide.assign(label=wide["run"].map(label_of))


def table(runs):
    """Print the means over the seeds as a Markdown table."""
    columns = ["nats", "mse", *MEASURES, *(f"{name}_floor" for name in WITH_FLOOR)]
    means = runs.groupby("label", sort=False)[columns].mean()
    print(means.round({"nats": 1, "mse": 5, **dict.fromkeys(columns[2:], 3)}).to_markdown())


def draw(runs, path):
    """Plot every measure against the squared error: a row of panels per data set, a column per measure."""
    with plt.rc_context(STYLE):
        datasets = list(runs["dataset"].unique())
        figure, axes = plt.subplots(
            len(datasets), len(MEASURES), figsize=(10, 2.6 * len(datasets)), layout="constrained"
        )
        for row, dataset in zip(axes, datasets, strict=True):
            for ax, metric in zip(row, MEASURES, strict=True):
                of_dataset = runs[runs["dataset"] == dataset]
                for method, group in of_dataset.groupby("method", sort=False):
                    mean = group.groupby("label")[["mse", metric]].mean().sort_values("mse")
                    ax.plot(mean["mse"], mean[metric], "-", color=COLOURS[method], lw=0.8)
                    ax.plot(group["mse"], group[metric], "o", color=COLOURS[method], ms=3, label=method)
                if metric in WITH_FLOOR:
                    ax.axhline(of_dataset[f"{metric}_floor"].mean(), color="0.6", ls=":", lw=0.8)
                ax.set(xlabel="mean squared error", ylabel=metric, title=dataset)
        axes[0, 0].legend(frameon=False)
        figure.savefig(path)


if __name__ == "__main__":
    all_runs = read(Path(sys.argv[1]))
    table(all_runs)
    draw(all_runs, Path(sys.argv[2]))

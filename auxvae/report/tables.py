"""Tables of a study for a paper (LaTeX), for a spreadsheet (CSV) and for the report (HTML).

A cell is the mean over the seeds of one method, coverage and weighting, with its 95 % interval: Student's t over the
seeds where there are two or more, else the run's own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from foundation.files import write_text

ALIGNMENT = ("lds", "lds_ceiling", "lds_corrected", "lds_all", "lds_all_corrected", "lds_all_live", "latents_live")
ROUNDING = 1e-9  # a half width below it is none
SUITE = (
    "explicitness",
    "sap",
    "sap_discrete",
    "mig",
    "modularity",
    "explicitness_auc",
    "dci_disentanglement",
    "dci_completeness",
    "dci_informativeness",
    "beta_vae",
    "factor_vae",
    "irs",
    "tad",
)
AGGREGATE = (
    "prior_distance",
    "prior_distance_floor",
    "prior_marginals",
    "prior_marginals_floor",
    "prior_mmd",
    "prior_ks",
    "prior_ks_floor",
    "total_correlation",
    "wasserstein_correlation",
    "covariance_ratio",
    "pair_dependence",
    "pair_dependence_floor",
    "lps",
    "lps_ridge",
    "udr",
    "kl",
)
IMAGES = (
    "nats",
    "nats_floor",
    "mse",
    "psnr",
    "set_distance",
    "ssim",
    "ssim_mean_image",
    "ssim_asinh",
    "ssim_asinh_mean_image",
    "ssim_asinh_noisy",
    "ssim_asinh_noisy_ceiling",
    "flux_bias",
    "flux_scatter",
    "size_bias",
    "size_scatter",
    "ellipticity_scatter",
    "moments_converged",
)


def cells(scores: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """Mean, low and high of every metric (columns) of every label (rows), runs of one label taken together."""
    labelled = scores.assign(label=scores["run"].map(labels))
    grouped = labelled.dropna(subset=["label"]).groupby(["label", "metric"], sort=False)
    return pd.DataFrame({key: _cell(group) for key, group in grouped}, index=["mean", "low", "high"]).T


def _cell(group: pd.DataFrame) -> tuple[float, float, float]:
    values = group["value"].to_numpy()
    mean = float(values.mean())
    if len(values) < 2:
        return mean, float(group["low"].iloc[0]), float(group["high"].iloc[0])
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def wide(scores: pd.DataFrame, labels: dict[str, str], metrics: tuple[str, ...]) -> pd.DataFrame:
    """A table of text, 'mean ± half width': a row per label that has any of the metrics, a column per metric in use."""
    made = cells(scores, labels)
    text = made.apply(lambda cell: _text(cell["mean"], (cell["high"] - cell["low"]) / 2), axis=1)
    table = text.unstack().reindex(index=list(dict.fromkeys(labels.values())))
    return table[[metric for metric in metrics if metric in table]].dropna(how="all").fillna("")


def _text(mean: float, half: float) -> str:
    if not half > ROUNDING * max(1, abs(mean)):
        return f"{mean:.4g}"
    digits = max(0, 1 - int(np.floor(np.log10(half))))
    if digits < 6:
        return f"{mean:.{digits}f} ± {half:.{digits}f}"
    return f"{mean:.6f} ± {half:.1g}" if abs(mean) > 1e-3 else f"{mean:.3g} ± {half:.1g}"


def write(table: pd.DataFrame, path: Path) -> None:
    """The table as path.csv and path.tex."""
    write_text(path.with_suffix(".csv"), table.to_csv())
    latex = table.rename(columns=_escape, index=_escape).map(lambda cell: cell.replace("±", r"$\pm$"))
    write_text(path.with_suffix(".tex"), latex.style.to_latex(hrules=True))


def _escape(text: str) -> str:
    return str(text).replace("_", r"\_")


def sensitivity_table(analysis: xr.Dataset, labels: dict[str, str]) -> pd.DataFrame:
    """Loss of each measure per run, block and scale, tidy: drop and drop per latent with their intervals."""
    if "drop" not in analysis:
        return pd.DataFrame(columns=["run", "block", "scale", "measure"])
    tidy = pd.concat(
        [
            analysis[name].sel(bound=bound, drop=True).to_series().rename(f"{name}_{bound}")
            for name in ("drop", "drop_per_latent")
            for bound in ("mean", "low", "high")
        ],
        axis=1,
    )
    tidy = tidy.dropna().reset_index()
    return tidy.assign(run=tidy["run"].map(lambda run: labels.get(run, run)))

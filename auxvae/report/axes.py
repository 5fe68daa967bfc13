"""The axes of score-based autoencoders without labels: nats, the scale of noise at which each guides, and what it is.

    nats      mean KL of the latent's posterior from N(0, 1); latents of less than ACTIVE are left out
    level     log SNR at which its guidance is strongest (auxvae.analysis.guided_runs): its characteristic scale
    noise     the noise of that level in standard deviations of the images, exp(-level / 2)
    factor    the factor that it correlates with most, and |rho|; no order or name depends on it

Rows are ordered by level, the coarsest axis first. One run of each row of the other tables: axes differ from seed to
seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from auxvae.analysis.files import CODES, GUIDED
from auxvae.metrics.posterior import ACTIVE, divergence


def axes_table(results: Path, labels: Mapping[str, str]) -> pd.DataFrame:
    """A row for each active latent of these runs, by id, that guide a denoiser."""
    rows: dict[str, dict[str, str]] = {}
    for run, label in labels.items():
        folder = results / "runs" / run
        if (folder / GUIDED).is_file():
            with xr.open_dataset(folder / CODES) as codes, xr.open_dataset(folder / GUIDED) as guided:
                rows |= {f"{label}, {latent}": cells for latent, cells in _axes(codes, guided)}
    return pd.DataFrame([*rows.values()], index=[*rows])


def _axes(codes: xr.Dataset, guided: xr.Dataset) -> Iterator[tuple[str, dict[str, str]]]:
    """The active latents of a run, the coarsest first."""
    mean, log_variance = (codes[name].values.astype(np.float64) for name in ("mean", "log_variance"))
    nats = divergence(mean, log_variance).mean(0)
    levels = guided["level"].values[guided["profile"].transpose("level", "latent").values.argmax(0)]
    rho = np.nan_to_num(np.abs(codes["rho"].transpose("latent", "factor").values))
    for j in np.lexsort([np.arange(len(nats)), levels]):
        if nats[j] > ACTIVE:
            best = codes["factor"].values[rho[j].argmax()]
            cells = {"nats": f"{nats[j]:.2f}", "level": f"{levels[j]:.1f}", "noise": f"{np.exp(-levels[j] / 2):.3g}"}
            yield str(codes["latent"].values[j]), cells | {"factor": f"{best} ({rho[j].max():.3f})"}

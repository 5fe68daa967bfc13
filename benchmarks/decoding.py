"""Images that a score-based autoencoder decodes of galaxies, by steps and scale of the guidance, on validation rows.

    python benchmarks/decoding.py results/sami_galaxies

For each run of sami and aux_sami: the median of the nats of IMAGES images, the bias and the scatter of the logarithm of
their flux, and the least correlation of an active latent with that of the decoded image.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from auxvae.analysis.model import TrainedModel
from auxvae.config.reading import study_of
from auxvae.data.store import open_store

IMAGES = 48
SAMPLERS = ((20, 1.0), (100, 1.0), (20, 2.0), (20, 4.0))  # steps and scale


def measured(model, codes):
    """A line of the table, of images decoded from codes."""
    images = model.decode(codes)
    flux, true = (
        np.asarray(each, dtype=np.float64).sum((1, 2, 3)).clip(1)
        for each in (model.likelihood.to_counts(images), model.rows.truth)
    )
    again = model.model.network.posterior(model.model.network.standard(images))[0].detach().numpy()
    active = np.flatnonzero(codes.var(0) > 0.1)
    kept = min(np.corrcoef(again[:, j], codes[:, j])[0, 1] for j in active)
    off = np.log(flux / true)
    return f"{np.median(model.nats(images)):,.0f} | {off.mean():+.2f} | {off.std():.2f} | {kept:.2f}"


def main(results):
    """Print them."""
    torch.set_num_threads(1)
    print("| run | steps | scale | nats | ln flux, bias | scatter | latents again |\n|---|---|---|---|---|---|---|")
    for run in (each for each in study_of(results / "study.json").runs if each.composition.family == "score"):
        store = open_store(results / "data" / f"{run.dataset.name}.zarr", run.dataset)
        rows = store.read("validation", truth=True, most=IMAGES)
        model = TrainedModel(results / "runs" / run.id, run, store, rows, torch.device("cpu"))
        codes, diffusion = model.encode()[0], model.model.network.diffusion
        for steps, scale in SAMPLERS:
            model.model.network.diffusion = replace(diffusion, steps=steps, scale=scale)
            print(f"| {run.title} | {steps} | {scale:g} | {measured(model, codes)} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Images of a trained run in every context of its data set, beside those of the data: the same latents throughout."""

from __future__ import annotations

import numpy as np
import xarray as xr

from auxvae.analysis.model import TrainedModel

IMAGES = 3  # of a context


def context_images(model: TrainedModel) -> xr.Dataset:
    """`context_data` and `context_model`, (context, sample, channel, y, x), without noise where there is a truth.

    Contexts by name, those with so many test rows; empty without contexts, or of a model that does not decode.
    """
    contexts, rows = model.run.dataset.contexts, model.rows
    places = {number: np.flatnonzero(rows.context == number)[:IMAGES] for number in range(len(contexts))}
    shown = [number for number, rows_of in places.items() if len(rows_of) == IMAGES]
    if not (shown and model.can_decode):
        return xr.Dataset()
    images = rows.images if rows.truth is None else rows.truth
    dims = ("context", "sample", "channel", "y", "x")
    return xr.Dataset(
        {
            "context_data": (dims, np.stack([np.asarray(images[places[number]]) for number in shown])),
            "context_model": (dims, np.stack([model.sample_counts(IMAGES, number) for number in shown])),
        },
        coords={
            "context": [contexts[number].name for number in shown],
            "is_trained": ("context", [contexts[number].train > 0 for number in shown]),
        },
    )

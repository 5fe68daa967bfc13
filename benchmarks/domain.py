"""Which images `python -m auxvae domain` notices: the share outside among images that were altered, and by what.

    python benchmarks/domain.py RUN SURVEY [STORE ...]

RUN is the folder of a finished run; SURVEY a store like its own, of Poisson noise and with noise-free images, from
which the altered ones are made; further stores are judged as they are. False alarms: 0.01. The last column is the share
that Mahalanobis' distance alone would call outside, in place of the distance of the nearest neighbour, at 0.01 / 3.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
from pathlib import Path

import numpy as np
import torch

from auxvae.analysis.domain import reconstructed
from auxvae.analysis.surveyed import read_trained
from auxvae.data.store import Store
from auxvae.data.survey import open_survey
from auxvae.metrics.domain import STATISTICS, Domain, combined

RATE, IMAGES = 0.01, 2000


def poisson(mean):
    """Photons of this mean, the same at every call."""
    return torch.poisson(mean, generator=torch.Generator().manual_seed(0))


def with_column(images, photons):
    """A column with so many photons more in each pixel, on the average."""
    changed = images.clone()
    changed[..., 10] += poisson(torch.full_like(changed[..., 10], photons))
    return changed


def with_hot_pixel(images):
    """A pixel with 200 photons more, as a cosmic ray leaves them."""
    changed = images.clone()
    changed[..., 5, 20] += 200
    return changed


ALTERED = {
    "as they are": lambda images, truth: images,
    "another galaxy beside, 5 and 3 pixels off": lambda images, truth: images + images.flip(0).roll((5, 3), (3, 2)),
    "another galaxy of a tenth of its flux": lambda images, truth: images + poisson(truth.flip(0).roll(8, 3) / 10),
    "a column 30 photons brighter": lambda images, truth: with_column(images, 30.0),
    "a column 3 photons brighter": lambda images, truth: with_column(images, 3.0),
    "a pixel 200 photons brighter": lambda images, truth: with_hot_pixel(images),
    "one pixel off centre": lambda images, truth: images.roll(1, 3),
    "twice the noise": lambda images, truth: 4 * poisson(truth / 4),
    "half the noise": lambda images, truth: poisson(4 * truth) / 4,
}


class Altered(Store):
    """A store whose images are altered as they are read."""

    def __init__(self, store, alter):
        vars(self).update(vars(store), alter=alter)

    def images(self, variable, *several):
        read = super().images
        both = zip(read(variable, *several), read("image_true", *several), strict=True)
        return [self.alter(images.clone(), truth.clamp(min=0)) for images, truth in both]


def mahalanobis(domain, images):
    """Mahalanobis' distance of posterior means (N,) from the rows fitted to: the length of what is whitened."""
    whitened = (images.mean[:, domain.neighbours.active] - domain.neighbours.middle) @ domain.neighbours.directions
    return np.sqrt((whitened**2).sum(1))


def main(run, survey, *stores):
    """Print a line for each control."""
    trained = read_trained(Path(run), None)
    reference = reconstructed(trained, trained.store, trained.store.numbers("validation"))
    domain, store = Domain.of(reference), open_survey(Path(survey), trained.store)
    calibration = np.sort(mahalanobis(domain, reference.take(slice(1, None, 2))))
    others = {Path(each).stem: open_survey(Path(each), trained.store) for each in stores}
    print(f"{'':<44}{'outside':>9}" + "".join(f"{name:>14}" for name in (*STATISTICS, "Mahalanobis")))
    for name, each in {**{key: Altered(store, alter) for key, alter in ALTERED.items()}, **others}.items():
        images = reconstructed(trained, each, np.arange(min(IMAGES, len(each.split))))
        p_values = domain.p_values(images)
        larger = domain.rows - np.searchsorted(calibration, mahalanobis(domain, images))
        p_values["Mahalanobis"] = (1 + larger) / (domain.rows + 1)
        alone = [(p <= RATE / len(STATISTICS)).mean() for p in p_values.values()]
        print(f"{name:<44}{(combined(p_values) <= RATE).mean():>9.3f}" + "".join(f"{share:>14.3f}" for share in alone))


if __name__ == "__main__":
    main(*sys.argv[1:])

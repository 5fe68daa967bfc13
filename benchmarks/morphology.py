"""What latents say of the source galaxies of a catalogue that no factor says, and how much of the shear shapes hide.

    python benchmarks/morphology.py RESULTS DATASET CATALOGUE

RESULTS: the folder of a study, DATASET one of `real` or `cosmos` galaxies in it, CATALOGUE its FITS file. Prints

    ceiling     R^2 of g1 and g2 by a linear map of the exact ellipticity of the source as it is turned and sheared,
                g_seen = (e exp(2 i phi) + g) / (1 + conj(g) e exp(2 i phi)); nobody who sees the galaxy alone and
                without noise has more by a linear map. e of fits is theirs, of images HSM's with their PSF
    morphology  R^2 over sources of log half-light radius, ellipticity |e| and Sersic n by ridge regression of the
                residual latents (all latents of methods without auxiliary ones), averaged over the rows of a source;
                each source is predicted by a fit to the others. Beside it the 95 % quantile of the same where the
                morphologies are exchanged among sources at random, which is chance

Means and standard deviations over the runs of a method and label. Images of a source in training rows were seen in
training, though nothing said which source they show.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
from pathlib import Path

import galsim
import numpy as np
from astropy.io import fits

from auxvae.analysis.surveyed import beside, read_trained
from auxvae.data.survey import blocks
from simulations.catalogue import catalogue_of

ROWS, SHUFFLES, RIDGE = 6000, 400, 1.0


def morphologies(kind, path):
    """Columns by name, one value for each source of the catalogue, NaN where it is unknown; e is complex."""
    catalogue = catalogue_of(kind, str(path))
    size = np.log(np.array(catalogue.half_light, dtype=float))
    if kind == "real":
        e = np.array([_shape(path, i) for i in range(len(size))])
        return {"log_radius": size, "ellipticity": np.abs(e)}, e
    table = fits.getdata(path if path.stem.endswith("_fits") else path.with_name(f"{path.stem}_fits.fits"))
    twofold, sersic, two = table["use_bulgefit"] > 0, table["sersicfit"], table["bulgefit"]
    q, beta = (np.where(twofold, two[:, k], sersic[:, k]) for k in (3, 7))
    q = np.clip(q, 0.05, 1)
    e = (1 - q) / (1 + q) * np.exp(2j * beta)
    return {"log_radius": size, "ellipticity": np.abs(e), "n": np.where(twofold, np.nan, sersic[:, 2])}, e


def _shape(path, index):
    """The reduced shear that a round galaxy would have to have, by HSM on the image of a source."""
    galaxies = galsim.RealGalaxyCatalog(path.name, dir=str(path.parent))
    image, psf = galaxies.getGalImage(index), galaxies.getPSFImage(index)
    result = galsim.hsm.EstimateShear(image, psf, shear_est="REGAUSS", strict=False)
    if result.correction_status != 0 or not np.hypot(result.corrected_e1, result.corrected_e2) < 1:
        return complex("nan")
    shear = galsim.Shear(e1=result.corrected_e1, e2=result.corrected_e2)
    return complex(shear.g1, shear.g2)


def ceiling(store, e, numbers):
    """R^2 of each component of the shear by a linear map of the ellipticity of the turned and sheared source."""
    column = {name: store.dataset[name].values[numbers] for name in ("g1", "g2", "source", "rotation")}
    g = column["g1"] + 1j * column["g2"]
    turned = e[column["source"].astype(int)] * np.exp(2j * np.radians(column["rotation"]))
    sheared = (turned + g) / (1 + np.conj(g) * turned)
    sound = np.isfinite(sheared)
    pairs = [(part(sheared[sound]), part(g[sound])) for part in (np.real, np.imag)]
    return ", ".join(f"{np.corrcoef(*pair)[0, 1] ** 2:.3f}" for pair in pairs)


def latents_of(trained, numbers):
    """Posterior means of the residual latents, or of all where none are auxiliary."""
    parts = [beside(trained, trained.store, rows).encode()[0] for rows in blocks(trained.run, trained.store, numbers)]
    return np.concatenate(parts)[:, trained.run.aux_latents :].astype(float)


def by_source(codes, sources):
    """The names of the sources and the mean code of each."""
    names, place = np.unique(sources, return_inverse=True)
    sums = np.zeros((len(names), codes.shape[1]))
    np.add.at(sums, place, codes)
    return names.astype(int), sums / np.bincount(place)[:, None]


def left_out(codes, values):
    """R^2 of values (S, K) of sources, each predicted by a ridge regression on the others (the hat matrix says it)."""
    x = np.column_stack([np.ones(len(codes)), (codes - codes.mean(0)) / (codes.std(0) + 1e-12)])
    penalty = RIDGE * np.diag([0.0] + [1.0] * (x.shape[1] - 1))
    hat = x @ np.linalg.solve(x.T @ x + penalty, x.T)
    errors = (values - hat @ values) / (1 - np.diag(hat))[:, None]
    return 1 - (errors**2).sum(0) / ((values - values.mean(0)) ** 2).sum(0)


def read(codes, values):
    """R^2 of a morphology, and the 95 % quantile where it is exchanged among the sources."""
    source = np.random.default_rng(0)
    sound = np.isfinite(values)
    shuffled = np.stack([source.permutation(values[sound]) for _ in range(SHUFFLES)], 1)
    return left_out(codes[sound], values[sound][:, None])[0], np.quantile(left_out(codes[sound], shuffled), 0.95)


def main(results, dataset, catalogue):
    """Print both for every run of the data set."""
    kept, table, store = {}, None, None
    for folder in sorted((results / "runs").glob(f"{dataset}-*")):
        trained = read_trained(folder, results / "data" / f"{dataset}.zarr")
        if store is None:
            store = trained.store
            table, e = morphologies(store.dataset.attrs["spec"]["scene"]["galaxy"], catalogue)
            for rows, numbers in (("all", np.arange(len(store.split))), ("test", store.numbers("test"))):
                print(f"ceiling of g1, g2, {rows} rows: {ceiling(store, e, numbers)}")
            print(f"rms |e| of {np.isfinite(e).sum()} sources of the catalogue: {np.sqrt(np.nanmean(abs(e) ** 2)):.3f}")
        numbers = np.arange(len(store.split))[:ROWS]
        codes = latents_of(trained, numbers)
        if codes.shape[1]:
            names, means = by_source(codes, store.dataset["source"].values[numbers])
            scores = {name: read(means, values[names]) for name, values in table.items()}
            kept.setdefault(f"{trained.run.method} {trained.run.label}", []).append(scores)
    for who, runs in kept.items():
        for name in table:
            value, chance = (np.array([each[name][k] for each in runs]) for k in (0, 1))
            spread = value.std(ddof=1) if len(value) > 1 else np.nan
            print(
                f"{who:<22}{name:<14}{value.mean():6.2f}, s. d. of seeds {spread:.2f}, chance below {chance.mean():.2f}"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))

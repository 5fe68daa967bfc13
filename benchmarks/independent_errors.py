"""Errors that are independent of the images: posterior widths against the truth, the numbers of docs/measurements.md.

    python benchmarks/independent_errors.py results/measurements/data/galaxies.zarr FOLDER

Writes the galaxies of config/measurements.yaml to FOLDER with g1 as measured elsewhere: errors of 0.02 to 0.2, no value
for half of the training rows. Trains Aux-VAE on it with each value of `errors`, and on the truth; prints scatter, mean
width and the shares that posteriors of 68 and 95 % hold, over test rows and against the true g1.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

SEEDS, ERRORS = [0, 1], ("independent", "of_image", "ignored")
CALIBRATED = {"method": "aux_vae", "weights": {"calibration": 1, "explicitness": 0, "intra": 0}, "seeds": SEEDS}
SNAKEFILE = Path(__file__).resolve().parent.parent / "workflow" / "Snakefile"


def written(galaxies, folder):
    """The store whose factor g1 is a measurement, and true_g1 the truth."""
    source = np.random.default_rng(1)
    with xr.open_zarr(galaxies) as store:
        split, truth = store["split"].values, store["g1"].values
        columns = {"image": store["image"].values, "flux": store["flux"].values, "true_g1": truth, "split": split}
    errors = source.uniform(0.02, 0.2, len(truth))
    measured = truth + errors * source.normal(size=len(truth))
    measured[(source.random(len(truth)) < 0.5) & (split == 0)] = np.nan
    np.savez(folder / "x.npz", g1=measured, g1_err=errors, **columns)
    options = ["--noise", "gaussian:20", "--errors", "g1=g1_err", "--gaps", "g1"]
    command = [sys.executable, "-m", "simulations", "convert", str(folder / "x.npz"), str(folder / "x.zarr")]
    subprocess.run([*command, *options], check=True)


def trained(folder):
    """Train and evaluate the runs of every value of `errors`, and those that are given the truth."""
    groups = [{**CALIBRATED, "coverages": "measured", "errors": each, "label": each} for each in ERRORS]
    study = {
        "study": "independent_errors",
        "datasets": {"galaxies": {"store": str((folder / "x.zarr").resolve())}},
        "coverages": {"measured": ["flux", "g1"], "truth": ["flux", "true_g1"]},
        "network": {"name": "components", "latents": 8},
        "runs": [*groups, {**CALIBRATED, "coverages": "truth", "label": "truth"}],
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    command = ["snakemake", "-s", str(SNAKEFILE), "--cores", "all", "--configfile", "study.yaml"]
    subprocess.run(command, cwd=folder, check=True)


def row_of(run, store):
    """Scatter, width and coverage of the shear of one run, in units of the shear."""
    spec = json.loads((run / "spec.json").read_text(encoding="utf-8"))["run"]
    name = "true_g1" if "true_g1" in spec["aux"] else "g1"
    training = store[name].values[store["split"].values == 0]
    low, width = np.nanmin(training), np.nanmax(training) - np.nanmin(training)
    with xr.open_dataset(run / "codes.nc") as codes:
        j = spec["aux"].index(name)
        error = low + width * codes["mean"].values[:, j] - codes["factors"].sel(factor="true_g1").values
        std = width * np.exp(0.5 * codes["log_variance"].values[:, j])
    held = {f"within {level}": np.mean(np.abs(error) < k * std) for level, k in (("68 %", 1), ("95 %", 1.96))}
    return {"errors": spec["label"], "scatter": np.sqrt(np.mean(error**2)), "width": std.mean(), **held}


def main(galaxies, folder):
    """Make, train, print."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    written(galaxies, folder)
    trained(folder)
    with xr.open_zarr(folder / "x.zarr") as store:
        runs = sorted((folder / "results" / "independent_errors" / "runs").iterdir())
        table = pd.DataFrame([row_of(run, store) for run in runs])
    print(table.groupby("errors").agg(["min", "max"]).round(3).to_string())


if __name__ == "__main__":
    main(*sys.argv[1:])

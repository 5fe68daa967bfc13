"""Where the evaluation of a study lies in its results folder; auxvae.data.run_folder tells the other files of a run."""

from __future__ import annotations

from pathlib import Path

from auxvae.config.run import Run

SENSITIVITY, PICTURES, CODES, SCORES = "sensitivity.nc", "pictures.nc", "codes.nc", "scores.json"
VALIDATION = "validation.json"  # scores of the validation rows, and the record of what made them
RECORD = "analysis.json"  # of what made the others, written last
DOWNSTREAM = "downstream.nc"  # curves over the number of labelled rows, where the study asks for them
CONTEXTS = "contexts.json"  # images of the model in every context of its data set, where that has any
GUIDED = "guided.nc"  # gain and profile of each latent by level of noise, of score-based autoencoders
SELECTION = "selection.json"  # in the folder of the study: every candidate of `select`, and which were chosen


def controls_file(results: Path, run: Run) -> Path:
    """The scores of the controls of a run's data set, with as many latents as the run has."""
    return results / "controls" / f"{run.dataset.name}-{run.network.latents}.json"


def baselines_file(results: Path, run: Run) -> Path:
    """The scores of the downstream baselines of a run's data set; their curves lie beside it, as NetCDF."""
    return controls_file(results, run).with_name(f"{run.dataset.name}-{run.network.latents}-downstream.json")

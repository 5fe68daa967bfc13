"""What is computed of a whole study, once all its runs are analysed: agreement of seeds, controls, contrasts."""

from __future__ import annotations

from pathlib import Path

from auxvae.analysis.agreement import agreement
from auxvae.analysis.collect import collect, score_table
from auxvae.analysis.contrasts import contrasts
from auxvae.analysis.controls import controls
from auxvae.config.labels import variants
from auxvae.config.run import Run


def collect_study(runs: tuple[Run, ...], results: Path, resamples: int) -> None:
    """Write scores.parquet and analysis.nc of a study from the folders of its runs."""
    scores = score_table(runs, results, agreement(runs, results), controls(runs, results, resamples))
    collect(runs, results, scores, contrasts(scores, variants(runs)))

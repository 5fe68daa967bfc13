"""The table of the four systems on the same galaxies (README.md, docs/sami.md) from the scores of their study.

    python benchmarks/systems.py results/sami_galaxies

A line of Markdown for each row of the study's tables: means over the seeds, with the half width of Student's 95 %
interval where that is wider than the last digit.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from auxvae.config.labels import labels
from auxvae.config.reading import study_of
from auxvae.report.tables import cells, test_scores

FACTORS = ("radius", "g1", "g2", "flux", "psf_fwhm")
COLUMNS = {
    "linear: radius, g1, g2, flux, PSF": [f"linear_{name}" for name in FACTORS],
    "nearest": [f"nearest_{name}" for name in FACTORS],
    "largest |rho|": [f"rho_{name}" for name in FACTORS],
    "DCI": ["dci_disentanglement"],
    "leakage, chance; swap of residual latents: flux, size, shape": [
        "leakage", "leakage_chance", *(f"swap_recon_{name}_slope" for name in ("flux", "size", "shape")),
    ],
    "bound": ["bound"],
    "nats": ["nats"],
    "images drawn": ["sample_distance", "sample_distance_floor"],
    "ln flux, ln size, ellipticity: bias": ["flux_bias", "size_bias", "e1_bias"],
    "films, line and arc": ["straightness_line", "straightness_arc"],
    "before training": ["straightness_line_untrained", "straightness_arc_untrained"],
    "pixels": ["straightness_line_pixels", "straightness_arc_pixels"],
}  # fmt: skip


def text(cell):
    """A mean, with half the width of its interval where two digits show it."""
    if cell is None or pd.isna(cell["mean"]):
        return "-"
    half = (cell["high"] - cell["low"]) / 2
    digits = 1 if abs(cell["mean"]) >= 100 else 3
    return f"{cell['mean']:.{digits}f}" + (f" ± {half:.{digits}f}" if half >= 2 * 10**-digits else "")


def main(results):
    """Print the table."""
    study = study_of(results / "study.json")
    named = labels(study.runs)
    table = cells(test_scores(results), named)
    print("| | " + " | ".join(COLUMNS) + " |\n|---" + "|---" * len(COLUMNS) + "|")
    for label in dict.fromkeys(named.values()):
        row = {metric: table.loc[(label, metric)] for metric in table.loc[label].index}
        parts = (", ".join(text(row.get(name)) for name in names) for names in COLUMNS.values())
        print(f"| {label} | " + " | ".join(parts) + " |")
    jobs = sorted((results / "benchmarks").glob("*.tsv"))
    seconds = {job.stem: float(pd.read_csv(job, sep="\t")["cpu_time"].iloc[0]) for job in jobs}
    print(json.dumps({name: round(each) for name, each in seconds.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

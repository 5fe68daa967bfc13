"""Which factors are found where others are given, from a coverage study: the numbers of docs/findings.md.

    python benchmarks/missing_factors.py results/coverage

|rho| of each factor where it is given and where it is not; how many runs find all missing factors of radius, g1, g2 and
flux (|rho| above ALIGNED), by which are missing and by whether flux is given; leakage of each factor; what the PSF is
worth. Test rows of Aux-VAE.
"""

import sys
from pathlib import Path

import pandas as pd

ALIGNED, PSF = 0.95, "psf_fwhm"
FACTORS = ("radius", "g1", "g2", "flux")


def runs_of(results):
    """One row a run: its scores on test rows, and whether it is given each factor."""
    scores = pd.read_parquet(Path(results) / "scores.parquet").query("split == 'test' and method == 'aux_vae'")
    runs = scores.pivot_table(index=["coverage", "seed"], columns="metric", values="value").reset_index()
    for name in (*FACTORS, PSF):
        runs[f"given {name}"] = runs["coverage"].map(lambda coverage, name=name: name in coverage)
    runs["missing"] = [" ".join(name for name in FACTORS if not row[f"given {name}"]) for _, row in runs.iterrows()]
    runs["number missing"] = runs["missing"].str.split().str.len()
    runs["finds all"] = (runs[[f"rho_{name}" for name in FACTORS]] > ALIGNED).all(axis=1)
    return runs


def correlations(runs):
    """|rho| by factor, given and not, and the share of the runs that find it where it is not given."""
    rows = {}
    for name in (*FACTORS, PSF):
        is_aux = runs[f"given {name}"]
        present, absent = runs[f"rho_{name}"][is_aux], runs[f"rho_{name}"][~is_aux]
        rows[name] = {"given, least": present.min(), "given, most": present.max()}
        rows[name] |= {"median": absent.median(), "least": absent.min(), "most": absent.max()}
        rows[name] |= {"share found": (absent > ALIGNED).mean()}
    return pd.DataFrame(rows).T


def leakages(runs):
    """The largest R2 of each factor that is given, from the residual latents, in any run."""
    return {name: runs[f"recon_tells_{name}"][runs[f"given {name}"]].max() for name in (*FACTORS, PSF)}


def main(results):
    """Print the tables."""
    runs = runs_of(results)
    print(correlations(runs).round(4).to_string())
    print(f"least corrected LDS of samples: {runs['lds_sampled_corrected'].min()} in {len(runs)} runs")
    for group in (["number missing"], ["number missing", "missing"], ["number missing", "given flux"]):
        print(runs.groupby(group)["finds all"].agg(["sum", "count"]).to_string())
    print("leakage at most:", {name: round(value, 4) for name, value in leakages(runs).items()})
    print(runs.groupby("coverage")["leakage"].agg(["min", "max"]).sort_values("max").tail(6).round(4).to_string())
    nats = runs.set_index(["coverage", "seed"])["nats"]
    gains = [nats[key] - nats[f"{key[0]}_{PSF}", key[1]] for key in nats.index if PSF not in key[0]]
    print(f"nats that giving the PSF gains: {min(gains):.1f} to {max(gains):.1f}")
    print(runs.groupby(["given psf_fwhm", "number missing"])["nats"].mean().round(1).to_string())


if __name__ == "__main__":
    main(sys.argv[1])

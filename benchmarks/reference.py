"""Differences between the metrics and disentanglement_lib, and how the fast DCI ranks models beside the boosted one.

    python benchmarks/reference.py

The largest difference over the representations of the reference values that lie beside the project, and for DCI both
estimators' values (`tests/auxvae/test_reference.py` has the tolerances).
"""

from scipy.stats import spearmanr

from auxvae.metrics.alignment import sap
from auxvae.metrics.importance import dci
from auxvae.metrics.information import mig, modularity
from auxvae.metrics.readout import explicitness_auc, sap_discrete
from auxvae.metrics.robustness import irs
from auxvae.metrics.votes import beta_vae, factor_vae
from tests.auxvae.test_reference import FLAGS, REAL, SYNTHETIC, Reference

SCORES = {
    "mig": (lambda r: mig(r.z, r.u, FLAGS, resamples=0).value, lambda f: f["mig"]["20"]),
    "modularity": (lambda r: modularity(r.z, r.u, FLAGS, resamples=0).value, lambda f: f["modularity"]),
    "sap": (lambda r: sap(r.z, r.u, 0).value, lambda f: f["sap"]),
    "irs": (lambda r: irs(r.z, r.u).value, lambda f: f["irs"]),
    "sap_discrete": (
        lambda r: sap_discrete(r.z, r.u, r.z_test, r.u_test, 0).value,
        lambda f: f["sap_discrete"],
    ),
    "explicitness_auc": (
        lambda r: explicitness_auc(r.z, r.u, r.z_test, r.u_test, 0).value,
        lambda f: f["explicitness_auc"],
    ),
    "beta_vae": (lambda r: beta_vae(r.z, r.u, 0).value, lambda f: f["beta_vae"][0]),
    "factor_vae, own rows": (lambda r: factor_vae(r.z, r.u, 0).value, lambda f: f["factor_vae"][0]),
}
DCI = ("dci_disentanglement", "dci_completeness", "dci_informativeness")


def main():
    """The two tables."""
    every = {name: Reference(name) for name in (*SYNTHETIC, *REAL)}
    for metric, (here, library) in SCORES.items():
        pairs = [(here(r), library(r.expected)) for r in every.values() if library(r.expected) is not None]
        print(f"| `{metric}` | {max(abs(a - b) for a, b in pairs):.1e} |")
    forests = {n: dci(r.z, r.u, FLAGS, r.z_test, r.u_test, resamples=0) for n, r in every.items()}
    boosted = {
        n: r.expected["dci_whole"] if all(r.expected["dci_whole"]) else r.expected["dci"] for n, r in every.items()
    }
    for k, score in enumerate(DCI):
        a, b = [forests[n][score].value for n in every], [boosted[n][k] for n in every]
        print(f"\n{score}: Spearman's rho {spearmanr(a, b).statistic:.3f}")
        print("\n".join(f"| {n} | {x:.3f} | {y:.3f} |" for n, x, y in zip(every, a, b, strict=True)))


if __name__ == "__main__":
    main()

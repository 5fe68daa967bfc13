"""Metrics beside those of the field's standard library, on fixed representations, where they lie beside the project."""

import json
from itertools import pairwise

import numpy as np
import pytest

from auxvae.metrics.aggregate import total_correlation, wasserstein_correlation
from auxvae.metrics.alignment import sap
from auxvae.metrics.importance import completeness, dci, disentanglement
from auxvae.metrics.information import mig, modularity
from auxvae.metrics.readout import explicitness_auc, sap_discrete
from auxvae.metrics.robustness import irs, irs_of
from auxvae.metrics.votes import beta_vae, beta_vae_of, factor_vae, factor_vae_of, votes
from tests.conftest import ROOT

HERE = ROOT.parent / "shared" / "data" / "metric_reference"
SYNTHETIC = (
    "aligned", "aligned_dead", "rotated", "noisy", "very_noisy", "redundant", "random", "constant_dim",
)  # fmt: skip
REAL = ("dsprites_btcvae", "dsprites_betaH")
FLAGS = [True] * 5
every_code = pytest.mark.parametrize("name", [*SYNTHETIC, *REAL])
pytestmark = pytest.mark.skipif(not HERE.exists(), reason="the reference values do not lie beside the project")


class Reference:
    """Codes and classes of the rows to learn and to judge, and what was found of them."""

    def __init__(self, name):
        real = "real_dsprites_" if name in REAL else ""
        codes, other = (
            np.load(HERE / f"{real}codes.npz"),
            np.load(HERE / ("real_dsprites_codes.npz" if real else "factors.npz")),
        )
        self.sizes = other["factor_sizes"]
        self.grid = np.stack(np.unravel_index(np.arange(self.sizes.prod()), self.sizes), 1)
        self.table = codes[name].astype(np.float64)
        train, test = other["index_train"], other["index_test"]
        self.z, self.u = self.table[train], self.grid[train]
        self.z_test, self.u_test = self.table[test], self.grid[test]
        stem = "expected_real_dsprites" if real else "expected"
        self.found = json.loads((HERE / f"{stem}.json").read_text())["reps"][name]
        matrices = np.load(HERE / f"{real}matrices.npz")
        self.matrices = {k.removeprefix(f"{name}."): matrices[k] for k in matrices.files if k.startswith(f"{name}.")}


@pytest.fixture(scope="module")
def of():
    known = {}
    return lambda name: known.setdefault(name, Reference(name))


@every_code
@pytest.mark.parametrize("bins", [10, 20, 50])
def test_mig(of, name, bins):
    r = of(name)
    found = mig(r.z, r.u, FLAGS, bins, 0)
    assert found.value == pytest.approx(r.found[f"mig_bins{bins}"]["discrete_mig"], abs=1e-6)
    if bins == 20:
        entropy = r.matrices["factor_entropy"]
        np.testing.assert_allclose(found.matrix * entropy, r.matrices["mi_matrix_bins20"], atol=1e-6)


@every_code
def test_modularity(of, name):
    r = of(name)
    assert modularity(r.z, r.u, FLAGS, resamples=0).value == pytest.approx(r.found["modularity_only"], abs=1e-6)


@every_code
def test_sap(of, name):
    r = of(name)
    found = sap(r.z, r.u, 0)
    assert found.value == pytest.approx(r.found["sap_continuous"]["SAP_score"], abs=1e-6)
    np.testing.assert_allclose(found.matrix, r.matrices["sap_matrix_continuous"], atol=1e-6)


@every_code
def test_discrete_sap(of, name):
    r = of(name)
    found = sap_discrete(r.z, r.u, r.z_test, r.u_test, 0)
    assert found.value == pytest.approx(r.found["sap_discrete"]["SAP_score"], abs=5e-4)
    np.testing.assert_allclose(found.matrix, r.matrices["sap_matrix_discrete"], atol=2e-3)


@every_code
def test_irs(of, name):
    r = of(name)
    found = irs(r.z, r.u)
    assert found.value == pytest.approx(r.found["irs"]["IRS"], abs=1e-6)
    assert irs_of(r.matrices["irs_matrix"], r.matrices["irs_max_deviations"]) == pytest.approx(found.value, abs=1e-6)


@every_code
def test_explicitness(of, name):
    r = of(name)
    known = r.found["modularity_explicitness"].get("explicitness_score_test")
    if known is not None:
        assert explicitness_auc(r.z, r.u, r.z_test, r.u_test, 0).value == pytest.approx(known, abs=1e-4)


@every_code
def test_total_and_wasserstein_correlation(of, name):
    r = of(name)
    known = r.found["unsupervised"]
    distance = wasserstein_correlation(r.z, 0).value
    assert distance == pytest.approx(known["gaussian_wasserstein_correlation"], abs=1e-6)
    if known["gaussian_total_correlation"] != "nan":  # a constant latent, which is left out here
        assert total_correlation(r.z, 0).value == pytest.approx(float(known["gaussian_total_correlation"]), abs=1e-6)


@every_code
def test_the_scores_of_known_importances(of, name):
    matrices = of(name).matrices
    for stem in ("rs0", "small_rs0", "small_seed0"):
        if (r := matrices.get(f"dci_importance_{stem}")) is not None:
            shares = matrices[f"dci_importance_{stem}_per_code"], matrices[f"dci_importance_{stem}_per_factor"]
            weighed = [(w * s).sum() / w.sum() for w, s in zip((r.sum(1), r.sum(0)), shares, strict=True)]
            assert [disentanglement(r), completeness(r)] == pytest.approx(weighed, abs=1e-9)


@pytest.mark.slow
@every_code
def test_boosted_dci(of, name):
    r = of(name)
    found = dci(r.z[:2000], r.u[:2000], FLAGS, r.z_test[:1000], r.u_test[:1000], reference=True, resamples=0)
    for own, known in (
        ("dci_disentanglement", "disentanglement"),
        ("dci_completeness", "completeness"),
        ("dci_informativeness", "informativeness_test"),
    ):
        assert found[own].value == pytest.approx(r.found["dci_small_rs0"][known], abs=1e-3), own


@every_code
def test_beta_vae(of, name):
    r = of(name)
    if name in SYNTHETIC:
        saved = [r.matrices[f"beta_{part}"] for part in ("train_points", "train_labels", "eval_points", "eval_labels")]
        assert beta_vae_of(*saved, 0).value == pytest.approx(
            r.found["beta_vae_saved_points"]["eval_accuracy"], abs=0.02
        )
    assert beta_vae(r.z, r.u, 0).value == pytest.approx(r.found["beta_vae"][0]["eval_accuracy"], abs=0.02)


def drawn_by_the_library(sizes, seed=0, batch=64):
    """Rows of the grid in the order in which the library's sampling draws them: for variances, to learn, to judge."""
    state = np.random.RandomState(seed)
    strides = np.append(np.cumprod(sizes[::-1])[::-1][1:], 1)
    draw = lambda rows: np.stack([state.randint(size, size=rows) for size in sizes], 1)  # noqa: E731
    variances = draw(10_000) @ strides
    rows, factor = [], []
    for _ in range(15_000):
        k = state.randint(len(sizes))
        values = draw(batch)
        values[:, k] = values[0, k]
        rows.append(values @ strides)
        factor.append(k)
    return variances, np.stack(rows), np.array(factor)


@every_code
def test_factor_vae_where_the_sampling_is_given(of, name):
    r = of(name)
    variances, rows, factor = drawn_by_the_library(r.sizes)
    spread = r.table[variances].var(0, ddof=1)
    np.testing.assert_allclose(spread, r.matrices["factor_global_variances"], rtol=1e-9)
    for pruned, known in ((0.05, r.found["factor_vae"][0]), (0.0, r.found["factor_vae_prune0"])):
        if name == "constant_dim" and pruned == 0:
            continue  # the library divides by a variance of 0 there
        latent = votes(r.table, rows, spread, pruned)
        found = factor_vae_of(latent[:10_000], factor[:10_000], latent[10_000:], factor[10_000:], 0)
        assert found.value == pytest.approx(known["eval_accuracy"], abs=1e-6)


@every_code
def test_factor_vae_by_rows_at_hand(of, name):
    r = of(name)
    several = [each["eval_accuracy"] for each in r.found["factor_vae"]]
    spread = max([0.022, *(abs(a - b) for a, b in pairwise(several))])
    assert factor_vae(r.z, r.u, 0).value == pytest.approx(several[0], abs=2 * spread)

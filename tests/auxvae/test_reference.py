"""Metrics against those of disentanglement_lib: on synthetic codes, and on those of real models where they are at hand.

reference.json holds the scores of disentanglement_lib (commit 86a644d, scikit-learn 1.9.1) for eight representations of
a grid of five factors, defined below; 10,000 training and 5,000 test rows, as its sampling draws them.
"""

import json

import numpy as np
import pytest

from auxvae.metrics.alignment import sap
from auxvae.metrics.covariance import total_correlation, wasserstein_correlation
from auxvae.metrics.importance import completeness, dci, disentanglement
from auxvae.metrics.information import mig, modularity
from auxvae.metrics.readout import explicitness_auc, sap_discrete
from auxvae.metrics.robustness import irs
from auxvae.metrics.votes import beta_vae, beta_vae_of, factor_vae, factor_vae_of, votes
from tests.conftest import ROOT

REFERENCE = json.loads((ROOT / "tests/auxvae/reference.json").read_text())
HERE = ROOT.parent / "shared" / "data" / "metric_reference"
SYNTHETIC = tuple(REFERENCE["expected"])
REAL = ("dsprites_btcvae", "dsprites_betaH")
FLAGS = [True] * 5


def strides(sizes):
    return np.append(np.cumprod(sizes[::-1])[::-1][1:], 1)


def drawn(state, sizes, rows):
    """Rows of the grid, uniform, in the order of the library: batches of 16, one factor after the other."""
    batches = [min(16, rows - start) for start in range(0, rows, 16)]
    return np.concatenate([np.stack([state.randint(s, size=n) for s in sizes], 1) @ strides(sizes) for n in batches])


def table(name, grid):
    """The codes of every cell of the grid, from their recipe."""
    u = (grid - grid.mean(0)) / grid.std(0)
    noise = lambda seed, d: np.random.RandomState(seed).standard_normal((len(grid), d))  # noqa: E731
    return {
        "aligned": lambda: u,
        "aligned_dead": lambda: np.hstack([u, 0.01 * noise(102, 5)]),
        "rotated": lambda: u @ np.array(REFERENCE["rotation"]) + 0.05 * noise(104, 5),
        "noisy": lambda: u + 0.5 * noise(105, 5),
        "very_noisy": lambda: u + 1.5 * noise(106, 5),
        "redundant": lambda: np.hstack([u, -u]) + 0.05 * noise(107, 10),
        "random": lambda: noise(108, 10),
        "constant_dim": lambda: np.hstack([u, np.zeros((len(grid), 1))]),
    }[name]()


class Reference:
    """Codes and classes of training and test rows, and the scores that the library gave them."""

    def __init__(self, name):
        codes = (
            np.load(HERE / "real_dsprites_codes.npz") if name in REAL else {"factor_sizes": np.array([3, 4, 6, 8, 5])}
        )
        self.sizes = codes["factor_sizes"]
        grid = np.stack(np.unravel_index(np.arange(self.sizes.prod()), self.sizes), 1)
        state = np.random.RandomState(0)
        train, test = drawn(state, self.sizes, 10_000), drawn(state, self.sizes, 5_000)
        self.table = codes[name].astype(np.float64) if name in REAL else table(name, grid)
        self.z, self.u, self.z_test, self.u_test = self.table[train], grid[train], self.table[test], grid[test]
        self.expected = real(name) if name in REAL else REFERENCE["expected"][name]


def real(name):
    """The library's scores of the codes of a real model, by the names of reference.json."""
    expected = json.loads((HERE / "expected_real_dsprites.json").read_text())["reps"][name]
    three = ("disentanglement", "completeness", "informativeness_test")
    return {
        "mig": {bins: expected[f"mig_bins{bins}"]["discrete_mig"] for bins in ("10", "20", "50")},
        "modularity": expected["modularity_only"],
        "sap": expected["sap_continuous"]["SAP_score"],
        "sap_discrete": expected["sap_discrete"]["SAP_score"],
        "irs": expected["irs"]["IRS"],
        "explicitness_auc": expected["modularity_explicitness"]["explicitness_score_test"],
        "total_correlation": expected["unsupervised"]["gaussian_total_correlation"],
        "wasserstein_correlation": expected["unsupervised"]["gaussian_wasserstein_correlation"],
        "dci": [expected["dci_small_rs0"][part] for part in three],
        "dci_whole": [expected["dci_rs0"].get(part) for part in three],
        "beta_vae": [each["eval_accuracy"] for each in expected["beta_vae"]],
        "factor_vae": [each["eval_accuracy"] for each in expected["factor_vae"]],
        "factor_vae_unpruned": expected["factor_vae_prune0"]["eval_accuracy"],
    }


absent = pytest.mark.skipif(not HERE.exists(), reason="the real codes do not lie beside the project")
every_code = pytest.mark.parametrize("name", [*SYNTHETIC, *(pytest.param(name, marks=absent) for name in REAL)])


@pytest.fixture(scope="module")
def of():
    read = {}
    return lambda name: read.setdefault(name, Reference(name))


@every_code
@pytest.mark.parametrize("bins", [10, 20, 50])
def test_mig(of, name, bins):
    r = of(name)
    assert mig(r.z, r.u, FLAGS, bins, 0).value == pytest.approx(r.expected["mig"][str(bins)], abs=1e-9)


@every_code
def test_modularity(of, name):
    r = of(name)
    assert modularity(r.z, r.u, FLAGS, resamples=0).value == pytest.approx(r.expected["modularity"], abs=1e-9)


@every_code
def test_sap(of, name):
    r = of(name)
    assert sap(r.z, r.u, 0).value == pytest.approx(r.expected["sap"], abs=1e-9)


@every_code
def test_discrete_sap(of, name):
    r = of(name)
    assert sap_discrete(r.z, r.u, r.z_test, r.u_test, 0).value == pytest.approx(r.expected["sap_discrete"], abs=5e-4)


@every_code
def test_irs(of, name):
    r = of(name)
    assert irs(r.z, r.u).value == pytest.approx(r.expected["irs"], abs=1e-9)


@every_code
def test_explicitness(of, name):
    r = of(name)
    if (wanted := r.expected["explicitness_auc"]) is not None:  # the library divides by the spread of a constant latent
        assert explicitness_auc(r.z, r.u, r.z_test, r.u_test, 0).value == pytest.approx(wanted, abs=1e-4)


@every_code
def test_total_and_wasserstein_correlation(of, name):
    r = of(name)
    assert wasserstein_correlation(r.z, 0).value == pytest.approx(r.expected["wasserstein_correlation"], abs=1e-9)
    if (wanted := r.expected["total_correlation"]) is not None:  # not a number with a constant latent, left out here
        assert total_correlation(r.z, 0).value == pytest.approx(wanted, abs=1e-9)


@pytest.mark.slow
@every_code
def test_boosted_dci(of, name):
    r = of(name)
    scores = dci(r.z[:2000], r.u[:2000], FLAGS, r.z_test[:1000], r.u_test[:1000], reference=True, resamples=0)
    parts = ("dci_disentanglement", "dci_completeness", "dci_informativeness")
    assert [scores[part].value for part in parts] == pytest.approx(r.expected["dci"], abs=1e-3)
    assert np.isnan([scores["dci_completeness"].low, scores["dci_completeness"].high]).all()


@every_code
def test_beta_vae(of, name):
    r = of(name)
    assert beta_vae(r.z, r.u, 0).value == pytest.approx(r.expected["beta_vae"][0], abs=0.02)


def drawn_by_the_library(sizes, batch=64):
    """Rows of the grid in the order in which the library draws them for FactorVAE: variances, then batches."""
    state = np.random.RandomState(0)
    draw = lambda rows: np.stack([state.randint(size, size=rows) for size in sizes], 1)  # noqa: E731
    variances = draw(10_000) @ strides(sizes)
    rows, factor = [], []
    for _ in range(15_000):
        k = state.randint(len(sizes))
        values = draw(batch)
        values[:, k] = values[0, k]
        rows.append(values @ strides(sizes))
        factor.append(k)
    return variances, np.stack(rows), np.array(factor)


@every_code
def test_factor_vae_where_the_sampling_is_given(of, name):
    r = of(name)
    variances, rows, factor = drawn_by_the_library(r.sizes)
    spread = r.table[variances].var(0, ddof=1)
    for pruned, wanted in ((0.05, r.expected["factor_vae"][0]), (0.0, r.expected["factor_vae_unpruned"])):
        if name == "constant_dim" and pruned == 0:
            continue  # the library divides by a variance of 0 there
        latent = votes(r.table, rows, spread, pruned)
        score = factor_vae_of(latent[:10_000], factor[:10_000], latent[10_000:], factor[10_000:], 0)
        assert score.value == pytest.approx(wanted, abs=1e-9)


@every_code
def test_factor_vae_by_rows_at_hand(of, name):
    r = of(name)
    assert factor_vae(r.z, r.u, 0).value == pytest.approx(r.expected["factor_vae"][0], abs=0.022)


@absent
@pytest.mark.parametrize("name", SYNTHETIC)
def test_the_matrices_behind_the_numbers(of, name):
    r = of(name)
    matrices = {
        k.removeprefix(f"{name}."): v for k, v in np.load(HERE / "matrices.npz").items() if k.startswith(f"{name}.")
    }
    shares = mig(r.z, r.u, FLAGS, resamples=0).matrix
    np.testing.assert_allclose(shares * matrices["factor_entropy"], matrices["mi_matrix_bins20"], atol=1e-9)
    np.testing.assert_allclose(sap(r.z, r.u, 0).matrix, matrices["sap_matrix_continuous"], atol=1e-9)
    accuracy = sap_discrete(r.z, r.u, r.z_test, r.u_test, 0).matrix
    np.testing.assert_allclose(accuracy, matrices["sap_matrix_discrete"], atol=2e-3)
    importance = matrices["dci_importance_rs0"]
    parts = matrices["dci_importance_rs0_per_code"], matrices["dci_importance_rs0_per_factor"]
    weighed = [(w * s).sum() / w.sum() for w, s in zip((importance.sum(1), importance.sum(0)), parts, strict=True)]
    assert [disentanglement(importance), completeness(importance)] == pytest.approx(weighed, abs=1e-9)
    saved = [matrices[f"beta_{part}"] for part in ("train_points", "train_labels", "eval_points", "eval_labels")]
    expected = json.loads((HERE / "expected.json").read_text())["reps"][name]["beta_vae_saved_points"]
    assert beta_vae_of(*saved, 0).value == pytest.approx(expected["eval_accuracy"], abs=0.02)

"""Numbers that strangers' files hold: dates, identifiers, rare classes, many latents, marks among pixels."""

import copy

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from auxvae.data.store import Store
from auxvae.metrics import pairs, predictability
from auxvae.metrics.covariance import total_correlation
from auxvae.metrics.information import classes_of
from auxvae.metrics.integers import from_least
from auxvae.metrics.representation import representation
from auxvae.metrics.standardise import standard, standard_by_first
from auxvae.metrics.suite import suite
from auxvae.training import loop
from foundation.faults import Refused
from simulations import pixels
from simulations.convert import convert
from tests.conftest import TINY, refusal, study_of

G = np.random.default_rng(11)
N = 64
MJD = 60310 + G.permutation(N) / 86400.0  # seconds apart, where single precision keeps 6 minutes
IMAGES = G.normal(20, 2, (N, 28, 28)).astype(np.float32)


def run_on(path, images, **run):
    """The run of a study on a store of these images, and the store."""
    np.savez(path / "x.npz", image=images, mjd=MJD, size=G.random(N))
    convert(path / "x.npz", path / "s.zarr", "image", "", [], "gaussian:2", 0)
    config = copy.deepcopy(TINY) | {
        "datasets": {"night": {"store": str(path / "s.zarr")}},
        "coverages": {"size": ["size"]},
        "network": {"name": "mlp", "width": 4, "latents": 2},
        "training": {"epochs": 1, "batch": 16},
        "analyses": {"sensitivity": {"images": 8}, "bootstrap": 20},
        "runs": [{"method": "aux_mmd", "coverages": ["size"], **run}],
    }
    only = study_of(config)[1].runs[0]
    return only, Store(path / "s.zarr", only.dataset)


def test_an_empirical_prior_keeps_every_second_of_a_julian_date(tmp_path):
    """It is drawn through the whole model; in single precision all dates of a minute would be one."""
    run, store = run_on(tmp_path, IMAGES, prior={"kind": "empirical", "factors": ["mjd"]})
    trainer = loop.Trainer(run, store, tmp_path / "work", torch.device("cpu"))
    (table,) = [each.table for each in _parts(trainer.model) if hasattr(each, "table")]
    dates = MJD[store.split == 0]
    wanted = (dates - dates.mean()) / dates.std(ddof=1)
    np.testing.assert_allclose(np.sort(table[:, 0].numpy()), np.sort(wanted), atol=1e-4)
    assert len(np.unique(table.numpy())) == len(dates)


def _parts(thing, depth=4):
    """An object and what its attributes hold, a few levels down."""
    yield thing
    held = [*getattr(thing, "__dict__", {}).values()] if depth else []
    held += [each for value in held if isinstance(value, (list, tuple)) for each in value]
    for each in held:
        if type(each).__module__.startswith("auxvae"):
            yield from _parts(each, depth - 1)


def test_dates_are_standardised_in_double():
    columns = standard(MJD[:, None])[:, 0]
    exact = (MJD - 60310) * 86400
    np.testing.assert_allclose(columns, (exact - exact.mean()) / exact.std(), atol=1e-4)
    first, second = standard_by_first(MJD[:40, None], MJD[:, None])
    np.testing.assert_array_equal(first, second[:40])


def test_the_guard_blames_marks_among_the_pixels_and_not_the_learning_rate(tmp_path, monkeypatch):
    """Such a store was written by a version that did not look for them."""
    monkeypatch.setattr(pixels, "sentinel", lambda *arguments, **options: None)
    images = IMAGES.copy()
    images[:, :2, 3] = -1e30
    run, store = run_on(tmp_path, images)
    with pytest.raises(Refused) as refused:
        loop.Trainer(run, store, tmp_path / "work", torch.device("cpu")).train()
    (fault,) = refused.value.faults
    assert "the images are to blame, with pixels from -1e+30" in fault.remedy and "learning rate" not in fault.remedy


def test_a_class_that_training_lacks_is_never_right():
    """Of the test rows of two learned classes all are right, of the third none: 2/3, as the SVM itself has it."""
    z = np.repeat([0.0, 8.0], 150) + 0.1 * G.standard_normal(300)
    u, z_test = np.repeat([3.0, 7.0], 150), np.repeat([0.0, 8.0, 8.0], 60)
    u_test = np.repeat([3.0, 7.0, 9.0], 60)
    inputs = representation(z, u, [1], z_test, u_test)
    svm = LinearSVC(C=0.01, class_weight="balanced").fit(z[:, None], u)
    wanted = np.mean(svm.predict(z_test[:, None]) == u_test)
    scores = suite(inputs, ["sap_discrete", "explicitness_auc", "dci"])
    assert scores["sap_discrete"].value == pytest.approx(wanted) == pytest.approx(2 / 3)
    assert scores["dci_informativeness"].value == pytest.approx(2 / 3)
    assert 0.5 < scores["explicitness_auc"].value <= 1
    assert classes_of(u, u_test, True).tolist() == [0] * 60 + [1] * 60 + [-1] * 60


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_identifiers_beyond_a_double_stay_apart(dtype):
    """They score what small numbers in the same order score; as doubles, all four would be one class."""
    kind = np.arange(400) % 4
    z = np.column_stack([kind + 0.1 * G.standard_normal(400), G.standard_normal(400)])
    large = kind.astype(dtype) + dtype(3205000000000000001)
    assert len(np.unique(large.astype(np.float64))) == 1
    names = ["mig", "sap", "explicitness_auc", "sap_discrete"]
    one, two = (suite(representation(z, u[:, None]), names) for u in (large, kind))
    assert {name: score[:3] for name, score in one.items()} == {name: score[:3] for name, score in two.items()}
    counted, test = from_least("u", [large[:5, None], large[1:3, None]])
    assert (counted[:, 0].tolist(), test[:, 0].tolist()) == ([0, 1, 2, 3, 0], [1, 2])


@pytest.mark.parametrize("rows", [60, 137, 200])
def test_pairs_of_latents_by_blocks_are_those_of_all_at_once(monkeypatch, rows):
    z = G.standard_normal((rows, 11))
    z[:, 4], z[:, 7], z[:, 9] = z[:, 3] ** 2, 0, z[:, 0]
    whole, floor = pairs.pair_dependence(z, 6), pairs.pair_dependence_floor(z)
    monkeypatch.setattr(pairs, "BLOCK", 3)
    parts = pairs.pair_dependence(z, 6)
    np.testing.assert_allclose(parts.matrix, whole.matrix, atol=1e-6)
    np.testing.assert_allclose([parts.value, parts.se], [whole.value, whole.se], rtol=1e-5)
    assert pairs.pair_dependence_floor(z).value == pytest.approx(floor.value, rel=1e-5)
    assert parts.matrix.values[9, 0] == pytest.approx(1, abs=1e-6) and not parts.matrix.values[7].any()


def test_networks_by_blocks_are_those_of_all_at_once(monkeypatch):
    z = G.standard_normal((150, 7))
    z[:, 1] += z[:, 0] ** 2
    whole = predictability.lps(z, 4)
    monkeypatch.setattr(predictability, "BLOCK", 3)
    np.testing.assert_allclose(predictability.lps(z, 4).matrix, whole.matrix, atol=1e-3)


def test_the_correlation_of_hundreds_of_latents_is_that_of_their_determinant():
    z = G.standard_normal((400, 80)) @ (np.eye(80) + 0.1 * G.standard_normal((80, 80)))
    wanted = -0.5 * np.linalg.slogdet(np.corrcoef(z.T))[1]
    assert total_correlation(z, 3).value == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(
    ("run", "latents"), [({"method": "ae_mmd"}, 1), ({"method": "aux_mmd", "coverages": "two"}, 2)]
)
def test_pairs_of_latents_are_asked_for_only_where_there_are_some(config, run, latents):
    """A residual latent beside an auxiliary one is a pair; one latent alone, or auxiliary ones alone, are none."""
    wide = config | {"runs": [run | {"network": {"latents": latents + 1}}]}
    assert study_of(wide)[1].runs
    sentences = refusal(config | {"runs": [run | {"network": {"latents": latents}}]})
    assert any("mmd_pairs compares pairs of latents" in each for each in sentences)


def test_of_many_latents_some_at_equal_steps_stand_for_all(monkeypatch):
    z = np.random.default_rng(0).standard_normal((300, 12))
    z[:, 1::2] = z[:, ::2] + 0.5 * z[:, 1::2]
    monkeypatch.setattr("auxvae.metrics.score.MOST_LATENTS", 6)
    chosen = [0, 2, 4, 6, 8, 10]
    some, whole = predictability.lps(z), predictability.lps(z[:, chosen])
    known = np.isfinite(some.matrix.values)
    assert list(np.flatnonzero(known)) == chosen
    assert some.value == pytest.approx(float(some.matrix.values[known].clip(0).mean()), abs=1e-12)
    assert some.value > whole.value + 0.2  # each is predicted from all twelve
    of_pairs = pairs.pair_dependence(z)
    assert of_pairs.value == pytest.approx(pairs.pair_dependence(z[:, chosen]).value, abs=1e-12)
    assert list(np.flatnonzero(np.isfinite(of_pairs.matrix.values[0]))) == chosen

"""A run in every context: a perfect model, models that know no context, and one that has learned half of a shift."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from auxvae.analysis import files
from auxvae.analysis.interventions import BESIDE, DISTANCE, of_contexts, plain_row
from auxvae.config.contexts import DataContext
from auxvae.metrics.images import asinh_scale
from auxvae.report.contexts import contexts_table
from foundation.files import write_json

OBS, FLUX, SIZE = DataContext("obs", (), 9), DataContext("flux", ("flux",), 9), DataContext("size", ("size",), 9)
BOTH, HALF = DataContext("both", ("flux", "size"), 0), DataContext("half", ("shear", "flux"), 0)
CONTEXTS = (OBS, FLUX, SIZE, BOTH)
SIDE, N = 17, 250
Y, X = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2


def galaxies(chosen, count, seed):
    """Round Gaussian galaxies (N, 1, H, W): an intervention on flux doubles it, one on size widens them by a third."""
    g = np.random.default_rng(seed)
    flux = 100 * 2.0 ** chosen[0] * np.exp(0.2 * g.standard_normal(count))
    size = 2 * (4 / 3) ** chosen[1] * np.exp(0.1 * g.standard_normal(count))
    image = flux[:, None, None] * np.exp(-(X**2 + Y**2) / (2 * size[:, None, None] ** 2))
    return (image / (2 * np.pi * size[:, None, None] ** 2))[:, None].astype(np.float32)


def run(sample, contexts=CONTEXTS, truth=True, rows=N):
    """A stand-in for a trained run beside test rows."""
    sets = [("flux" in each.of, "size" in each.of) for each in contexts]
    images = torch.from_numpy(np.concatenate([galaxies(each, rows, k) for k, each in enumerate(sets)]))
    context = np.repeat(np.arange(len(contexts)), rows)
    order = np.random.default_rng(9).permutation(len(context))
    noisy = images + 3 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    stored = SimpleNamespace(
        images=(noisy if truth else images)[order], truth=images[order] if truth else None, context=context[order]
    )
    dataset = SimpleNamespace(contexts=contexts)
    run = SimpleNamespace(dataset=dataset, seed=0, concepts=())
    return SimpleNamespace(run=run, rows=stored, sample_counts=lambda n, k: sample(sets[k], n))


def perfect(chosen, count):
    return galaxies(chosen, count, 77)


def deaf(chosen, count):
    """Whatever the context, images where nothing is done."""
    return galaxies((0, 0), count, 78)


def halfway(chosen, count):
    """Every second image as in the context, the others where nothing is done."""
    return np.concatenate([perfect(chosen, count // 2), deaf(chosen, count - count // 2)])


def by_name(result):
    return {row["context"]: row for row in result.rows}


def values(result):
    return {name: score.value for name, score in result.scores.items()}


@pytest.fixture(scope="module")
def results():
    return {each.__name__: of_contexts(run(each), True) for each in (perfect, deaf, halfway)}


def test_a_row_says_which_context_it_is_of(results):
    facts = [tuple(row[name] for name in ("context", "of", "is_trained", "concepts")) for row in results["deaf"].rows]
    singles = [("obs", "", True, 0), ("flux", "flux", True, 1), ("size", "size", True, 1)]
    assert facts == [*singles, ("both", "flux size", False, 2)]
    assert all(row["images"] == N for row in results["deaf"].rows)


def test_a_perfect_model_is_at_the_floor_in_every_context(results):
    for row in results["perfect"].rows:
        assert row[DISTANCE] < 3 * row[f"{DISTANCE}_floor"]
        assert row["context"] == "obs" or row[DISTANCE] < 0.2 * row[f"{DISTANCE}_obs_images"]


def test_a_model_that_knows_no_context_is_the_observational_images(results):
    for row in results["deaf"].rows[1:]:
        assert row[DISTANCE] == pytest.approx(row[f"{DISTANCE}_obs_images"], rel=0.1)
        assert row[DISTANCE] > 5 * row[f"{DISTANCE}_floor"]
        assert row[f"{DISTANCE}_se"] < 0.1 * row[DISTANCE]
    obs = results["deaf"].rows[0]
    assert obs[f"{DISTANCE}_obs_images"] == obs[f"{DISTANCE}_floor"]


def test_a_model_that_mixes_the_contexts_is_the_pooled_images():
    def pooled(chosen, count):
        return np.concatenate([galaxies(each, count // 3, 80 + sum(each)) for each in ((0, 0), (1, 0), (0, 1))])

    for row in of_contexts(run(pooled), True).rows:
        assert row[DISTANCE] == pytest.approx(row[f"{DISTANCE}_pooled_images"], rel=0.15)


@pytest.mark.parametrize(("name", "share"), [("perfect", 1), ("halfway", 0.5), ("deaf", 0)])
def test_the_share_of_every_shift_is_the_models(results, name, share):
    rows = by_name(results[name])
    for context, quantity in (("flux", "flux"), ("size", "size"), ("both", "flux"), ("both", "size")):
        row = rows[context]
        error = row[f"moved_{quantity}_se"]
        assert 0 < error < 0.1
        assert row[f"moved_{quantity}"] == pytest.approx(share, abs=4 * error + 0.01)
    for context, quantity in (("obs", "flux"), ("flux", "size"), ("size", "flux"), ("both", "e1"), ("both", "e2")):
        assert math.isnan(rows[context][f"moved_{quantity}"])  # nothing moves there
    assert rows["both"]["moments_converged"] == 1


def test_the_scores_of_a_run_are_means_over_concepts_and_over_compositions(results):
    for result in results.values():
        rows = by_name(result)
        for end in BESIDE:
            concept = (rows["flux"][DISTANCE + end] + rows["size"][DISTANCE + end]) / 2
            assert result.scores[f"concept{end}"].value == pytest.approx(concept)
            assert result.scores[f"composition{end}"].value == rows["both"][DISTANCE + end]
        error = np.hypot(rows["flux"][f"{DISTANCE}_se"], rows["size"][f"{DISTANCE}_se"]) / 2
        assert result.scores["concept"].se == pytest.approx(error)
        assert result.scores["concept"].n == 2 * N
    assert results["perfect"].scores["composition"].high < results["halfway"].scores["composition"].low


def test_images_that_are_no_galaxies_have_distances_alone_as_they_are(results):
    plain = of_contexts(run(perfect), False)
    assert not any("moved" in name or "moments" in name for row in plain.rows for name in row)
    softened = run(lambda chosen, count: asinh_scale(perfect(chosen, count)))
    softened.rows.truth = torch.from_numpy(asinh_scale(softened.rows.truth.numpy()))
    assert values(of_contexts(softened, False)) == pytest.approx(values(results["perfect"]))  # galaxies are softened
    assert values(plain) != values(results["perfect"])


def test_without_images_free_of_noise_the_images_are_compared():
    with_truth, alone = (of_contexts(run(perfect, truth=truth, rows=60), False).rows for truth in (True, False))
    assert with_truth == alone


def test_a_context_that_no_concepts_make_has_no_images_of_the_model(results):
    result = of_contexts(run(perfect, (*CONTEXTS, HALF), rows=N), True)
    row = result.rows[-1]
    assert math.isnan(row["concepts"]) and math.isnan(row[DISTANCE]) and math.isnan(row["moved_flux"])
    assert row[f"{DISTANCE}_floor"] < row[f"{DISTANCE}_obs_images"]
    for name in ("concept", "composition"):
        assert result.scores[name].value == pytest.approx(results["perfect"].scores[name].value)


def test_contexts_without_test_rows_and_without_observations():
    trained = run(perfect, rows=60)
    trained.rows.context[trained.rows.context == 0] = 1  # none is of the context where nothing is done
    result = of_contexts(trained, True)
    assert [row["context"] for row in result.rows] == ["flux", "size", "both"]
    assert all(math.isnan(row[f"{DISTANCE}_obs_images"]) and math.isnan(row["moved_flux"]) for row in result.rows)
    assert math.isnan(result.scores["concept_obs_images"].value) and result.scores["concept"].value > 0


def test_a_store_without_contexts_has_no_rows():
    trained = run(perfect, (OBS,), rows=30)
    trained.run.dataset.contexts = ()
    assert of_contexts(trained, True) == ([], {})


def test_the_table_has_every_label_in_every_context_with_the_interval_of_its_seeds(results, tmp_path):
    labels = {"a": "perfect", "b": "perfect", "c": "deaf", "gone": "none"}
    for name, kind in (("a", "perfect"), ("b", "perfect"), ("c", "deaf")):
        rows = [plain_row(row) for row in results[kind].rows]
        write_json(tmp_path / "runs" / name / files.CONTEXTS, {"rows": rows})
    table = contexts_table(tmp_path, labels)
    assert [*table.index] == [
        f"{label} in {name}" for label in ("perfect", "deaf")
        for name in ("obs", "flux", "size", "both, never trained on")
    ]  # fmt: skip
    flux = table.loc["perfect in flux"]
    assert float(flux["moved_flux"].split()[0]) == pytest.approx(1, abs=0.1)
    assert "±" not in flux[DISTANCE] and "±" in table.loc["deaf in flux", DISTANCE]  # equal seeds; images of one run
    assert table.loc["perfect in obs", "moved_flux"] == ""
    assert contexts_table(tmp_path, {"gone": "none"}).empty

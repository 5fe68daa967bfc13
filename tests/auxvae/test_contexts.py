"""Contexts from the facts of a store to the batches: concepts and sets, the context of a row, batches of one each."""

import pytest
import torch

from auxvae.config.contexts import DataContext, concepts_of, is_composed, set_of
from auxvae.data.loader import Loader, batch_of
from auxvae.data.store import Store
from simulations.draw import simulate
from simulations.factors import draw_context, draw_split
from tests.conftest import study_of

OBS, FLUX, SIZE = DataContext("obs", (), 9), DataContext("flux", ("flux",), 9), DataContext("size", ("radius",), 9)
SHEAR, BOTH = DataContext("shear", ("g1", "g2"), 9), DataContext("both", ("flux", "radius"), 9)
HELD = DataContext("held", ("flux", "g1", "g2"), 0)


def test_concepts_are_the_smallest_interventions_that_are_trained_on():
    assert concepts_of([OBS, FLUX, BOTH, SHEAR, SIZE, HELD]) == (FLUX, SHEAR, SIZE)
    assert concepts_of([OBS, FLUX, BOTH]) == (FLUX, BOTH)  # nothing else says what radius does
    assert concepts_of([OBS, HELD]) == ()


def test_a_set_is_of_the_concepts_that_make_the_context():
    concepts = (FLUX, SHEAR, SIZE)
    sets = [set_of(context, concepts) for context in (OBS, FLUX, SHEAR, BOTH, HELD)]
    assert sets == [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 0, 1), (1, 1, 0)]
    half = DataContext("half", ("flux", "g1"), 0)
    assert set_of(half, concepts) == (1, 0, 0) and not is_composed(half, concepts)
    assert all(is_composed(context, concepts) for context in (OBS, FLUX, SHEAR, BOTH, HELD))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A run on a small store with contexts, and the store."""
    contexts = {
        "obs": {},
        "flux": {"do": {"flux": {"mean": 1, "std": 0.5}}},
        "both": {
            "do": {"flux": {"mean": 1, "std": 0.5}, "g1": {"low": 0, "high": 0.5}},
            "share": 0.5,
            "held_out": True,
        },
    }
    config = {
        "study": "contexts",
        "datasets": {"galaxies": {"preset": "paper", "galaxies": 250, "noise": {"kind": "none"}, "contexts": contexts}},
        "runs": [{"method": "vae", "likelihood": "gaussian", "sigma": 1}],
    }
    declared, study = study_of(config)
    path = tmp_path_factory.mktemp("store") / "g.zarr"
    simulate(declared.simulated["galaxies"], declared.facts["galaxies"], path)
    return study.runs[0], Store(path, study.runs[0].dataset), declared.simulated["galaxies"]


def test_a_run_knows_its_contexts_and_rows_have_theirs(stored):
    run, store, dataset = stored
    assert [context.name for context in run.dataset.contexts] == ["both", "flux", "obs"]
    assert run.dataset.contexts[0].train == 0
    context, split = draw_context(dataset, 0, 250), draw_split(dataset, 0, 250)
    for number, name in enumerate(("train", "validation", "test")):
        assert (store.read(name).context == context[split == number]).all()
    assert set(store.context("train")) == {1, 2} and set(store.context("test")) == {0, 1, 2}


def batches_of(counts, size):
    context = torch.cat([torch.full((count,), number) for number, count in counts.items()])
    rows = torch.arange(len(context))
    data = batch_of(torch.zeros(len(rows), 1, 2, 2), torch.zeros(len(rows), 0), rows, context=context)
    return Loader(data, size, apart=True)


def test_a_batch_is_of_one_context_and_an_epoch_of_all():
    loader = batches_of({0: 100, 1: 64, 3: 45}, 16)
    assert loader.steps == 6 + 4 + 2
    batches = [*loader.batches(0, 0)]
    assert all(len(batch.context.unique()) == 1 for batch in batches)
    assert [sum(int(batch.context[0]) == each for batch in batches) for each in (0, 1, 3)] == [6, 4, 2]
    rows = torch.cat([batch.rows for batch in batches])
    assert len(rows.unique()) == len(rows) == 12 * 16
    order = [int(batch.context[0]) for batch in batches]
    assert order != sorted(order) and order != [int(batch.context[0]) for batch in loader.batches(0, 1)]
    again = torch.cat([batch.rows for batch in loader.batches(0, 0, first=5)])
    assert torch.equal(again, rows[5 * 16 :])


def test_a_batch_is_no_larger_than_the_smallest_context():
    loader = batches_of({0: 100, 2: 10}, 64)
    assert (loader.size, loader.steps) == (10, 11)

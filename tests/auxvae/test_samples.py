"""The distance of a model's images from the data's: a perfect model has the floor, a shift is measured."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from auxvae.analysis.model import TrainedModel
from auxvae.analysis.samples import sample_scores
from auxvae.data.store import Rows, Store

G = np.random.default_rng(0)
ROWS, SHAPE = 800, (1, 12, 12)


class Drawing(TrainedModel):
    """A model that draws normal images, shifted."""

    can_decode = True

    def __init__(self, run, shift=0.0, decodes=True):
        """Beside normal images of a context of 0 in the first quarter, of 1 elsewhere."""
        self.run, self.shift, self.can_decode, self.asked = run, shift, decodes, []
        images, context = torch.from_numpy(drawn(ROWS)), np.repeat([0, 1], [ROWS // 4, ROWS - ROWS // 4])
        self.rows = Rows(np.arange(ROWS), images, {}, None, None, context, run.dataset)

    def sample_counts(self, count, context=None):
        """Of the same latents in every context, as those of a context module; what was asked for is kept."""
        self.asked.append((count, context))
        return np.random.default_rng(5).normal(size=(count, *SHAPE)).astype(np.float32) + np.float32(self.shift)


def drawn(count):
    return G.normal(size=(count, *SHAPE)).astype(np.float32)


class Plain(Store):
    """Images without noise that are no galaxies."""

    is_noiseless, holds_galaxies = True, False

    def __init__(self):
        """No file."""


@pytest.fixture
def run(tiny):
    return tiny.runs[0]


def test_a_perfect_model_has_the_floor_and_a_shift_is_its_length(run):
    perfect = sample_scores(Plain(), Drawing(run))
    floor = perfect["sample_distance_floor"].value
    assert perfect["sample_distance"].value == pytest.approx(floor, rel=0.25)
    shifted = sample_scores(Plain(), Drawing(run, shift=0.5))["sample_distance"]
    assert shifted.value == pytest.approx(np.hypot(0.5, floor), rel=0.15) and shifted.low < shifted.value < shifted.high


def test_a_model_that_knows_contexts_draws_as_many_of_each(run, monkeypatch):
    model = Drawing(run)
    sample_scores(Plain(), model)
    assert model.asked == [(ROWS, None)]
    other = Drawing(run)
    other.run = SimpleNamespace(concepts=("any",), dataset=run.dataset)
    scores = sample_scores(Plain(), other)
    assert {context for _, context in other.asked} == {0, 1}
    assert scores["sample_distance"].value == pytest.approx(scores["sample_distance_floor"].value, rel=0.25)


def test_what_draws_nothing_and_noisy_images_without_their_truth_have_none(run):
    assert sample_scores(Plain(), Drawing(run, decodes=False)) == {}
    noisy = Plain()
    noisy.is_noiseless = False
    assert sample_scores(noisy, Drawing(run)) == {}

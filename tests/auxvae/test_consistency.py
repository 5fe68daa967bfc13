"""What an intervention changes in images of the same latents: exact quads and galaxies as the images of a model."""

import numpy as np
import pytest
import torch

from auxvae.analysis import consistency
from auxvae.analysis.consistency import changes
from auxvae.analysis.effects import effects_on
from auxvae.data.store import Rows
from simulations.parameters import QUADS
from simulations.quads import draw
from simulations.scene_spec import Scene
from tests.conftest import TINY, study_of

SCENE = Scene(kind="quads", stamp=32)
IMAGES = 256


def run():
    """A context module on independent quads."""
    config = {
        **TINY,
        "datasets": {"quads": {"preset": "quad_independent", "galaxies": 400, "scene": {"stamp": 32}}},
        "coverages": {},
        "network": {"name": "components", "latents": 12, "width": 8},
        "runs": [{"method": "context", "likelihood": "bernoulli"}],
    }
    return study_of(config)[1].runs[0]


def values(count, seed):
    """Factors of quads, uniform and independent, by name."""
    source = np.random.default_rng(seed)
    low = {"size": 0.2}
    return {name: source.uniform(low.get(name, 0.0), 1, count) for name in QUADS}


def drawn(factors):
    """Their images (N, 3, y, x)."""
    count = len(factors["size"])
    return np.stack([draw(SCENE, {name: float(each[i]) for name, each in factors.items()}) for i in range(count)])


class Perfect:
    """Images whose latents are the factors: a context draws its own anew, and `also` those of others."""

    def __init__(self, also=(), knows_contexts=True):
        """Rows of a store that are drawn here."""
        factors = values(2000, 1)
        self.run, self.also, self.knows_contexts = run(), also, knows_contexts
        numbers, images = np.arange(2000), torch.from_numpy(drawn(factors))
        self.rows = Rows(numbers, images, factors, None, None, numbers, self.run.dataset)

    def sample_counts(self, count, context):
        """Images of a context."""
        changed = {*self.run.dataset.contexts[context].of} if self.knows_contexts else set()
        other = values(count, 2 + context)
        redrawn = changed | {*self.also} if changed else set()
        return drawn({name: other[name] if name in redrawn else each for name, each in values(count, 2).items()})


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Fewer images."""
    monkeypatch.setattr(consistency, "IMAGES", IMAGES)


def test_a_context_of_exact_images_changes_its_own_factors_and_hardly_another():
    measured = changes(Perfect(), is_galaxy=False, mechanisms={})
    row = measured.rows["quad1"]
    assert row["changed_quad1"] == pytest.approx(np.sqrt(2), abs=0.15)
    assert max(row["changed_quad2"], row["changed_quad3"], row["changed_quad4"]) < 0.1
    assert set(measured.rows["obs"].values()) == {0}
    assert "changed_orientation" not in row  # of a disc there is none, and a regression reads none
    assert measured.scores["changed_targets"].value == pytest.approx(np.sqrt(2), abs=0.15)
    assert measured.scores["changed_elsewhere"].value < 0.2


def test_what_also_changes_is_seen_unless_the_intervention_causes_it():
    model = Perfect(also=["quad4"])
    elsewhere = changes(model, False, {}).scores["changed_elsewhere"].value
    causes = {"quad4": ["quad1", "quad2", "quad3", "size", "orientation"]}
    of_effects = changes(model, False, causes).scores["changed_elsewhere"].value
    assert elsewhere > of_effects + 0.1
    assert of_effects < 0.2


def test_a_model_that_knows_no_context_changes_nothing():
    scores = changes(Perfect(knows_contexts=False), False, {}).scores
    assert scores["changed_targets"].value == scores["changed_elsewhere"].value == 0


def test_effects_are_followed_through_others():
    mechanisms = {"b": ["a"], "c": ["b", "x"], "d": ["y"]}
    assert effects_on(["a"], mechanisms) == {"b", "c"}
    assert effects_on(["c"], mechanisms) == set()
    assert effects_on(["x", "y"], mechanisms) == {"c", "d"}

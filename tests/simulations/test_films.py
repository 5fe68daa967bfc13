"""Films move the factors that they are asked for along their path, and are drawn as any other image."""

import numpy as np
import pytest

from foundation.faults import Refused
from simulations.films import LEAST, films
from simulations.render import dataset_of, stamps_of

COUNT, FRAMES = 5, 7
PATHS = {"line": ["g1", "flux"], "arc": ["g1", "g2"]}


def drawn(store, folder, paths=PATHS, count=COUNT, frames=FRAMES):
    """The arrays of a file of films."""
    films(store, folder / "films.npz", paths, count, frames)
    with np.load(folder / "films.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def pair(tiny_store, tmp_path_factory):
    """The films, and the data set in whose scene they are."""
    return drawn(tiny_store, tmp_path_factory.mktemp("films")), dataset_of(tiny_store)


def places(film, dataset, name):
    """Where a uniform factor is in its range, (film, frame)."""
    factor = dataset.factors[name]
    return (film[name] - factor.low) / (factor.high - factor.low)


def test_what_does_not_move_stays(pair):
    film, dataset = pair
    assert {*dataset.factors} < {*film} and film["path"].tolist() == ["line"] * COUNT + ["arc"] * COUNT
    for path, along in PATHS.items():
        of_path = film["path"] == path
        for name in dataset.factors:
            assert (np.ptp(film[name][of_path], axis=1) > 0).all() == (name in along)


def test_a_line_is_straight_and_an_arc_half_a_circle(pair):
    film, dataset = pair
    line = places(film, dataset, "g1")[:COUNT]
    np.testing.assert_allclose(np.diff(line, 2), 0, atol=1e-12)
    arc = np.stack([places(film, dataset, name)[COUNT:] for name in ("g1", "g2")], 2)
    centre = (arc[:, 0] + arc[:, -1]) / 2  # the ends of half a circle are opposite
    radius = np.linalg.norm(arc - centre[:, None], axis=2)
    np.testing.assert_allclose(radius, radius[:, :1].repeat(FRAMES, 1))
    assert ((radius >= LEAST - 1e-9) & (radius <= 0.5)).all() and (arc >= 0).all() and (arc < 1).all()


def test_frames_are_images_without_noise(pair):
    film, dataset = pair
    columns = {name: film[name][2] for name in dataset.factors}
    np.testing.assert_array_equal(film["image"][2], stamps_of(dataset, columns))


def test_a_film_does_not_depend_on_those_beside_it(pair, tiny_store, tmp_path):
    film, _ = pair
    alone = drawn(tiny_store, tmp_path, {"arc": PATHS["arc"]}, count=2)
    np.testing.assert_array_equal(alone["image"], film["image"][COUNT : COUNT + 2])


@pytest.mark.parametrize(
    ("paths", "frames", "expected"),
    [
        (PATHS, 1, "3 frames or more"),
        ({}, 5, "a film has a path"),
        ({"line": ["g1", "radios"]}, 5, "did you mean"),
        ({"arc": ["g1"]}, 5, "an arc is that of two factors"),
    ],
)
def test_films_that_cannot_be_are_refused(tiny_store, tmp_path, paths, frames, expected):
    with pytest.raises(Refused) as refused:
        films(tiny_store, tmp_path / "films.npz", paths, 2, frames)
    assert expected in str(refused.value) and not (tmp_path / "films.npz").exists()

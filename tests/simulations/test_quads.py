"""Quads: images show their factors, factors follow the published model, and a store of them is like any other."""

from dataclasses import asdict

import numpy as np
import pytest
import xarray as xr
import zarr
from scipy import special, stats

from foundation.faults import Refused
from simulations import jobs, store
from simulations.check import check
from simulations.cost import core_seconds
from simulations.draw import draw_rows, simulate
from simulations.factors import draw_context, draw_factors, draw_split, share_below
from simulations.facts import read_dataset, read_declared
from simulations.journal import Part
from simulations.parameters import QUADS
from simulations.quad_measurement import AREAS, measure, place_of
from simulations.quad_model import INTERVENTIONS, VARIANCES, WEIGHTS, mechanisms
from simulations.quads import LARGEST_RADIUS, PLACES, RAINBOW, colour, covered, draw, kind_of
from simulations.render import render
from simulations.scene_spec import Scene
from simulations.spec import to_json
from simulations.structure import in_order, scatters

ROWS = 44_000
NAMES = [*VARIANCES]
USUAL = dict.fromkeys(QUADS, 0.5) | {"quad1": 0.1, "quad2": 0.35, "quad3": 0.8, "quad4": 0.95, "size": 0.83}
SHAPE_PLACES = (0.05, 0.3, 0.7, 0.95)  # a disc, a square, a triangle, an ellipse
G = np.random.default_rng(3)


def dataset(preset="quad", **written):
    faults = []
    read = read_dataset({"preset": preset, "galaxies": ROWS, **written}, "q", faults)
    assert not faults, [str(fault) for fault in faults]
    return read


def some_rows(number):
    """Factors of random rows."""
    return [{name: 0.2 + 0.8 * G.random() if name == "size" else G.random() for name in QUADS} for _ in range(number)]


def test_the_rainbow_goes_through_its_colours_without_a_step():
    np.testing.assert_array_equal(colour(PLACES).T, RAINBOW)
    assert colour(0).tolist() == [1, 0, 0] and colour(1).tolist() == [1, 0, 1]
    steps = np.abs(np.diff(colour(np.linspace(0, 1, 1001)), axis=1)).sum(0)
    np.testing.assert_allclose(steps, 5e-3)
    assert [place_of(colour(p)) for p in np.linspace(0, 1, 57)] == pytest.approx(np.linspace(0, 1, 57).tolist())


@pytest.mark.parametrize("stamp", [32, 64])
def test_every_colour_is_where_its_factor_says(stamp):
    image = draw(Scene(kind="quads", stamp=stamp), USUAL)
    assert image.shape == (3, stamp, stamp) and image.dtype == np.float32 and 0 <= image.min() <= image.max() <= 1
    corners = {"quad1": (-1, 0), "quad2": (-1, -1), "quad3": (0, 0), "quad4": (0, -1)}  # row 0 is the top
    for name, (y, x) in {**corners, "color": (stamp // 2, stamp // 2)}.items():
        np.testing.assert_allclose(image[:, y, x], colour(USUAL[name]), atol=1e-7)
    np.testing.assert_array_equal(np.diff(image[:, 0]).any(0).nonzero()[0], [stamp // 2 - 1])


@pytest.mark.parametrize("shape", range(4))
def test_the_smallest_shape_covers_the_pixel_in_the_middle(shape):
    for orientation in np.linspace(0, 1, 25):
        values = USUAL | {"size": 0.2, "shape": SHAPE_PLACES[shape], "orientation": orientation}
        image = draw(Scene(kind="quads", stamp=32), values)
        np.testing.assert_allclose(image[:, 16, 16], colour(USUAL["color"]), atol=1e-7)


@pytest.mark.parametrize("shape", range(4))
def test_areas_grow_with_the_square_of_the_size(shape):
    for size in (0.2, 0.5, 0.7, 1.0):
        values = USUAL | {"size": size, "shape": SHAPE_PLACES[shape], "orientation": 0.13}
        area, expected = covered(values).sum(), AREAS[shape] * (LARGEST_RADIUS * size) ** 2
        assert abs(area - expected) < 4 * np.sqrt(LARGEST_RADIUS * size)  # the scatter of a hard edge


def test_shapes_change_where_three_times_the_factor_is_rounded_to_another():
    edges = [0, 1 / 6 - 1e-9, 1 / 6 + 1e-9, 0.5 - 1e-9, 0.5 + 1e-9, 5 / 6 - 1e-9, 5 / 6 + 1e-9, 1]
    assert [kind_of({"shape": p}) for p in edges] == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("shape", range(4))
def test_a_turn_is_anticlockwise_and_a_whole_one_is_none(shape):
    values = USUAL | {"shape": SHAPE_PLACES[shape]}
    start, quarter, whole = (covered(values | {"orientation": 0.1 + turn}) for turn in (0, 0.25, 1))
    np.testing.assert_array_equal(start, whole)
    np.testing.assert_array_equal(np.rot90(start[1:, 1:]), quarter[1:, 1:])  # about pixel (32, 32)
    assert shape == 0 or (start != covered(values | {"orientation": 0.15})).any()


def test_shapes_lie_as_they_should_where_nothing_is_turned():
    upright = {k: np.argwhere(covered(USUAL | {"shape": p, "orientation": 0})) for k, p in enumerate(SHAPE_PLACES)}
    extents = {k: (np.ptp(pixels, axis=0) + 1).tolist() for k, pixels in upright.items()}
    radius = LARGEST_RADIUS * USUAL["size"]
    assert extents[0] == pytest.approx([2 * radius] * 2, abs=1)
    assert extents[1] == pytest.approx([1.414 * radius] * 2, abs=1)
    assert extents[2] == pytest.approx([1.5 * radius, np.sqrt(3) * radius], abs=2)
    assert extents[3] == pytest.approx([radius, 2 * radius], abs=1)
    top = upright[2][upright[2][:, 0] == upright[2][:, 0].min()]
    assert len(top) == 1 and top[0, 1] == 32  # a corner of the triangle is up


def test_small_images_are_averages():
    for values in some_rows(10):
        large, small = (draw(Scene(kind="quads", stamp=stamp), values) for stamp in (64, 32))
        blocks = (large[:, y::2, x::2] for y in (0, 1) for x in (0, 1))
        np.testing.assert_allclose(small, sum(each / 4 for each in blocks), atol=1e-6)


@pytest.mark.parametrize("stamp", [32, 64])
def test_measurements_give_the_factors_back(stamp):
    scene, sizes = Scene(kind="quads", stamp=stamp), 0
    for values in some_rows(60):
        measured = measure(scene, values)
        sizes += "size" in measured
        assert {"quad1", "quad2", "quad3", "quad4", "color"} <= measured.keys()
        for name, (value, tolerance) in measured.items():
            assert abs(value - values[name]) <= tolerance, name
    assert sizes > 50
    assert "size" not in measure(scene, USUAL | {"color": USUAL["quad3"]})


def published():
    """Covariance, by the matrix of all weights at once, and standard deviations: s = (I - W')^-1 e."""
    weights = np.array([[WEIGHTS.get(k, {}).get(i, 0.0) for i in NAMES] for k in NAMES])
    mixing = np.linalg.inv(np.eye(len(NAMES)) - weights)
    covariance = mixing @ np.diag(list(VARIANCES.values())) @ mixing.T
    return covariance, dict(zip(NAMES, np.sqrt(np.diag(covariance)), strict=True))


@pytest.fixture(scope="module")
def drawn():
    """By preset: normal scores by context, and the split and the context of each row."""
    answer = {}
    for preset in ("quad", "quad_independent"):
        declared = dataset(preset)
        factors, context = draw_factors(declared, 0, ROWS), draw_context(declared, 0, ROWS)
        scores = {n: special.ndtri(share_below(declared.factors[n], each)) for n, each in factors.items()}
        rows = {name: context == number for number, name in enumerate(declared.contexts)}
        by_context = {name: {n: each[chosen] for n, each in scores.items()} for name, chosen in rows.items()}
        answer[preset] = by_context, draw_split(declared, 0, ROWS), context
    return answer


def test_the_scatter_that_is_left_is_the_published_noise():
    _, sd = published()
    for name, scatter in scatters(mechanisms(), in_order(mechanisms(), NAMES)).items():
        assert scatter == pytest.approx(np.sqrt(VARIANCES[name]) / sd[name])


@pytest.mark.parametrize("preset", ["quad", "quad_independent"])
def test_where_nothing_is_done_factors_are_uniform_and_correlate_as_published(drawn, preset):
    scores = drawn[preset][0]["obs"]
    assert [*scores] == [*QUADS] == NAMES
    for each in scores.values():
        assert stats.kstest(special.ndtr(each), "uniform").pvalue > 1e-3
    covariance, sd = published()
    scale = np.array(list(sd.values()))
    expected = covariance / np.outer(scale, scale) if preset == "quad" else np.eye(len(NAMES))
    np.testing.assert_allclose(np.corrcoef(list(scores.values())), expected, atol=5 / np.sqrt(len(scores["size"])))


@pytest.mark.parametrize("preset", ["quad", "quad_independent"])
def test_interventions_are_the_published_ones_in_units_of_the_observational_rows(drawn, preset):
    _, sd = published()
    by_context = drawn[preset][0]
    assert {name for name in by_context if "_" not in name} == {"obs", *INTERVENTIONS}
    for context, scores in by_context.items():
        for name in context.split("_") if context != "obs" else ():
            mean, variance = INTERVENTIONS[name]
            std, rows = np.sqrt(variance) / sd[name], len(scores[name])
            assert scores[name].mean() == pytest.approx(mean / sd[name], abs=5 * std / np.sqrt(rows))
            assert scores[name].std() == pytest.approx(std, abs=5 * std / np.sqrt(2 * rows))


def test_an_intervention_cuts_its_causes_off_and_moves_its_effects(drawn):
    by_context, sd = drawn["quad"][0], published()[1]
    for name, causes in WEIGHTS.items():
        for cause in causes if name in INTERVENTIONS else ():
            scores = by_context[name]
            assert abs(np.corrcoef(scores[name], scores[cause])[0, 1]) < 5 / np.sqrt(len(scores[name]))
    shifted, mean = by_context["quad4"]["quad3"], WEIGHTS["quad3"]["quad4"] * INTERVENTIONS["quad4"][0] / sd["quad3"]
    assert shifted.mean() == pytest.approx(mean, abs=0.05)
    assert abs(np.corrcoef(by_context["obs"]["quad1"], by_context["obs"]["quad2"])[0, 1]) > 0.5


def test_pairs_are_held_out_and_a_fifth_as_many(drawn):
    _, split, context = drawn["quad"]
    declared = dataset()
    pairs = [number for number, name in enumerate(declared.contexts) if "_" in name]
    assert len(pairs) == 9 and (split[np.isin(context, pairs)] == 2).all()
    counts = np.bincount(context)
    assert counts[pairs].tolist() == pytest.approx([ROWS / 44] * 9, abs=1)
    assert np.delete(counts, pairs).tolist() == pytest.approx([5 * ROWS / 44] * 7, abs=1)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A small store, drawn by one worker, and its data set and facts."""
    declared = read_declared({"datasets": {"q": {"preset": "quad", "galaxies": 400, "scene": {"stamp": 32}}}}, [])
    path = tmp_path_factory.mktemp("quads") / "q.zarr"
    simulate(declared.simulated["q"], declared.facts["q"], path)
    return path, declared.simulated["q"], declared.facts["q"]


def test_a_store_opens_by_name_and_its_check_agrees(stored):
    path, declared, facts = stored
    check(path)
    opened = xr.open_zarr(path)
    assert opened["image"].dims == ("galaxy", "channel", "y", "x") and opened["image"].shape == (400, 3, 32, 32)
    assert opened["image"].attrs["units"] == "" and "image_true" not in opened
    assert (facts.channels, facts.stamp, facts.noise, facts.symmetries) == (3, 32, "none", ())
    assert facts.image_bytes == 4 * opened["image"].size
    assert read_dataset(opened.attrs["spec"], "d", []) == declared


def test_a_check_finds_other_images(stored, tmp_path):
    path = tmp_path / "q.zarr"
    simulate(*stored[1:], path)
    group = zarr.open_group(path, mode="r+")
    group["image"][:] = np.flip(np.asarray(group["image"][:]), -1)
    store.seal(path, group, dict(group.attrs), asdict(stored[2]))
    with pytest.raises(Refused, match="it must show the quads of its factors"):
        check(path)


def test_bytes_do_not_depend_on_workers_parts_or_blocks(stored, tmp_path, monkeypatch):
    path, declared, facts = stored
    whole = draw_rows(declared, 0, 400)
    for name, values in draw_rows(declared, 117, 260).items():
        assert np.array_equal(values, whole[name][117:260])
    assert np.array_equal(xr.open_zarr(path)["image"], whole["image"])
    simulate(declared, facts, tmp_path / "two.zarr", 2)
    assert store.manifest(tmp_path / "two.zarr") == store.manifest(path)
    monkeypatch.setattr(store, "SHARD_BYTES", 1e5)
    for part in (Part(2, 3), Part(1, 3), None):
        simulate(declared, facts, tmp_path / "parts.zarr", part=part)
    assert np.array_equal(xr.open_zarr(tmp_path / "parts.zarr")["image"], whole["image"])


def test_rows_are_rendered_as_they_are_stored(stored, tmp_path):
    path, declared, _ = stored
    np.savez(tmp_path / "rows.npz", **draw_factors(declared, 0, 20))
    assert render(path, tmp_path / "rows.npz", tmp_path / "stamps.npz") == {"linear": []}
    assert np.array_equal(np.load(tmp_path / "stamps.npz")["image"], xr.open_zarr(path)["image"][:20])


def test_costs_grow_with_the_images():
    small, large = dataset(galaxies=40_000), dataset(galaxies=4_000_000)
    assert core_seconds(large) == pytest.approx(100 * core_seconds(small))
    assert len(jobs.parts_of(large)) > 1 and not jobs.parts_of(small)


def test_neither_scene_leaves_a_trace_in_the_other():
    galaxies, quads = (to_json(dataset(preset))["scene"] for preset in ("paper", "quad"))
    assert "kind" not in galaxies and "galaxy" in galaxies
    assert quads == {"kind": "quads", "stamp": 64, "constants": {}}


UNIFORM = {"distribution": "uniform", "low": 0, "high": 1}
CONSTANT = {name: 0.5 for name in QUADS if name != "quad1"}
ALONE = {"mechanisms": {}, "contexts": {}}
REFUSED = {
    "a galaxy": (
        {"scene": {"galaxy": "sersic"}},
        "scene.galaxy: found 'sersic', but a scene of quads takes kind, stamp",
    ),
    "pixels in arcsec": ({"scene": {"pixel_scale": 0.2}}, "scene.pixel_scale: found 0.2, but a scene of quads takes"),
    "a usual setting": ({"scene": {"radius": "half_light"}}, "scene.radius: found 'half_light', but a scene of quads"),
    "another stamp": ({"scene": {"stamp": 48}}, "write stamp: 64 or stamp: 32"),
    "another kind": ({"scene": {"kind": "quad"}}, "did you mean 'quads'?"),
    "a word": ({"scene": "quads"}, "write {kind: quads, stamp: 64}"),
    "noise": ({"noise": {"kind": "gaussian", "sigma": 0.1}}, "noise.kind: found 'gaussian', but quads have no noise"),
    "noise-free twins": ({"image_true": True}, "their images are noise-free already; take it away"),
    "a factor of galaxies": (
        {"factors": {"quad1": UNIFORM, "flux": UNIFORM | {"unit": "ph"}}, "scene": {"constants": CONSTANT}, **ALONE},
        "factors.flux: found 'flux', but a scene of quads takes quad1",
    ),
    "a misspelt factor": (
        {"factors": {"quad1": UNIFORM, "quad_2": UNIFORM}, "scene": {"constants": CONSTANT}, **ALONE},
        "did you mean 'quad2'?",
    ),
    "no factor": ({"factors": {"quad1": UNIFORM}, **ALONE}, "factors.size: found nothing, but a scene of quads takes"),
    "beyond the rainbow": (
        {"factors": {"quad1": UNIFORM | {"high": 2}}, "scene": {"constants": CONSTANT}, **ALONE},
        "quad1 must be at least 0 and at most 1; narrow the range",
    ),
}


@pytest.mark.parametrize(("written", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_quads_do_not_take_is_refused(written, sentence):
    faults = []
    assert read_dataset({"preset": "quad", "galaxies": 3500, **written}, "q", faults) is None
    assert any(sentence in str(fault) for fault in faults), [str(fault) for fault in faults]
    assert not any("galaxy with" in str(fault) for fault in faults)

"""Disks: every factor does to the image what its name says, and a store of them is like any other."""

import numpy as np
import pytest

from foundation.faults import Refused
from simulations import disk_measurement
from simulations.check import check
from simulations.disk_measurement import measure
from simulations.disks import covered, draw
from simulations.draw import simulate
from simulations.facts import read_declared
from simulations.scene_spec import Scene
from tests.simulations.painted import faults_of

SCENE = Scene(kind="disks", stamp=32)
PLAIN = {"disk_x": 0.0, "disk_y": 0.0, "disk_radius": 8.0, "foreground": 1.0, "background": 0.3}


def image(**values):
    return draw(SCENE, {**PLAIN, **values}).astype(np.float64)


def test_a_disk_stands_where_its_factors_say():
    picture = image(disk_x=5.0, disk_y=3.0, disk_radius=4.0)
    assert picture.shape == (32, 32) and draw(SCENE, PLAIN).dtype == np.float32
    np.testing.assert_allclose(np.unique(picture)[[0, -1]], [0.3, 1.0], rtol=1e-6)
    row, column = np.unravel_index(picture.argmax(), picture.shape)
    assert picture[12, 20] == 1 and picture[20, 12] == pytest.approx(0.3)  # row 0 is the top
    assert row < 16 < column


@pytest.mark.parametrize(("axis", "step"), [("disk_x", (0, 1)), ("disk_y", (-1, 0))])
def test_a_whole_pixel_moves_the_image_by_one(axis, step):
    np.testing.assert_allclose(np.roll(image(), step, (0, 1)), image(**{axis: 1.0}), atol=1e-6)


@pytest.mark.parametrize("radius", [3.0, 5.3, 8.0])
def test_its_area_is_that_of_a_circle(radius):
    assert covered(32, {**PLAIN, "disk_radius": radius}).sum() == pytest.approx(np.pi * radius**2, rel=0.02)


@pytest.mark.parametrize("factor", [*PLAIN])
def test_images_are_continuous_in_every_factor(factor):
    here, near = image(), image(**{factor: PLAIN[factor] - 1e-3})
    assert 0 < np.abs(here - near).max() < 2e-3


def test_measured_factors_are_those_drawn():
    source = np.random.default_rng(0)
    for _ in range(30):
        low, high = np.array([-7, -3.5, 3, 0, 0]), np.array([7, 3.5, 8, 1, 1])
        values = dict(zip(PLAIN, source.uniform(low, high), strict=True))
        for name, (value, tolerance) in measure(SCENE, values).items():
            assert abs(value - values[name]) < tolerance
    assert measure(SCENE, PLAIN).keys() == PLAIN.keys()
    assert measure(SCENE, {**PLAIN, "foreground": 0.3}) == measure(SCENE, {**PLAIN, "disk_x": 12.0}) == {}


@pytest.mark.parametrize("preset", ["disks", "disks_five"])
def test_a_store_of_disks_is_drawn_and_checked(preset, tmp_path):
    config = {
        "study": "disks",
        "datasets": {"disks": {"preset": preset, "galaxies": 300}},
        "runs": [{"method": "vae", "likelihood": "bernoulli"}],
    }
    declared = read_declared(config, [])
    simulate(declared.simulated["disks"], declared.facts["disks"], tmp_path / "d.zarr")
    check(tmp_path / "d.zarr")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk_measurement, "draw", lambda scene, v: draw(scene, v | {"disk_x": -v["disk_x"]}))
        with pytest.raises(Refused, match="disk_x"):
            check(tmp_path / "d.zarr")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"scene": {"stamp": 33}}, "disks are painted at 32 or 64 pixels along each side"),
        ({"noise": {"kind": "poisson"}}, "disks have no noise"),
        ({"factors": {"radius": {"low": 1, "high": 2}}}, "a scene of disks takes disk_x"),
        ({"scene": {"constants": {"disk_radius": 40}}}, "disk_radius"),
    ],
)
def test_what_no_disk_has_is_refused(written, expected):
    assert any(expected in sentence for sentence in faults_of("disks", written))

"""The noise-free image of one row, whatever its scene shows: a galaxy, quads, a digit or a disk."""

from __future__ import annotations

from collections.abc import Callable

from simulations import digits, disks, galaxy, quads
from simulations.galaxy import Stamp, Values
from simulations.scene_spec import Scene

DRAWN: dict[str | None, Callable[[Scene, Values], Stamp]] = {
    None: galaxy.draw,
    "quads": quads.draw,
    "digits": digits.draw,
    "disks": disks.draw,
}


def draw(scene: Scene, values: Values) -> Stamp:
    """The noise-free image of one row: (y, x) in photons per pixel, or (channel, y, x) from 0 to 1."""
    return DRAWN[scene.kind](scene, values)

r"""One row as an image of quads: a coloured shape in front of four coloured quadrants (arXiv 2507.04754).

    colour(p)    red, yellow, green, cyan, blue, magenta at p = 0, 1/5, ..., 1, linear in RGB between them
    quadrants    quad1 bottom left, quad2 bottom right, quad3 top left, quad4 top right
    shape        round(3 p): 0 disc, 1 square, 2 triangle, 3 ellipse, all within the circle of radius r = 24 size pixels

        disc        u^2 + v^2 <= r^2
        square      max(|u|, |v|) <= 0.707 r
        triangle    max(-v, sqrt(3)/2 |u| + v/2) <= r/2            equilateral, a corner up
        ellipse     u^2 + 4 v^2 <= r^2

    u + i v = exp(-2 pi i orientation) (x + i y)                    a growing orientation turns anticlockwise

x and y (up) are in pixels of a 64 x 64 image from its pixel (32, 32), so that quadrants meet half a pixel beside the
centre of the shape. Row 0 of an image is its top, as figures show it. Edges are hard at 64 pixels; smaller images are
averages of whole blocks of these pixels.

The paper leaves open the square's side, the triangle, the ellipse's axes and the ends of the rainbow; these here are
those that come nearest to its numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from simulations.galaxy import Stamp, Values
from simulations.scene_spec import Scene

SIDE, LARGEST_RADIUS = 64, 24.0  # pixels of the drawing, and of the largest shape
RAINBOW = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], dtype=np.float64)
PLACES = np.arange(len(RAINBOW)) / (len(RAINBOW) - 1)
QUADRANTS = (("quad3", "quad4"), ("quad1", "quad2"))  # rows from the top
HALF_SIDE, HALF_ROOT_3 = 0.707, np.sqrt(3) / 2
Floats = NDArray[np.float64]
_FROM_CENTRE = np.arange(SIDE) - SIDE // 2
_PLANE = _FROM_CENTRE[None, :] - 1j * _FROM_CENTRE[:, None]  # x + i y of each pixel, (y, x)

# By round(3 p): the radius of the circle around the smallest such shape that holds (u, v).
SHAPES: tuple[Callable[[Floats, Floats], Floats], ...] = (
    np.hypot,
    lambda u, v: np.maximum(np.abs(u), np.abs(v)) / HALF_SIDE,
    lambda u, v: 2 * np.maximum(-v, HALF_ROOT_3 * np.abs(u) + v / 2),
    lambda u, v: np.hypot(u, 2 * v),
)


def draw(scene: Scene, values: Values) -> Stamp:
    """The image of one row, (channel, y, x), red, green and blue from 0 to 1."""
    quadrants = colour([[values[name] for name in row] for row in QUADRANTS])
    behind = quadrants.repeat(SIDE // 2, axis=1).repeat(SIDE // 2, axis=2)
    image = np.where(covered(values), colour(values["color"])[:, None, None], behind)
    return averaged(image, scene.stamp).astype(np.float32)


def colour(places: object) -> Floats:
    """Red, green and blue, (3, ...), at places on the rainbow from 0 to 1, of any shape; beyond, those of its ends."""
    return np.stack([np.interp(np.asarray(places), PLACES, channel) for channel in RAINBOW.T])


def covered(values: Values) -> NDArray[np.bool_]:
    """The pixels of the drawing, (y, x), that the shape covers."""
    turned = _PLANE * np.exp(-2j * np.pi * values["orientation"])
    return np.asarray(SHAPES[kind_of(values)](turned.real, turned.imag) <= LARGEST_RADIUS * values["size"])


def kind_of(values: Values) -> int:
    """The place of a row's shape among `SHAPES`."""
    return min(max(round(3 * values["shape"]), 0), len(SHAPES) - 1)


def averaged(image: Floats, stamp: int) -> Floats:
    """An image (channel, y, x) as means of square blocks of its pixels, (channel, stamp, stamp)."""
    block = image.shape[-1] // stamp
    return np.asarray(image.reshape(-1, stamp, block, stamp, block).mean((2, 4)))

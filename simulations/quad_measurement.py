"""The parameters of an image of quads measured again on its drawing.

quad1 to quad4    place on the rainbow of the pixel in the image's corner                      tolerance 1e-6
color             place on the rainbow of the pixel in the middle                              tolerance 1e-6
size              sqrt(A / A_1), A the area of the shape and A_1 that of the largest           tolerance 0.03

    A = sum over pixels of (I - q) . (c - q) / |c - q|^2,   q the colour of the pixel's quadrant and c the shape's

An upright square gains or loses half a pixel on each side, which is the tolerance. A shape of nearly the colour of a
quadrant, |c - q| < 0.01, has no measurable size.
"""

from __future__ import annotations

import math

import numpy as np

from simulations.galaxy import Values
from simulations.quads import HALF_ROOT_3, HALF_SIDE, LARGEST_RADIUS, PLACES, RAINBOW, SIDE, Floats, draw, kind_of
from simulations.scene_spec import Scene

CORNERS = {"quad1": (-1, 0), "quad2": (-1, -1), "quad3": (0, 0), "quad4": (0, -1)}
AREAS = (np.pi, (2 * HALF_SIDE) ** 2, 1.5 * HALF_ROOT_3, np.pi / 2)  # of each shape, over r^2
LEAST_CONTRAST = 0.01
EXACT, PIXELISED = 1e-6, 0.03


def measure(scene: Scene, values: Values) -> dict[str, tuple[float, float]]:
    """Measured value and absolute tolerance of each parameter above; without the size where it cannot be seen."""
    image = draw(scene, values).astype(np.float64)
    places = {**CORNERS, "color": (scene.stamp // 2, scene.stamp // 2)}
    measured = {name: (place_of(image[:, y, x]), EXACT) for name, (y, x) in places.items()}
    area = area_of(image)
    if not np.isnan(area):
        radius = np.sqrt(area / AREAS[kind_of(values)])
        measured["size"] = (float(radius / LARGEST_RADIUS), PIXELISED)
    return measured


def place_of(rgb: Floats) -> float:
    """The place, 0 to 1, of the colour of the rainbow that is nearest to one, (3,)."""
    start, step = RAINBOW[:-1], np.diff(RAINBOW, axis=0)
    along = np.clip(np.sum((rgb - start) * step, 1) / np.sum(step**2, 1), 0, 1)
    distance = np.linalg.norm(start + along[:, None] * step - rgb, axis=1)
    nearest = int(distance.argmin())
    return float(PLACES[nearest] + along[nearest] * PLACES[1])


def area_of(image: Floats) -> float:
    """Area of the shape of an image (3, y, x), in pixels of the drawing; NaN where its colour is a quadrant's."""
    half = image.shape[-1] // 2
    shape, area = image[:, half, half, None], 0.0
    for y, x in CORNERS.values():
        quadrant = image[:, y, x, None]
        contrast = shape - quadrant
        if np.linalg.norm(contrast) < LEAST_CONTRAST:
            return math.nan
        pixels = image[:, _half(y, half), _half(x, half)].reshape(3, -1)
        area += float(np.sum((pixels - quadrant) * contrast) / np.sum(contrast**2))
    return float(area * (SIDE / image.shape[-1]) ** 2)


def _half(corner: int, half: int) -> slice:
    """The half of an axis in which a corner lies."""
    return slice(None, half) if corner == 0 else slice(half, None)

"""The shift of a digit measured again on its drawing.

shift_x, shift_y    centroid of the ink less that of the same digit in the centre           tolerance 0.1 pixels

Strokes are sampled at half pixels, which moves the centroid of thin ones by up to 0.06 pixels. A digit that reaches the
edge of the image has lost some of its ink, and is not measured.
"""

from __future__ import annotations

import numpy as np

from simulations.digits import FROM_CENTRE, Floats, draw
from simulations.galaxy import Values
from simulations.scene_spec import Scene

SAMPLED = 0.1  # pixels


def measure(scene: Scene, values: Values) -> dict[str, tuple[float, float]]:
    """Measured value and absolute tolerance of each parameter above, where the digit is within the image."""
    image, centred = (draw(scene, each).astype(np.float64) for each in (values, {**values, "shift_x": 0, "shift_y": 0}))
    if any(_reaches_the_edge(each) for each in (image, centred)):
        return {}
    moved = centroid(image) - centroid(centred)
    return {name: (float(value), SAMPLED) for name, value in zip(("shift_x", "shift_y"), moved, strict=True)}


def centroid(image: Floats) -> Floats:
    """Mean place of the ink, (x, y) in pixels from the centre, y up."""
    place: Floats = np.array([image.sum(0) @ FROM_CENTRE, -image.sum(1) @ FROM_CENTRE]) / image.sum()
    return place


def _reaches_the_edge(image: Floats) -> bool:
    return bool(image[[0, -1]].any() or image[:, [0, -1]].any())

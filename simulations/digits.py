r"""One row as an image of a handwritten digit, with the operations of Morpho-MNIST as factors.

A digit is a set of strokes in its frame, x to the right and y up, within +-0.6 and +-0.9. The ink of a pixel p, in
pixels from the centre of the image, is read off the distance d from the strokes in the frame, of which a unit is
s = 10 scaling pixels:

    ink(p) = clip(scaling w / 2 - s d(q) + 1/2, 0, 1),      w = pen (1 - 0.5 thinning) (1 + 1.2 thickening)
    q      = hand(swell(K^-1 (p - shift) / s))

    K      = [[1, slant], [0, 1]]                                       to the right with growing height
    swell  : q (|q| / R)^swelling within R = 1                          a smaller middle fills the same circle
    hand   : x + 0.12 (hand_1 sin(2 y) + hand_2 sin(3 x)), y + 0.12 hand_3 sin(2 x)

A pixel is the mean of 2 x 2 places. The contexts of arXiv:2507.04754 on MNIST are those of Morpho-MNIST (Castro et
al., arXiv:1809.10083): thinned, thickened and swollen, sheared, scaled and shifted digits. There they are operations
on scanned digits; here they are factors of the drawing, so that every one is known exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulations.galaxy import Stamp, Values
from simulations.scene_spec import Scene

SIDE, UNIT = 28, 10.0  # pixels of the image, and of a unit of the frame
FINE = 2  # places of the drawing along a pixel
THINNEST, THICKEST, BEND = 0.5, 1.2, 0.12
SWOLLEN = 1.0  # radius within which the middle is blown up
Floats = NDArray[np.float64]
FROM_CENTRE = np.arange(SIDE) - (SIDE - 1) / 2
_FINE = (np.arange(FINE * SIDE) - (FINE * SIDE - 1) / 2) / FINE
_PLACES = np.stack(np.meshgrid(_FINE, -_FINE), -1).reshape(-1, 2)  # (x, y) of each place of the drawing, row by row


def _arc(x: float, y: float, across: float, along: float, start: float, end: float) -> Floats:
    """Points of an ellipse from one angle to another, in degrees, (n, 2)."""
    angles = np.radians(np.linspace(start, end, max(3, round(abs(end - start) / 24)) + 1))
    return np.stack([x + across * np.cos(angles), y + along * np.sin(angles)], 1)


def _line(*points: tuple[float, float]) -> Floats:
    return np.array(points)


STROKES: tuple[tuple[Floats, ...], ...] = (
    (_arc(0, 0, 0.55, 0.9, 0, 360),),
    (_line((-0.3, 0.55), (0.05, 0.9), (0.05, -0.9)),),
    (np.concatenate([_arc(0, 0.45, 0.5, 0.45, 160, -40), _line((-0.5, -0.9), (0.55, -0.9))]),),
    (_arc(0, 0.45, 0.45, 0.45, 150, -90), _arc(0, -0.45, 0.52, 0.45, 90, -150)),
    (_line((0.3, -0.9), (0.3, 0.9), (-0.55, -0.3), (0.6, -0.3)),),
    (np.concatenate([_line((0.5, 0.9), (-0.4, 0.9), (-0.45, 0.1)), _arc(-0.05, -0.35, 0.55, 0.55, 125, -140)]),),
    (_arc(0, -0.4, 0.5, 0.5, 0, 360), _arc(0.4, -0.3, 0.9, 1.2, 95, 180)),
    (_line((-0.5, 0.9), (0.55, 0.9), (-0.1, -0.9)),),
    (_arc(0, 0.45, 0.42, 0.45, 0, 360), _arc(0, -0.45, 0.52, 0.45, 0, 360)),
    (_arc(0, 0.4, 0.47, 0.5, 0, 360), _line((0.47, 0.4), (0.35, -0.9))),
)


def draw(scene: Scene, values: Values) -> Stamp:
    """The image of one row, (y, x), ink from 0 to 1."""
    width = values["pen"] * (1 - THINNEST * values["thinning"]) * (1 + THICKEST * values["thickening"])
    distance = UNIT * _to_strokes(in_frame(values), STROKES[digit_of(values)])
    ink = np.clip(values["scaling"] * (width / 2 - distance) + 0.5, 0, 1)
    return np.asarray(ink.reshape(SIDE, FINE, SIDE, FINE).mean((1, 3)), dtype=np.float32)


def digit_of(values: Values) -> int:
    """Which digit a row is, 0 to 9."""
    return min(max(round(9 * values["digit"]), 0), 9)


def in_frame(values: Values) -> Floats:
    """Every place of the drawing in the frame of the strokes, (n, 2)."""
    x, y = ((_PLACES - (values["shift_x"], values["shift_y"])) / (UNIT * values["scaling"])).T
    x = x - values["slant"] * y
    radius = np.hypot(x, y)
    swell = np.where(radius < SWOLLEN, (radius / SWOLLEN) ** values["swelling"], 1.0)
    x, y = x * swell, y * swell
    bent = BEND * (values["hand_1"] * np.sin(2 * y) + values["hand_2"] * np.sin(3 * x))
    return np.stack([x + bent, y + BEND * values["hand_3"] * np.sin(2 * x)], 1)


def _to_strokes(places: Floats, strokes: tuple[Floats, ...]) -> Floats:
    """Distance of every place, (n, 2), from the nearest stroke, (n,)."""
    start = np.concatenate([stroke[:-1] for stroke in strokes])
    step = np.concatenate([np.diff(stroke, axis=0) for stroke in strokes])
    offset = places[:, None] - start
    share = np.clip(np.sum(offset * step, 2) / np.sum(step**2, 1), 0, 1)
    nearest: Floats = np.hypot(*np.moveaxis(offset - share[..., None] * step, 2, 0)).min(1)
    return nearest

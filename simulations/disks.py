r"""One row as an image of a disk before a uniform background, after score-based autoencoders (arXiv 2512.17127).

    I(p) = background + (foreground - background) a(p),     a(p) = clip(disk_radius - |p - c| + 1/2, 0, 1)

p is a pixel's place and c = (disk_x, disk_y), x to the right and y up, both in pixels from the centre of the image. The
edge is one pixel wide, so that images are a continuous function of every factor.

Deviation: the paper's disks are white, of a fixed radius; here foreground and radius are parameters too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulations.galaxy import Stamp, Values
from simulations.scene_spec import Scene

Floats = NDArray[np.float64]


def draw(scene: Scene, values: Values) -> Stamp:
    """The image of one row, (y, x), from 0 to 1."""
    background, foreground = values["background"], values["foreground"]
    return (background + (foreground - background) * covered(scene.stamp, values)).astype(np.float32)


def covered(stamp: int, values: Values) -> Floats:
    """The share of each pixel, (y, x), that the disk covers."""
    from_centre = np.arange(stamp) - (stamp - 1) / 2
    distance = np.hypot(from_centre[None, :] - values["disk_x"], -from_centre[:, None] - values["disk_y"])
    return np.asarray(np.clip(values["disk_radius"] - distance + 0.5, 0, 1))

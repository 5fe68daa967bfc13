"""The parameters of a disk measured again on its drawing.

background          the pixels along the edge of the image                                              tolerance 1e-6
disk_x, disk_y      centroid of what differs from the background                                        tolerance 0.05
disk_radius         sqrt(sum |I - background| / (pi |foreground - background|))                         tolerance 0.1
foreground          the pixel that differs most from the background                                     tolerance 1e-6

Edges of one pixel move the centroid of a disk by less than 0.02 pixels and its area by 1 %. A disk that reaches an edge
of the image, is smaller than 2 pixels, or has nearly the colour of the background is not measured.
"""

from __future__ import annotations

import numpy as np

from simulations.disks import draw
from simulations.galaxy import Values
from simulations.scene_spec import Scene

EXACT, PIXELISED, OF_AREA = 1e-6, 0.05, 0.1
LEAST_CONTRAST, SMALLEST = 0.01, 2.0


def measure(scene: Scene, values: Values) -> dict[str, tuple[float, float]]:
    """Measured value and absolute tolerance of each parameter above; nothing of a disk that is cut off or hidden."""
    image = draw(scene, values).astype(np.float64)
    border = np.concatenate([image[[0, -1]].ravel(), image[:, [0, -1]].ravel()])
    background = border[0]
    disk = image - background
    contrast = disk.ravel()[np.abs(disk).argmax()]
    if np.ptp(border) > 0 or abs(contrast) < LEAST_CONTRAST or values["disk_radius"] < SMALLEST:
        return {}
    share, from_centre = disk / contrast, np.arange(scene.stamp) - (scene.stamp - 1) / 2
    area = share.sum()
    return {
        "background": (float(background), EXACT),
        "foreground": (float(background + contrast), EXACT),
        "disk_x": (float(share.sum(0) @ from_centre / area), PIXELISED),
        "disk_y": (float(-share.sum(1) @ from_centre / area), PIXELISED),
        "disk_radius": (float(np.sqrt(area / np.pi)), OF_AREA),
    }

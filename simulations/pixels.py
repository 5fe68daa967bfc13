"""Images as a store may hold them: finite, without marks of missing pixels, as float32, in what their noise is stated.

Pixels alone do not reveal their noise, but they can contradict what is stated: photons are no fewer than none, and are
counted, so that images none of whose pixels has a single photon are in another unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words
from simulations.sentinels import sentinel

LOST = 0.01  # of the spread of the pixels: the most that rounding to float32 may change
DIM = 10.0  # photons below which fractions of them show


class Pixels:
    """The images of one source, checked block by block; `where` names it in faults."""

    def __init__(self, where: str, noise: Mapping[str, Any], rows: int) -> None:
        """No image yet of so many rows; noise: kind and parameters."""
        self.where, self.noise, self.rows = f"{where}: images", noise, rows
        self.sky = float(noise.get("sky", 0.0))
        self.brightest, self.whole = -np.inf, True

    def checked(self, images: NDArray[Any], first: int) -> NDArray[np.float32]:
        """The next images, of rows `first` and on, as float32; refused with every fault of theirs."""
        with np.errstate(over="ignore"):
            single = np.asarray(images, dtype=np.float32)
        rows = f"rows {first} to {first + len(images) - 1}"
        faults = list(self._faults(images, single, rows))
        if faults:
            raise Refused(faults)
        if self.noise["kind"] == "poisson":
            photons = single + np.float32(self.sky)
            self.brightest = max(self.brightest, float(photons.max()))
            self.whole = self.whole and bool((np.abs(photons - np.rint(photons)) < 1e-3).all())
            if first + len(images) == self.rows:
                self._refuse_other_units()
        return single

    def _faults(self, images: NDArray[Any], single: NDArray[np.float32], rows: str) -> Iterator[Fault]:
        if bad := int((~np.isfinite(single)).sum()):
            value = Words(f"{bad} pixels that are not finite")
            text = f"all pixels of {rows} must be finite, as float32 too"
            yield Fault(self.where, value, text, "correct or drop those images")
            return
        if mark := sentinel(single, positive=False):
            text = f"a pixel of {rows} has what was measured, and no mark of missing pixels"
            yield Fault(self.where, Words(f"{mark}"), text, "fill masked pixels with the sky, or drop those images")
        elif self.noise["kind"] == "poisson" and single.min() < -self.sky:
            text = f"after a sky of {self.sky:g} is subtracted, pixels are at least {0.0 - self.sky:g}"
            yield Fault(self.where, float(single.min()), text, "state the sky with poisson:SKY, or another noise")
        yield from self._offset_faults(images, single)

    def _offset_faults(self, images: NDArray[Any], single: NDArray[np.float32]) -> Iterator[Fault]:
        """Images whose offset leaves no digits for what they show."""
        if images.dtype.itemsize <= 2 or images.dtype == np.float32:
            return
        double = np.asarray(images, dtype=np.float64)
        lost, spread = float(np.abs(double - single).max()), float((double - double.mean()).std())
        if lost > LOST * spread > 0:
            value = Words(f"pixels near {double.mean():g} that vary by {spread:.2g}")
            text = "a store holds float32, which keeps seven digits"
            yield Fault(self.where, value, text, "subtract their offset before they are converted")

    def _refuse_other_units(self) -> None:
        """After the last image: Poisson noise wants photons, or counts in proportion to them."""
        if self.brightest < 1 or (self.brightest < DIM and not self.whole):
            value = Words(f"no pixel above {self.brightest:.3g}, the sky included")
            text = "Poisson noise is that of counted photons"
            remedy = "convert the images to photons (exposure time, gain, zero point), or state gaussian:SIGMA"
            raise Refused(Fault(self.where, value, text, remedy))

"""The Fourier transform by which GalSim draws a stamp: how large it is, and what it takes of memory and time.

GalSim multiplies the transforms of the galaxy, the PSF and the pixel on a grid of M x M wave numbers, folds it to N x N
and transforms back. With all lengths in pixels, R = pi / stepk how far a profile reaches and K = maxk where its
transform ends (galsim.GSParams: a share of 0.005 of the flux beyond R, less than 0.001 of the transform beyond K),

    R^2 = (R_galaxy^2 + R_psf^2)^(1/2) + offset, squared, + 1        N = 2 R, up to the next 2^i or 3 2^i, 128 at least
    K   = min(K_galaxy, K_psf, 2000)                                 M = N, or N K / pi if that is more

A shear stretches R and K by sqrt((1 + g) / (1 - g)). The R and K of every profile are those of GalSim 2.8, in units of
its half-light radius or FWHM; tests/simulations/test_transform.py compares the sizes with GalSim's own. Neither GalSim
nor numpy is imported here, because this module also runs inside the Snakefile.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from simulations.parameters import HALF_LIGHT_OF_EXPONENTIAL
from simulations.scene_spec import Scene

LARGEST = 8192  # pixels along a side; GalSim's own maximum_fft_size, beyond which it warns and goes on
SMALLEST = 128  # GalSim's minimum_fft_size
PIXEL_END = 2000.0  # K of a pixel
FOLDED = 5e-3  # share of the flux that may lie beyond R
WORKER_BYTES = 250e6  # a worker with its libraries and a block of small stamps
GRID_BYTES = 11.0  # per pixel of the M x M grid: complex64 halves of the product and of a factor of it
IMAGE_BYTES = 12.0  # per pixel of the N x N image
STAMP_SECONDS = 5e-4  # a galaxy, whatever its size
GRID_SECONDS = 4.5e-8  # per pixel of the M x M grid, on one core
IMAGE_SECONDS = 2e-8  # per pixel of the N x N image


class Extent(NamedTuple):
    """How far a profile reaches, R, and where its transform ends, K; in any unit of length and its inverse."""

    reach: float
    end: float

    def scaled(self, length: float) -> Extent:
        """The extent of a profile so many times larger."""
        return Extent(self.reach * length, self.end / length)

    def stretched(self, shear: float) -> Extent:
        """The extent under a reduced shear of this modulus, the longest of either side."""
        ratio = math.sqrt((1 + shear) / (1 - shear))
        return Extent(self.reach * ratio, self.end * ratio)


class Size(NamedTuple):
    """Pixels along the sides of the folded image, N, and of the grid of wave numbers, M."""

    image: int
    grid: int

    @property
    def seconds(self) -> float:
        """Time of a drawing on one core."""
        return STAMP_SECONDS + GRID_SECONDS * self.grid**2 + IMAGE_SECONDS * self.image**2

    @property
    def bytes(self) -> float:
        """Memory of the process that draws."""
        return WORKER_BYTES + GRID_BYTES * self.grid**2 + IMAGE_BYTES * self.image**2


# Sersic n, and R and K of half-light radius 1
SERSIC = (
    (0.3, 7.066, 6.484), (0.35, 6.846, 5.483), (0.4, 6.59, 5.969), (0.45, 6.308, 5.725), (0.5, 6.006, 4.401),
    (0.55, 5.691, 6.168), (0.6, 5.37, 7.617), (0.7, 4.724, 9.915), (0.8, 4.099, 12.11), (0.9, 4.068, 14.34),
    (1.0, 4.427, 16.97), (1.25, 5.392, 23.51), (1.5, 6.458, 31.56), (2.0, 8.937, 50.09), (2.5, 11.94, 74.6),
    (3.0, 15.54, 107.6), (3.5, 19.83, 145.8), (4.0, 24.91, 197.4), (5.0, 37.86, 339.8), (6.2, 59.51, 596.9),
)  # fmt: skip
# Moffat beta, and K of FWHM 1
MOFFAT = (
    (1.1, 9.091), (1.25, 10.17), (1.5, 10.59), (2, 10.59), (3, 10.28), (5, 9.846), (10, 9.391), (30, 8.995),
    (100, 8.829),
)  # fmt: skip
EXPONENTIAL = Extent(math.pi / 0.3743675 / HALF_LIGHT_OF_EXPONENTIAL, 10 * HALF_LIGHT_OF_EXPONENTIAL)
GAUSSIAN_FWHM = math.sqrt(8 * math.log(2))  # in standard deviations
ROUND = {
    "gaussian": Extent(math.pi / 0.5336446, 3.716922).scaled(1 / GAUSSIAN_FWHM),
    "kolmogorov": Extent(math.pi / 0.5549299, 12.65314),
    "airy": Extent(math.pi / 0.07976318, 6.465360),
}  # PSFs whose shape is fixed, of FWHM 1


def size(scene: Scene, values: Mapping[str, float]) -> Size:
    """The transform of one galaxy, from its parameters in their own units (simulations.parameters)."""
    shear = math.hypot(values["g1"], values["g2"])
    galaxy = galaxy_extent(scene, values).stretched(shear).scaled(1 / scene.pixel_scale)
    seeing = psf_extent(scene, values).scaled(1 / scene.pixel_scale)
    even = 0.0 if scene.stamp % 2 else 0.5  # GalSim centres on a corner of pixels there
    offset = math.hypot(abs(values["offset_x"]) + even, abs(values["offset_y"]) + even)
    reach = math.hypot(math.hypot(galaxy.reach, seeing.reach) + offset, 1)
    image = good_size(max(2 * reach, scene.stamp))
    end = min(galaxy.end, seeing.end, PIXEL_END)
    return Size(image, max(image, 2 * math.ceil(end * image / (2 * math.pi))))


def good_size(pixels: float) -> int:
    """The next power of 2, or 3 times one, which GalSim transforms."""
    power: int = 2 ** math.ceil(math.log2(max(pixels, SMALLEST)))
    return power * 3 // 4 if pixels <= power * 3 // 4 and power > SMALLEST else power


def galaxy_extent(scene: Scene, values: Mapping[str, float]) -> Extent:
    """The extent of a galaxy before its shear, in arcsec."""
    radius = half_light(scene, values)
    if scene.galaxy == "sersic":
        return sersic_extent(values["sersic_index"]).scaled(radius)
    if scene.galaxy == "de_vaucouleurs":
        return sersic_extent(4).scaled(radius)
    disk = EXPONENTIAL.scaled(radius)
    if scene.galaxy == "exponential":
        return disk
    bulge = sersic_extent(4).scaled(values["bulge_radius"])
    return Extent(max(disk.reach, bulge.reach), max(disk.end, bulge.end))


def half_light(scene: Scene, values: Mapping[str, float]) -> float:
    """Half-light radius (arcsec) of a galaxy before its shear; if it has a bulge, that of its disk."""
    if scene.radius == "half_light":
        return values["radius"]
    ratio = sersic_ratio(values["sersic_index"]) if scene.galaxy == "sersic" else HALF_LIGHT_OF_EXPONENTIAL
    return values["radius"] * ratio


def sersic_ratio(n: float) -> float:
    """Half-light over scale radius of a Sérsic profile, b^n, with b from Ciotti & Bertin (1999), eq. 18."""
    return float((2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n * n)) ** n)


def sersic_extent(n: float) -> Extent:
    """The extent of a Sérsic profile of half-light radius 1."""
    indices, reaches, ends = zip(*SERSIC, strict=True)
    return Extent(_between(n, indices, reaches), _between(n, indices, ends))


def psf_extent(scene: Scene, values: Mapping[str, float]) -> Extent:
    """The extent of a PSF, in arcsec."""
    shape = ROUND[scene.psf] if scene.psf in ROUND else moffat_extent(values["psf_beta"])
    return shape.scaled(values["psf_fwhm"])


def moffat_extent(beta: float) -> Extent:
    """The extent of a Moffat profile of FWHM 1; R holds all but a share FOLDED, and is 5 half-light radii at least."""
    scale = 0.5 / math.sqrt(2 ** (1 / beta) - 1)
    reach = max(FOLDED ** (0.5 / (1 - beta)), 5 * math.sqrt(2 ** (1 / (beta - 1)) - 1))
    betas, ends = zip(*MOFFAT, strict=True)
    return Extent(scale * reach, _between(math.log(beta), [math.log(node) for node in betas], ends))


def _between(x: float, nodes: Sequence[float], values: Sequence[float]) -> float:
    """A value between those at the nodes, linear in its logarithm; beyond the nodes, the outermost."""
    x = min(max(x, nodes[0]), nodes[-1])
    i = min(bisect_right(nodes, x), len(nodes) - 1)
    share = (x - nodes[i - 1]) / (nodes[i] - nodes[i - 1])
    return math.exp((1 - share) * math.log(values[i - 1]) + share * math.log(values[i]))

"""The size of the transform by which GalSim draws a stamp, estimated without GalSim, against GalSim's own."""

import itertools

import galsim
import numpy as np
import pytest

from simulations.galaxy import GALAXIES, PSFS, draw, half_light_of
from simulations.parameters import SERSIC_STEP
from simulations.scene_spec import Scene
from simulations.transform import good_size, half_light, size

NUMBER = 96
BROAD = {"radius": (0.02, 3), "bulge_radius": (0.02, 1.5), "sersic_index": (0.3, 6.2), "psf_fwhm": (0.05, 3),
         "psf_beta": (1.5, 20)}  # fmt: skip
EVEN = {"g1": 0.35, "g2": 0.35, "offset_x": 3, "offset_y": 3}


class Known(Exception):
    """Raised in place of the drawing when its size is known."""


def own(scene, values):
    """The sides of the image and of the grid of wave numbers with which GalSim begins to draw a stamp."""

    def known(self, image):
        kimage, folded = original(self, image)
        raise Known(folded, kimage.bounds.ymax - kimage.bounds.ymin)

    original = galsim.GSObject.drawFFT_makeKImage
    with pytest.MonkeyPatch.context() as patched, pytest.raises(Known) as raised:
        patched.setattr(galsim.GSObject, "drawFFT_makeKImage", known)
        draw(scene, values)
    return raised.value.args


def scenes(number):
    """Scenes with the parameters of a galaxy each, from sharp and small to broad, in pixels of 0.2 arcsec."""
    source = np.random.default_rng(5)
    for galaxy, psf in itertools.islice(itertools.cycle(itertools.product(GALAXIES, PSFS)), number):
        stamp = int(source.choice([8, 33, 64, 200]))
        broad = {name: low * (high / low) ** source.uniform() for name, (low, high) in BROAD.items()}
        shifted = {name: source.uniform(-high, high) for name, high in EVEN.items()}
        values = {"flux": 1e4, "bulge_fraction": source.uniform(0.1, 0.9), **broad, **shifted}
        values["sersic_index"] = round(values["sersic_index"] / SERSIC_STEP) * SERSIC_STEP
        yield Scene(galaxy=galaxy, psf=psf, stamp=stamp, pixel_scale=0.2), values


def test_the_sizes_are_those_of_galsim():
    """The image is the same, but where rounding decides between neighbours; the grid to a twentieth."""
    others = 0
    for scene, values in scenes(NUMBER):
        image, grid = own(scene, values)
        estimate = size(scene, values)
        others += estimate.image != image
        assert estimate.image in (image, good_size(image + 1), good_size(0.74 * image)), (scene, values)
        assert estimate.grid == pytest.approx(grid, rel=0.05 if estimate.image == image else 0.55), (scene, values)
    assert others <= 0.05 * NUMBER


def test_sizes_that_are_good_are_galsims():
    for pixels in (1, 128, 129, 192, 193, 256, 257, 1000, 6144, 6145):
        assert good_size(pixels) == max(128, galsim.Image.good_fft_size(pixels))


@pytest.mark.parametrize("radius", ["scale", "half_light"])
@pytest.mark.parametrize("galaxy", ["exponential", "sersic", "bulge_disk"])
def test_half_light_radii_are_those_of_galsim(galaxy, radius):
    for n in (0.5, 1, 2.5, 4):
        scene = Scene(galaxy=galaxy, radius=radius)
        values = {"flux": 1.0, "radius": 0.01, "sersic_index": n, "bulge_radius": 0.3, "bulge_fraction": 0.4}
        assert half_light(scene, values) == pytest.approx(half_light_of(scene, values), rel=1e-3)

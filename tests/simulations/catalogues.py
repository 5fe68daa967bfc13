"""A small catalogue of galaxies in the layout of the COSMOS ones: images with PSFs and correlated noise, and fits.

Every galaxy is a Sérsic profile of known size, so that its images without noise are known: `true_profile`.
"""

from pathlib import Path

import galsim
import numpy as np
from astropy.io import fits
from scipy.ndimage import convolve

SOURCES, SCALE, SIDE = 12, 0.03, 60
PSF = galsim.Gaussian(fwhm=0.1)
NOISE = 0.02  # standard deviation of a pixel of the images
KERNEL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 6.0  # of white noise of variance 1: makes that of variance 1
NAME = "real_galaxy_catalog_99.9.fits"


def true_profile(index):
    """The galaxy of a source before the PSF: flux 40 and more, so that it outshines its noise."""
    light = galsim.Exponential(half_light_radius=0.15 + 0.01 * index, flux=40 + 5 * index)
    return light.shear(q=0.6 + 0.02 * index, beta=15 * index * galsim.degrees)


def image_of(index, noise=True):
    """The image of a source in the catalogue, (y, x)."""
    image = galsim.Convolve(true_profile(index), PSF).drawImage(nx=SIDE, ny=SIDE, scale=SCALE, method="no_pixel").array
    white = np.random.default_rng(index).standard_normal(image.shape)
    return image.astype(np.float64) + (NOISE * convolve(white, KERNEL, mode="wrap") if noise else 0)


def correlation():
    """The correlation function of the noise, (21, 21), with its middle at 1."""
    padded = np.zeros((21, 21))
    padded[9:12, 9:12] = KERNEL
    power = np.abs(np.fft.fft2(padded)) ** 2
    return np.fft.fftshift(np.fft.ifft2(power).real)


def write_catalogue(folder):
    """Write the catalogue into a folder; the path of its table."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images = [image_of(i).astype(np.float32) for i in range(SOURCES)]
    psf = PSF.drawImage(nx=33, ny=33, scale=SCALE, method="no_pixel").array
    for name, several in (("real_galaxy_images_n1.fits", images), ("real_galaxy_PSF_images_n1.fits", [psf] * SOURCES)):
        units = [fits.PrimaryHDU(several[0]), *(fits.ImageHDU(each) for each in several[1:])]
        fits.HDUList(units).writeto(folder / name)
    fits.writeto(folder / "acs_I_unrot_sci_20_cf.fits", 1e-5 * correlation())
    number = np.arange(SOURCES)
    columns = {
        "IDENT": ("J", 1000 + 7 * number), "RA": ("D", 150 + number), "DEC": ("D", 2 + number),
        "MAG": ("D", 20.0 + number / 4), "BAND": ("5A", ["F814W"] * SOURCES), "WEIGHT": ("D", np.ones(SOURCES)),
        "GAL_FILENAME": ("64A", ["real_galaxy_images_n1.fits"] * SOURCES),
        "PSF_FILENAME": ("64A", ["real_galaxy_PSF_images_n1.fits"] * SOURCES),
        "GAL_HDU": ("J", number), "PSF_HDU": ("J", number), "PIXEL_SCALE": ("D", np.full(SOURCES, SCALE)),
        "NOISE_MEAN": ("D", np.zeros(SOURCES)), "NOISE_VARIANCE": ("D", np.full(SOURCES, NOISE**2)),
        "NOISE_FILENAME": ("32A", ["acs_I_unrot_sci_20_cf.fits"] * SOURCES),
        "stamp_flux": ("D", [image.sum() for image in images]),
    }  # fmt: skip
    write_table(folder / NAME, columns)
    write_table(folder / NAME.replace(".fits", "_fits.fits"), fitted())
    return folder / NAME


def fitted():
    """The columns of the table of fits: Sérsic ones, and of every fourth galaxy a bulge and a disk."""
    number, size = np.arange(SOURCES), 0.15 + 0.01 * np.arange(SOURCES)
    sersic, two = np.zeros((SOURCES, 8)), np.zeros((SOURCES, 16))
    sersic[:, 2], sersic[:, 3], sersic[:, 7] = 1, 0.6 + 0.02 * number, np.radians(15 * number)
    two[:, [3, 11]], two[:, [7, 15]] = 0.7, 0.5
    twofold = (number % 4 == 3).astype(int)
    flux = 40.0 + 5 * number
    return {
        "IDENT": ("J", 1000 + 7 * number), "mag_auto": ("D", 20.0 + number / 4), "flux_radius": ("D", size / SCALE),
        "zphot": ("D", np.full(SOURCES, 0.5)), "sersicfit": ("8D", sersic), "bulgefit": ("16D", two),
        "fit_status": ("5J", np.ones((SOURCES, 5), int)), "use_bulgefit": ("J", twofold),
        "viable_sersic": ("J", 1 - twofold), "hlr": ("3D", np.stack([size, size / 2, size], 1)),
        "flux": ("4D", np.stack([flux, flux / 4, 3 * flux / 4, flux], 1)),
    }  # fmt: skip


def write_table(path, columns):
    """Write a table of columns, each its format and its values."""
    listed = [fits.Column(name, form, array=values) for name, (form, values) in columns.items()]
    fits.BinTableHDU.from_columns(listed).writeto(path, overwrite=True)


def change_column(path, name, values):
    """Replace one column of a table."""
    with fits.open(path, mode="update") as file:
        file[1].data[name] = values


FACTORS = {
    "flux": {"unit": "ph", "distribution": "uniform", "low": 1e4, "high": 2e4},
    "g1": {"distribution": "uniform", "low": -0.3, "high": 0.3},
    "g2": {"distribution": "uniform", "low": -0.3, "high": 0.3},
    "psf_fwhm": {"unit": "arcsec", "distribution": "uniform", "low": 0.2, "high": 0.4},
}


def config_of(catalogue, galaxy="real", **changes):
    """A data set of 48 galaxies of a catalogue as a config has it, with other scene settings or other keys."""
    scene = {"galaxy": galaxy, "catalogue": str(catalogue), "stamp": 32, "pixel_scale": 0.1, **changes.pop("scene", {})}
    noise = {"kind": "gaussian", "sigma": 120.0} if galaxy == "real" else {"kind": "poisson", "sky": 10}
    return {"galaxies": 48, "seed": 5, "scene": scene, "noise": noise, "factors": FACTORS, **changes}

"""Tiny files of every layout that `convert` reads, each with the images and factors that its store must have.

Every writer makes files below a folder, and returns a Layout: the source, the options, and what is expected.
"""

import io
from dataclasses import dataclass, field

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from PIL import Image

from simulations.sources.options import Options

N, SIDE = 24, 12
G = np.random.default_rng(5)
GREY = G.integers(0, 200, (N, SIDE, SIDE)).astype(np.uint8)
COLOUR = G.integers(0, 200, (N, 3, SIDE, SIDE)).astype(np.uint8)
BANDS = G.normal(10, 2, (N, 2, SIDE, SIDE)).astype(np.float32)
WEIGHTS = G.random((N, 2, SIDE, SIDE)).astype(np.float32) + 0.1
GOOD = G.random((N, 2, SIDE, SIDE)) < 0.9
FWHM = G.uniform(1, 2, (N, 2)).astype(np.float32)
Z, CLASSES = G.random(N), np.arange(N) % 3
IDS = [f"NGC{k:04d}" for k in range(N)]
HALVES = (slice(0, 10), slice(10, N))


@dataclass
class Layout:
    """A source and what its store must have."""

    source: object
    images: np.ndarray
    factors: dict = field(default_factory=lambda: {"z": Z})
    layers: dict = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    settings: dict = field(default_factory=dict)
    attributes: dict = field(default_factory=dict)


def as_png(image):
    stream = io.BytesIO()
    Image.fromarray(image if image.ndim == 2 else image.transpose(1, 2, 0)).save(stream, "PNG")
    return stream.getvalue()


def table(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=7)
    return path


def parquet_encoded(folder):
    images = [{"bytes": as_png(each), "path": f"{k}.png"} for k, each in enumerate(COLOUR)]
    return Layout(table(folder / "x.parquet", {"image": images, "z": Z, "note": IDS}), COLOUR)


def parquet_binary(folder):
    images = pa.array([as_png(each) for each in GREY], pa.binary())
    return Layout(table(folder / "x.parquet", {"image": images, "z": Z}), GREY)


def parquet_nested(folder):
    return Layout(table(folder / "x.parquet", {"image": BANDS.tolist(), "z": Z}), BANDS.astype(np.float64))


def parquet_flat(folder):
    flat = pa.array(BANDS.reshape(N, -1).tolist(), pa.list_(pa.float32()))
    options = Options(shape=(2, SIDE, SIDE))
    return Layout(table(folder / "x.parquet", {"image": flat, "z": Z}), BANDS, options=options)


def parquet_flat_fixed(folder):
    flat = pa.FixedSizeListArray.from_arrays(pa.array(BANDS.ravel()), 2 * SIDE * SIDE)
    options = Options(shape=(2, SIDE, SIDE))
    return Layout(table(folder / "x.parquet", {"image": flat, "z": Z}), BANDS, options=options)


def parquet_tensor(folder):
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(BANDS)
    return Layout(table(folder / "x.parquet", {"image": tensor, "z": Z}), BANDS)


def survey(rows=slice(None)):
    """Columns of a shard of the Multimodal Universe."""
    return {
        "image_array": BANDS[rows],
        "image_ivar": WEIGHTS[rows],
        "image_mask": GOOD[rows],
        "image_psf_fwhm": FWHM[rows],
        "image_scale": np.full_like(FWHM[rows], 0.262),
        "image_band": np.array([[b"des-g", b"des-r"]] * len(BANDS[rows])),
        "object_id": np.array(IDS[rows], dtype="S12"),
        "z": Z[rows],
    }


SURVEY = {
    "inverse_variance": WEIGHTS,
    "mask": GOOD.astype(np.int8),
    "psf_fwhm": FWHM.astype(np.float64),
    "source_id": np.array(IDS, object),
}
FACTS = {"bands": ["des-g", "des-r"], "pixel_scale": 0.262}


def hdf5(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.update(columns)
    return path


def multimodal(folder):
    return Layout(hdf5(folder / "001-of-001.hdf5", survey()), BANDS, layers=SURVEY, attributes=FACTS)


def multimodal_shards(folder):
    names = [f"healpix={k}/001-of-001.hdf5" for k in range(2)]
    for name, rows in zip(names, HALVES, strict=True):
        hdf5(folder / name, survey(rows))
    origin = {"source_file": np.repeat(np.array(names, object), [10, 14]), "source_row": np.r_[0:10, 0:14]}
    return Layout(folder, BANDS, layers=SURVEY | origin, attributes=FACTS)


def multimodal_parquet(folder):
    fields = ("band", "flux", "ivar", "mask", "psf_fwhm", "scale")
    columns = survey() | {"image_scale": np.full((N, 2), 0.262)}
    arrays = [columns[f"image_{'array' if name == 'flux' else name}"] for name in fields]
    arrays[0] = arrays[0].astype(str)
    rows = [{name: array[k].tolist() for name, array in zip(fields, arrays, strict=True)} for k in range(N)]
    path = table(folder / "x.parquet", {"image": rows, "object_id": IDS, "z": Z})
    return Layout(path, BANDS, layers=SURVEY, attributes=FACTS)


def multimodal_structs(folder):
    rows = [
        [{"band": f"des-{b}", "flux": BANDS[k, c].tolist(), "scale": 0.25} for c, b in enumerate("gr")]
        for k in range(N)
    ]
    path = table(folder / "x.parquet", {"image": rows, "z": Z})
    return Layout(path, BANDS, attributes={"bands": ["des-g", "des-r"], "pixel_scale": 0.25})


def hats(folder):
    for name in ("hats.properties", "dataset/_metadata"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("obs_collection=tiny\n")
    names = [f"dataset/Norder=1/Dir=0/Npix={k}.parquet" for k in (3, 40)]
    for name, rows in zip(names, HALVES, strict=True):
        columns = {
            "_healpix_29": np.arange(N)[rows],
            "image": BANDS[rows].tolist(),
            "z": Z[rows],
            "Npix": CLASSES[rows],
        }
        table(folder / name, columns)
    origin = {"source_file": np.repeat(np.array(names, object), [10, 14])}
    return Layout(folder, BANDS.astype(np.float64), layers=origin)


def hats_by_name(folder):
    layout = hats(folder)
    for path in folder.glob("dataset/**/*.parquet"):
        pq.write_table(pq.read_table(path, partitioning=None).drop(["Npix"]), path)
    layout.settings, layout.factors = {"factors": "z,Npix"}, {"z": Z, "Npix": np.repeat([3, 40], [10, 14])}
    return layout


def galaxy10(folder):
    columns = {"images": COLOUR.transpose(0, 2, 3, 1), "ans": CLASSES.astype(np.uint8), "redshift": Z}
    path = hdf5(folder / "Galaxy10.h5", columns | {"pxscale": np.full(N, 0.5)})
    return Layout(path, COLOUR, {"ans": CLASSES, "redshift": Z}, attributes={"pixel_scale": 0.5})


def hdus(*units):
    return fits.HDUList([fits.PrimaryHDU(), *units])


def z_table(**more):
    columns = [fits.Column(name, "D" if name == "z" else "32A", array=each) for name, each in more.items()]
    return fits.BinTableHDU.from_columns(columns)


def fits_cube(folder):
    fits.HDUList([fits.PrimaryHDU(BANDS[:, 0]), z_table(z=Z)]).writeto(folder / "x.fits")
    return Layout(folder / "x.fits", BANDS[:, 0])


def fits_cube_of_bands(folder):
    hdus(fits.ImageHDU(BANDS)).writeto(folder / "x.fits")
    pd.DataFrame({"z": Z, "name": IDS}).to_csv(folder / "c.csv", index=False)
    return Layout(folder / "x.fits", BANDS, options=Options(catalogue=folder / "c.csv"))


def fits_catalogue(folder):
    hdus(fits.ImageHDU(BANDS)).writeto(folder / "x.fits")
    hdus(z_table(z=Z)).writeto(folder / "c.fits")
    return Layout(folder / "x.fits", BANDS, options=Options(catalogue=folder / "c.fits"))


def gzipped(folder):
    fits.HDUList([fits.PrimaryHDU(BANDS), z_table(z=Z)]).writeto(folder / "x.fits.gz")
    return Layout(folder / "x.fits.gz", BANDS)


def rice(folder):
    hdus(fits.CompImageHDU(100 * GREY[:, :].astype(np.int32)), z_table(z=Z)).writeto(folder / "x.fits.fz")
    return Layout(folder / "x.fits.fz", 100 * GREY.astype(np.int32))


def rice_each(folder):
    units = [fits.CompImageHDU(each.astype(np.int16), tile_shape=(1, SIDE)) for each in GREY]
    hdus(*units, z_table(z=Z)).writeto(folder / "x.fits.fz")
    return Layout(folder / "x.fits.fz", GREY)


def by_hdu(folder):
    names, numbers = [f"g{k % 2}.fits" for k in range(N)], np.arange(N) // 2
    for k in range(2):
        units = [fits.ImageHDU(each) for each in BANDS[k::2, 0]]
        fits.HDUList([fits.PrimaryHDU(units[0].data), *units[1:]]).writeto(folder / f"g{k}.fits")
    catalogue = z_table(z=Z, GAL_FILENAME=np.array(names))
    columns = catalogue.columns + fits.Column("GAL_HDU", "J", array=numbers)
    hdus(fits.BinTableHDU.from_columns(columns)).writeto(folder / "catalogue.fits")
    return Layout(
        folder / "catalogue.fits",
        BANDS[:, 0],
        layers={"source_file": np.array(names, object), "source_row": numbers},
    )


def ldac(folder):
    card = np.array([fits.Header({"EXPTIME": 30.0}).tostring()])
    header = fits.BinTableHDU.from_columns([fits.Column("Field Header Card", f"{len(card[0])}A", array=card)])
    header.name = "LDAC_IMHEAD"
    columns = [
        fits.Column("VIGNET", f"{SIDE * SIDE}E", dim=f"({SIDE},{SIDE})", array=BANDS[:, 0]),
        fits.Column("z", "D", array=Z),
    ]
    objects = fits.BinTableHDU.from_columns(columns, name="LDAC_OBJECTS")
    hdus(header, objects).writeto(folder / "x.fits")
    return Layout(folder / "x.fits", BANDS[:, 0])


def folder_of(ending, images, save):
    def write(folder):
        names = [f"in/{k:02d}{ending}" for k in range(N)]
        (folder / "in").mkdir()
        for name, image in zip(names, images, strict=True):
            save(folder / name, image)
        pd.DataFrame({"filename": names, "z": Z}).to_csv(folder / "labels.csv", index=False)
        return Layout(folder, images, layers={"source_file": np.array(names, object)})

    return write


def as_image(path, image):
    Image.fromarray(image if image.ndim == 2 else image.transpose(1, 2, 0)).save(path)


def shards_of_npz(folder):
    for k, rows in enumerate(HALVES):
        np.savez(folder / f"s{k}.npz", image=BANDS[rows], z=Z[rows])
    return Layout(folder / "s*.npz", BANDS, layers={"source_row": np.r_[0:10, 0:14]})


def channels_last(folder):
    np.savez(folder / "x.npz", image=BANDS.transpose(0, 2, 3, 1), z=Z)
    return Layout(folder / "x.npz", BANDS)


LAYOUTS = {
    each.__name__: each
    for each in (
        parquet_encoded,
        parquet_binary,
        parquet_nested,
        parquet_flat,
        parquet_flat_fixed,
        parquet_tensor,
        multimodal,
        multimodal_shards,
        multimodal_parquet,
        multimodal_structs,
        hats,
        hats_by_name,
        galaxy10,
        fits_cube,
        fits_cube_of_bands,
        fits_catalogue,
        gzipped,
        rice,
        rice_each,
        by_hdu,
        ldac,
        shards_of_npz,
        channels_last,
    )
} | {
    "folder_png": folder_of(".png", COLOUR, as_image),
    "folder_tif": folder_of(".tif", BANDS[:, 0], as_image),
    "folder_fits": folder_of(".fits", BANDS, lambda path, image: fits.PrimaryHDU(image).writeto(path)),
    "folder_packed_fits": folder_of(".fits.gz", BANDS, lambda path, image: fits.PrimaryHDU(image).writeto(path)),
}

"""What no layout can be read from is refused, each fault in one sentence, and nothing is written."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.io import fits
from PIL import Image

from foundation.faults import Refused
from simulations.convert import convert
from simulations.sources.options import Options, shape_in
from tests.searching import sentences_of
from tests.simulations import layouts
from tests.simulations.layouts import BANDS, COLOUR, GREY, N, Z, as_png, hdf5, table


def shards(folder, change):
    """Two shards, the second one changed."""
    hdf5(folder / "a.hdf5", layouts.survey(slice(0, 10)))
    second = layouts.survey(slice(10, N))
    change(second)
    hdf5(folder / "b.hdf5", second)
    return folder


def other_shape(columns):
    columns["image_array"] = columns["image_array"][..., :8, :8]


def other_bands(columns):
    columns["image_band"] = columns["image_band"].copy()
    columns["image_band"][5] = [b"des-r", b"des-g"]


def no_weight(columns):
    columns["image_ivar"] = columns["image_ivar"].copy()
    columns["image_ivar"][2] = 0


def no_mask(columns):
    columns["image_mask"] = 4 * columns["image_mask"].astype(np.uint8)


def negative(columns):
    columns["image_ivar"] = columns["image_ivar"] - 1


def folder_with(names, **more):
    """A folder of the images of these names, with a catalogue that names them."""

    def write(folder):
        images = folder / "in"
        images.mkdir()
        for k in range(N):
            Image.fromarray(GREY[k]).save(images / f"{k}.png")
        pd.DataFrame({"file": names, "z": Z} | more).to_csv(images / "c.csv", index=False)
        return images

    return write


NAMES = [f"{k}.png" for k in range(N)]


def other_size(folder):
    path = folder_with(NAMES)(folder)
    Image.fromarray(GREY[3][:9]).save(path / "3.png")
    return path


def no_file_column(folder):
    path = folder_with(NAMES)(folder)
    pd.DataFrame({"picture": NAMES, "z": Z}).to_csv(path / "c.csv", index=False)
    return path


def two_catalogues(folder):
    path = folder_with(NAMES)(folder)
    (path / "d.csv").write_text("a,b\n1,2\n")
    return path


def long_lines(folder):
    """A trailing column would shift the others, where a reader takes the first one for an index."""
    path = folder_with(NAMES)(folder)
    (path / "c.csv").write_text("file,z\n" + "".join(f"{name},1,2\n" for name in NAMES))
    return path


def pages(folder):
    path = folder_with([f"{k}.tif" for k in range(N)])(folder)
    frames = [Image.fromarray(each) for each in GREY]
    for k in range(N):
        frames[0].save(path / f"{k}.tif", save_all=True, append_images=frames[1:3])
    return path


def encoded(change):
    def write(folder):
        images = [{"bytes": as_png(each), "path": None} for each in COLOUR]
        change(images)
        return table(folder / "x.parquet", {"image": images, "z": Z})

    return write


def smaller(images):
    images[20]["bytes"] = as_png(COLOUR[0][:, :5, :5])


def without_bytes(images):
    images[9] = {"bytes": None, "path": "a.png"}


def cut_short(images):
    images[4]["bytes"] = images[4]["bytes"][:60]


def flat(lengths):
    def write(folder):
        lists = pa.array([np.arange(float(lengths(k))) for k in range(N)], pa.list_(pa.float64()))
        return table(folder / "x.parquet", {"image": lists, "z": Z})

    return write


def npz(**columns):
    def write(folder):
        np.savez(folder / "x.npz", **{"image": BANDS[:, 0], "z": Z, **columns})
        return folder / "x.npz"

    return write


def missing_number(folder):
    return table(folder / "x.parquet", {"image": BANDS[:, 0].tolist(), "z": [None, *Z[1:]]})


def hdu_catalogue(names, numbers):
    def write(folder):
        units = [fits.ImageHDU(each) for each in BANDS[:, 0]]
        fits.HDUList([fits.PrimaryHDU(), *units, fits.ImageHDU(BANDS[0, 0, :5, :5])]).writeto(folder / "g.fits")
        columns = {"GAL_FILENAME": ("32A", names), "GAL_HDU": ("J", numbers), "z": ("D", Z)}
        every = [fits.Column(name, form, array=values) for name, (form, values) in columns.items()]
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(every)]).writeto(folder / "c.fits")
        return folder / "c.fits"

    return write


def short_catalogue(folder):
    pd.DataFrame({"mass": Z[:9]}).to_csv(folder / "c.csv", index=False)
    np.savez(folder / "x.npz", image=BANDS[:, 0], z=Z)
    return folder / "x.npz"


def mixed(folder):
    np.savez(folder / "a.npz", image=BANDS, z=Z)
    hdf5(folder / "b.h5", {"image": BANDS, "z": Z})
    return folder


def collection(folder):
    """A HATS collection: a catalogue, and a margin that repeats rows of it."""
    for name in ("main", "margin"):
        (folder / name).mkdir()
        layouts.hats(folder / name)
    (folder / "collection.properties").write_text("hats_primary_table_url=main\n")
    return folder


SAME, HDUS = ["g.fits"] * N, np.arange(N) + 1
CASES = {
    "a shard of another shape": (lambda f: shards(f, other_shape), {}, "b.hdf5: image_array: found (2, 8, 8)"),
    "a shard without a column": (lambda f: shards(f, lambda c: c.pop("z")), {}, "without z; in addition none"),
    "a shard of texts": (lambda f: shards(f, lambda c: c.update(z=np.array([b"x"] * 14))), {}, "the first file has f"),
    "bands that differ": (lambda f: shards(f, other_bands), {}, "des-r, des-g in row 15"),
    "no weight anywhere": (lambda f: shards(f, no_weight), {}, "1 images whose inverse variance is 0 everywhere"),
    "weights below 0": (lambda f: shards(f, negative), {}, "an inverse variance is 0 or more"),
    "a mask of bits": (lambda f: shards(f, no_mask), {}, "a mask is 0 or 1"),
    "formats mixed": (mixed, {}, "all shards have one format"),
    "a pattern of nothing": (lambda f: f / "*.hdf5", {}, "no files of images"),
    "a folder of nothing": (lambda f: f, {}, "no files of images"),
    "files that are not there": (folder_with([*NAMES[1:], "x.png"]), {}, "1 of 24 files that are not there"),
    "a name that leads out": (folder_with([*NAMES[1:], "../c.csv"]), {}, "never lead out of it"),
    "an absolute name": (folder_with([*NAMES[1:], "/etc/hostname"]), {}, "never lead out of it"),
    "an empty name": (folder_with([*NAMES[1:], None]), {}, "1 missing values"),
    "an image of another size": (other_size, {}, "3.png: found (9, 12), but the first image has the shape (12, 12)"),
    "an image smaller than the crop": (other_size, {"crop": 10}, "--crop 10 keeps so many pixels"),
    "several pages": (pages, {}, "3 pages or frames"),
    "no column of names": (no_file_column, {}, "state it with --file-column NAME"),
    "another column of names": (folder_with(NAMES), {"file_column": "fil"}, "did you mean 'file'?"),
    "two catalogues": (two_catalogues, {}, "found 2 CSV files"),
    "no such catalogue": (npz(), {"catalogue": Path("nowhere.csv")}, "the catalogue is read from it"),
    "a catalogue of another format": (npz(), {"catalogue": Path(__file__)}, "a catalogue is a CSV or FITS file"),
    "a short catalogue": (short_catalogue, {"catalogue": "c.csv"}, "make it as long as the images"),
    "an encoded image of another size": (encoded(smaller), {}, "image[20]: found (3, 5, 5)"),
    "a path without bytes": (encoded(without_bytes), {}, "the path of an image without its bytes"),
    "an encoded image cut short": (encoded(cut_short), {}, "image[4]: found data that cannot be read"),
    "lists of other lengths": (flat(lambda k: 144 + (k == 9)), {"shape": (12, 12)}, "found a list of 145"),
    "lists of another shape": (flat(lambda k: 144), {"shape": (12, 13)}, "lists of 156 numbers"),
    "a shape for images": (npz(), {"shape": (12, 12)}, "leave --shape out"),
    "flat lists without a shape": (flat(lambda k: 144), {}, "shape flat lists with --shape"),
    "a number that is missing": (missing_number, {}, "z: found 1 missing values"),
    "axes that do not show": (npz(image=np.ones((N, 5, 6, 7))), {}, "state --axes"),
    "three equal axes": (npz(image=np.ones((N, 5, 5, 5))), {}, "state --axes"),
    "axes of another number": (npz(), {"axes": "NHWC"}, "--axes NHWC is for images of 4 axes"),
    "a crop beyond the image": (npz(), {"crop": 13}, "crop to fewer"),
    "bins that do not divide": (npz(), {"bin": 5}, "cut to a multiple of 5"),
    "bands of one band": (npz(), {"bands": ("g",)}, "leave --bands out"),
    "bands that are not there": (npz(image=BANDS), {"bands": ("2",)}, "the bands are 0, 1"),
    "no such inverse variance": (npz(), {"inverse_variance": "ivar"}, "the columns are image, z"),
    "an inverse variance of another shape": (npz(w=BANDS[:, 0, :9]), {"inverse_variance": "w"}, "has that shape"),
    "a PSF that cannot be binned": (npz(p=BANDS[:, 0, :9, :9]), {"psf": "p", "bin": 2}, "leave --psf out"),
    "a PSF without light": (npz(p=0 * BANDS[:, 0]), {"psf": "p"}, "a PSF has a sum above 0"),
    "a width below 0": (npz(s=-Z), {"psf_fwhm": "s"}, "sizes are above 0"),
    "a layer's name for a factor": (npz(mask=Z, m=BANDS[:, 0] > 0), {"mask": "m=bad"}, "a layer of the store"),
    "an id for some images": (npz(ID=np.arange(3)), {"identity": "ID"}, "their identity has 1 axes"),
    "ids in a table": (npz(ID=np.ones((N, 2))), {"identity": "ID"}, "their identity has 1 axes"),
    "a PSF of texts": (npz(p=BANDS.astype(str)), {"psf": "p"}, "psf is of real numbers"),
    "a PSF of numbers": (npz(p=Z), {"psf": "p"}, "their psf has 3 or 4 axes"),
    "a width of texts": (npz(p=np.array(["a"] * N)), {"psf_fwhm": "p"}, "psf fwhm is of real numbers"),
    "a scale of texts": (npz(p=np.array(["a"] * N)), {"pixel_scale": "p"}, "pixel scale is of real numbers"),
    "a scale of 0": (npz(p=0 * Z), {"pixel_scale": "p"}, "the side of a pixel is above 0"),
    "weights for some images": (npz(p=BANDS[:5]), {"inverse_variance": "p"}, "there are 24 images"),
    "ellipticities for some images": (npz(a=Z[:5]), {"ellipticity": "z,a=distortion"}, "one number for each image"),
    "names of other bands": (lambda f: shards(f, lambda c: None), {"bands": ("x",)}, "the bands are des-g, des-r"),
    "a file without rows": (lambda f: table(f / "x.parquet", {"z": Z[:0]}), {}, "found no rows"),
    "lists that are missing": (
        lambda f: table(f / "x.parquet", {"image": [None, *BANDS[1:, 0].tolist()], "z": Z}),
        {},
        "found 1 missing values",
    ),
    "lines longer than the header": (long_lines, {}, "cannot be read"),
    "several catalogues": (collection, {}, "one is converted, of main, margin"),
    "HDUs that are not there": (hdu_catalogue(SAME, HDUS + 9), {}, "no such HDU"),
    "an HDU without an image": (hdu_catalogue(SAME, HDUS - 1), {}, "an HDU without an image"),
    "an HDU of another shape": (hdu_catalogue(SAME, HDUS + 1), {}, "HDU 25: found (5, 5)"),
    "a file of HDUs elsewhere": (hdu_catalogue(["../g.fits"] * N, HDUS), {}, "never lead out of it"),
    "no such column of HDUs": (hdu_catalogue(SAME, HDUS), {"hdu_column": "GAL_HDUS"}, "found 'GAL_HDUS'"),
    "a column of files for shards": (npz(), {"file_column": "z"}, "leave that option out"),
    "a column of HDUs for a folder": (folder_with(NAMES), {"hdu_column": "z"}, "leave that option out"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_of_a_layout_is_one_sentence_and_nothing_is_written(tmp_path, case):
    write, options, expected = CASES[case]
    folder = tmp_path / "source"
    folder.mkdir()
    source = write(folder)
    if options.get("catalogue") == "c.csv":
        options = {"catalogue": folder / "c.csv"}
    with pytest.raises(Refused) as refused:
        convert(source, tmp_path / "s.zarr", "image", "", [], "none", 0, options=Options(**options))
    (sentence,) = sentences_of(refused.value)
    assert expected in sentence
    assert sorted(tmp_path.iterdir()) == [folder]


BAD_OPTIONS = {
    "axes": "NWH",
    "crop": -1,
    "bin": 0,
    "shape": (4,),
    "mask": "m",
    "bands": ("g", "g"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_an_option_that_no_layout_can_use_is_refused(name):
    with pytest.raises(Refused) as refused:
        Options(**{name: BAD_OPTIONS[name]})
    sentences_of(refused.value)


def test_a_shape_that_is_none_is_refused():
    assert shape_in("4, 160,160") == (4, 160, 160) and shape_in("") == ()
    with pytest.raises(Refused, match="a shape is whole numbers"):
        shape_in("4x160")

"""The command line of `convert`: its options as texts, read into `simulations.sources.options.Options`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Optional

import typer

from foundation.console import open_log

Several = Optional[list[str]]
Source = Annotated[
    Path,
    typer.Argument(help="A file, a quoted glob or a folder of shards, a HATS directory, or a folder of images."),
]
Store = Annotated[Path, typer.Argument(help="The Zarr store to make.")]
Images = Annotated[str, typer.Option(help="Name of the column or array of images.")]
Factors = Annotated[str, typer.Option(help="Names of factors, with commas; all other columns of numbers if empty.")]
Unit = Annotated[Several, typer.Option(help="Unit of a factor: radius=arcsec; repeatable.")]
Noise = Annotated[
    str, typer.Option(help="none, poisson, poisson:SKY or gaussian:SIGMA, in the unit of the images as stored.")
]
Seed = Annotated[int, typer.Option(help="Seed of the random split into training, validation and test rows.")]
Circular = Annotated[
    Several, typer.Option(help="A factor that returns after a period, in its unit: angle=360; repeatable.")
]
Categorical = Annotated[Several, typer.Option(help="A factor whose values are classes without an order; repeatable.")]
FillAbsent = Annotated[
    bool, typer.Option("--fill-absent", help="Take absent chunks of HDF5 or Zarr as their fill value.")
]
Shape = Annotated[str, typer.Option(help="Shape of an image whose numbers are a flat list: 4,160,160.")]
Axes = Annotated[str, typer.Option(help="NHW, NCHW or NHWC, where the shape of the images does not show it.")]
Crop = Annotated[int, typer.Option(help="Keep the square of so many pixels per side in the middle.")]
Bin = Annotated[int, typer.Option(help="Add squares of so many pixels per side, which conserves photons.")]
Bands = Annotated[str, typer.Option(help="Bands to keep, with commas: names, or numbers from 0 where there are none.")]
Catalogue = Annotated[Optional[Path], typer.Option(help="CSV or FITS file with a row for each image.")]
FileColumn = Annotated[str, typer.Option(help="Column of a catalogue that names the file of each image.")]
HduColumn = Annotated[str, typer.Option(help="Column of a FITS catalogue with the HDU of each image, from 0.")]
Identity = Annotated[str, typer.Option("--id", help="Column of ids, kept as source_id.")]
InverseVariance = Annotated[str, typer.Option(help="Column of inverse variances of the pixels.")]
Mask = Annotated[str, typer.Option(help="Column of masks and what 1 means: NAME=good or NAME=bad.")]
Psf = Annotated[str, typer.Option(help="Column of stamps of the PSF.")]
PsfFwhm = Annotated[str, typer.Option(help="Column of the full width at half maximum of the PSF.")]
PixelScale = Annotated[str, typer.Option(help="Column of the side of a pixel, or a number of arcsec.")]
Ellipticity = Annotated[
    str,
    typer.Option(help="Columns to convert to g1 and g2: e1,e2=distortion, g_1,g_2=reduced_shear, xx,yy,xy=moments."),
]
Errors = Annotated[Several, typer.Option(help="Column of standard errors of a factor: z=z_err; repeatable.")]
Gaps = Annotated[Several, typer.Option(help="A factor that some images lack; repeatable.")]
LogTo = Annotated[Optional[Path], typer.Option("--log", help="Write the messages to this file as well.")]


def convert(
    source: Source,
    store: Store,
    images: Images = "image",
    factors: Factors = "",
    unit: Unit = None,
    noise: Noise = "none",
    seed: Seed = 0,
    circular: Circular = None,
    categorical: Categorical = None,
    fill_absent: FillAbsent = False,
    shape: Shape = "",
    axes: Axes = "",
    crop: Crop = 0,
    bin: Bin = 1,
    bands: Bands = "",
    catalogue: Catalogue = None,
    file_column: FileColumn = "",
    hdu_column: HduColumn = "",
    identity: Identity = "",
    inverse_variance: InverseVariance = "",
    mask: Mask = "",
    psf: Psf = "",
    psf_fwhm: PsfFwhm = "",
    pixel_scale: PixelScale = "",
    ellipticity: Ellipticity = "",
    errors: Errors = None,
    gaps: Gaps = None,
    log_to: LogTo = None,
) -> None:
    """Make a store of your images, so that a study can use it with `store: PATH`."""
    open_log(log_to)
    from simulations.convert import convert as convert_source
    from simulations.sources.options import Options, errors_in, names_in, shape_in

    names = (catalogue, file_column, hdu_column, identity, inverse_variance, mask, psf, psf_fwhm, pixel_scale)
    options = Options(shape_in(shape), axes.upper(), crop, bin, names_in(bands), *names, ellipticity)
    options = replace(options, errors=errors_in(errors or []), gaps=tuple(gaps or ()))
    kinds = (circular or [], categorical or [])
    convert_source(source, store, images, factors, unit or [], noise, seed, *kinds, fill_absent, options)

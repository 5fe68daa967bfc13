"""Files of images and factors, opened as named columns: npz, HDF5 and netCDF-4, FITS tables, Zarr."""

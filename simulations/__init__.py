"""The galaxies: factors drawn row by row, rendered by GalSim, given independent noise and stored as Zarr."""

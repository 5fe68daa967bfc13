"""The galaxies: factors drawn row by row, rendered by GalSim, given noise of their own and kept in one Zarr store."""

"""Largest memory of `convert` against the number of cutouts in shards: it must not grow with it.

    python benchmarks/convert.py FOLDER [SHARDS ...]

Writes shards of 5,000 cutouts of 32 x 32 pixels, 20 MB each, with inverse variances and ids, into a folder that must be
new, and converts the first SHARDS of them (5 and 20 by default), each number in a process of its own; then deletes it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

ROWS, SIDE = 5_000, 32
PROGRAM = """
import os; os.environ["OMP_NUM_THREADS"] = "1"
import resource, sys, time; from pathlib import Path
from simulations.convert import convert
from simulations.sources.options import Options
source, store = map(Path, sys.argv[1:])
start = time.perf_counter()
convert(source, store, "image", "", [], "none", 0, options=Options(inverse_variance="ivar"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.perf_counter() - start)
"""


def write_shard(path: Path, number: int) -> None:
    """One HDF5 file of cutouts, inverse variances, ids and two factors."""
    random = np.random.default_rng(number)
    shape = (ROWS, SIDE, SIDE)
    with h5py.File(path, "w") as file:
        file["image"] = random.standard_normal(shape, dtype=np.float32)
        file["ivar"] = random.random(shape, dtype=np.float32) + 0.5
        file["object_id"] = np.array([f"{number:03d}-{k:06d}" for k in range(ROWS)], dtype="S12")
        file["flux"], file["size"] = random.random(ROWS), random.random(ROWS)


def main(folder: Path, counts: list[int]) -> None:
    """Write, convert and delete."""
    folder.mkdir()
    try:
        for count in counts:
            shards = folder / f"first_{count}"
            shards.mkdir()
            for number in range(count):
                write_shard(shards / f"{number:03d}.hdf5", number)
            command = [sys.executable, "-c", PROGRAM, str(shards), str(folder / f"{count}.zarr")]
            ended = subprocess.run(command, capture_output=True, text=True, check=True)
            memory, seconds = map(float, ended.stdout.split())
            images = count * ROWS * SIDE**2 * 4 / 1e6
            print(f"{count * ROWS:7,} cutouts ({images:4.0f} MB of images): {memory:5.0f} MB, {seconds:4.0f} s")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(each) for each in sys.argv[2:]] or [5, 20])

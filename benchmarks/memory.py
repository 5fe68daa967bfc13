"""Largest memory of a simulation against its number of galaxies: it must not grow with it.

    python benchmarks/memory.py

Each size runs in a process of its own; the shards are made small so that even the small run writes several.
"""

import subprocess
import sys

PROGRAM = """
import os; os.environ["OMP_NUM_THREADS"] = "1"
import resource, sys, tempfile; from pathlib import Path
from simulations import store; store.SHARD_BYTES = 4e6
from simulations.draw import simulate; from simulations.facts import read_declared
found = read_declared({"datasets": {"d": {"preset": "paper", "galaxies": int(sys.argv[1])}}}, [])
with tempfile.TemporaryDirectory() as folder:
    simulate(found.simulated["d"], found.facts["d"], Path(folder) / "d.zarr", 1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

for galaxies in (2_000, 8_000, 32_000):
    ended = subprocess.run([sys.executable, "-c", PROGRAM, str(galaxies)], capture_output=True, text=True, check=True)
    print(f"{galaxies:7,} galaxies ({galaxies * 33 * 33 * 4 / 1e6:4.0f} MB of images): {float(ended.stdout):5.0f} MB")

"""How long a dry run of a study takes, and how much of it is Snakemake's own.

    python benchmarks/dry_run.py [REPEATS]

config/paper.yaml is widened to 405 runs by longer lists of weights; beside it a workflow of one rule, in turns. Prints
CPU seconds (user and system) and wall seconds of `snakemake -n -q`, the least of each over the repeats, since the
machine may be in use.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
BARE = 'rule all:\n    output: "x"\n    shell: "touch x"\n'


def widened() -> dict[str, object]:
    """config/paper.yaml with 25 + 180 + 200 runs."""
    config = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text(encoding="utf-8"))
    beta, published, ours = config["runs"]
    beta["weights"] = {"kl": [1, 5, 10, 20, 40]}
    published["weights"] = {"kl": [5, 10, 20], "explicitness": [272, 544.5, 1089]}
    ours["weights"] = {"explicitness": [250 * 2**i for i in range(10)]}
    return dict(config)


def seconds(folder: str, *arguments: str) -> tuple[float, float]:
    """CPU and wall seconds of a dry run."""
    snakemake = str(Path(sys.executable).with_name("snakemake"))
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([snakemake, "-n", "-q", "--directory", folder, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.monotonic() - start


def main() -> None:
    """Measure, and print a line for each."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        config, bare = Path(folder, "wide.yaml"), Path(folder, "Bare")
        config.write_text(yaml.safe_dump(widened()), encoding="utf-8")
        bare.write_text(BARE, encoding="utf-8")
        study = ["--snakefile", str(ROOT / "workflow" / "Snakefile"), "--configfile", str(config)]
        both = [(seconds(folder, *study), seconds(folder, "--snakefile", str(bare))) for _ in range(repeats)]
    for name, times in zip(("405 runs", "one rule"), zip(*both, strict=True), strict=True):
        cpu, wall = (min(each) for each in zip(*times, strict=True))
        print(f"{name}: {cpu:.2f} s of CPU, {wall:.2f} s of wall time")


if __name__ == "__main__":
    main()

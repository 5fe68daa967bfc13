"""How long the tables, figures and report of a large study take, and how large report.html is.

    python benchmarks/report.py RESULTS [RUNS]

RESULTS is the folder of a finished study. It is widened to about so many runs (400), five seeds of each label, by a
list of values of one weight in each of its groups; each new run has the files of an old one of its method and coverage.
Prints seconds of CPU and of wall time of `collect` and of `report`, as separate processes, and megabytes of the page.
"""

from __future__ import annotations

import copy
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from auxvae.config.methods import METHODS
from auxvae.config.study import read_study

SEEDS = 5


def widened(config: dict[str, Any], facts: dict[str, Any], runs: int) -> dict[str, Any]:
    """The config with `runs` runs at least."""
    labels = len({(run.method, run.coverage, run.label) for run in read_study(config, facts, []).runs})
    wide = copy.deepcopy(config)
    for group in wide["runs"]:
        group["seeds"] = list(range(SEEDS))
        weight = next(name for name in METHODS[group["method"]].weights if name != "reconstruction")
        group["weights"] = {weight: [float(1 + i) for i in range(-(-runs // (SEEDS * labels)))]}
    return wide


def fill(small: Path, config: dict[str, Any], facts: dict[str, Any], folder: Path) -> int:
    """Link the files of the runs of a widened study; their number."""
    (folder / "runs").mkdir(parents=True)
    old = read_study(json.loads((small / "study.json").read_text())["config"], facts, []).runs
    new = read_study(config, facts, []).runs
    alike: dict[tuple[str, str], Any] = {}
    for run in old:
        alike.setdefault((run.method, run.coverage), []).append(run)
    sources = {key: itertools.cycle(each) for key, each in alike.items()}
    for run in new:
        source = small.resolve() / "runs" / next(sources[run.method, run.coverage]).id
        (folder / "runs" / run.id).symlink_to(source)
    (folder / "controls").symlink_to(small.resolve() / "controls")
    (folder / "study.json").write_text(json.dumps({"config": config, "facts": facts}))
    return len(new)


def seconds(*arguments: str) -> tuple[float, float]:
    """CPU and wall seconds of a command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-m", "auxvae", *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.monotonic() - start


def main() -> None:
    """Measure, and print a line for each."""
    small, runs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 400
    both = json.loads((small / "study.json").read_text())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "wide"
        count = fill(small, widened(both["config"], both["facts"], runs), both["facts"], folder)
        for command in ("collect", "report"):
            cpu, wall = seconds(command, str(folder / "study.json"), str(folder))
            print(f"{command} of {count} runs: {cpu:.1f} s of CPU, {wall:.1f} s of wall time")
        print(f"report.html: {(folder / 'report.html').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

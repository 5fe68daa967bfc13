"""Where the numbers of a report come from: its config, code, machine, versions, and what every job cost.

The workflow leaves `provenance.json` (commit and machine of its last start) and Snakemake's measurements of every job
(`benchmarks/*.tsv`). What is absent, as after jobs that were run by hand, is said on the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from foundation.files import read_json

FILE = "provenance.json"


def started(results: Path) -> dict[str, str]:
    """Commit and machine of the workflow's last start; empty where it did not run."""
    file = results / FILE
    return read_json(file, "the provenance of a study") if file.is_file() else {}


def config_text(results: Path) -> str:
    """The config as it was read, as YAML; '' where the workflow has not written it."""
    file = results / "study.json"
    if not file.is_file():
        return ""
    config: dict[str, Any] = read_json(file, "the study")["config"]
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=110)


def jobs(results: Path) -> pd.DataFrame:
    """Every measured job: seconds on the clock, seconds of a core, and the most memory that it had, as text."""
    files = sorted((results / "benchmarks").glob("*.tsv"))
    rows = {file.stem: pd.read_csv(file, sep="\t", na_values="-").iloc[-1] for file in files}
    texts = {
        name: (f"{row['s']:.0f}", _text(row["cpu_time"]), _text(row["max_rss"] * 1.048576))
        for name, row in rows.items()
    }
    return pd.DataFrame.from_dict(texts, orient="index", columns=["s", "core-s", "memory (MB)"])


def _text(value: float) -> str:
    """A number; '' for a job that ended before it was measured."""
    return f"{value:.0f}" if pd.notna(value) else ""

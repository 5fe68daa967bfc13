"""A study from a config file, which the simulations' own program is asked about, or from the workflow's study.json."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auxvae.config.study import Study, read_study
from auxvae.config.trials import Tried
from foundation.faults import Fault, Refused, Words
from foundation.files import read_json
from foundation.yaml_file import load_yaml


def study_of(spec: Path, tried: Tried = lambda trials: []) -> Study:
    """The study of a config file, or of the workflow's study.json; all that is wrong with it is refused at once.

    tried: says what is wrong with users' priors.
    """
    if spec.suffix == ".json":
        both = _from_json(spec)
        return read_study(both["config"], both["facts"], [])
    faults: list[Fault] = []
    config = load_yaml(spec, faults)
    facts, beyond = _facts(spec)
    return read_study(config, facts, [*faults, *beyond], tried)


def config_of(spec: Path) -> dict[str, Any]:
    """The config itself, as it was written, of a config file or of the workflow's study.json."""
    return dict(_from_json(spec)["config"]) if spec.suffix == ".json" else load_yaml(spec)


def _from_json(path: Path) -> dict[str, Any]:
    """The config and the facts of its data sets, as the workflow writes them."""
    value: dict[str, Any] = read_json(path, "the study as the workflow writes it")
    for key in ("config", "facts"):
        if key not in value:
            raise Refused(Fault(f"{path}: {key}", Words("nothing"), "a study has it", "name a config file instead"))
    return value


def _facts(config: Path) -> tuple[Mapping[str, Any], list[Fault]]:
    """What the simulations know of the config's data sets, and what is wrong there."""
    answer = ask_simulations("facts", str(config))
    return answer["facts"], [Fault(**{**fault, "value": Words(fault["value"])}) for fault in answer["faults"]]


def ask_simulations(*arguments: str) -> dict[str, Any]:
    """The answer of the simulations' program, which no module here may import, as JSON."""
    command = [sys.executable, "-m", "simulations", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 2):
        raise RuntimeError(f"{' '.join(command)} failed:\n{ended.stderr}")
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer

"""A study from a config file, which the simulations' own program is asked about, or from the workflow's JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auxvae.config.analyses import Analyses, read_analyses
from auxvae.config.run import Fleet, read_run
from auxvae.config.study import Study, read_study
from foundation.faults import Fault, Refused, Words, listed
from foundation.yaml_file import load_yaml


def study_of(spec: str) -> Study:
    """The study of a config file or of the workflow's JSON; all that is wrong with it is refused at once."""
    if _is_json(spec):
        both = _from_json(spec, "config", "facts")
        return read_study(both["config"], both["facts"], [])
    config = load_yaml(Path(spec))
    facts, faults = _facts(Path(spec))
    return read_study(config, facts, faults)


def config_of(spec: str) -> dict[str, Any]:
    """The config itself, as it was written, of a config file or of the workflow's JSON."""
    return dict(_from_json(spec, "config")["config"]) if _is_json(spec) else load_yaml(Path(spec))


def _is_json(spec: str) -> bool:
    """Whether a spec is given as JSON, as the workflow does, or as the path of a config."""
    return spec.lstrip().startswith("{")


def _from_json(spec: str, *keys: str) -> dict[str, Any]:
    """The mapping that the workflow passes as JSON, with all its keys."""
    try:
        value: dict[str, Any] = json.loads(spec)
    except ValueError as error:
        raise Refused(Fault("the spec", Words(str(error)), "it must be JSON", "name a config file instead")) from None
    for key in keys:
        if key not in value:
            raise Refused(Fault(f"the spec: {key}", Words("nothing"), f"it holds {listed(keys)}", "name a config file"))
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


def fleet_of(spec: str, identity: str) -> tuple[Fleet, str]:
    """A fleet and the name of the device; the first fleet of a config file, if no identity is given."""
    if not _is_json(spec):
        study = study_of(spec)
        return study.fleet(identity), study.config.device
    value = _from_json(spec, "runs", "device")
    return Fleet(tuple(read_run(run) for run in value["runs"])), value["device"]


def candidates_of(spec: str, fleet: Fleet) -> frozenset[str]:
    """The ids of those runs of a fleet that `select` chooses among."""
    return frozenset(_from_json(spec).get("candidates", ()) if _is_json(spec) else study_of(spec).candidates(fleet))


def analyses_of(spec: str) -> Analyses:
    """The analyses that a config file or the workflow's JSON asks for."""
    return read_analyses(_from_json(spec, "analyses")["analyses"]) if _is_json(spec) else study_of(spec).config.analyses

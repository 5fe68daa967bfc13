"""The whole study, checked when the workflow is parsed: every fault at once, exit status 2, nothing written."""

import math
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))

from auxvae.config.study import read_study
from auxvae.metrics.table import measure_modules
from foundation.yaml_file import load_yaml
from foundation.faults import Refused
from foundation.files import canonical
from foundation.provenance import code_hash
from simulations.facts import read_declared


def checked(config):
    """The data sets and the study of a config; a faulty one ends Snakemake here."""
    try:
        for path in workflow.configfiles:
            load_yaml(Path(path))
        faults = []
        declared = read_declared(config, faults)
        return declared, read_study(config, declared.to_json(), faults)
    except Refused as refused:
        print(refused, file=sys.stderr)
        sys.stderr.flush()
        os._exit(2)


DECLARED, STUDY = checked(config)
RESULTS = f"results/{STUDY.config.study}"
FLEETS = {fleet.id: fleet for fleet in STUDY.fleets}
CANDIDATES = {
    fleet.id: ids for fleet in STUDY.fleets if (ids := STUDY.candidates(fleet))
}
SELECTION = [f"{RESULTS}/selection.json"] if CANDIDATES else []
DEVICE = STUDY.config.device

# The rules' `python` is that of Snakemake, or of the rule's conda environment; both find this checkout's packages.
USES_CONDA = "conda" in str(workflow.deployment_settings.deployment_method).lower()
OWN_PYTHON = (
    ""
    if USES_CONDA
    else f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
)
shell.prefix(f"{OWN_PYTHON}export PYTHONPATH={shlex.quote(str(ROOT))}; ")

if workflow.is_main_process:
    print(f"{STUDY.config.study}: {STUDY.estimate()}", file=sys.stderr)


def store_of(dataset):
    """Where a data set's store lies: one that exists already, or one that is simulated here."""
    return DECLARED.facts[dataset].store or f"{RESULTS}/data/{dataset}.zarr"


def seal_of(dataset):
    """The file that says that a store is whole."""
    return f"{store_of(dataset)}/seal.json"


def evaluation_spec(fleet):
    """A fleet with its analyses, and those of its runs that are chosen among, as the evaluation takes them."""
    chosen_among = {"candidates": CANDIDATES[fleet]} if fleet in CANDIDATES else {}
    return fleet_spec(fleet, analyses=asdict(STUDY.config.analyses), **chosen_among)


def fleet_minutes(wildcards, threads):
    """A bound for a cluster: three times the estimate on these cores, without a GPU."""
    share = len(FLEETS[wildcards.fleet].runs) / len(STUDY.runs)
    return 15 + math.ceil(3 * 60 * STUDY.core_hours() * share / threads)


def fleet_spec(fleet, **more):
    """A fleet and its device as the programs take them, with what else they need."""
    return canonical({**FLEETS[fleet].to_json(), "device": DEVICE, **more})


def training_code(fleet):
    """Hash of the code that decides the bytes of a fleet's runs: the loop, and the terms and networks that they use."""
    apart = ("auxvae.config", "foundation")
    return code_hash("auxvae.training.loop", *fleet.modules, without=apart)


# The whole study as the programs take it that need more than a fleet.
WHOLE = canonical({"config": dict(config), "facts": DECLARED.to_json()})


wildcard_constraints:
    dataset="[A-Za-z][A-Za-z0-9_]*",
    part="[0-9]+-of-[0-9]+",
    fleet="[A-Za-z0-9_-]+-[0-9a-f]{8}",

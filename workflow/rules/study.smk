"""The whole study, checked when the workflow is parsed: every fault at once, exit status 2, nothing written."""

import gc
import importlib.util
import os
import shlex
import sys
from functools import cache
from pathlib import Path

gc.freeze()  # Snakemake's modules stay: to search them again and again for garbage takes as long as our own work
ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))

from snakemake.utils import update_config

from auxvae.config import cost
from auxvae.config.study import read_study
from auxvae.config.trials import tried
from auxvae.metrics.table import measure_modules
from foundation.yaml_file import load_yaml
from foundation.faults import Fault, Refused
from foundation.files import canonical, digest_of, write_json, write_text
from foundation.provenance import code_hash, commit, machine
from simulations.facts import read_declared
from simulations.jobs import (
    cpus_for,
    megabytes_for,
    minutes_for,
    parts_of,
    sealing_minutes_for,
)
from simulations.spec import to_json


def tried_here(trials):
    """Priors that are users' programs are tried before the first job, where torch is at hand."""
    if not trials or not workflow.is_main_process:
        return []
    if importlib.util.find_spec("torch"):
        return tried(trials)
    print(
        "note: priors are tried when they are trained: no torch here", file=sys.stderr
    )
    return []


def braces_in(*folders):
    """Paths of the program that Snakemake could not write into a command."""
    text = "Snakemake takes braces in a path for names of its own"
    return [
        Fault("the folder", str(each), text, "rename it")
        for each in folders
        if {"{", "}"} & {*str(each)}
    ]


def written(faults):
    """The config as it is written. Snakemake's own reader takes 010 for 8, the last of two equal names, and aliases
    that multiply without end; where there is no file, its config is all there is."""
    if not workflow.configfiles:
        return dict(config)
    whole = {}
    for path in workflow.configfiles:
        update_config(whole, load_yaml(Path(path), faults))
    update_config(whole, workflow.config_settings.config)
    return whole


def checked():
    """The config, its data sets and its study; a faulty one ends Snakemake here."""
    try:
        faults = braces_in(ROOT, Path(sys.executable).parent)
        config = written(faults)
        declared = read_declared(config, faults)
        study = read_study(config, declared.to_json(), faults, tried_here)
        return config, declared, study
    except Refused as refused:
        print(refused, file=sys.stderr)
        sys.stderr.flush()
        os._exit(2)


CONFIG, DECLARED, STUDY = checked()
RESULTS = f"results/{STUDY.config.study}"
PARTS = {name: parts_of(dataset) for name, dataset in DECLARED.simulated.items()}
FLEETS = {fleet.id: fleet for fleet in STUDY.fleets}
CANDIDATES = {
    fleet.id: ids for fleet in STUDY.fleets if (ids := STUDY.candidates(fleet))
}
# Fleets whose runs are known once a setting is chosen: that setting again with fresh seeds.
FRESH = {fleet.id for fleet in STUDY.fleets if fleet.name}
SELECTION = [f"{RESULTS}/selection.json"] if CANDIDATES else []
DEVICE = STUDY.config.device
GPUS = 1 if DEVICE == "cuda" else 0
# The environment of the rules that need torch; for `auto` conda takes the build that is right for this machine.
TRAINING = (
    "../../envs/train" + {"auto": "", "cpu": "-cpu", "cuda": "-cuda"}[DEVICE] + ".yaml"
)

# The rules' `python` is that of Snakemake, or of the rule's conda environment; both find this checkout's packages.
USES_CONDA = "conda" in str(workflow.deployment_settings.deployment_method).lower()
OWN_PYTHON = (
    ""
    if USES_CONDA
    else f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
)
# Jobs share Snakemake's terminal, so that none of them draws a bar in it.
shell.prefix(f"{OWN_PYTHON}export PYTHONPATH={shlex.quote(str(ROOT))} AUXVAE_BARS=0; ")

SAID = "".join(
    f"{line}\n" for line in (*STUDY.notes, f"{STUDY.config.study}: {STUDY.estimate()}")
)
if workflow.is_main_process:
    print(SAID, end="", file=sys.stderr)


def store_of(dataset):
    """Where a data set's store lies: one that exists already, or one that is simulated here."""
    return DECLARED.facts[dataset].store or f"{RESULTS}/data/{dataset}.zarr"


def seal_of(dataset):
    """The file that says that a store is whole."""
    return f"{store_of(dataset)}/seal.json"


def films_of(dataset):
    """The films of a data set, where the study asks for some."""
    return f"{RESULTS}/data/{dataset}-films.npz" if STUDY.config.analyses.films else []


MEASURE = STUDY.config.analyses.measure


def measured_with_shapes():
    """Measured data sets of one band that have a shear: GalSim's HSM measures them too."""
    measured = dict.fromkeys(name for several in MEASURE.values() for name in several)
    facts = DECLARED.facts
    return [
        name
        for name in measured
        if facts[name].channels == 1 and {"g1", "g2"} & {*facts[name].factors}
    ]


def films_options():
    """What the films are of, as the program takes it."""
    wanted = STUDY.config.analyses.films
    if wanted is None:
        return ""
    paths = " ".join(f"--{path} {','.join(of)}" for path, of in wanted.paths.items())
    return f"{paths} --count {wanted.count} --frames {wanted.frames}"


def simulated_spec(wildcards):
    """A data set as the program takes it."""
    return canonical(to_json(DECLARED.simulated[wildcards.dataset]))


def simulated_megabytes(wildcards, threads, attempt):
    """More at every attempt, for a job that was killed."""
    return attempt * megabytes_for(DECLARED.simulated[wildcards.dataset], threads)


def runs_of(wildcards):
    """The runs of a job's fleet."""
    return FLEETS[wildcards.fleet].runs


def source_of(wildcards):
    """What a job's models know of their data set."""
    return runs_of(wildcards)[0].dataset


def tested(wildcards):
    """How many test images a job's runs are scored on."""
    return DECLARED.facts[source_of(wildcards).name].test


@cache
def fleet_json(fleet):
    """A fleet as plain JSON, made once for all its jobs."""
    return FLEETS[fleet].to_json()


def fleet_digest(fleet, **more):
    """What the bytes of a fleet's results depend on besides code: a job is due again when it changes."""
    return digest_of({**fleet_json(fleet), "device": DEVICE, **more})


def evaluation_digest(fleet):
    """The same for scores, which depend on the analyses, and on which runs are chosen among or trained again."""
    candidates = CANDIDATES.get(fleet, [])
    retrained = [run for run in candidates if run in STUDY.retrained]
    return fleet_digest(
        fleet,
        analyses=STUDY.config.analyses.of_a_run,
        candidates=candidates,
        **({"retrained": retrained} if retrained else {}),
    )


def training_code(fleet):
    """Hash of the code that decides the bytes of a fleet's runs: the loop, and the terms and networks that they use."""
    apart = ("auxvae.config", "foundation")
    return code_hash("auxvae.training.loop", *fleet.modules, without=apart)


# The whole study as every program takes it; a job names its fleet. Written before the first job, not in a dry run.
WHOLE = {"config": CONFIG, "facts": DECLARED.to_json()}
STUDY_FILE = f"{RESULTS}/study.json"


onstart:
    write_json(Path(STUDY_FILE), WHOLE)
    write_text(Path(f"{RESULTS}/logs/study.log"), SAID)
    write_json(
        Path(f"{RESULTS}/provenance.json"),
        {"commit": commit(), "machine": machine()},
    )


wildcard_constraints:
    dataset="[A-Za-z][A-Za-z0-9_]*",
    part="[0-9]+-of-[0-9]+",
    fleet="[A-Za-z0-9_-]+-[0-9a-f]{8}",

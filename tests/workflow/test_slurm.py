"""The study on a real Slurm of one node: whatever the cluster does to a job, the bytes are those of a run at home."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.cluster import Cluster, jobs, missing, said, wait_for

PROFILE = ROOT / "workflow" / "profiles" / "slurm"
# The test cluster has few CPUs, keeps no accounts, and answers at once.
QUICK = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "5",
         "--slurm-no-account", "--max-threads", str(os.cpu_count())]  # fmt: skip
EPOCHS = 40  # seconds of training, with checkpoints all the while
SMALL = {
    "study": "small",
    "datasets": {"galaxies": {"preset": "paper", "galaxies": 320, "image_true": True}},
    "coverages": {"full": ["radius", "g1", "g2", "flux", "psf_fwhm"]},
    "network": {"name": "components", "latents": 8},
    "runs": [{"method": "beta_vae"}, {"method": "aux_vae", "coverages": "full"}],
    "analyses": {"sensitivity": {"images": 16}, "traversal": {"steps": 2}, "bootstrap": 20},
}


def why_not():
    """Why these tests cannot run here; empty if they can."""
    try:
        import snakemake_executor_plugin_slurm  # noqa: F401  (asked by its presence alone)
    except ModuleNotFoundError:
        return "no snakemake-executor-plugin-slurm here (pip install -e '.[slurm]' -c constraints.txt)"
    return missing()


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def cluster():
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder:
        started = Cluster(folder)
        try:
            started.start()
            yield started
        finally:
            started.stop()


def study(folder, name, epochs):
    """The config of a small study, written into a folder, with so many epochs."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**SMALL, "study": name, "training": {"epochs": epochs, "batch": 32}}))
    return path


def start(config, *options, executor=("--workflow-profile", str(PROFILE), *QUICK)):
    """Snakemake on a config, in its folder, its output in a file beside it."""
    command = [str(Path(sys.executable).parent / "snakemake"), "--snakefile", str(ROOT / "workflow" / "Snakefile")]
    arguments, often = [*command, *executor, "--configfile", config.name, *options], {"AUXVAE_CHECKPOINT_SECONDS": "0"}
    with open(config.with_suffix(".log"), "w") as log:
        streams = {"stdout": log, "stderr": subprocess.STDOUT}
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background, and so by what is started
        return subprocess.Popen(arguments, cwd=config.parent, env={**os.environ, **often}, **streams)


def ends_well(started, config, seconds):
    """Wait for Snakemake; its output where it fails."""
    code = started.wait(timeout=seconds)
    assert code == 0, config.with_suffix(".log").read_text()[-4000:]


def of_rule(rule):
    """The cluster's jobs of a rule in the order of their numbers: (id, state, CPUs, memory, GPUs)."""
    every = ((number, state, int(cpus), *more) for number, state, comment, cpus, *more in jobs() if rule in comment)
    return sorted(every, key=lambda job: int(job[0]))


def megabytes(memory):
    """Memory as squeue prints it: 3500M, 2G."""
    number, unit = re.fullmatch(r"([\d.]+)([MG])", memory).groups()
    return float(number) * (1024 if unit == "G" else 1)


def results(config):
    """SHA-256 of the weights, histories and scores of every run, and of the tables."""
    folder = config.parent / "results" / config.stem
    files = [*folder.glob("runs/*/model.safetensors"), *folder.glob("runs/*/scores.json"), *folder.glob("tables/*.csv")]
    assert len(files) > 10
    return {str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def has_begun(config):
    """Whether a run has a checkpoint, within its training."""
    return any((config.parent / "results" / config.stem / "work").glob("*/checkpoint.safetensors"))


@pytest.fixture(scope="module")
def disturbed(cluster, tmp_path_factory):
    """A study whose training is cancelled in the middle, and whose gathering gets too little memory at first."""
    config = study(tmp_path_factory.mktemp("disturbed"), "small", EPOCHS)
    little = "collect:mem_mb=60 + 1500 * (attempt - 1)"
    started = start(config, "--set-resources", "train:gpu=1", little, "--set-threads", "train=1")
    wait_for(lambda: has_begun(config) or started.poll() is not None, 120, cluster.logs)
    [(number, *_)] = of_rule("rule_train")
    said("scancel", number)
    ends_well(started, config, 300)
    return config


def test_a_disturbed_study_ends_in_the_bytes_of_one_at_home(disturbed, tmp_path):
    home = study(tmp_path, "small", EPOCHS)
    profile = ("--workflow-profile", str(ROOT / "workflow" / "profiles" / "default"), "--cores", str(os.cpu_count()))
    ends_well(start(home, executor=profile), home, 300)
    assert results(disturbed) == results(home)
    assert (disturbed.parent / "results" / "small" / "report.html").is_file()


def test_a_cancelled_training_goes_on_in_a_larger_job(disturbed):
    first, second = of_rule("rule_train")
    assert first[1] == "CANCELLED" and second[1] == "COMPLETED"
    assert megabytes(second[3]) == pytest.approx(2 * megabytes(first[3]), abs=2)
    log = (disturbed.parent / "results" / "small" / "logs").glob("train-*.log")
    assert "resumes at step" in "".join(each.read_text() for each in log)


def test_a_gpu_is_asked_for_with_few_cpus(disturbed):
    assert {(cpus, gpus) for _, _, cpus, _, gpus in of_rule("rule_train")} == {(1, "gres:gpu:1")}


def test_a_job_that_was_killed_for_memory_comes_back_with_more(disturbed):
    first, *_, last = of_rule("rule_collect")
    assert first[1] in ("OUT_OF_MEMORY", "FAILED", "CANCELLED") and last[1] == "COMPLETED"
    assert megabytes(last[3]) > 10 * megabytes(first[3])


def test_a_training_that_ran_out_of_time_goes_on(cluster, tmp_path):
    config = study(tmp_path, "long", 1_000_000)
    started, before = start(config, "--set-resources", "train:runtime=1"), len(of_rule("rule_train"))
    try:
        wait_for(lambda: "TIMEOUT" in [job[1] for job in of_rule("rule_train")[before:]], 240, cluster.logs)
        logs = config.parent / "results" / "long" / "logs"
        wait_for(lambda: "resumes at step" in "".join(log.read_text() for log in logs.glob("train-*.log")), 90)
    finally:
        started.send_signal(signal.SIGINT)
        try:
            started.wait(timeout=60)
        finally:
            started.kill()
    wait_for(lambda: of_rule("rule_train")[-1][1] == "CANCELLED", 30, cluster.logs)
    assert not (config.parent / "results" / "long" / "runs").exists()

"""`snakemake --use-conda` end to end: a rule sees the packages of its environment alone, and the study is finished.

The solver is a true one (py-rattler); the channel is a stand-in, made of what is installed here. Whether the true
channel has these versions is not tested.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.test_environments import generate

pytest.importorskip("rattler", reason="no py-rattler here (pip install -e '.[dev]' -c constraints.txt)")

HERE = Path(__file__).resolve().parent / "conda"
STUDY = {
    "study": "small",
    "datasets": {"galaxies": {"preset": "paper", "galaxies": 320, "image_true": True}},
    "coverages": {"two": ["g1", "g2"]},
    "network": {"name": "components", "latents": 4},
    "training": {"epochs": 1, "batch": 32},
    "runs": [{"method": "aux_vae", "coverages": "two"}, {"method": "beta_vae"}],
    "analyses": {"sensitivity": {"images": 16}, "traversal": {"steps": 2}, "bootstrap": 20},
    "device": "cpu",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Where conda is the stand-in, and its channel is made."""
    from tests.workflow.conda.channel import write_channel

    channel = tmp_path_factory.mktemp("conda") / "channel"
    write_channel(channel)
    path = f"{HERE / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "AUXVAE_CHANNEL": str(channel)}


def test_a_study_is_finished_in_the_environments_of_its_rules(environment, tmp_path):
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(STUDY))
    command = ["snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile"), "--cores", "2", "--use-conda"]
    profile = ["--workflow-profile", str(ROOT / "workflow" / "profiles" / "default")]
    ended = subprocess.run(
        [*command, *profile, "--configfile", "small.yaml"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = (tmp_path / "results" / "small" / "report.html").read_text()
    assert "galsim 2." in report and "torch 2." in report
    made = (tmp_path / ".snakemake" / "conda").glob("*/share/distributions")
    held = {frozenset(each.name for each in path.iterdir()) for path in made}
    assert len(held) == 3
    assert sorted("torch" in each for each in held) == [False, False, True]
    assert sorted("galsim" in each for each in held) == [False, False, True]


@pytest.mark.parametrize("name", generate.ENVIRONMENTS)
def test_an_environment_can_be_solved(name, environment, tmp_path):
    command = ["conda", "env", "create", "--file", str(ROOT / "envs" / f"{name}.yaml"), "--prefix", str(tmp_path / "e")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_a_rule_sees_nothing_that_its_environment_lacks(environment, tmp_path):
    """The stand-in proves something: in the report's environment neither torch nor its version can be found."""
    prefix = str(tmp_path / "e")
    command = ["conda", "env", "create", "--file", str(ROOT / "envs" / "report.yaml"), "--prefix", prefix]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    within = {**environment, "CONDA_PREFIX": prefix, "PYTHONPATH": str(ROOT)}
    for program in ("import torch", "import importlib.metadata as m; m.version('galsim')"):
        ended = subprocess.run([f"{prefix}/bin/python", "-c", program], env=within, capture_output=True, text=True)
        assert ended.returncode == 1 and "NotFoundError" in ended.stderr
    subprocess.run([f"{prefix}/bin/python", "-c", "import matplotlib"], env=within, check=True)

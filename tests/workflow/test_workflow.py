"""The workflow end to end: the smoke study whole, nothing to do the second time, a bad config before any job."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT

SNAKEMAKE = [str(Path(sys.executable).parent / "snakemake"), "--snakefile", str(ROOT / "workflow" / "Snakefile")]
PROFILE = ["--workflow-profile", str(ROOT / "workflow" / "profiles" / "default")]


def snakemake(folder, *arguments):
    command = [*SNAKEMAKE, *PROFILE, "--directory", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """A folder in which the smoke study has run."""
    folder = tmp_path_factory.mktemp("smoke")
    ended = snakemake(folder, "--cores", "all", "--configfile", str(ROOT / "config" / "smoke.yaml"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


LEFT = (
    "scores.parquet",
    "analysis.nc",
    "report.html",
    "data/galaxies.zarr/seal.json",
    "figures/correlations.pdf",
    "figures/sensitivity_ssim.png",
    "tables/alignment.csv",
    "tables/images.tex",
    "tables/sensitivity.csv",
)


def test_the_smoke_study_leaves_what_it_promises(smoke):
    results = smoke / "results" / "smoke"
    for name in LEFT:
        assert (results / name).stat().st_size > 0, name
    assert len(list((results / "runs").iterdir())) == 4
    assert not list((results / "work").iterdir())
    assert set(pd.read_parquet(results / "scores.parquet")["method"]) == {"beta_vae", "aux_vae", "control"}


def test_a_second_call_has_nothing_to_do(smoke):
    ended = snakemake(smoke, "-n", "--cores", "all", "--configfile", str(ROOT / "config" / "smoke.yaml"))
    assert ended.returncode == 0
    assert "Nothing to be done" in ended.stdout + ended.stderr


def test_a_dry_run_says_what_the_study_costs(smoke):
    ended = snakemake(smoke, "-n", "--configfile", str(ROOT / "config" / "config.yaml"))
    assert "20 runs in 1 fleet," in ended.stderr and "core hours" in ended.stderr


@pytest.mark.parametrize("changed", ["analyses", "training"])
def test_a_changed_setting_reruns_what_reads_it_and_no_more(smoke, tmp_path, changed):
    config = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text())
    config["training" if changed == "training" else "analyses"]["epochs" if changed == "training" else "bootstrap"] = 25
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(config))
    ended = snakemake(smoke, "-n", "--cores", "2", "--quiet", "rules", "--configfile", str(path))
    assert ended.returncode == 0, ended.stderr
    assert {"evaluate", "report"} <= jobs(ended)
    assert ("train" in jobs(ended)) == (changed == "training")
    assert "simulate" not in jobs(ended)


@pytest.mark.parametrize(
    ("edited", "rerun"),
    [
        ("auxvae/report/figures.py", {"report"}),
        ("auxvae/metrics/score.py", {"evaluate", "collect", "report"}),
        ("auxvae/metrics/readout.py", {"evaluate", "collect", "report"}),  # named in the table of metrics alone
        ("auxvae/losses/matching.py", set()),  # no method of this study has an MMD
        ("auxvae/losses/alignment.py", {"train", "evaluate", "collect", "report"}),
    ],
)
def test_edited_code_reruns_what_uses_it_and_no_more(smoke, tmp_path, edited, rerun):
    for room in ("foundation", "simulations", "auxvae", "workflow"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    with open(tmp_path / edited, "a", encoding="utf-8") as module:
        module.write("# another comment\n")
    config = str(ROOT / "config" / "smoke.yaml")
    workflow = [
        "--snakefile",
        str(tmp_path / "workflow" / "Snakefile"),
        "--directory",
        str(smoke),
        "--configfile",
        config,
    ]
    ended = subprocess.run([SNAKEMAKE[0], *workflow, "-n", "--quiet", "rules"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert jobs(ended) - {"all"} == rerun


def jobs(ended):
    """Names of the rules that a dry run would run."""
    lines = (line.split() for line in (ended.stdout + ended.stderr).splitlines())
    return {words[0] for words in lines if len(words) == 2 and words[1].isdigit()} - {"total"}


def test_a_bad_config_ends_before_the_first_job_with_status_2(tmp_path):
    config = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text())
    config["coverages"]["two"] = ["sheer1", "g2"]
    config["training"]["epochs"] = "two"
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(config))
    for command in (
        [*SNAKEMAKE, "--directory", str(tmp_path), "--cores", "1", "--configfile", str(path)],
        [sys.executable, "-m", "auxvae", "check", str(path)],
    ):
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert ended.returncode == 2
        assert "did you mean 'g1'?" in ended.stderr and "training.epochs: found 'two'" in ended.stderr
        assert "Traceback" not in ended.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a: [1", "the file must be YAML"), ("study: a\nstudy: b\n", "each name stands once"), (None, "no file")],
)
@pytest.mark.parametrize("room", ["auxvae", "simulations"])
def test_a_config_that_cannot_be_read_is_refused_by_both_programs(tmp_path, text, expected, room):
    path = tmp_path / "c.yaml"
    if text is not None:
        path.write_text(text)
    ended = subprocess.run([sys.executable, "-m", room, "check", str(path)], capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 2
    assert expected in ended.stderr and "Traceback" not in ended.stderr


def test_a_sound_config_is_told_its_cost(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "auxvae", "check", "config/config.yaml"], capture_output=True, text=True, cwd=ROOT
    )
    assert ended.returncode == 0 and "20 runs in 1 fleet," in ended.stderr


def test_a_store_proves_itself_from_the_command_line(smoke, tmp_path):
    store = smoke / "results" / "smoke" / "data" / "galaxies.zarr"
    command = [sys.executable, "-m", "simulations", "check"]
    assert subprocess.run([*command, str(store)], cwd=ROOT).returncode == 0
    broken = Path(shutil.copytree(store, tmp_path / "broken.zarr"))
    (broken / "seal.json").unlink()
    ended = subprocess.run([*command, str(broken)], capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 2 and "a finished store has its seal" in ended.stderr


def test_the_workflow_is_formatted_and_linted():
    ended = subprocess.run(
        [*SNAKEMAKE, "--lint", "--configfile", "config/smoke.yaml"], capture_output=True, text=True, cwd=ROOT
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr

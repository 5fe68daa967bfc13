"""The workflow end to end: the smoke study whole, nothing to do the second time, a bad config before any job."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT

SNAKEMAKE = [str(Path(sys.executable).parent / "snakemake"), "--snakefile", str(ROOT / "workflow" / "Snakefile")]
SMOKE = ROOT / "config" / "smoke.yaml"
PROFILE = ["--workflow-profile", str(ROOT / "workflow" / "profiles" / "default")]


def snakemake(folder, *arguments, cwd=None):
    command = [*SNAKEMAKE, *PROFILE, "--directory", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """A folder in which the smoke study has run."""
    folder = tmp_path_factory.mktemp("smoke")
    ended = snakemake(folder, "--cores", "all", "--configfile", str(SMOKE))
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
    "logs/study.log",
)


def test_the_smoke_study_leaves_what_it_promises(smoke):
    results = smoke / "results" / "smoke"
    for name in LEFT:
        assert (results / name).stat().st_size > 0, name
    assert len(list((results / "runs").iterdir())) == 4
    assert not list((results / "work").iterdir())
    assert set(pd.read_parquet(results / "scores.parquet")["method"]) == {"beta_vae", "aux_vae", "control"}


def test_a_second_call_has_nothing_to_do(smoke):
    ended = snakemake(smoke, "-n", "--cores", "all", "--configfile", str(SMOKE))
    assert ended.returncode == 0
    assert "Nothing to be done" in ended.stdout + ended.stderr


def test_a_dry_run_says_what_the_study_costs(smoke):
    ended = snakemake(smoke, "-n", "--configfile", str(ROOT / "config" / "config.yaml"))
    assert "34 runs in 2 fleets," in ended.stderr and "core hours" in ended.stderr


@pytest.mark.parametrize("changed", ["analyses", "training"])
def test_a_changed_setting_reruns_what_reads_it_and_no_more(smoke, tmp_path, changed):
    config = yaml.safe_load((SMOKE).read_text())
    config["training" if changed == "training" else "analyses"]["epochs" if changed == "training" else "bootstrap"] = 25
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(config))
    ended = snakemake(smoke, "-n", "--cores", "2", "--quiet", "rules", "--configfile", str(path))
    assert ended.returncode == 0, ended.stderr
    assert {"evaluate", "report"} <= jobs(ended).keys()
    assert ("train" in jobs(ended)) == (changed == "training")
    assert "simulate" not in jobs(ended)


def test_films_are_drawn_and_scored_without_another_training(smoke, tmp_path):
    config = yaml.safe_load(SMOKE.read_text())
    config["analyses"]["films"] = {"line": ["g1", "radius"], "arc": ["g1", "g2"], "count": 3, "frames": 5}
    (tmp_path / "films.yaml").write_text(yaml.safe_dump(config))
    assert dry_run(smoke, tmp_path / "films.yaml") == {"films": 1, "evaluate": 1, "collect": 1, "report": 1}


@pytest.mark.parametrize(
    ("edited", "rerun"),
    [
        ("auxvae/report/figures.py", {"report"}),
        ("auxvae/metrics/score.py", {"evaluate", "collect", "report"}),
        ("auxvae/metrics/readout.py", {"evaluate", "collect", "report"}),  # named in the table of metrics alone
        ("auxvae/analysis/selection.py", {"collect", "report"}),  # nothing is chosen in this study
        ("auxvae/losses/matching.py", set()),  # no method of this study has an MMD
        ("auxvae/losses/alignment.py", {"train", "evaluate", "collect", "report"}),
    ],
)
def test_edited_code_reruns_what_uses_it_and_no_more(smoke, tmp_path, edited, rerun):
    assert dry_run(smoke, SMOKE, snakefile=edited_copy(tmp_path, edited)).keys() == rerun


def edited_copy(folder, edited, lines="# another comment\n"):
    """The Snakefile of a copy of this checkout in which one module has further lines."""
    for room in ("foundation", "simulations", "auxvae", "workflow", "envs"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    with open(folder / edited, "a", encoding="utf-8") as module:
        module.write(lines)
    return folder / "workflow" / "Snakefile"


def test_a_store_drawn_by_several_jobs_is_that_of_one(smoke, tmp_path):
    snakefile = edited_copy(tmp_path, "simulations/jobs.py", "PART_SECONDS = 1\n")
    target = "results/smoke/data/galaxies.zarr/seal.json"
    command = [SNAKEMAKE[0], "--snakefile", str(snakefile), target, "--cores", "2", "--configfile", str(SMOKE)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 0 and "draw part 3-of-3 of galaxies" in ended.stdout + ended.stderr, ended.stderr
    one, several = (folder / "results" / "smoke" / "data" / "galaxies.zarr" for folder in (smoke, tmp_path))
    assert files_of(several) == files_of(one) and len(files_of(one)) > 10
    assert not list(several.parent.glob("*.parts/*"))


def files_of(folder):
    """The bytes of every file below a folder, by its path."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def jobs(ended):
    """How many jobs of each rule a dry run would run."""
    lines = (line.split() for line in (ended.stdout + ended.stderr).splitlines())
    counts = {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}
    return {rule: count for rule, count in counts.items() if rule not in ("total", "all")}


@pytest.fixture(scope="module")
def choosing(smoke):
    """The config of a study of small runs beside the smoke study, stopped after its choices and restarted.

    One choice is shown as it is, the others are trained again with fresh seeds.
    """
    config = yaml.safe_load((SMOKE).read_text())
    config |= {"study": "choosing", "datasets": {"galaxies": {"store": "results/smoke/data/galaxies.zarr"}}}
    config |= {"network": {"name": "mlp", "width": 4}, "training": {"epochs": 1, "batch": 64}}
    config |= {"analyses": {"sensitivity": {"images": 8}, "traversal": {"steps": 2}, "bootstrap": 20}}
    weights, select = {"kl": [1, 4], "explicitness": [10, 20]}, {"rule": "mse_lds", "fresh_seeds": [10, 11]}
    config["runs"] = [
        {"method": "beta_vae", "weights": {"kl": [1, 4]}, "select": "bound"},
        {"method": "aux_vae", "coverages": ["two", "three"], "weights": weights, "select": select},
    ]
    path = smoke / "choosing.yaml"
    path.write_text(yaml.safe_dump(config))
    for target in (["results/choosing/selection.json"], []):
        arguments = ("--cores", "all", "--configfile", "choosing.yaml", "--quiet", "rules")
        ended = snakemake(smoke, *target, *arguments, cwd=smoke)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert (smoke / "results" / "choosing" / "report.html").exists() is not target
    return path


def choices_of(results):
    """The choice of the group that is shown as it is, and those of the group that is trained again."""
    shown, *again = json.loads((results / "selection.json").read_text())["choices"]
    return shown, again


def test_a_study_that_chooses_scores_the_chosen_setting_alone_on_test_rows(smoke, choosing):
    results = smoke / "results" / "choosing"
    choice, _ = choices_of(results)
    [chosen] = [each["runs"][0] for each in choice["candidates"] if each["chosen"]]
    [other] = [each["runs"][0] for each in choice["candidates"] if not each["chosen"]]
    assert (results / "runs" / other / "validation.json").is_file()
    assert not (results / "runs" / other / "scores.json").exists()
    scores = pd.read_parquet(results / "scores.parquet")
    assert chosen in set(scores["run"]) and other not in set(scores["run"])
    assert len(pd.read_csv(results / "tables" / "selection.csv")) == 2 + 2 * 4
    assert "Which settings were chosen" in (results / "report.html").read_text()


def test_the_chosen_setting_is_trained_again_after_the_choice_and_shown_alone(smoke, choosing):
    results = smoke / "results" / "choosing"
    shown, choices = choices_of(results)
    chosen = [each["runs"][0] for choice in choices for each in choice["candidates"] if each["chosen"]]
    scores = pd.read_parquet(results / "scores.parquet").query("method == 'aux_vae'")
    assert len(chosen) == 2 and set(scores["seed"]) == {10, 11} and scores["run"].nunique() == 4
    fresh = {path.name for path in (results / "runs").iterdir()} - {
        run for choice in (shown, *choices) for each in choice["candidates"] for run in each["runs"]
    }
    assert set(scores["run"]) == fresh
    weights = {run: json.loads((results / "runs" / run / "spec.json").read_text())["run"]["weights"] for run in fresh}
    for choice in choices:
        [least] = [each["weights"] for each in choice["candidates"] if each["chosen"]]
        assert [weights[run] for run in fresh if f"-{choice['coverage']}-" in run] == [least] * 2
    earlier = (results / "selection.json").stat().st_mtime
    trained = {run: (results / "runs" / run / "spec.json").stat().st_mtime for run in {*chosen, *fresh}}
    assert all((when > earlier) is (run in fresh) for run, when in trained.items())
    assert (results / "figures" / "selection.png").stat().st_size > 0
    assert pd.read_csv(results / "tables" / "selection.csv")["with fresh seeds"].notna().sum() == 2


def test_a_study_that_has_chosen_has_nothing_to_do(smoke, choosing):
    assert dry_run(smoke, choosing) == {}


AFTER_A_CHOICE = {"select": 1, "train": 1, "evaluate": 2, "collect": 1, "report": 1}


@pytest.mark.parametrize(
    ("edited", "rerun"),
    [
        ("auxvae/report/selection_maps.py", {"report": 1}),
        ("auxvae/analysis/selection.py", AFTER_A_CHOICE),
        ("auxvae/analysis/validation.py", {"validate": 1, **AFTER_A_CHOICE}),
        ("auxvae/analysis/sensitivity.py", {"evaluate": 2, "collect": 1, "report": 1}),
    ],
)
def test_an_edited_choice_makes_the_fresh_runs_due_again_and_no_others(smoke, choosing, tmp_path, edited, rerun):
    """The one training is that of fresh seeds: no setting that was chosen among is trained again."""
    assert dry_run(smoke, choosing, snakefile=edited_copy(tmp_path, edited)) == rerun


def test_fresh_seeds_ask_for_no_more_than_their_own_jobs(smoke, choosing):
    """The settings' fleet is trained, scored on validation rows and, as far as chosen, on test rows; then the fresh."""
    every = {"train": 2, "validate": 1, "select": 1, "evaluate": 2, "collect": 1, "report": 1}
    assert dry_run(smoke, choosing, "--forceall") == every


def test_a_study_without_a_choice_has_no_further_job(smoke):
    config = SMOKE
    assert dry_run(smoke, config, "--forceall").keys() == {"simulate", "train", "evaluate", "collect", "report"}


def dry_run(folder, config, *arguments, snakefile=ROOT / "workflow" / "Snakefile"):
    """How many jobs of each rule a study would run, by this checkout or an edited copy of it."""
    command = [SNAKEMAKE[0], "--snakefile", str(snakefile), "-n", "--quiet", "rules", "--configfile", str(config)]
    ended = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return jobs(ended)


def test_a_bad_config_ends_before_the_first_job_with_status_2(tmp_path):
    config = yaml.safe_load((SMOKE).read_text())
    config["coverages"]["two"] = ["sheer1", "g2"]
    config["training"]["epochs"] = "two"
    config["runs"][0]["select"] = "bond"
    config["runs"][1] |= {"weights": {"inter": 0}, "select": "bound"}
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(config))
    for command in (
        [*SNAKEMAKE, "--directory", str(tmp_path), "--cores", "1", "--configfile", str(path)],
        [sys.executable, "-m", "auxvae", "check", str(path)],
    ):
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert ended.returncode == 2
        assert "did you mean 'g1'?" in ended.stderr and "training.epochs: found 'two'" in ended.stderr
        assert "did you mean 'bound'?" in ended.stderr and "the group has one setting" in ended.stderr
        assert "Traceback" not in ended.stderr
    assert not (tmp_path / "results").exists()


def test_snakemake_takes_a_config_as_it_is_written(tmp_path):
    """Its own parser takes 010 for 8, and aliases that multiply without end."""
    path = tmp_path / "odd.yaml"
    laughs = "".join(
        f", &{after} [{', '.join([f'*{name}'] * 9)}]" for name, after in zip("abcdefg", "bcdefgh", strict=True)
    )
    text = (ROOT / "config" / "smoke.yaml").read_text()
    path.write_text(text.replace("epochs: 2, batch: 64", f"epochs: 010, batch: [&a [1, 1, 1]{laughs}]"))
    command = [*SNAKEMAKE, "--directory", str(tmp_path), "--cores", "1", "--configfile", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ended.returncode == 2
    assert "training.epochs: found '010'" in ended.stderr and "training.batch: found [[1" in ended.stderr


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
    assert ended.returncode == 0 and "34 runs in 2 fleets," in ended.stderr


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

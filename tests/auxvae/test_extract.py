"""The command `extract`: encoders from a denoiser that was trained before, scored and reported by one command."""

import json
import subprocess
import sys

from safetensors.torch import load_file

from auxvae.analysis.extract import Wanted, write_extraction
from auxvae.config.reading import study_of as study_from
from auxvae.training import fleet
from foundation.files import read_json
from tests.auxvae.models import CPU
from tests.auxvae.test_loaded_denoiser import folder_of
from tests.auxvae.test_score_runs import config_of, group
from tests.conftest import ROOT, study_of

FEW = ["--latents", "4", "--width", "8", "--epochs", "1", "--seeds", "1"]


def extract(*arguments):
    """The command as a user gives it."""
    command = [sys.executable, "-m", "auxvae", "extract", *map(str, arguments), *FEW]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_an_encoder_is_extracted_from_a_run_by_one_command(tiny_store, tmp_path):
    study = study_of(config_of(group("sami")))[1]
    fleet.train(study.fleets[0], tiny_store, tmp_path, CPU, workers=1)
    ended = extract(tmp_path / "runs" / study.runs[0].id, tiny_store, tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "out" / "report.html").is_file() and (tmp_path / "out" / "scores.parquet").is_file()
    runs = [*(tmp_path / "out" / "runs").iterdir()]
    assert len(runs) == 1 and "gain_own" in read_json(runs[0] / "scores.json", "")
    average = load_file(tmp_path / "runs" / study.runs[0].id / "model.safetensors")
    kept = load_file(runs[0] / "model.safetensors")
    for name in (name for name in average if name.startswith("average.")):
        assert average[name].equal(kept[name.replace("average.", "denoiser.network.")])


def test_the_study_of_a_folder_is_like_any_other(tiny_store, tmp_path):
    wanted = Wanted(latents=4, width=8, epochs=2, weight=0.3, seeds=2, versions=2, likelihood="poisson", sigma=None)
    spec = write_extraction(folder_of(tmp_path / "denoiser"), tiny_store, tmp_path / "out", wanted)
    study = study_from(spec)
    assert [run.seed for run in study.runs] == [0, 1] and {run.settings.likelihood for run in study.runs} == {"poisson"}
    assert all(run.weights["kl_floored"] == 0.3 and run.settings.diffusion.sha256 for run in study.runs)


def test_what_is_no_denoiser_is_refused_in_a_sentence(tiny_store, tmp_path):
    study = study_of({**config_of(), "network": {"name": "mlp", "latents": 5, "width": 8}, "runs": [{"method": "vae"}]})
    fleet.train(study[1].fleets[0], tiny_store, tmp_path, CPU, workers=1)
    for folder, expected in (
        (tmp_path / "nowhere", "no denoiser.json"),
        (tmp_path / "runs" / study[1].runs[0].id, "only a run that trained a denoiser has one"),
    ):
        ended = extract(folder, tiny_store, tmp_path / "out")
        assert ended.returncode == 2 and expected in ended.stderr and "Traceback" not in ended.stderr
    wrong = folder_of(tmp_path / "wrong")
    facts = read_json(wrong / "denoiser.json", "")
    (wrong / "denoiser.json").write_text(json.dumps(facts | {"stamp": 32}))
    ended = extract(wrong, tiny_store, tmp_path / "out")
    assert ended.returncode == 2 and "found stamp 32" in ended.stderr

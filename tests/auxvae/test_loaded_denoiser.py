"""Denoisers that were trained elsewhere: read from a folder, never changed, refused where they do not fit."""

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save

from auxvae.analysis.model import TrainedModel
from auxvae.config.denoisers import DenoiserFacts, facts_of
from auxvae.config.run import Fleet
from auxvae.data.store import Store
from auxvae.models.denoiser import Denoiser
from auxvae.models.loaded_denoiser import LoadedDenoiser, read_denoiser, write_denoiser
from auxvae.models.schedules import alpha, sigma
from auxvae.training import fleet
from foundation.faults import Refused
from foundation.files import read_json, write_json
from tests.auxvae.models import CPU, model_of, seeded
from tests.auxvae.test_score_runs import config_of, group, run_of
from tests.conftest import refusal


def folder_of(path, facts=None, network=None):
    """A denoiser in a folder, as someone else may have trained it."""
    usual = DenoiserFacts(channels=1, stamp=33, mean=20.0, std=12.0, low=-9.0, high=2.5, width=8)
    write_denoiser(path, network or seeded(Denoiser(1, 8), 3), facts or usual)
    return path


def test_a_denoiser_that_was_trained_before_stays_what_it_is(tiny_store, tmp_path):
    folder = folder_of(tmp_path / "denoiser")
    run = run_of(diffusion={"denoiser": str(folder)})
    fleet.train(Fleet((run,)), tiny_store, tmp_path, CPU, workers=1)
    opened = Store(tiny_store, run.dataset)
    model = TrainedModel(tmp_path / "runs" / run.id, run, opened, opened.read("test"), CPU)
    kept, before = model.model.network.denoiser.network.state_dict(), load_file(folder / "denoiser.safetensors")
    assert not any(not torch.equal(kept[name], before[name]) for name in before)
    history = pd.read_parquet(tmp_path / "runs" / run.id / "history.parquet")
    assert history["train_kl_floored"].iloc[-1] > 0 and model.model.network.mean == 20.0
    assert model.decode(model.encode()[0][:2]).isfinite().all()


def test_another_denoiser_is_another_run_and_changed_files_are_refused(tiny_store, tmp_path):
    folder = folder_of(tmp_path / "denoiser")
    run = run_of(diffusion={"denoiser": str(folder)})
    write_denoiser(folder, seeded(Denoiser(1, 8), 4), facts_of(str(folder)))
    assert run_of(diffusion={"denoiser": str(folder)}).id != run.id
    with pytest.raises(Refused, match="declared with another denoiser"):
        model_of(run)


@pytest.mark.parametrize("predicts", ["noise", "velocity", "image"])
def test_what_a_network_predicts_is_turned_into_noise(predicts):
    level = torch.tensor([-4.0, 0.0, 2.0])
    a, s = alpha(level)[:, None, None, None], sigma(level)[:, None, None, None]
    g = torch.Generator().manual_seed(0)
    x, eps = (torch.randn(3, 1, 8, 8, generator=g) for _ in range(2))
    wanted = {"noise": eps, "velocity": a * eps - s * x, "image": x}[predicts]
    perfect = LoadedDenoiser(torch.nn.Module(), predicts)
    perfect.network.forward = lambda noisy, level: wanted
    torch.testing.assert_close(perfect(a * x + s * eps, level), eps, rtol=1e-4, atol=1e-4)


OWN = """
import torch


class Zero(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, noisy, level):
        return self.scale * noisy{}
"""


def own_network(path, returns=""):
    """A folder whose network is a class of its own."""
    path.mkdir(exist_ok=True)
    (path / "mine.py").write_text(OWN.format(returns))
    (path / "denoiser.safetensors").write_bytes(save({"scale": torch.ones(1)}))
    facts = {"channels": 1, "stamp": 33, "mean": 20.0, "std": 12.0, "low": -9.0, "high": 2.5}
    write_json(path / "denoiser.json", {**facts, "file": "mine.py", "name": "Zero"})
    return path


def test_a_network_of_ones_own_is_taken_and_one_that_fails_is_refused(tmp_path):
    loaded, _ = read_denoiser(str(own_network(tmp_path / "mine")))
    images = torch.ones(2, 1, 33, 33)
    torch.testing.assert_close(loaded(images, torch.zeros(2)), images)
    for returns in ("[:, :, 1:]", " / 0", "["):
        with pytest.raises(Refused, match="a network that fails"):
            read_denoiser(str(own_network(tmp_path / "broken", returns)))


@pytest.mark.parametrize(
    ("changed", "written", "expected"),
    [
        ({"stamp": 32}, {}, "found stamp 32, but galaxies has 33"),
        ({"channels": 3}, {}, "found channels 3, but galaxies has 1"),
        ({"low": -6.0}, {}, "trained at levels from -6; write -6 or more"),
        ({"high": 1.0}, {}, "trained at levels up to 1; write 1 or less"),
        ({}, {"learning": "joint"}, "a denoiser that was trained before learns nothing here"),
        ({"predicts": "score"}, {}, "predicts"),
        ({"file": "../mine.py", "name": "Mine"}, {}, "a Python file in the folder"),
        ({"file": "mine.py"}, {}, "a file and its class go together"),
        ({"low": 5.0}, {}, "the cleanest level is 2.5; exchange them"),
        ({}, {"average": 0.5}, "a denoiser that was trained before is not averaged"),
    ],
)
def test_a_denoiser_that_does_not_fit_is_refused(changed, written, expected, tmp_path):
    folder = folder_of(tmp_path / "denoiser")
    facts = read_json(folder / "denoiser.json", "")
    write_json(folder / "denoiser.json", facts | changed)
    config = config_of(group("sami", diffusion={"denoiser": str(folder), **written}))
    assert expected in " ".join(refusal(config))


def test_a_folder_without_a_denoiser_is_refused(tmp_path):
    config = config_of(group("sami", diffusion={"denoiser": str(tmp_path)}))
    assert "no denoiser.json" in " ".join(refusal(config))


def test_a_denoiser_that_was_trained_before_stays_in_evaluation(tmp_path):
    loaded, _ = read_denoiser(str(folder_of(tmp_path / "denoiser")))
    loaded.train()
    assert not any(module.training for module in loaded.network.modules())


def test_a_digest_in_a_config_is_a_promise(tmp_path):
    folder = folder_of(tmp_path / "denoiser")
    run = run_of(diffusion={"denoiser": str(folder)})
    assert run_of(diffusion={"denoiser": str(folder), "sha256": run.settings.diffusion.sha256}).id == run.id
    with pytest.raises(Refused, match="the config was written for zz"):
        run_of(diffusion={"denoiser": str(folder), "sha256": "zz"})

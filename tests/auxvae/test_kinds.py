"""Every likelihood, noise and shape of images goes the whole way: trained, scored, perturbed and drawn."""

import numpy as np
import pytest
import torch
import xarray as xr

from auxvae.analysis.analyse import analyse
from auxvae.training import fleet, loop
from foundation.files import read_json
from simulations.convert import convert
from simulations.draw import simulate
from tests.conftest import study_of

SERSIC = {
    "galaxies": 128,
    "scene": {"galaxy": "sersic", "psf": "moffat", "stamp": 40, "constants": {"psf_fwhm": 0.6, "flux": 1e4}},
    "noise": {"kind": "gaussian", "snr": 50},
    "factors": {
        "radius": {"unit": "arcsec", "distribution": "uniform", "low": 0.3, "high": 0.8},
        "sersic_index": {"distribution": "uniform", "low": 0.5, "high": 2},
    },
}
PAPER = {"preset": "paper", "galaxies": 128}
CASES = {
    "signal to noise": (SERSIC, {}),
    "gaussian of one sigma": ({**SERSIC, "noise": {"kind": "gaussian", "sigma": 2.0}}, {}),
    "no noise, a sigma of one's own": ({**SERSIC, "noise": {"kind": "none"}}, {"likelihood": "gaussian", "sigma": 1.0}),
    "poisson over a sky": ({**PAPER, "noise": {"kind": "poisson", "sky": 8.0}}, {}),
    "counts over a sky": ({**PAPER, "noise": {"kind": "poisson", "sky": 8.0}}, {"likelihood": "counts"}),
    "counts on components": (PAPER, {"likelihood": "counts", "network": {"name": "components"}}),
    "published": (PAPER, {"preset": "paper"}),
    "colours": (None, {}),
}


def coloured(folder):
    """A store of three-channel images of one's own."""
    g = np.random.default_rng(0)
    images, radius = g.poisson(30, (128, 3, 32, 32)), g.random(128)
    np.savez(folder / "x.npz", image=images, radius=radius)
    convert(folder / "x.npz", folder / "d.zarr", "image", "", ["radius=arcsec"], "poisson", 0)
    return {"store": str(folder / "d.zarr")}


@pytest.mark.parametrize("case", CASES)
def test_it_goes_the_whole_way(case, tmp_path):
    dataset, group = CASES[case]
    config = {
        "study": "s",
        "datasets": {"d": dataset or coloured(tmp_path)},
        "coverages": {"one": ["radius"]},
        "training": {"epochs": 1, "batch": 32, "learning_rate": 1e-4},
        "runs": [{"method": "aux_vae", "coverages": "one", **group}],
        "analyses": {"sensitivity": {"images": 16}, "bootstrap": 20, "traversal": {"steps": 2}},
    }
    declared, study = study_of(config)
    store = tmp_path / "d.zarr"
    if dataset:
        simulate(declared.simulated["d"], declared.facts["d"], store)
    fleet.train(study.fleets[0], store, tmp_path, torch.device("cpu"), workers=1)
    run = study.runs[0]
    analyse(run, study.config.analyses, "cpu", store, tmp_path)
    scores = read_json(tmp_path / "runs" / run.id / "scores.json", "scores")
    assert all(np.isfinite(score["value"]) for score in scores.values())
    with xr.open_dataset(tmp_path / "runs" / run.id / "pictures.nc") as pictures:
        assert np.isfinite(pictures["image"]).all()


def test_a_walk_is_in_the_photons_of_its_own_image(tmp_path):
    """With noise that differs from image to image, a walk that stays at the code gives that image's reconstruction."""
    from auxvae.analysis.model import TrainedModel
    from auxvae.data.store import Store

    config = {
        "study": "s",
        "datasets": {"d": SERSIC},
        "training": {"epochs": 1, "batch": 32},
        "runs": [{"method": "vae"}],
        "analyses": {"sensitivity": {"images": 16}},
    }
    declared, study = study_of(config)
    simulate(declared.simulated["d"], declared.facts["d"], tmp_path / "d.zarr")
    run = study.runs[0]
    loop.train_run(run, tmp_path / "d.zarr", tmp_path, torch.device("cpu"))
    store = Store(tmp_path / "d.zarr", run.dataset)
    model = TrainedModel(tmp_path / "runs" / run.id, run, store, store.read("test"), torch.device("cpu"))
    codes, _ = model.encode()
    whole = model.decode_counts(codes)
    np.testing.assert_allclose(model.decode_counts(codes[[5, 5]]), whole[[5, 5]], rtol=1e-5)

"""`python -m auxvae invert` on a small run: the file, masks and blends, limits, refusals before a file."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import zarr

from auxvae.analysis import invert as inversion
from auxvae.analysis import invert_command
from auxvae.analysis.invert_calibration import calibrated_columns, factors_of
from auxvae.analysis.invert_command import invert
from auxvae.analysis.invert_options import Wanted
from auxvae.analysis.invert_table import Truth, table
from auxvae.training.loop import train_run
from foundation.faults import Refused
from simulations.convert import convert
from simulations.draw import simulate
from simulations.facts import read_declared
from simulations.sources.options import Options
from tests.auxvae.test_measure import CONFIG, FACTORS, GALAXIES
from tests.conftest import study_of

STORES = {"survey": {"seed": 8, "galaxies": 60}, "sky": {"noise": {"kind": "poisson", "sky": 10.0}, "galaxies": 40}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study's folder with a run of five epochs, and a survey beside it."""
    results = tmp_path_factory.mktemp("small")
    declared, study = study_of({**CONFIG, "training": {**CONFIG["training"], "epochs": 5}, "runs": CONFIG["runs"][:1]})
    simulate(declared.simulated["galaxies"], declared.facts["galaxies"], results / "data" / "galaxies.zarr")
    for run in study.runs:
        train_run(run, results / "data" / "galaxies.zarr", results, torch.device("cpu"))
        (results / run.method).symlink_to(results / "runs" / run.id)
    declared = read_declared({"datasets": {name: {**GALAXIES, **each} for name, each in STORES.items()}}, [])
    for name, dataset in declared.simulated.items():
        simulate(dataset, declared.facts[name], results / f"{name}.zarr")
    return results


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Chains and ascents that are too short to converge, where only the path is tested."""
    monkeypatch.setattr(inversion, "WARM_UP", 20)
    monkeypatch.setattr("auxvae.analysis.ascent.STEPS", 60)


def inverted(folder, tmp_path, **options):
    """The file and the printed text."""
    out = tmp_path / "inverted.parquet"
    text = invert((folder / "aux_vae").resolve(), folder / "survey.zarr", out, None, Wanted(draws=50, **options))
    return pd.read_parquet(out), text


def test_the_file_has_a_row_per_image_and_its_intervals_in_order(folder, tmp_path):
    frame, text = inverted(folder, tmp_path, rows="3:11", calibrate=0, limits=False)
    assert frame["row"].tolist() == list(range(3, 11))
    assert frame.attrs["units"]["flux"] == "ph"
    assert frame.attrs["rows"] == "3:11"
    for name in FACTORS:
        ends = [frame[f"{name}_{end}"] for end in ("low95", "low68", "high68", "high95")]
        assert (np.diff(ends, axis=0) >= 0).all()  # equal where short chains stand still
        assert ((frame[name] >= ends[0]) & (frame[name] <= ends[3])).all()
        assert (frame[f"{name}_encoder_low95"] < frame[f"{name}_encoder_high95"]).all()
    assert (frame["gain"] > -1e-3).all()
    assert (frame["agreeing"] >= 1).all()
    assert {"z8", "z8_std", "nats", "nats_encoder", "rhat", "ess", "accepted", "converged"} <= {*frame.columns}
    assert "8 images, 50 draws of each of 4 chains" in text


def test_an_image_is_inverted_alike_whatever_is_beside_it(folder, tmp_path, monkeypatch):
    together, _ = inverted(folder, tmp_path, rows="0:6", calibrate=0, limits=False)
    monkeypatch.setattr(invert_command, "BLOCK", 4)
    apart, _ = inverted(folder, tmp_path, rows="2:6", calibrate=0, limits=False)
    for name in FACTORS:
        difference = (together[name][2:].values - apart[name].values) / together[f"{name}_std"][2:].values
        assert np.abs(difference).max() < 0.3  # rounding differs by the size of a batch, and chains follow it


def test_masked_and_blended_images_have_their_columns_and_limits(folder, tmp_path):
    options = {"rows": "0:6", "calibrate": 0, "mask": 0.4, "second": "5,-3", "blend": True}
    frame, text = inverted(folder, tmp_path, **options)
    assert {f"second_{name}_map" for name in FACTORS} <= {*frame.columns}
    assert "8 of 21 columns hidden, a second source blended in at 5,-3" in text
    assert "of limit" in text or "a table is of" in text


def test_what_decides_an_inversion_is_the_pixels_that_are_left(folder, tmp_path):
    """A mask and dark pixels that a store masks itself are the same."""
    masked, _ = inverted(folder, tmp_path, rows="0:5", calibrate=0, mask=0.4, limits=False)
    images = zarr.open_group(folder / "survey.zarr", mode="r")["image"][:]
    good = np.broadcast_to(np.arange(21) >= 8, images.shape).astype(np.uint8)
    np.savez(tmp_path / "x.npz", image=np.where(good, images, 9999.0), mask=good, row=np.arange(60.0))
    options = Options(pixel_scale="0.2", mask="mask=good")
    convert(tmp_path / "x.npz", tmp_path / "x.zarr", "image", "row", [], "poisson", 0, options=options)
    out = tmp_path / "other.parquet"
    wanted = Wanted(rows="0:5", draws=50, calibrate=0)
    text = invert((folder / "aux_vae").resolve(), tmp_path / "x.zarr", out, None, wanted)
    other = pd.read_parquet(out)
    np.testing.assert_allclose(other["nats"], masked["nats"], rtol=1e-3)
    for name in FACTORS:
        assert (np.abs(other[f"{name}_map"] - masked[f"{name}_map"]) < 0.1 * masked[f"{name}_std"]).all()
    assert "half width" in text or "a table is of" in text


REFUSALS = {
    "no range": ({"rows": "5"}, "rows are START:STOP"),
    "backwards": ({"rows": "9:4"}, "stay within 0:60"),
    "beyond": ({"rows": "0:61"}, "stay within 0:60"),
    "every pixel": ({"mask": 1.0}, "an image needs a pixel that counts"),
    "one number": ({"second": "5"}, "an offset is DOWN,RIGHT"),
    "between pixels": ({"second": "4.5,2"}, "moved by whole pixels"),
    "the same place": ({"second": "0,0"}, "cannot be told apart"),
    "beyond the stamp": ({"second": "14,0"}, "the stamp ends 10 pixels above"),
    "no variable": ({"second": "dy,dx"}, "a variable of the store"),
    "nowhere": ({"blend": True}, "add --second DOWN,RIGHT"),
    "one row": ({"blend": True, "second": "5,3", "rows": "1:2"}, "name two or more"),
    "few": ({"calibrate": 12}, "12 validation rows, but a calibration needs 100"),
}


@pytest.mark.parametrize(("options", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_inverted_is_refused_in_a_sentence(folder, tmp_path, options, sentence):
    with pytest.raises(Refused) as refused:
        inverted(folder, tmp_path, **{"calibrate": 0, **options})
    assert sentence in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda run: replace(run, method="context"), "images are inverted under decoders of"),
        (lambda run: replace(run, method="aux_sami"), "images are inverted under decoders of"),
        (lambda run: replace(run, settings=replace(run.settings, likelihood="log10")), "are no likelihood of an image"),
    ],
    ids=["context module", "score model", "no likelihood"],
)
def test_runs_without_a_posterior_are_refused(folder, change, sentence):
    trained = invert_command.read_trained((folder / "aux_vae").resolve(), None)
    with pytest.raises(Refused, match=sentence) as refused:
        invert_command.prior_of(replace(trained, run=change(trained.run)))
    assert len(str(refused.value).splitlines()) == 1


def test_a_prior_without_a_density_is_refused(folder, monkeypatch):
    trained = invert_command.read_trained((folder / "aux_vae").resolve(), None)
    monkeypatch.setattr(type(trained.run.prior), "has_density", lambda prior: False)
    with pytest.raises(Refused, match="a posterior needs a density of the residual latents"):
        invert_command.prior_of(trained)


def test_a_sky_is_counted_once_and_so_blends_of_it_are_refused(folder, tmp_path):
    with pytest.raises(Refused) as refused:
        invert((folder / "aux_vae").resolve(), folder / "sky.zarr", tmp_path / "o.parquet", None, Wanted())
    assert "sky of 10" in str(refused.value)


# Calibration and table on numbers that are known.


def normal_columns(rows, std, seed=0):
    """Posteriors of width 1 whose errors have another width, and an encoder's twice as bad."""
    g = np.random.default_rng(seed)
    true = g.uniform(0, 10, rows)
    columns = {"flux": true + std * g.standard_normal(rows), "flux_std": np.ones(rows)}
    for by, width in (("flux", 1.0), ("flux_encoder", 2 * std)):
        columns.setdefault(by, true + 2 * std * g.standard_normal(rows))
        for level, sigmas in ((68, 0.9945), (95, 1.96)):
            columns |= {
                f"{by}_low{level}": columns[by] - sigmas * width,
                f"{by}_high{level}": columns[by] + sigmas * width,
            }
    columns |= {"flux_map": columns["flux"], "converged": np.ones(rows, bool), "gain": np.ones(rows)}
    return columns | {"agreeing": np.full(rows, 4)}, true


def test_calibrated_intervals_hold_where_posteriors_are_too_narrow():
    columns, true = normal_columns(2000, 1.7)
    others, truth = normal_columns(2000, 1.7, seed=1)
    others["converged"][:50] = False
    others["flux"][:50] = 1e9  # images that did not converge calibrate nothing
    columns |= calibrated_columns(columns, factors_of(others, {"flux": truth}))
    text = "\n".join(table(columns, {"flux": "ph"}, Truth({"flux": true}, {}), 4))
    assert "posterior: intervals of flux do not hold" in text
    assert "calibrated: intervals hold as often as they say" in text
    assert "encoder: intervals hold as often as they say" in text


def test_images_that_did_not_converge_are_counted_and_left_out():
    columns, true = normal_columns(2000, 1.0)
    columns["converged"][:100] = False
    columns["flux"][:100] = 1e9
    limits = {"flux": np.ones(2000), "flux_with_prior": np.ones(2000)}
    text = "\n".join(table(columns, {"flux": "ph"}, Truth({"flux": true}, limits), 4))
    assert "converged for 1900 of 2000 images" in text
    assert "the other 100 are marked" in text
    line = next(line for line in text.splitlines() if line.startswith("flux "))
    assert float(line.split()[-3]) == pytest.approx(1, abs=0.1)
    assert "e+0" not in line

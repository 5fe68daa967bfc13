"""The report of a study whose files are written by hand: what a run does not have is absent, all files are there."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from auxvae.analysis.collect import collect
from auxvae.analysis.controls import write_controls
from auxvae.analysis.origins import STORE_VERSIONS
from auxvae.config.labels import first_of_label, labels
from auxvae.report.page import TABLES, draw, page, tabulate
from auxvae.report.tables import read
from foundation.files import write_json
from tests.conftest import study_of

G = np.random.default_rng(0)
ROWS, LATENTS, FACTORS = 40, 10, ["radius", "g1", "g2", "flux", "psf_fwhm"]
BLOCKS, SCALES, MEASURES, BOUNDS = ["aux", "recon"], [0.5, 1.0], ["ssim", "ssim_asinh", "nats"], ["mean", "low", "high"]
IMAGE_SCORES = ("nats", "nats_floor", "mse", "ssim", "ssim_asinh", "flux_bias")
FIGURES = (
    "correlations",
    "coverage",
    "sensitivity_ssim",
    "sensitivity_ssim_asinh",
    "sensitivity_nats",
    "history",
    "comparison",
    "leakage",
    "spread",
    "reconstructions",
)


def write_run(run, folder, decodes):
    """The files of a run, with random values; without images where it does not decode."""
    folder.mkdir(parents=True)
    names = (
        "lds",
        "lds_corrected",
        "lds_all_live",
        "rho_flux",
        "mig",
        "lps",
        "leakage",
        "recon_tells_flux",
        "swap_recon_flux_slope",
        "covered_68_flux",
        *(IMAGE_SCORES if decodes else ()),
    )
    write_json(
        folder / "scores.json", {name: {"value": 2.0, "low": 1.0, "high": 3.0, "se": 0.5, "n": ROWS} for name in names}
    )
    validation = {"lds": {"value": 9.0, "low": 9.0, "high": 9.0, "se": 0.0, "n": ROWS}}
    write_json(folder / "validation.json", {"scores": validation})
    codes = {name: (("galaxy", "latent"), G.standard_normal((ROWS, LATENTS))) for name in ("mean", "log_variance")}
    factors = {"factors": (("galaxy", "factor"), G.random((ROWS, 5))), "rho": (("latent", "factor"), G.random((10, 5)))}
    coords = {"latent": [f"z{j + 1}" for j in range(LATENTS)], "factor": FACTORS}
    xr.Dataset({**codes, **factors}, coords, {STORE_VERSIONS: '{"galsim": "2.8"}'}).to_netcdf(folder / "codes.nc")
    write_json(folder / "spec.json", {"versions": {"torch": "2.0"}})
    sensitivity(decodes).to_netcdf(folder / "sensitivity.nc")
    pictures(decodes).to_netcdf(folder / "pictures.nc")
    terms = ("train_reconstruction", "validation_reconstruction") if decodes else ("train_loss", "validation_loss")
    history = pd.DataFrame({"epoch": [1, 2], **{name: [3.0, 2.0] for name in terms}})
    history.to_parquet(folder / "history.parquet")


def sensitivity(decodes):
    if not decodes:
        return xr.Dataset(attrs={"images": 0})
    coords = {"block": BLOCKS, "scale": SCALES, "measure": MEASURES, "bound": BOUNDS}
    drops = {name: (tuple(coords), G.random((2, 2, 3, 3))) for name in ("drop", "drop_per_latent")}
    by_latent = {"drop_latent": (("latent", *list(coords)[1:]), G.random((LATENTS, 2, 3, 3)))}
    return xr.Dataset({**drops, **by_latent}, {**coords, "latent": [f"z{j}" for j in range(LATENTS)]})


def pictures(decodes):
    if not decodes:
        return xr.Dataset(attrs={"dataset": "galaxies"})
    stamps = {
        name: (("example", "y", "x"), G.random((3, 5, 5))) for name in ("example_image", "example_reconstruction")
    }
    walks = {"image": (("start", "latent", "step", "y", "x"), G.random((1, LATENTS, 2, 5, 5)))}
    values = {"value": (("latent", "step"), G.random((LATENTS, 2)))}
    coords = {"latent": [f"z{j + 1}" for j in range(LATENTS)]}
    return xr.Dataset({**stamps, **walks, **values}, coords, {"dataset": "galaxies"})


def report_of(study, results, decodes):
    """The report of the study where the runs of these methods and coverages decode."""
    for run in study.runs:
        write_run(run, results / "runs" / run.id, labels(study.runs)[run.id] in decodes)
    factors = {name: G.random(ROWS) for name in FACTORS}
    for run in {run.network.latents: run for run in study.runs}.values():
        write_controls(run, factors, results, 2)
    collect(study.runs, results)
    tabulate(study, results)
    draw(study, results)
    page(study, results)
    return (results / "report.html").read_text()


@pytest.mark.parametrize("decodes", [{"beta_vae", "aux_vae full", "aux_vae two"}, {"aux_vae full"}, set()], ids=len)
def test_runs_that_do_not_decode_are_absent_and_every_file_is_there(tiny, tmp_path, decodes):
    text = report_of(tiny, tmp_path, decodes)
    every = set(labels(tiny.runs).values())
    assert set(read(tmp_path / "tables" / "images.csv").index) == decodes
    for name in ("alignment", "factors", "suite", "aggregate"):  # beside the perfect code and chance
        standards = {"perfect code (control: identity)", "chance (control: noise)"}
        assert every | standards <= set(read(tmp_path / "tables" / f"{name}.csv").index), name
    assert set(pd.read_csv(tmp_path / "tables" / "sensitivity.csv")["run"]) == decodes
    assert text.count("does not decode") == 0  # said in the pictures
    assert ('id="images"' in text) is bool(decodes)
    assert ("No run of this study decodes." in text) is (not decodes)
    names = [*FIGURES, *(f"traversal-{run}" for run in first_of_label(tiny.runs))]
    assert all((tmp_path / "figures" / f"{name}.{kind}").stat().st_size for name in names for kind in ("png", "pdf"))
    assert all((tmp_path / "tables" / f"{name}.{kind}").exists() for name in TABLES for kind in ("csv", "tex"))
    cells = pd.read_csv(tmp_path / "tables" / "cells.csv")
    behind = cells[(cells["table"] == "alignment") & (cells["column"] == "lds")].set_index("row")["runs"]
    assert all(label in behind.index and run in behind[label].split() for run, label in labels(tiny.runs).items())


def test_panels_are_those_of_runs_that_decode(tiny, tmp_path):
    """The figure of sensitivity has one column for the run that decodes, and a sentence where there is none."""
    from auxvae.report.figures import sensitivity_figure
    from auxvae.report.pictures import reconstruction_figure, traversal_figure

    report_of(tiny, tmp_path, {"aux_vae full"})
    titles = first_of_label(tiny.runs)
    with xr.open_dataset(tmp_path / "analysis.nc") as analysis:
        one = sensitivity_figure(analysis, titles, "ssim")
        none = sensitivity_figure(analysis.drop_vars("drop"), titles, "ssim")
    assert [ax.get_title() for ax in one.axes] == ["aux_vae full", ""]
    for figure in (none, traversal_figure(xr.Dataset(), "m"), reconstruction_figure({})):
        assert "decode" in figure.axes[0].texts[0].get_text()


def test_controls_stand_beside_runs_of_every_number_of_latents(config, tmp_path):
    """Each as many as its runs have: by their ceilings, the larger the number the lower."""
    config["runs"] = [{"method": "beta_vae", "network": {"latents": latents}} for latents in (3, 10)]
    study = study_of(config)[1]
    report_of(study, tmp_path, set())
    table = read(tmp_path / "tables" / "alignment.csv")
    few, many = (float(table["lds_ceiling"][f"perfect code (control: identity {size} latents)"]) for size in (3, 10))
    assert 1 > few > many > 0


def test_captions_name_the_papers_of_what_is_shown(tiny, tmp_path):
    text = report_of(tiny, tmp_path, {"aux_vae full"})
    assert "beta_vae: Higgins et al., ICLR 2017, eq. 4; aux_vae: arXiv:2507.00298, eq. 3 to 9" in text
    assert "mig: Chen et al., arXiv:1802.04942" in text
    assert "ssim, ssim_asinh: Wang et al., IEEE TIP 2004" in text
    assert "http://" not in text and "https://" not in text and 'src="http' not in text and "<script src" not in text

"""What is computed from a trained run: labelled, repeatable, and right where the answer is known."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch.distributions import Normal, kl_divergence

from auxvae.analysis import analyse as analyse_module
from auxvae.analysis.agreement import seeds_of_a_method
from auxvae.analysis.aligned import aligned_scores
from auxvae.analysis.analyse import analyse, analyse_fleet
from auxvae.analysis.collect import _agreement_rows, collect
from auxvae.analysis.contrasts import contrasts
from auxvae.analysis.controls import are_scored, write_controls
from auxvae.analysis.files import controls_file
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.sensitivity import Perturbations, sensitivity
from auxvae.analysis.spread import QUANTILES
from auxvae.config.analyses import Sensitivity
from auxvae.config.labels import first_of_label, labels, latent_names
from auxvae.data.likelihoods import Gaussian as GaussianLikelihood
from auxvae.data.randomness import normal
from auxvae.data.store import Store
from auxvae.metrics.columns import metric_of
from auxvae.report.page import draw, page, tabulate
from auxvae.training import fleet
from foundation.faults import Refused
from foundation.files import read_json
from tests.conftest import study_of

METRICS = {"nats", "nats_floor", "mse", "ssim", "ssim_mean_image", "ssim_asinh", "ssim_asinh_mean_image", "kl", "lds",
           "lds_ceiling", "lds_corrected", "lds_all", "lds_all_corrected", "rho_flux"}  # fmt: skip
FITTED = {"dci_informativeness": 10, "explicitness_auc": 10, "dci_disentanglement": 22, "dci_completeness": 22}  # rows


@pytest.fixture(scope="module")
def results(tiny, tiny_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    fleet.train(tiny.fleets[0], tiny_store, folder, torch.device("cpu"), workers=2)
    analyse_fleet(tiny.fleets[0], tiny.config.analyses, "cpu", tiny_store, folder, workers=1)
    collect(tiny.runs, folder)
    return folder


@pytest.fixture
def model(tiny, tiny_store, results):
    run = tiny.runs[2]
    store = Store(tiny_store, run.dataset)
    return run, TrainedModel(results / "runs" / run.id, run, store, store.read("test", truth=True), torch.device("cpu"))


@pytest.fixture
def counted(monkeypatch):
    """The runs that are analysed, in order."""
    analysed, bare = [], analyse_module.analyse
    monkeypatch.setattr(analyse_module, "analyse", lambda run, *more: analysed.append(run.id) or bare(run, *more))
    return analysed


def test_a_fleet_is_analysed_again_only_where_something_changed(tiny, tiny_store, results, tmp_path, counted):
    """Another file, other weights or other analyses: those runs alone; nothing is repeated otherwise."""
    shutil.copytree(results, tmp_path / "r")
    first, second, third = (run.id for run in tiny.runs)
    arguments = ("cpu", tiny_store, tmp_path / "r", 1)

    def again(analyses=tiny.config.analyses):
        counted.clear()
        analyse_module.analyse_fleet(tiny.fleets[0], analyses, *arguments)
        return counted

    assert again() == []
    assert (tmp_path / "r" / "fleets" / f"{tiny.fleets[0].id}-scores.json").is_file()
    (tmp_path / "r" / "runs" / second / "codes.nc").unlink()
    assert again() == [second]
    (tmp_path / "r" / "runs" / first / "analysis.json").write_text("{}")
    assert again() == [first]
    assert again(replace(tiny.config.analyses, bootstrap=21)) == [first, second, third]


@pytest.mark.parametrize("deleted", ["codes.nc", "galaxies-10.json"])
def test_a_file_that_was_deleted_is_a_sentence_with_its_remedy(tiny, results, tmp_path, deleted):
    shutil.copytree(results, tmp_path / "r")
    next((tmp_path / "r").rglob(deleted)).unlink()
    with pytest.raises(Refused, match=rf"{deleted}: found no file, but every run .* delete .*-scores.json"):
        collect(tiny.runs, tmp_path / "r")


def test_controls_are_scored_again_only_for_other_data_or_settings(tiny, tiny_store, results, tmp_path):
    run, file = tiny.runs[0], controls_file(tmp_path, tiny.runs[0])
    shutil.copytree(results / "controls", tmp_path / "controls")
    assert are_scored(run, tmp_path, tiny.config.analyses.bootstrap)
    assert not are_scored(run, tmp_path, tiny.config.analyses.bootstrap + 1)
    assert not are_scored(replace(run, dataset=replace(run.dataset, digest="0" * 64)), tmp_path, 20)
    before = file.read_bytes()
    file.write_text("{}")
    assert not are_scored(run, tmp_path, tiny.config.analyses.bootstrap)
    write_controls(run, Store(tiny_store, run.dataset).read("test").factors, tmp_path, tiny.config.analyses.bootstrap)
    assert file.read_bytes() == before


def test_residuals_of_traversals_are_in_sigma_and_their_prior_is_that_of_the_run(tiny, results, model):
    """Anscombe's root has a noise of 1: residuals differ by that of the images, whatever they all start from."""
    run, trained = model
    with xr.open_dataset(results / "runs" / run.id / "pictures.nc") as pictures:
        root = 2 * np.sqrt(np.maximum(pictures["image"] + trained.likelihood.sky, 0) + 0.375)
        offset = (pictures["residual"] - root).transpose("start", "y", "x", ...).values
    assert np.abs(offset - offset[..., :1, :1]).max() < 1e-3 and float(abs(root - root.mean("step")).max()) > 0.01
    with xr.open_dataset(results / "runs" / run.id / "codes.nc") as codes:
        prior, u = codes["prior_spread"].values, trained.rows.aux(run.variables, trained.scaling).numpy()
    rows, count = len(u), u.shape[1]
    assert np.abs(prior[:count] - np.quantile(u, QUANTILES, axis=0).T).max() < 6 * run.prior_variance**0.5
    assert np.abs(prior[count:, 1:4] - Normal(0, 1).icdf(torch.tensor(QUANTILES[1:4])).numpy()).max() < 6 / rows**0.5


def test_every_score_has_its_number_of_rows(tiny, results):
    for run in tiny.runs:
        scores = read_json(results / "runs" / run.id / "scores.json", "scores")
        assert scores.keys() >= METRICS
        for name, score in scores.items():
            of_converged = metric_of(name) == "shapes" and name != "moments_converged"
            converged = round(32 * scores["moments_converged"]["value"])
            fitted = 10 if name.startswith(("nearest_", "linear_")) else FITTED.get(name, 32)
            assert score["n"] == (converged if of_converged else fitted), name


def unit(path, run, factors):
    """The auxiliary variables of a run, scaled to [0, 1] by the extremes of the training rows."""
    training = Store(path, run.dataset).factors("train")
    low, high = (np.array([getattr(training[name], which)() for name in run.aux]) for which in ("min", "max"))
    return (factors.sel(factor=list(run.aux)).values - low) / (high - low)


def test_scores_and_intervals_are_those_computed_anew_from_the_codes(tiny, tiny_store, results):
    """KL by torch.distributions with the normal interval of a mean, LDS by numpy, for a run of every coverage."""
    for run in tiny.runs:
        folder = results / "runs" / run.id
        scores = read_json(folder / "scores.json", "scores")
        with xr.open_dataset(folder / "codes.nc") as codes:
            mean, log_variance = (torch.tensor(codes[name].values) for name in ("mean", "log_variance"))
            rho = abs(np.corrcoef(codes["mean"].T, codes["factors"].T)[:10, 10:])
            sampled = mean + normal(run.seed, "scores", 0, (32, 10)) * torch.exp(log_variance / 2)
            of_samples = np.corrcoef(sampled.numpy().T, codes["factors"].T)[:10, 10:]
            np.testing.assert_allclose(codes["rho"], of_samples, atol=1e-5)
            aux = [list(codes["factor"].values).index(name) for name in run.aux] or slice(None)
            u = torch.zeros(32, 10)
            u[:, : len(run.aux)] = torch.tensor(unit(tiny_store, run, codes["factors"]))
        variance = torch.where(torch.arange(10) < len(run.aux), run.prior_variance, 1.0)
        posterior, prior = Normal(mean, torch.exp(log_variance / 2)), Normal(u, variance.sqrt())
        nats = kl_divergence(posterior, prior).sum(1).double()
        half = 1.96 * float(nats.std()) / np.sqrt(32)
        bounds = (float(nats.mean()), float(nats.mean()) - half, float(nats.mean()) + half)
        assert tuple(scores["kl"][name] for name in ("value", "low", "high")) == pytest.approx(bounds, rel=1e-5)
        lds = (rho.max(0) / rho.sum(0))[aux].mean()
        assert scores["lds"]["value"] == pytest.approx(lds, rel=1e-5)


def test_scores_are_one_tidy_table_with_controls(tiny, results):
    table = pd.read_parquet(results / "scores.parquet")
    assert list(table.columns) == [
        "run",
        "dataset",
        "method",
        "coverage",
        "seed",
        "split",
        "metric",
        "value",
        "low",
        "high",
        "se",
        "n",
    ]
    assert set(table["run"]) >= {run.id for run in tiny.runs} | {"control-identity", "control-noise"}
    assert not table.duplicated(["run", "split", "metric"]).any()
    assert set(table["split"]) == {"validation", "test"}


def test_analysis_is_labelled(tiny, results):
    with xr.open_dataset(results / "analysis.nc") as analysis:
        assert analysis["rho"].dims == ("run", "latent", "factor")
        assert set(analysis["drop"].dims) == {"run", "block", "scale", "measure", "bound"}
        for run in tiny.runs:
            with xr.open_dataset(results / "runs" / run.id / "codes.nc") as codes:
                np.testing.assert_array_equal(analysis["rho"].sel(run=run.id), codes["rho"])


def lost(model, is_galaxy=True, **settings):
    run, trained = model
    return sensitivity(run, trained, *trained.encode(), Sensitivity(**{"images": 16, **settings}), is_galaxy)


def test_a_perturbation_of_no_size_loses_nothing(model):
    result = lost(model, scales=(1e-4, 1.0, 30.0))
    drop = result["drop"].sel(bound="mean", measure="ssim_asinh")
    assert float(abs(drop.sel(scale=1e-4)).max()) < 1e-4
    assert result["latents_in_block"].values.tolist() == [2, 8]


def test_larger_perturbations_lose_more_of_a_decoder_that_is_linear(model, monkeypatch):
    """Its reconstructions are perfect, and an error grows with the scale: SSIM falls, as its square to begin with."""
    _, trained = model
    monkeypatch.setattr(trained, "likelihood", GaussianLikelihood(1.0))
    codes, _ = trained.encode()
    images = trained.rows.truth.numpy()
    y, x = np.mgrid[-16:17, -16:17]
    waves = np.stack([1 + np.cos((j + 1) * x / 6) * np.cos((j + 2) * y / 9) for j in range(codes.shape[1])])

    def decode(moved):
        change = np.einsum("nj,jyx->nyx", moved - codes[: len(moved)], waves)
        return torch.tensor(images[: len(moved)] + 3 * change[:, None])

    monkeypatch.setattr(trained, "decode", decode)
    scales = (0.001, 0.002, 0.5, 1.0, 2.0, 4.0)
    result = lost(model, is_galaxy=False, scales=scales)
    for name in ("drop", "drop_latent"):
        drops = result[name].sel(bound="mean", measure="ssim_asinh")
        assert (drops.diff("scale") > 0).all(), name
        ratio = drops.sel(scale=0.002) / drops.sel(scale=0.001)
        np.testing.assert_allclose(ratio, 4, rtol=0.1)


def test_a_block_that_the_decoder_does_not_read_loses_nothing(model):
    _, trained = model
    with torch.no_grad():
        trained.model.network.decoder[1].weight[2:] = 0
    result = lost(model, scales=(1.0, 2.0))
    assert float(abs(result["drop"].sel(block="recon")).max()) == 0
    assert float(abs(result["drop_latent"].isel(latent=slice(2, None))).max()) == 0


def test_a_block_of_which_one_latent_matters_loses_what_that_latent_loses_alone(model):
    """The decoder reads the first auxiliary and one residual latent; both are moved by the same standard deviation."""
    _, trained = model
    with torch.no_grad():
        trained.model.network.decoder[1].weight[[1, 2, 3, 4, 6, 7, 8, 9]] = 0
    result = lost(model, scales=(1.0, 2.0), images=32)
    for block, latent, size in (("aux", 0, 2), ("recon", 5, 8)):
        alone, together = result["drop_latent"].isel(latent=latent), result["drop"].sel(block=block)
        assert (alone.sel(bound="mean") != 0).all()
        half = np.hypot(*(each.sel(bound="high") - each.sel(bound="mean") for each in (alone, together)))
        assert (abs((alone - together).sel(bound="mean")) < 1.5 * half).all()
        np.testing.assert_allclose(result["drop_per_latent"].sel(block=block), together / size)


def test_latents_that_are_copies_of_each_other_are_moved_together(model):
    """Their covariance has rank one, so that their difference stays as it is."""
    run, trained = model
    codes, log_variance = trained.encode()
    codes[:, 4:] = codes[:, 3:4]
    moves = Perturbations(run, codes, np.full_like(log_variance, -60.0), Sensitivity(scales=(2.0,), images=16))
    (moved,) = moves.scaled(np.arange(codes.shape[1]) >= 3)
    change = moved - moves.codes
    assert abs(change[:, 3]).min() > 0
    np.testing.assert_allclose(change[:, 4:], change[:, 3:4].repeat(codes.shape[1] - 4, 1), atol=1e-4)


def test_the_covariance_is_that_of_all_rows_not_of_those_that_are_perturbed(model):
    run, trained = model
    codes, log_variance = trained.encode()
    codes[16:, 0] *= 1000
    moves = Perturbations(run, codes, log_variance, Sensitivity(scales=(1.0,), images=16))
    assert moves.covariance[0, 0] == pytest.approx(
        codes[:, 0].var(ddof=1) + np.exp(log_variance[:, 0]).mean(), rel=1e-4
    )


def test_codes_and_pictures_of_a_run_are_repeatable(tiny, tiny_store, results):
    run = tiny.runs[1]
    folder = results / "runs" / run.id
    with xr.open_dataset(folder / "codes.nc") as codes, xr.open_dataset(folder / "sensitivity.nc") as drops:
        before = codes["mean"].values.copy(), drops["drop"].values.copy()
    analyse(run, tiny.config.analyses, "cpu", tiny_store, results)
    with xr.open_dataset(folder / "codes.nc") as codes, xr.open_dataset(folder / "sensitivity.nc") as drops:
        np.testing.assert_array_equal(codes["mean"], before[0])
        np.testing.assert_array_equal(drops["drop"], before[1])


def test_the_report_is_one_file_that_asks_nothing_of_a_network(tiny, results):
    tabulate(tiny, results)
    draw(tiny, results)
    page(tiny, results)
    text = (results / "report.html").read_text()
    assert "http://" not in text and "https://" not in text and 'src="' not in text.replace('src="data:image/png;', "")
    assert not [way for way in ("<link", "@import", "url(", "fetch(", "XMLHttpRequest", "import(") if way in text]
    single = {"comparison", "correlations", "coverage", "history", "leakage", "reconstructions", "samples", "spread"}
    single |= {"sensitivity_ssim", "sensitivity_ssim_asinh", "sensitivity_nats"}
    sentences = {"downstream", "imperfect"}  # of which there is nothing to draw
    traversals = {f"traversal-{run}" for run in first_of_label(tiny.runs)}
    assert {path.stem for path in (results / "figures").iterdir()} == single | sentences | traversals
    assert text.count("data:image/png;base64,") == len(single | traversals) == 11 + len(tiny.runs)
    assert "\\pm" in (results / "tables" / "alignment.tex").read_text()
    assert {p.suffix for p in (results / "figures").iterdir()} == {".png", ".pdf"}


def test_seeds_share_a_label_and_weights_are_told_apart(config):
    from tests.conftest import study_of

    config["runs"] = [{"method": "beta_vae", "weights": {"kl": [1, 4]}, "seeds": [0, 1]}]
    runs = study_of(config)[1].runs
    assert set(labels(runs).values()) == {"beta_vae, kl 1", "beta_vae, kl 4"}
    assert len(first_of_label(runs)) == 2


def test_runs_share_a_label_only_if_they_differ_in_their_seed_alone(config):
    from dataclasses import replace

    from tests.conftest import study_of

    grid = lambda levels: {"method": "ae_mmd", "prior": {"kind": "grid", "levels": levels}}  # noqa: E731
    config["runs"] = [
        {"method": "annealed_vae", "weights": {"capacity": [100, 1000]}, "seeds": [0, 1]},
        {"method": "vae", "network": {"width": 16}},
        {"method": "vae", "network": {"width": 8}},
        grid(4),
        grid(16),
        {"method": "ae_mmd", "prior": {"kind": "product", "of": ["uniform", {"kind": "mixture", "components": 3}]}},
        {"method": "aux_vae", "coverages": ["full", "two"]},
    ]
    runs = study_of(config)[1].runs
    named = labels(runs)
    for one in runs:
        for two in runs:
            assert (named[one.id] == named[two.id]) is (replace(one, seed=0) == replace(two, seed=0)), named
    assert {"annealed_vae, capacity 100", "vae, width 8", "aux_vae two"} <= set(named.values())


def test_given_latents_are_scored_without_a_width(tiny_store, tmp_path, config):
    """The auxiliary latents of a conditional VAE are the factors: they are informative, exact, and cost no nats."""
    from tests.conftest import study_of

    config["runs"] = [{"method": "cvae", "coverages": ["full"], "network": {"name": "mlp", "width": 8, "latents": 5}}]
    study = study_of(config)[1]
    fleet.train(study.fleets[0], tiny_store, tmp_path, torch.device("cpu"), workers=1)
    run = study.runs[0]
    analyse(run, study.config.analyses, "cpu", tiny_store, tmp_path)
    scores = read_json(tmp_path / "runs" / run.id / "scores.json", "scores")
    assert (scores["latents_live"]["value"], scores["kl"]["value"]) == (5, 0)
    assert scores["lds_sampled"]["value"] == pytest.approx(scores["lds"]["value"], abs=1e-3)
    assert scores["rho_flux"]["value"] == pytest.approx(1)


@pytest.mark.parametrize(("method", "expected"), [("wae_mmd", False), ("ae_mmd", False), ("vae", True)])
def test_a_deterministic_encoder_has_no_informative_latents(config, method, expected):
    """Its codes have no posterior width, so that all of its latents would count."""
    config["runs"] = [{"method": method, **({} if expected else {"encoder": "deterministic"})}]
    run = study_of(config)[1].runs[0]
    g = np.random.default_rng(0)
    codes, factors = g.standard_normal((100, 10)).astype(np.float32), {"flux": g.random(100)}
    scores = aligned_scores(run, factors, codes, np.full_like(codes, -4), 2)
    assert ("lds_all_live" in scores) is expected
    assert ("latents_live" in scores) is expected
    assert "lds_all_corrected" in scores


def test_a_factor_is_held_against_the_latent_whose_prior_was_made_of_it(config):
    """Swapped latents have the largest correlation still, but not on their own axes; the normal ones have none."""
    made = {"kind": "blocks", "of": [{"kind": "empirical", "factors": ["flux", "g1"], "latents": 2},
                                     {"kind": "normal", "latents": 1}]}  # fmt: skip
    config["runs"] = [{"method": "ae_mmd", "prior": made, "network": {"name": "mlp", "latents": 3}}]
    run = study_of(config)[1].runs[0]
    assert run.prior_factors == ("flux", "g1", "")
    assert latent_names(run) == ["z1 (flux)", "z2 (g1)", "z3"]
    u = np.random.default_rng(0).standard_normal((2000, 3))
    factors, narrow = dict(zip(("flux", "g1", "g2"), u.T, strict=True)), np.full(u.shape, -20, np.float32)
    for order, own in (((0, 1, 2), 1), ((1, 0, 2), 0)):
        scores = aligned_scores(run, factors, u[:, order].astype(np.float32), narrow, 2)
        for name in ("flux", "g1"):
            assert scores[f"rho_{name}"].value == pytest.approx(1)
            assert scores[f"own_latent_{name}"].value == pytest.approx(own, abs=3.5 / 2000**0.5)
        assert "own_latent_g2" not in scores
    assert scores["own_latent_chance"].value == pytest.approx(np.mean(np.abs(np.random.default_rng(1).normal(
        0, 1 / 2000**0.5, 100_000))), rel=0.02)  # fmt: skip


def test_a_contrast_over_seeds_is_a_paired_t_interval():
    from scipy import stats

    g = np.random.default_rng(0)
    one, two = g.normal(1, 0.1, 6), g.normal(0, 0.1, 6)
    rows = [
        {"run": f"{c}{s}", "dataset": "d", "method": "m", "coverage": c, "seed": s, "metric": "nats",
         "value": v[s], "low": v[s] - 1, "high": v[s] + 1, "n": 9}
        for c, v in (("full", one), ("two", two)) for s in range(6)
    ]  # fmt: skip
    result = contrasts_of(rows)
    low, high = stats.ttest_rel(two, one).confidence_interval(0.95)
    assert result == pytest.approx((np.mean(two - one), low, high))


def contrasts_of(rows):
    metrics = ("lds_corrected", "lds_all_corrected", "ssim_asinh", "nats")
    table = pd.concat([pd.DataFrame(rows).assign(metric=m) for m in metrics])
    contrast = contrasts(table, {})["contrast"].sel(metric="nats").isel(pair=0)
    return tuple(float(contrast.sel(bound=b)) for b in ("mean", "low", "high"))


def test_seeds_of_a_method_that_agree_say_so(config, tmp_path):
    config["runs"] = [{"method": "vae", "seeds": [0, 1, 2]}, {"method": "beta_vae"}]
    chosen = study_of(config)[1].runs
    codes = np.random.default_rng(0).standard_normal((300, 4))
    for run, order in zip(chosen, ([0, 1, 2, 3], [3, 1, 0, 2], [2, 0, 1, 3], [0, 1, 2, 3]), strict=True):
        rows = {"mean": codes[:, order], "log_variance": np.full((300, 4), -4.0)}
        (tmp_path / "runs" / run.id).mkdir(parents=True)
        file = xr.Dataset({name: (("galaxy", "latent"), table) for name, table in rows.items()})
        file.to_netcdf(tmp_path / "runs" / run.id / "codes.nc")
    [seeds] = seeds_of_a_method(chosen)
    assert [run.seed for run in seeds] == [0, 1, 2]
    rows = list(_agreement_rows(seeds, {run.id: tmp_path / "runs" / run.id for run in chosen}))
    assert {(row["seed"], row["metric"]) for row in rows} == {(0, "udr"), (1, "udr"), (2, "udr")}
    assert all(row["value"] > 0.8 for row in rows)

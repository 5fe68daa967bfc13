"""Figures and numbers of single latents: what is inactive is said so, what does not fit is said to be left out."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import norm
from scipy.stats import t as student_t

from auxvae.analysis.spread import QUANTILES, codes_spread
from auxvae.report.figures import correlation_figure, few, how_many, inactive
from auxvae.report.history import history_figure
from auxvae.report.leakage import leakage_figure
from auxvae.report.pictures import reconstruction_figure, traversal_figure
from auxvae.report.spread import spread_figure
from auxvae.report.tables import cells
from tests.conftest import study_of

G = np.random.default_rng(0)
ROWS = 20_000


@pytest.fixture
def analysis(config):
    """A run: its first latent is a channel of signal to noise 3, the second its prior, the others are points."""
    run = study_of(config)[1].runs[0]
    mean, log_variance = np.zeros((ROWS, 10)), np.zeros((ROWS, 10))
    mean[:, 0], log_variance[:, 0] = 0.9**0.5 * G.standard_normal(ROWS), np.log(0.1)
    log_variance[:, 2:] = -4
    codes = xr.Dataset({name: (("galaxy", "latent"), each) for name, each in
                        {"mean": mean, "log_variance": log_variance}.items()})  # fmt: skip
    codes["prior_spread"] = (("latent", "quantile"), np.tile(norm.ppf(QUANTILES), (10, 1)))
    spread = codes_spread(run, codes).assign_coords(latent=np.arange(1, 11)).expand_dims(run=["r"])
    rho = xr.DataArray(G.random((1, 10, 2)), {"run": ["r"], "latent": np.arange(1, 11), "factor": ["flux", "g1"]})
    return spread.assign(rho=rho)


def test_what_a_latent_holds_is_the_capacity_of_its_channel(analysis):
    nats = analysis["latent_nats"].values[0]
    assert nats[0] == pytest.approx(0.5 * np.log(1 + 9), abs=0.02) and nats[1] == 0
    np.testing.assert_allclose(nats[2:], 0.5 * (np.exp(-4) + 4 - 1))  # points are not their prior, and so are active
    assert inactive(analysis, "r") == {2}
    assert inactive(analysis.drop_vars("latent_nats"), "r") == set()


def test_the_spread_is_that_of_samples_and_not_of_means(analysis):
    spread = analysis["spread"].sel(run="r")
    for latent, width in ((1, 1.0), (2, 1.0), (3, np.exp(-2))):
        np.testing.assert_allclose(spread.sel(latent=latent), width * norm.ppf(QUANTILES), atol=0.05 * width)


def test_inactive_latents_are_marked(analysis):
    labels = correlation_figure(analysis, {"r": "a"}).axes[0].get_yticklabels()
    assert [label.get_text() for label in labels][:3] == ["z1", "○ z2", "z3"]
    ticks = spread_figure(analysis, {"r": "a"}).axes[0].get_xticklabels()
    assert [label.get_text() for label in ticks][:3] == ["1", "2\n○", "3"]
    walks = {"image": (("start", "latent", "step", "y", "x"), G.random((1, 2, 2, 4, 4)))}
    pictures = xr.Dataset({**walks, "value": (("latent", "step"), G.random((2, 2)))}, {"latent": ["z1 (flux)", "z2"]})
    shown = traversal_figure(pictures, "a", {2}).axes
    assert [label.get_text() for label in shown[0].get_yticklabels()] == ["z1 (flux)", "z2\ninactive"]
    both = traversal_figure(pictures.assign(residual=pictures["image"] - 0.5), "a", {2}).axes
    assert len(shown) == 1 and len(both) == 3 and "σ of the noise" in both[2].get_xlabel()


def test_a_figure_of_many_rows_shows_some_evenly_and_says_so(analysis):
    titles = {f"r{i}": f"label {i}" for i in range(100)}
    shown = few(titles, 16)
    assert len(shown) == 16 and {"r0", "r99"} <= shown.keys() and list(shown) == [run for run in titles if run in shown]
    assert few(titles, 200) == titles and how_many(100, 100) == ""
    many = xr.concat([analysis.assign_coords(run=[run]) for run in titles], "run")
    assert correlation_figure(many, titles)._suptitle.get_text().startswith("16 of the 100 rows")
    stamps = {name: xr.DataArray(G.random((2, 4, 4))) for name in titles}
    assert "24 of the 100" in reconstruction_figure(stamps)._suptitle.get_text()


def test_curves_are_of_the_terms_and_of_no_metric():
    history = pd.DataFrame({"epoch": [1, 2], "validation_loss": [1, 1], "validation_lds": [0.1, 0.2]})
    terms = history.assign(
        **{f"{split}_{term}": [3.0, 2.0] for term in ("kl", "intra") for split in ("train", "validation")}
    )
    panels = history_figure({"a": terms, "b": history}).axes
    assert [ax.get_title() for ax in panels[:3]] == ["kl", "intra", ""] or [ax.get_title() for ax in panels] == [
        "kl",
        "intra",
    ]
    assert "no" in history_figure({"b": history}).axes[0].texts[0].get_text().lower()


def test_a_term_of_runs_that_are_not_shown_has_no_panel():
    history = pd.DataFrame({"epoch": [1, 2], "validation_kl": [3.0, 2.0], "train_kl": [3.0, 2.0]})
    other = history.rename(columns={"validation_kl": "validation_mmd", "train_kl": "train_mmd"})
    many = {f"run {i}": other if i == 1 else history for i in range(100)}
    assert [ax.get_title() for ax in history_figure(many).axes] == ["kl"]


def test_bars_are_the_cells_of_the_table():
    index = pd.MultiIndex.from_tuples([("a", "leakage"), ("b", "leakage"), ("a", "leakage_chance"), ("b", "nats")])
    values = pd.DataFrame({"mean": [0.5, 0.1, 0, 9], "low": [0.4, 0, 0, 8], "high": [0.6, 0.2, 0.01, 10]}, index)
    (ax,) = leakage_figure(values).axes
    assert [bar.get_width() for bar in ax.patches] == [0.5, 0.1]
    assert "leaks" in leakage_figure(values.iloc[3:]).axes[0].texts[0].get_text()
    assert (
        "leaks"
        in leakage_figure(cells(pd.DataFrame(columns=["run", "metric", "value", "low", "high", "se"]), {}))
        .axes[0]
        .texts[0]
        .get_text()
    )


def test_cells_are_students_intervals_one_by_one():
    """All cells at once are what each is alone: of one run its own interval, of several Student's, within the range."""
    rows = [
        {"run": f"{label}{i}", "metric": metric, "value": value, "low": value - 1, "high": value + 1, "se": 0.25}
        for label, seeds in (("a", 3), ("b", 1))
        for metric in ("nats", "leakage", "udr", "mig")
        for i, value in enumerate(G.random(seeds))
    ]
    scores = pd.DataFrame(rows)
    table = cells(scores, {run: run[0] for run in scores["run"]})
    for metric, shared in (("nats", False), ("udr", True)):
        values = scores[(scores["metric"] == metric) & (scores["run"].str[0] == "a")]["value"]
        half = student_t.ppf(0.975, 2) * (0.25 if shared else values.std() / 3**0.5)
        mean, low, high = table.loc[("a", metric)]
        assert mean == pytest.approx(values.mean())
        assert high == pytest.approx(min(mean + half, 1.0 if metric == "udr" else np.inf))
        assert low == pytest.approx(mean - half) or metric == "udr"
    mean, low, high = table.loc[("b", "nats")]
    assert (low, high) == (pytest.approx(mean - 1), pytest.approx(mean + 1))
    assert table.loc[("b", "mig")]["low"] == 0 and table.loc[("b", "mig")]["high"] == 1
    scores.loc[0, "value"] = np.nan
    assert np.isnan(cells(scores, {run: run[0] for run in scores["run"]}).loc[("a", "nats")]["mean"])

"""Contrasts and paired differences: pairing, intervals, data sets, families of tests, and what is compared."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from auxvae.analysis.contrasts import contrasts
from auxvae.analysis.differences import differences, holm
from auxvae.config.labels import families
from auxvae.report.tables import differences_table
from tests.conftest import study_of


def rows_of(metric, values, **head):
    """A row of the table of scores for each seed; intervals of the runs are wide."""
    first = {"run": "", "dataset": "d", "method": "m", "coverage": "", "metric": metric, "n": 9, "se": 1.0, **head}
    return [
        {**first, "run": f"{head}{seed}", "seed": seed, "value": value, "low": value - 2, "high": value + 2}
        for seed, value in enumerate(values)
    ]


def contrast(rows, sizes, images=lambda run, metric: None):
    return contrasts(pd.DataFrame(rows), {}, sizes, images)["contrast"]


def test_the_reference_is_the_largest_coverage_wherever_it_stands():
    values = {"two": [1.0, 2.0, 3.0], "full": [5.0, 5.0, 6.0], "three": [7.0, 6.0, 8.0]}
    rows = [row for coverage, each in values.items() for row in rows_of("nats", each, coverage=coverage)]
    result = contrast(rows, {"two": 2, "full": 5, "three": 3})
    assert set(result["pair"].values) == {"d m: two - full", "d m: three - full"}
    two = result.sel(pair="d m: two - full", metric="nats")
    assert float(two.sel(bound="mean")) == pytest.approx(-10 / 3)


def test_scores_over_different_factors_are_not_contrasted():
    rows = [row for c in ("full", "two") for row in rows_of("lds_corrected", [0.5, 0.6], coverage=c)]
    assert not contrasts(pd.DataFrame(rows), {}, {"full": 5, "two": 2})


def test_one_seed_is_compared_image_by_image_or_without_an_interval():
    g = np.random.default_rng(0)
    shared = 10 * g.standard_normal(400)  # what both models make of an image, which cancels
    by_image = {c: shared + shift + 0.1 * g.standard_normal(400) for c, shift in (("full", 0.0), ("two", 1.0))}
    rows = [row for c, values in by_image.items() for row in rows_of("nats", [values.mean()], coverage=c)]
    rows += [row for c in by_image for row in rows_of("lds_all_corrected", [0.5], coverage=c)]
    read = {row["run"]: by_image[row["coverage"]] for row in rows}
    result = contrast(rows, {"full": 5, "two": 2}, lambda run, metric: read[run] if metric == "nats" else None)
    mean, low, high = (float(result.sel(metric="nats", bound=b).squeeze()) for b in ("mean", "low", "high"))
    assert mean == pytest.approx(1, abs=0.02)
    assert (high - low) / 2 == pytest.approx(1.96 * 0.1 * np.sqrt(2 / 400), rel=0.15)
    assert np.isnan(result.sel(metric="lds_all_corrected", bound=["low", "high"])).all()


def study_with(config, groups, datasets=None):
    config["runs"] = groups
    if datasets:
        config["datasets"] = datasets
    return study_of(config)[1]


def scores_of(runs, value):
    """A table of one score for each run, made by a function of the run."""
    return pd.DataFrame(
        [
            {"run": run.id, "dataset": run.dataset.name, "seed": run.seed, "metric": "nats", "value": value(run)}
            for run in runs
        ]
    )


def test_differences_are_those_of_a_paired_t_test_with_the_effect_of_the_pairs(config):
    g = np.random.default_rng(1)
    seeds = list(range(5))
    runs = study_with(config, [{"method": "vae", "seeds": seeds}, {"method": "beta_vae", "seeds": seeds}]).runs
    luck, noise = 5 * g.standard_normal(5), g.standard_normal((2, 5))
    values = {run.id: luck[run.seed] + noise[int(run.method == "vae"), run.seed] for run in runs}
    whole = differences(scores_of(runs, lambda run: values[run.id]), runs, {}, {})["difference"]
    assert whole["comparison"].values.tolist() == ["beta_vae - vae"]
    result = whole.squeeze(("comparison", "score")).to_series()
    d = noise[0] - noise[1]
    test = stats.ttest_1samp(d, 0)
    assert (result["low"], result["high"]) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert (result["mean"], result["p"], result["pairs"]) == pytest.approx((d.mean(), test.pvalue, 5))
    assert result["effect"] == pytest.approx(d.mean() / d.std(ddof=1))
    assert result["p_holm"] == pytest.approx(result["p"])  # of one test


def test_every_label_is_compared_with_the_first_and_every_coverage_with_the_largest(config):
    """On one data set and with one network; a group of another network has its own first."""
    other = {"name": "mlp", "width": 16}
    groups = [
        {"method": "beta_vae"},
        {"method": "aux_vae", "coverages": ["two", "full"]},
        {"method": "vae", "network": other},
        {"method": "beta_vae", "network": other},
    ]
    runs = study_with(config, groups).runs
    result = differences(scores_of(runs, lambda run: 1.0), runs, {}, {})
    assert result["comparison"].values.tolist() == [
        "aux_vae two - beta_vae",
        "aux_vae two - aux_vae full",
        "aux_vae full - beta_vae",
        "beta_vae - vae",
    ]


def test_data_sets_that_differ_in_their_seed_alone_are_the_pairs(config):
    """Seeds of runs are averaged on each data set: those of one share its rows and are no independent pairs."""
    paper = config["datasets"]["galaxies"]
    datasets = {f"sky{k}": {**paper, "seed": k} for k in range(3)}
    assert families({**datasets, "bright": {**paper, "noise": 1}}) == {
        **dict.fromkeys(datasets, "sky0"),
        "bright": "bright",
    }
    groups = [{"method": m, "dataset": d, "seeds": [0, 1]} for m in ("vae", "beta_vae") for d in datasets]
    runs = study_with(config, groups, datasets).runs
    shift = {"sky0": 1.0, "sky1": 2.0, "sky2": 4.0}
    scores = scores_of(runs, lambda run: (run.method == "beta_vae") * (shift[run.dataset.name] + 0.5 * run.seed))
    result = differences(scores, runs, {}, families(datasets))["difference"].squeeze().to_series()
    test = stats.ttest_1samp(np.array([1.25, 2.25, 4.25]), 0)
    assert result["pairs"] == 3
    assert (result["mean"], result["p"]) == pytest.approx((7.75 / 3, test.pvalue))


def test_one_pair_has_no_interval_and_equal_scores_no_difference(config):
    runs = study_with(config, [{"method": "vae"}, {"method": "beta_vae"}]).runs
    one = differences(scores_of(runs, lambda run: len(run.method)), runs, {}, {})
    result = one["difference"].squeeze().to_series()
    assert result["mean"] == 5 and result["pairs"] == 1
    assert result[["low", "high", "effect", "p", "p_holm"]].isna().all()
    assert differences_table(one).iloc[0].tolist() == ["nats", "5", "", "", "", "1"]
    twice = [replace(run, seed=seed) for run in runs for seed in (0, 1)]
    same = differences(scores_of(twice, lambda run: 2.0), twice, {}, {})["difference"].squeeze().to_series()
    assert same[["mean", "low", "high", "effect", "p"]].tolist() == [0, 0, 0, 0, 1]


def test_a_study_of_one_label_has_no_differences(config):
    runs = study_with(config, [{"method": "vae", "seeds": [0, 1]}]).runs
    empty = differences(scores_of(runs, lambda run: 1.0), runs, {}, {})
    assert not empty and differences_table(xr.Dataset()).empty


# The fifteen p values of Benjamini & Hochberg, J. R. Stat. Soc. B 57, 289 (1995), section 4.2.
PUBLISHED = (0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
             0.7590, 1.0)  # fmt: skip


def test_holm_of_published_p_values():
    """Three are rejected at 5 %, as by Bonferroni and Hochberg in that paper; NaN is no test, order does not matter."""
    corrected = holm(np.array(PUBLISHED))
    assert corrected[:4] == pytest.approx([15 * 0.0001, 14 * 0.0004, 13 * 0.0019, 12 * 0.0095])
    assert (corrected < 0.05).sum() == 3
    assert (np.diff(corrected) >= 0).all() and corrected[-1] == 1
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    with_missing = holm(np.array([0.04, np.nan, 0.01]))
    assert with_missing[[0, 2]] == pytest.approx([0.04, 0.02]) and np.isnan(with_missing[1])


def test_holm_keeps_the_chance_of_any_false_discovery():
    """Of ten true hypotheses, one or more are rejected in 5 % of draws; 2,000 draws know it to 0.5 %."""
    p = np.random.default_rng(0).random((2000, 10))
    assert np.mean([(holm(each) < 0.05).any() for each in p]) == pytest.approx(0.05, abs=0.015)

"""Marks of the best in a score: only where it is better than every other, towards what the score calls perfect."""

import numpy as np
import pandas as pd
import pytest

from auxvae.analysis.best import best_labels
from auxvae.metrics.columns import columns

SEEDS = 5
G = np.random.default_rng(0)


def scores_of(metric, by_label, dataset="galaxies"):
    rows = [
        {"run": f"{label}-{seed}", "metric": metric, "dataset": dataset, "seed": seed, "value": value}
        for label, values in by_label.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def marked(*tables):
    scores = pd.concat(tables)
    best = best_labels(scores, {run: run.rpartition("-")[0] for run in scores["run"]})
    return best["best"].to_series().groupby(level="marked").first().to_dict() if "best" in best else {}


def around(mean, spread=0.001):
    return mean + spread * G.standard_normal(SEEDS)


def test_the_best_lies_nearest_to_perfection():
    assert marked(scores_of("mig", {"a": around(0.9), "b": around(0.5), "c": around(0.1)})) == {"mig": "a"}
    assert marked(scores_of("leakage", {"a": around(0.9), "b": around(0.5), "c": around(0.1)})) == {"leakage": "c"}
    slopes = {"a": around(1.2), "b": around(1.01), "c": around(0.7)}
    assert marked(scores_of("swap_recon_flux_slope", slopes)) == {"swap_recon_flux_slope": "b"}


def test_a_score_with_a_floor_is_best_nearest_to_it():
    nats = scores_of("nats", {"a": around(395, 0.01), "b": around(401, 0.01)})
    floor = scores_of("nats_floor", {"a": [390] * SEEDS, "b": [390] * SEEDS})
    assert marked(nats, floor)["nats"] == "a"


@pytest.mark.parametrize(
    "by_label",
    [
        {"a": around(0.9), "b": around(0.9), "c": around(0.1)},  # two alike
        {"a": [1.0] * SEEDS, "b": [1.0] * SEEDS},  # exactly alike
        {"a": [0.9, 0.2], "b": [0.1, 0.3]},  # the mean is higher, by chance as well as not
    ],
)
def test_nothing_is_marked_that_is_not_better_than_every_other(by_label):
    assert set(marked(scores_of("mig", by_label)).values()) <= {""}


def test_one_seed_one_label_and_scores_without_a_direction_have_no_mark():
    assert marked(scores_of("mig", {"a": [0.9], "b": [0.1]})) == {}
    assert marked(scores_of("mig", {"a": around(0.9)})) == {}
    assert marked(scores_of("kl", {"a": around(9), "b": around(1)})) == {}
    assert marked(scores_of("udr", {"a": [0.9] * SEEDS, "b": [0.1] * SEEDS})) == {}  # one score of all seeds


def test_where_labels_are_alike_few_studies_have_any_mark():
    """Twelve scores of four equal labels, sixty times: at most 5 % of studies mark anything, with their error."""
    names = [name for _, name, entry in columns() if entry.good == "1" and not entry.shared][:12]
    studies, wrong = 60, 0
    for _ in range(studies):
        tables = [scores_of(name, {label: around(0.5, 0.1) for label in "abcd"}) for name in names]
        wrong += any(marked(*tables).values())
    assert wrong / studies <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / studies)

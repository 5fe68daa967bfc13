"""The table of metrics: an entry is all that a new metric needs, and everything that shows scores reads the table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from auxvae.analysis.contrasts import contrasts
from auxvae.analysis.controls import control_codes
from auxvae.analysis.scoring import chosen_metrics, left_out
from auxvae.analysis.scoring import table as printed
from auxvae.metrics.alignment import alignment_scores
from auxvae.metrics.columns import citations, column, columns, compared, contrasted, metric_of, shown_in
from auxvae.metrics.metric import NEEDS, Column, Metric
from auxvae.metrics.representation import representation
from auxvae.metrics.suite import study_scores, suite
from auxvae.metrics.table import METRICS
from auxvae.report.catalogue import DOCS, metrics_table, with_table
from auxvae.report.papers import of_methods, of_scores
from auxvae.report.tables import wide
from tests.conftest import ROOT

G = np.random.default_rng(0)
U = {"a": G.random(400), "b": G.random(400)}
Z = np.stack([*U.values(), G.standard_normal(400)], 1)


def test_every_score_stands_once_and_its_companion_too():
    names = [score for _, score, _ in columns()]
    assert len(names) == len(set(names))
    assert {entry.companion for _, _, entry in columns()} - {""} <= set(names)
    for metric in METRICS.values():
        assert metric.question and metric.needs in NEEDS
        assert metric.measure or not (metric.boosted or (metric.by_coverage and not metric.columns))


def test_every_score_that_is_computed_of_codes_is_in_the_table():
    inputs = representation(Z, np.stack(list(U.values()), 1).round(1), prior=Z[::-1].copy(), films=Z.reshape(20, 20, 3))
    scores = suite(inputs, reference=True, resamples=2) | alignment_scores(Z, U, ("a",), 2)
    factors = [*U, "u1", "u2"]  # those of the representation have no names
    assert {name for name in scores if metric_of(name, factors) is None} == set()
    in_scores = {metric_of(name, factors) for name in scores}
    assert {name for name, metric in METRICS.items() if metric.measure} - in_scores == {"tad"}


def test_the_report_shows_the_columns_that_it_always_has():
    assert shown_in("alignment", U)[:3] == ("lds", "lds_ceiling", "lds_corrected")
    whatever_axes = ("rotated_a", "rotated_b", "nearest_a", "nearest_b", "linear_a", "linear_b")
    of_priors = ("own_latent_a", "own_latent_b", "own_latent_chance")
    assert shown_in("factors", U) == ("rho_a", "rho_b", *whatever_axes, *of_priors)
    assert shown_in("aggregate", U)[4:7] == ("prior_mmd", "prior_ks", "prior_ks_floor")
    assert shown_in("images", U)[0] == "nats" and shown_in("images", U)[-1] == "moments_converged"
    assert compared() == (
        "lds_all_live",
        "lds_sampled_corrected",
        "leakage",
        "concept",
        "composition",
        "nats",
        "ssim_asinh",
        "prior_distance",
        "pair_dependence",
        "straightness_line",
        "straightness_arc",
    )
    assert set(contrasted()) == {
        "lds_all_corrected",
        "leakage",
        "ssim_asinh",
        "nats",
    }  # lds_corrected: not over equal factors


@pytest.fixture
def spread(monkeypatch):
    """A new metric of samples, added as one entry."""
    entry = Metric(
        {"spread": Column("1", "suite", compared=True, contrasted=True)},
        "samples", "factors", "Nobody, arXiv:0000.00000",
        "how far codes spread", measure="tests.auxvae.additions:spread",
    )  # fmt: skip
    monkeypatch.setitem(METRICS, "spread", entry)
    return entry


def test_one_entry_is_all_that_a_new_metric_needs(spread):
    scores = study_scores(Z, 2 * Z, U, 2)
    assert scores["spread"].value == pytest.approx(2 * Z.std())
    assert suite(representation(Z, Z), ["spread"])["spread"].value == pytest.approx(Z.std())
    assert chosen_metrics("spread", representation(Z, Z)) == ["spread"]
    assert any("spread" in sentence for sentence in left_out(representation(Z)))
    assert printed({"spread": scores["spread"]}).endswith(" 1")
    assert "spread" in shown_in("suite", U) and "spread" in compared()
    assert "| `spread` | 1 |  | samples | how far codes spread |" in metrics_table()
    assert "spread: Nobody" in of_scores(["spread"])


def test_a_new_metric_is_in_tables_and_contrasts(spread):
    rows = [
        {"run": c, "dataset": "d", "method": "m", "coverage": c, "seed": 0, "metric": "spread",
         "value": v, "low": v - 1, "high": v + 1, "se": 0.5, "n": 9} for c, v in (("full", 1.0), ("two", 4.0))
    ]  # fmt: skip
    table = wide(pd.DataFrame(rows), {"full": "m full", "two": "m two"}, shown_in("suite", U))
    assert table.loc["m two", "spread"] == "4.0 ± 1.0"
    assert contrasts(pd.DataFrame(rows), {})["contrast"].sel(metric="spread", bound="mean").item() == 3


def test_a_study_scores_means_or_samples_as_the_table_says(spread, monkeypatch):
    monkeypatch.setitem(METRICS, "spread", replace(spread, of="means"))
    assert study_scores(Z, 2 * Z, U, 2)["spread"].value == pytest.approx(Z.std())
    monkeypatch.setitem(METRICS, "spread", replace(spread, boosted=True))
    assert "spread" not in study_scores(Z, Z, U, 2)


@pytest.mark.parametrize("name", DOCS)
def test_the_tables_of_the_docs_are_in_step(name):
    """After a change of a table: python -m auxvae.report.catalogue."""
    text = (ROOT / name).read_text()
    assert with_table(text, DOCS[name]()) == text


def test_papers_are_cited_once_each_with_their_metrics():
    papers = citations(["sap", "sap_discrete", "rho_a", "mig", "nothing"], U)
    assert papers == {
        "Kumar et al., arXiv:1711.00848": ["sap", "sap_discrete"],
        "Chen et al., arXiv:1802.04942": ["mig"],
    }
    assert of_methods(["vae", "vae"]) == "Papers: vae: Kingma & Welling, arXiv:1312.6114, eq. 10."
    assert of_scores(["nats"]) == ""


def test_what_is_good_of_a_companion_is_not_said():
    assert column("prior_ks").good == "floor" and column("prior_ks_floor").good == ""
    assert column("nats").logarithmic and not column("mse").logarithmic
    assert column("no such score") is None


def test_controls_have_as_many_latents_as_a_run_or_more():
    assert {codes.shape[1] for codes in control_codes(Z[:, :2], 3).values()} == {3, 4}

"""The sentences at the top of a report: each true of the cells that it is made of."""

import pandas as pd
import pytest

from auxvae.report.html_tables import MOST, shown
from auxvae.report.verdict import question, verdict
from tests.conftest import study_of


def cells(**by_score):
    rows = {(label, score): cell for score, labels in by_score.items() for label, cell in labels.items()}
    index = pd.MultiIndex.from_tuples(rows, names=["label", "metric"])
    return pd.DataFrame([*rows.values()], index=index, columns=["mean", "low", "high"], dtype=float)


CHANCE = {"a": (0.001, 0.0, 0.002), "b": (0.001, 0.0, 0.002)}


def test_leakage_is_called_so_where_its_interval_lies_above_that_of_chance():
    none = cells(leakage={"a": (0.003, 0.0, 0.005), "b": (0.0, 0.0, 0.001)}, leakage_chance=CHANCE)
    assert verdict(none, {}, 0, 2) == [
        "Residual latents say no more of the factors that a model was given than can be told from chance "
        "(R² of 0.000 to 0.003)."
    ]
    some = cells(leakage={"a": (0.5, 0.4, 0.6), "b": (0.0, 0.0, 0.001)}, leakage_chance=CHANCE)
    (sentence,) = verdict(some, {}, 0, 2)
    assert "in 1 of 2 rows of the tables: a; the most has R² = 0.50 ± 0.10" in sentence


def test_the_best_is_named_only_where_it_is_marked():
    values = cells(lds_sampled_corrected={"a": (0.9, 0.8, 1.0), "b": (0.5, 0.4, 0.6)})
    (unmarked,) = verdict(values, {}, 0, 2)
    assert "0.90 ± 0.10 (a); no row is significantly better than every other" in unmarked
    (best,) = verdict(values, {"lds_sampled_corrected": {"a"}}, 0, 2)
    assert "at best 0.90 ± 0.10 (a); a is significantly better than every other." in best


def test_of_several_data_sets_each_best_is_that_of_its_own():
    values = cells(lds_sampled_corrected={"one a": (0.9, 0.8, 1.0), "one b": (0.5, 0.4, 0.6), "two a": (0.7, 0.6, 0.8)})
    (both,) = verdict(values, {"lds_sampled_corrected": {"one a", "two a"}}, 0, 3, datasets=2)
    assert "one a and two a are each significantly better than every other of its data set" in both
    (one,) = verdict(values, {"lds_sampled_corrected": {"two a"}}, 0, 3, datasets=2)
    assert "at best 0.90 ± 0.10 (one a); two a is significantly better than every other of its data set" in one


def test_nothing_is_said_of_leakage_without_an_interval_and_of_values_that_are_no_numbers():
    nan = float("nan")
    bare = cells(leakage={"a": (0.5, nan, nan)}, leakage_chance={"a": (0.001, 0.0, 0.002)})
    assert verdict(bare, {}, 0, 1) == []
    assert verdict(cells(leakage={"a": (0.5, 0.4, 0.6)}), {}, 0, 1) == []  # what chance gives is not known
    (nats,) = verdict(cells(nats={"a": (nan, nan, nan), "b": (395, 394, 396)}), {}, 0, 2)
    assert nats == "The reconstruction in nats per image, less is better: 395.0 ± 1.0."


def test_less_is_better_in_nats_and_rows_alike_are_counted():
    values, floor = {"a": (400, 399, 401), "b": (395, 394, 396)}, (390, 389, 391)
    (nats,) = verdict(cells(nats=values, nats_floor={"a": floor, "b": floor}), {}, 0, 2)
    assert "above the floor, less is better; its floor, that of the noise-free truth, is 390: at best 5.0 ± 1.0" in nats
    (apart,) = verdict(cells(nats=values, nats_floor={"a": (399, 398, 400), "b": floor}), {}, 0, 2)
    assert "above the floor, less is better: at best 1.0 ± 1.0 (a)" in apart  # each by the noise of its own data set
    (half,) = verdict(cells(nats=values, nats_floor={"a": floor}), {}, 0, 2)
    assert "in nats per image, less is better: at best 395.0 ± 1.0 (b)" in half
    (alike,) = verdict(cells(lds_sampled_corrected={"a": (1, 1, 1), "b": (1, 1, 1), "c": (0, 0, 0)}), {}, 0, 3)
    assert "at best 1 (2 of 3 rows alike)" in alike


def test_a_single_row_is_compared_with_nothing_and_failures_are_counted():
    assert verdict(cells(nats={"a": (400, 399, 401)}), {}, 2, 1) == [
        "The reconstruction in nats per image, less is better: 400.0 ± 1.0.",
        "2 of 3 runs could not be trained, and are left out of all numbers.",
    ]
    assert verdict(cells(mig={"a": (0.1, 0.0, 0.2)}), {}, 0, 1) == []


@pytest.mark.parametrize("asked", ["", "Is it the PSF?"])
def test_the_question_is_that_of_the_config(config, asked):
    config["question"] = asked
    study = study_of(config)[1]
    assert question(study) == asked or (not asked and "aux_vae" in question(study))
    ids = [run.id for run in study.runs]
    del config["question"]
    assert ids == [run.id for run in study_of(config)[1].runs]


def test_tables_are_cut_into_parts_that_hold_every_cell_once():
    table = pd.DataFrame({f"c{i}": ["0.1 ± 0.2", "no number"] for i in range(MOST + 2)}, index=["a", "b"])
    parts = shown(table, {"c3": {"a"}})
    assert [head for part in parts for head in part.heads] == list(table.columns)
    assert max(len(part.heads) for part in parts) <= MOST
    best = [
        (label, head)
        for p in parts
        for label, row in p.rows
        for head, cell in zip(p.heads, row, strict=True)
        if cell.best
    ]
    assert best == [("a", "c3")]
    first, second = (row[0] for _, row in parts[0].rows)
    assert (first.value, first.rest, first.key) == ("0.1", "± 0.2", "0.1")
    assert (second.value, second.key) == ("no number", "")


def test_interventions_are_read_beside_a_perfect_model_and_one_that_knows_no_context():
    beside = {"a": (0.1, 0.1, 0.1), "b": (0.1, 0.1, 0.1)}, {"a": (0.5, 0.5, 0.5), "b": (0.5, 0.5, 0.5)}
    composition = {"a": (0.2, 0.15, 0.25), "b": (0.45, 0.3, 0.6)}
    values = cells(composition=composition, composition_floor=beside[0], composition_pooled_images=beside[1])
    (sentence,) = verdict(values, {}, 0, 2)
    assert "at best 0.200 ± 0.050 (a), where a perfect model has 0.1 and" in sentence
    assert "pooled 0.5; 1 of 2 rows are clearly below the pooled images" in sentence


def test_names_with_commas_are_parted_by_semicolons():
    labels = ["a, k1", "a, k2", "b"]
    values = cells(
        leakage=dict.fromkeys(labels, (0.5, 0.4, 0.6)),
        leakage_chance=dict.fromkeys(labels, (0.001, 0.0, 0.002)),
    )
    assert "a, k1; a, k2; and b; the most" in verdict(values, {}, 0, 3)[0]


def test_collapse_is_said_of_rows_without_a_latent_on_average():
    live = {"a": (3.0, 2.0, 4.0), "b": (0.0, 0.0, 0.0), "c": (0.67, 0.0, 1.5)}
    (sentence,) = verdict(cells(latents_live=live), {}, 0, 9)
    assert sentence.startswith("b and c have collapsed in all or most seeds")
    assert verdict(cells(latents_live={"a": live["a"]}), {}, 0, 3) == []

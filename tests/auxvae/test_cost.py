"""What a job asks of a cluster: it grows with processes, images and attempts, and never beyond a node's cores."""

import math
from dataclasses import replace

import pytest

from auxvae.config import cost
from tests.auxvae.in_contexts import run_of
from tests.auxvae.test_score_runs import run_of as score_run


def with_rows(run, rows, **training):
    return replace(run, dataset=replace(run.dataset, train=rows), training=replace(run.training, **training))


def test_a_job_asks_for_a_core_a_run_within_bounds():
    assert [cost.cores(runs) for runs in (1, 4, 16, 57, 256)] == [1, 4, 16, 16, 16]
    assert [cost.cores(runs, "cuda") for runs in (1, 4, 57)] == [1, 4, 4]


def test_a_killed_job_comes_back_with_more(tiny):
    run = tiny.runs[0]
    for asked in (
        lambda n: cost.training_memory([run], 2, n),
        lambda n: cost.evaluation_memory(run.dataset, 100, 2, n),
        lambda n: cost.training_minutes([run] * 100, 2, n),
        lambda n: cost.evaluation_minutes([run] * 8, 100, 2, n),
        lambda n: cost.evaluation_minutes([run] * 8, 100, 2, n, 27_280),
    ):
        assert asked(3) == 3 * asked(1) and asked(2) == 2 * asked(1)


def test_memory_counts_the_images_that_every_process_holds(tiny):
    run, rows = tiny.runs[0], 100_000
    images = 4 * rows * run.dataset.stamp**2 / 1e6
    for processes in (1, 4):
        many, few = (cost.training_memory([with_rows(run, n)], processes) for n in (rows, 1))
        assert many - few == pytest.approx(processes * cost.HELD * images, rel=0.01)
    streamed = with_rows(run, rows, order="shards")
    assert cost.training_memory([streamed], 4) == cost.training_memory([with_rows(run, 0)], 4)
    scored = cost.evaluation_memory(run.dataset, rows, 2) - cost.evaluation_memory(run.dataset, 0, 2)
    assert scored == pytest.approx(2 * cost.SCORED * images, rel=0.01)


def test_time_falls_with_processes_and_grows_with_test_images(tiny):
    runs = [with_rows(tiny.runs[0], 1_000_000)] * 160
    hours = cost.core_hours(runs)
    assert hours > 16 and hours == pytest.approx(160 * cost.core_hours(runs[:1]))
    assert cost.training_minutes(runs, 16) == 10 + math.ceil(180 * hours / 16)
    some = runs[:32]
    assert cost.evaluation_minutes(some, 2048, 16) == 12 and cost.evaluation_minutes(some, 20480, 16) == 30
    assert cost.evaluation_minutes(some, 2048, 16, labelled=20_000) == 10 + math.ceil((32 + 1.5 * 36) / 16)


def test_images_that_are_sampled_take_time_by_steps_and_test_rows(tiny):
    few, many = (score_run(diffusion={"steps": steps}) for steps in (20, 100))
    assert cost.sampling_seconds(tiny.runs[0], 2048) == 0
    assert cost.sampling_seconds(many, 2048) == pytest.approx(5 * cost.sampling_seconds(few, 2048))
    minutes = [cost.evaluation_minutes([run] * 4, 2048, 1) for run in (few, many)]
    expected = 3 * 4 * (cost.sampling_seconds(many, 2048) - cost.sampling_seconds(few, 2048)) / 60
    assert minutes[1] - minutes[0] == pytest.approx(expected, abs=1) and minutes[0] > 14
    assert cost.core_hours([many]) > cost.core_hours([few])


def test_a_run_on_some_contexts_costs_their_rows_alone():
    every, one = (run_of(method="vae", **named) for named in ({}, {"contexts": ["obs"]}))
    rows = sum(each.train for each in every.dataset.contexts)
    of_obs = next(each.train for each in every.dataset.contexts if each.name == "obs")
    fixed = cost.EVALUATION_SECONDS / 3600
    hours = [cost.core_hours([run]) - fixed for run in (every, one)]
    assert hours[1] / hours[0] == pytest.approx(of_obs / rows)

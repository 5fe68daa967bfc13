"""Training: killed or not it ends in the same bytes, alone or in a fleet too, and what goes wrong is said."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from auxvae.analysis.follow import follow_metrics
from auxvae.analysis.model import TrainedModel
from auxvae.config.run import Fleet
from auxvae.data import run_folder as runs
from auxvae.data.store import Store
from auxvae.metrics.representation import representation
from auxvae.metrics.suite import suite
from auxvae.models.model import draws_at
from auxvae.training import fleet, loop
from auxvae.training.checkpoint import write_checkpoint
from auxvae.training.optimiser import rate
from auxvae.training.state import weights
from foundation.faults import Refused
from foundation.files import locked
from tests.auxvae.models import run_of
from tests.conftest import ROOT

CPU = torch.device("cpu")


def fresh(run, **changes):
    return replace(run, training=replace(run.training, **changes))


def bytes_of(folder):
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "last.safetensors", "history.parquet")}


@pytest.fixture(scope="module")
def trained(tiny, tiny_store, tmp_path_factory):
    """All runs of the tiny study, trained as one fleet by two workers."""
    results = tmp_path_factory.mktemp("results")
    fleet.train(tiny.fleets[0], tiny_store, results, CPU, workers=2)
    return results


def test_a_run_in_a_fleet_equals_the_run_alone(tiny, tiny_store, trained, tmp_path):
    for run in tiny.runs:
        loop.train_run(run, tiny_store, tmp_path, CPU)
        assert bytes_of(tmp_path / "runs" / run.id) == bytes_of(trained / "runs" / run.id)


PROGRAM = """
import json, sys; from pathlib import Path; import torch
from auxvae.training import loop, stack; from auxvae.config.run import read_run
loop.CHECKPOINT_SECONDS = 0.0
runs = [read_run(run) for run in json.loads(sys.argv[1])]
place = Path(sys.argv[2]), Path(sys.argv[3]), torch.device("cpu")
"""
ALONE, STACKED = "loop.train_run(runs[0], *place)", "stack.train_stack(runs, *place)"


def killed_and_whole(runs, store, folder, train=ALONE, preparation=""):
    """The bytes of runs that were killed when the one in the middle had a checkpoint, and of runs that were not."""
    program = preparation + PROGRAM + train
    arguments = [sys.executable, "-c", program, json.dumps([asdict(run) for run in runs]), str(store)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    checkpoint = folder / "killed" / "work" / runs[len(runs) // 2].id / "checkpoint.safetensors"
    killed = subprocess.Popen([*arguments, str(folder / "killed")], env=environment)
    until = time.monotonic() + 120
    while not checkpoint.exists() and killed.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert checkpoint.exists() and not (folder / "killed" / "runs").exists()
    for name in ("killed", "whole"):
        subprocess.run([*arguments, str(folder / name)], env=environment, check=True)
    assert not any((folder / "killed" / "work" / run.id).exists() for run in runs)
    return tuple([bytes_of(folder / name / "runs" / run.id) for run in runs] for name in ("killed", "whole"))


def test_killed_and_started_again_it_ends_in_the_same_bytes(tiny, tiny_store, tmp_path):
    killed, whole = killed_and_whole([fresh(tiny.runs[1], epochs=6)], tiny_store, tmp_path)
    assert killed == whole


def test_the_workers_of_a_killed_fleet_end_with_it(tiny, tiny_store, tmp_path):
    several = Fleet(tuple(fresh(run, epochs=5000) for run in tiny.runs[:2]))
    program = (
        "import json, sys; from pathlib import Path\n"
        "from auxvae.training.fleet import train_all; from auxvae.config.run import Fleet, read_run\n"
        "if __name__ == '__main__':\n"
        "    several = Fleet(tuple(map(read_run, json.loads(sys.argv[1])['runs'])))\n"
        "    train_all(several, Path(sys.argv[2]), Path(sys.argv[3]), 'cpu', 2)\n"
    )
    (tmp_path / "program.py").write_text(program)
    arguments = [
        sys.executable,
        str(tmp_path / "program.py"),
        json.dumps(several.to_json()),
        str(tiny_store),
        str(tmp_path),
    ]
    parent = subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": str(ROOT)})
    works = [tmp_path / "work" / run.id for run in several.runs]
    wait_for(lambda: all((work / "lock").exists() for work in works))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_for(lambda: all(is_free(work, run) for work, run in zip(works, several.runs, strict=True)))
    assert not (tmp_path / "runs").exists()


def is_free(work, run):
    try:
        with locked(work / "lock", run.id):
            return True
    except Refused:
        return False


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.parametrize("wanted", ["-1", "soon", "nan", "1e3", ""])
def test_a_pause_between_checkpoints_that_is_no_number_is_refused(monkeypatch, wanted):
    assert loop.shortest_pause() == 15
    monkeypatch.setenv("AUXVAE_CHECKPOINT_SECONDS", "2.5")
    assert loop.shortest_pause() == 2.5
    monkeypatch.setenv("AUXVAE_CHECKPOINT_SECONDS", wanted)
    with pytest.raises(Refused, match="AUXVAE_CHECKPOINT_SECONDS"):
        loop.shortest_pause()


def test_a_run_is_trained_by_one_process_at_a_time(tiny, tiny_store, tmp_path):
    run = tiny.runs[0]
    lock = tmp_path / "work" / run.id / "lock"
    with locked(lock, run.id), pytest.raises(Refused, match="made by one process at a time"):
        loop.train_run(run, tiny_store, tmp_path, CPU)


def test_a_term_that_is_not_finite_stops_its_run_and_no_other(tiny, tiny_store, tmp_path):
    broken = replace(tiny.runs[1], weights={**tiny.runs[1].weights, "reconstruction": 3e38})
    sound = tiny.runs[0]
    with pytest.raises(Refused) as refused:
        fleet.train(Fleet((broken, sound)), tiny_store, tmp_path, CPU, workers=1)
    [fault] = refused.value.faults
    assert broken.id in fault.where and "step" in fault.where
    assert any(term in str(fault.value) for term in broken.terms)
    assert runs.is_finished(tmp_path / "runs" / sound.id, sound)


def test_finished_runs_are_not_trained_again(tiny, tiny_store, trained):
    before = {run.id: (trained / "runs" / run.id / "spec.json").stat().st_mtime_ns for run in tiny.runs}
    fleet.train(tiny.fleets[0], tiny_store, trained, CPU, workers=2)
    assert before == {run.id: (trained / "runs" / run.id / "spec.json").stat().st_mtime_ns for run in tiny.runs}


def test_the_history_has_every_epoch_term_and_followed_metric(tiny, tiny_store, tmp_path):
    """The metrics of the last row are those of the weights of the last epoch, encoded anew; LDS by numpy."""
    run = fresh(tiny.runs[0], epochs=6, learning_rate=1e-3, keep="last")
    loop.train_run(run, tiny_store, tmp_path, CPU, follow_metrics)
    history = pd.read_parquet(tmp_path / "runs" / run.id / "history.parquet")
    assert list(history["epoch"]) == [1, 2, 3, 4, 5, 6]
    assert history["train_reconstruction"].iloc[-1] < 0.5 * history["train_reconstruction"].iloc[0]
    store = Store(tiny_store, run.dataset)
    rows = store.read("validation")
    codes, _ = TrainedModel(tmp_path / "runs" / run.id, run, store, rows, CPU).encode()
    factors = np.stack(list(rows.factors.values()), 1)
    rho = abs(np.corrcoef(codes.T, factors.T)[: codes.shape[1], codes.shape[1] :])
    assert history["validation_lds"].iloc[-1] == pytest.approx((rho.max(0) / rho.sum(0)).mean(), abs=1e-4)
    scores = suite(representation(codes, factors), ["mig"], resamples=2)
    assert history["validation_mig"].iloc[-1] == pytest.approx(scores["mig"].value, abs=1e-4)
    assert history["validation_lds"].nunique() == history["validation_mig"].nunique() == 6


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_weights_of_the_best_or_of_the_last_epoch_are_kept(keep, tiny, tiny_store, tmp_path, monkeypatch):
    """Validation losses 5, 3, 4, 6: the second epoch is the best; its weights differ from those of the last."""
    run = fresh(tiny.runs[0], epochs=4, learning_rate=1e-3, keep=keep)
    by_epoch, losses, validate = [], iter((5.0, 3.0, 4.0, 6.0)), loop.Trainer._validate

    def validated(trainer):
        by_epoch.append(weights(trainer.model))
        terms, codes = validate(trainer)
        return torch.full_like(terms, next(losses)), codes

    monkeypatch.setattr(loop.Trainer, "_validate", validated)
    loop.train_run(run, tiny_store, tmp_path, CPU)
    model, last = (load_file(tmp_path / "runs" / run.id / f"{name}.safetensors") for name in ("model", "last"))
    assert same(model, by_epoch[1 if keep == "best" else 3]) and same(last, by_epoch[3])
    assert not same(by_epoch[1], by_epoch[3])


@pytest.mark.parametrize("method", ["factor_vae", "aux_mine", "idvae", "beta_tcvae"])
def test_the_best_epoch_does_not_depend_on_what_is_no_bound(method, config, tiny_store, tmp_path, monkeypatch):
    """Reconstructions of 5, 3, 4 nats while every term of an opponent, or on dependence, falls far below them."""
    run = fresh(run_of(method, config), epochs=3)
    rows = iter([(5.0, 0.0), (3.0, -1e6), (4.0, -1e9)])

    def validated(trainer):
        bound, other = next(rows)
        inside = {"reconstruction": bound, "kl": 0.0}
        means = torch.zeros(trainer.validation.steps * trainer.validation.size, run.network.latents)
        return torch.tensor([inside.get(name, other) for name in run.terms]), means

    monkeypatch.setattr(loop.Trainer, "_validate", validated)
    trainer = loop.Trainer(run, Store(tiny_store, run.dataset), tmp_path, CPU)
    trainer.train()
    assert trainer.state.best_epoch == 2
    assert [row["validation_bound"] for row in trainer.state.history] == [5, 3, 4]
    assert trainer.state.history[-1]["validation_loss"] < -1e6


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_patience_ends_a_run_early(tiny, tiny_store, tmp_path):
    """Weights that do not move: the first epoch is the best, and two more are waited for."""
    run = fresh(tiny.runs[0], epochs=50, patience=2, learning_rate=1e-30, schedule="constant")
    loop.train_run(run, tiny_store, tmp_path, CPU)
    assert len(pd.read_parquet(tmp_path / "runs" / run.id / "history.parquet")) == 3


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_a_schedule_stays_in_its_bounds(schedule):
    rates = [rate(schedule, step / 1000) for step in range(1000)]
    assert min(rates) > 0 and max(rates) == pytest.approx(1, abs=1e-3)
    assert schedule == "constant" or rates[-1] < 1e-4


def test_clipping_bounds_the_step(tiny, tiny_store, tmp_path):
    run = fresh(tiny.runs[0], clip=1.0)
    trainer = loop.Trainer(run, Store(tiny_store, run.dataset), tmp_path, CPU)
    draws = draws_at(trainer.draws("latents", 0, 1, 32), 0)
    trainer._step(next(trainer.loader.in_order()), draws, torch.tensor(0.0), 0)
    norm = torch.cat([p.grad.flatten() for p in trainer.model.network.parameters()]).norm()
    assert 0.99 < float(norm) <= 1.001


def spoil_weights(folder):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-5] ^= 1
    (folder / "model.safetensors").write_bytes(data)


BROKEN = {
    "a flipped bit in the weights": (spoil_weights, "SHA-256 must be that of spec.json"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "found no file"),
    "no spec": (lambda f: (f / "spec.json").unlink(), "the spec of a finished run"),
    "a broken spec": (lambda f: (f / "spec.json").write_text('{"run"'), "the spec of a finished run"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_run_is_refused(tiny, trained, tmp_path, case):
    spoil, expected = BROKEN[case]
    run = tiny.runs[0]
    folder = Path(shutil.copytree(trained / "runs" / run.id, tmp_path / run.id))
    spoil(folder)
    with pytest.raises(Refused, match=expected):
        runs.load(folder, run)


def test_another_runs_folder_is_refused(tiny, trained):
    with pytest.raises(Refused, match="another run"):
        runs.load(trained / "runs" / tiny.runs[0].id, tiny.runs[1])


def test_another_runs_checkpoint_is_refused(tiny, tiny_store, tmp_path):
    one, two = tiny.runs[:2]
    write_checkpoint(tmp_path / "work" / one.id, two, {"x": torch.zeros(2)}, [])
    with pytest.raises(Refused, match="another run"):
        loop.train_run(one, tiny_store, tmp_path, CPU)


def test_a_truncated_checkpoint_is_refused(tiny, tiny_store, tmp_path):
    run = tiny.runs[0]
    write_checkpoint(tmp_path / "work" / run.id, run, {"x": torch.zeros(200)}, [])
    path = tmp_path / "work" / run.id / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Refused, match="a broken checkpoint"):
        loop.train_run(run, tiny_store, tmp_path, CPU)

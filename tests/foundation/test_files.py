"""Files are whole or absent, a full disk is a fault, and a hash of the code follows the modules that are used."""

import errno
import os
import subprocess
import sys

import pytest

from foundation import files, provenance
from foundation.faults import Refused
from foundation.files import atomic_write, canonical, digest_of, read_json, write_json


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(ZeroDivisionError), atomic_write(path) as part:
        part.write_text("half")
        1 / 0
    assert read_json(path, "a value") == {"a": 1}


def test_a_full_disk_is_a_fault_and_leaves_no_file(tmp_path):
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from foundation.files import write_text; from foundation.console import run_app\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "run_app(lambda: write_text(Path(sys.argv[1]), 'x' * 5000))"
    )
    path = tmp_path / "large.txt"
    ended = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True)
    assert ended.returncode == 2
    assert "full disk" in ended.stderr
    assert "start again" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not path.exists()


def test_broken_json_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(Refused, match="it must be a list of runs"):
        read_json(tmp_path / "x.json", "a list of runs")


def test_canonical_json_does_not_depend_on_order():
    assert canonical({"b": 1, "a": [1.5]}) == '{"a":[1.5],"b":1}'
    assert digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1})


def test_a_hash_follows_the_modules_that_are_used_and_no_others(tmp_path, monkeypatch):
    (tmp_path / "auxvae").mkdir()
    for name, text in {"__init__": "", "one": "from auxvae import two", "two": "", "three": ""}.items():
        (tmp_path / "auxvae" / f"{name}.py").write_text(text)

    def forget():
        for cached in (provenance._closure, provenance._entry, provenance.imports):
            cached.cache_clear()

    def fresh():
        forget()
        return provenance.code_hash("auxvae.one")

    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    before = fresh()
    (tmp_path / "auxvae" / "three.py").write_text("x = 1")
    assert fresh() == before
    (tmp_path / "auxvae" / "two.py").write_text("x = 1")
    assert fresh() != before
    monkeypatch.undo()
    forget()


def test_editing_a_figure_a_metric_or_a_term_of_another_method_does_not_retrain(tiny):
    """The code behind a run: the loop, its networks and its terms; no figure, no metric, no table of methods."""
    vae, aux_vae = (training_modules(run) for run in tiny.runs[:2])
    for modules in (vae, aux_vae):
        assert {"auxvae.training.loop", "auxvae.losses.objective", "auxvae.models.backbones"} <= modules
        assert not {name.split(".")[1] for name in modules} & {"config", "metrics", "analysis", "report"}
    assert "auxvae.losses.divergences" in vae & aux_vae
    assert {"auxvae.losses.alignment", "auxvae.losses.dependence"} <= aux_vae - vae
    assert not {"auxvae.losses.matching", "auxvae.losses.mmd", "auxvae.losses.independence"} & (vae | aux_vae)


def training_modules(run):
    """Our modules whose text is in the hash of a run's training code."""
    names = set().union(*map(provenance._closure, ("auxvae.training.loop", *run.modules)))
    return {name for name in names if name.startswith("auxvae.") and not name.startswith("auxvae.config")}


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOLCK, "a disk without file locks"), (errno.EOPNOTSUPP, "flock")]
)
def test_a_disk_without_locks_is_said(number, expected, tmp_path, monkeypatch):
    def refuse(stream, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    with pytest.raises(Refused, match=expected), files.locked(tmp_path / "work" / "lock", "a run"):
        pass


def test_a_lock_that_was_deleted_while_it_was_awaited_is_taken_anew(tmp_path, monkeypatch):
    """The process that held it has finished and removed its work, with the file that was opened here."""
    lock, bare, deleted = tmp_path / "work" / "lock", files.fcntl.flock, []

    def delete_once(stream, how):
        bare(stream, how)
        if not deleted:
            deleted.append(lock.unlink())

    monkeypatch.setattr(files.fcntl, "flock", delete_once)
    with files.locked(lock, "a run"), pytest.raises(Refused, match="another process"), files.locked(lock, "a run"):
        pass
    assert len(deleted) == 1

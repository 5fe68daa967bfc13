"""A store drawn in parts has the bytes of one drawn whole, whatever is lost on the way, and draws nothing twice."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.faults import Refused
from simulations import draw, store
from simulations.draw import simulate
from simulations.facts import read_declared
from simulations.journal import Part
from tests.conftest import ROOT
from tests.simulations.test_draw import sums

CASES = {
    "latin": {"preset": "paper", "galaxies": 300, "image_true": True},  # shards of 128 rows, the last one short
    "sobol": {"preset": "paper", "galaxies": 256, "design": "sobol", "noise": {"kind": "gaussian", "snr": 50}},
}


def declared(case):
    faults = []
    datasets = read_declared({"datasets": {"d": CASES[case]}}, faults)
    assert not faults
    return datasets.simulated["d"], datasets.facts["d"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(store, "SHARD_BYTES", 1e5)  # a shard is one chunk, 128 rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Checksums of each case drawn by one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "SHARD_BYTES", 1e5)
        folder = tmp_path_factory.mktemp("whole")
        for case in CASES:
            simulate(*declared(case), folder / f"{case}.zarr")
        return {case: sums(folder / f"{case}.zarr") for case in CASES}


def draw_parts(case, path, parts, order=None):
    for number in order or range(1, parts + 1):
        simulate(*declared(case), path, 1, Part(number, parts))


@pytest.fixture
def drawn(monkeypatch):
    """First rows of the shards that were drawn."""
    starts = []
    original = draw._drawn

    def watched(dataset, path, group, missing, workers):
        starts.extend(missing)
        return original(dataset, path, group, missing, workers)

    monkeypatch.setattr(draw, "_drawn", watched)
    return starts


@given(shards=st.integers(0, 5000), parts=st.integers(1, 300))
def test_parts_are_all_shards_once_in_order_and_as_equal_as_can_be(shards, parts):
    shares = [Part(number, parts).of(range(shards)) for number in range(1, parts + 1)]
    assert [start for share in shares for start in share] == list(range(shards))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    "text", ["", "0/3", "4/3", "1", "1/", "/3", "-1/3", "1/3/3", "a/b", "1.5/3", "²/3", "1/9999999"]
)
def test_a_part_that_is_none_is_refused_in_a_sentence(text):
    with pytest.raises(Refused, match=r"^--part: found .*, but a part is one of so many, such as 2/8; [^\n]*$"):
        Part.read(text)


def test_a_part_is_read_as_it_is_written():
    assert Part.read("2/8") == Part.read(str(Part(2, 8))) == Part(2, 8)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("order", [[1], [2, 1], [3, 1, 2], [5, 1, 4, 2, 3]])
def test_a_store_in_parts_has_the_bytes_of_one_drawn_whole(case, order, whole, tmp_path, drawn):
    path = tmp_path / "d.zarr"
    draw_parts(case, path, len(order), order)
    assert not (path / "seal.json").exists()
    expected = list(range(0, declared(case)[0].galaxies, draw._shard_rows(declared(case)[0])))
    assert sorted(drawn) == expected  # every shard once
    drawn.clear()
    simulate(*declared(case), path)
    assert not drawn and sums(path) == whole[case]
    sealed = json.loads((path / "seal.json").read_text())["files"]
    assert {name: each["sha256"] for name, each in sealed.items()} == whole[case]
    assert [file.name for file in tmp_path.iterdir()] == ["d.zarr"]


PROGRAM = """
import json, sys; from pathlib import Path
from simulations import store; store.SHARD_BYTES = 1e5
from simulations.draw import simulate; from simulations.facts import read_declared; from simulations.journal import Part
declared = read_declared({"datasets": {"d": json.loads(sys.argv[1])}}, [])
simulate(declared.simulated["d"], declared.facts["d"], Path(sys.argv[2]), 1, Part.read(sys.argv[3]))
"""


def begin_part(path, part):
    """A process that draws a part."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(CASES["latin"]), str(path), part]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_parts_may_be_drawn_at_once(whole, tmp_path):
    processes = [begin_part(tmp_path / "d.zarr", part) for part in ("1/3", "2/3", "3/3")]
    assert [process.wait() for process in processes] == [0, 0, 0]
    simulate(*declared("latin"), tmp_path / "d.zarr")
    assert sums(tmp_path / "d.zarr") == whole["latin"]


def remove(file):
    file.unlink()


def cut(file):
    os.truncate(file, file.stat().st_size // 2)


def turn_a_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("harm", [remove, cut, turn_a_bit])
@pytest.mark.parametrize("name", ["image/c/1/0/0", "flux/c/1"])
def test_a_lost_or_damaged_shard_is_drawn_again_and_no_other(harm, name, whole, tmp_path, drawn):
    path = tmp_path / "d.zarr"
    draw_parts("latin", path, 2)
    drawn.clear()
    harm(path / name)
    simulate(*declared("latin"), path)
    assert drawn == [128] and sums(path) == whole["latin"]


def test_a_lost_part_is_drawn_by_the_process_that_seals(whole, tmp_path, drawn):
    draw_parts("latin", tmp_path / "d.zarr", 3, [1, 3])
    drawn.clear()
    simulate(*declared("latin"), tmp_path / "d.zarr")
    assert drawn == [128] and sums(tmp_path / "d.zarr") == whole["latin"]


def test_a_part_that_was_drawn_is_not_drawn_again(tmp_path, drawn):
    draw_parts("latin", tmp_path / "d.zarr", 3, [1, 2, 1, 2])
    assert drawn == [0, 128]
    draw_parts("latin", tmp_path / "d.zarr", 1)  # nor by a part of another division
    assert drawn == [0, 128, 256]


def test_a_killed_part_goes_on_after_its_last_whole_shard(whole, tmp_path, drawn):
    killed = begin_part(tmp_path / "d.zarr", "1/1")
    journal, until = tmp_path / "d.zarr.journal-1-of-1.json", time.monotonic() + 60
    while not journal.exists() and time.monotonic() < until:
        time.sleep(0.002)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    done = {int(first) for first in json.loads(journal.read_text())["shards"]}
    draw_parts("latin", tmp_path / "d.zarr", 1)
    assert done and set(drawn) == {0, 128, 256} - done
    simulate(*declared("latin"), tmp_path / "d.zarr")
    assert sums(tmp_path / "d.zarr") == whole["latin"]


@pytest.mark.parametrize("parts", [0, 2])
def test_what_another_spec_left_is_replaced(parts, whole, tmp_path):
    """Columns, shards and metadata of an unfinished larger store, and the file of a write that was killed."""
    path = tmp_path / "d.zarr"
    draw_parts("sobol", path, 2)
    (path / "image" / "c" / "0" / "0" / "0.abc.partial").write_bytes(b"half")
    if parts:
        draw_parts("latin", path, parts)
    simulate(*declared("latin"), path)
    assert sums(path) == whole["latin"]


def test_a_part_leaves_other_peoples_files_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(Refused, match="files that are not a store"):
        draw_parts("latin", tmp_path, 2)
    simulate(*declared("latin"), tmp_path / "d.zarr")
    with pytest.raises(Refused, match="a finished store of another data set"):
        draw_parts("sobol", tmp_path / "d.zarr", 2)


def test_two_processes_do_not_draw_one_part(tmp_path):
    from foundation.files import locked

    with locked(tmp_path / "d.zarr.1-of-2.lock", "it"):
        with pytest.raises(Refused, match="d, part 1-of-2 is made by one process at a time"):
            draw_parts("latin", tmp_path / "d.zarr", 2, [1])
        draw_parts("latin", tmp_path / "d.zarr", 2, [2])

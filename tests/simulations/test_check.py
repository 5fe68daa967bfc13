"""An intact store passes the check; every way of corrupting it is named in a fault."""

import shutil
from pathlib import Path

import pytest
import zarr

from foundation.console import open_log
from foundation.faults import Refused
from foundation.files import read_json, write_json
from simulations import store
from simulations.check import check
from simulations.draw import simulate
from tests.simulations.test_draw import CASES, declared


@pytest.fixture(scope="module", params=CASES)
def good(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "d.zarr"
    simulate(*declared(request.param), path)
    return path


@pytest.fixture
def copy(good, tmp_path):
    return Path(shutil.copytree(good, tmp_path / "d.zarr"))


def reseal(path):
    """Recompute the checksums, so that only the contents betray the change."""
    seal = read_json(path / "seal.json", "a seal")
    write_json(path / "seal.json", {**seal, "files": store.manifest(path)})


def change(path, name, function):
    array = zarr.open_group(path, mode="r+")[name]
    array[:] = function(array[:])
    reseal(path)


def restate(path, **facts):
    seal = read_json(path / "seal.json", "a seal")
    write_json(path / "seal.json", {**seal, "facts": {**seal["facts"], **facts}})


def shard(path):
    return sorted((path / "image" / "c").rglob("*"))[-1]


def flip(path):
    data = bytearray(shard(path).read_bytes())
    data[len(data) // 2] ^= 1
    shard(path).write_bytes(data)


def declare(path, operation, flips):
    symmetries = [{"operation": operation, "flips": flips}]
    zarr.open_group(path, mode="r+").attrs["symmetries"] = symmetries
    restate(path, symmetries=symmetries)
    reseal(path)


def cut(path):
    shard(path).write_bytes(shard(path).read_bytes()[:-100])


CORRUPTED = {
    "a flipped bit": (flip, "SHA-256 must be that in the seal"),
    "a truncated shard": (cut, "bytes, but the seal lists"),
    "a missing shard": (lambda path: shard(path).unlink(), "found no file"),
    "no seal": (lambda path: (path / "seal.json").unlink(), "a finished store has its seal"),
    "a broken seal": (lambda path: (path / "seal.json").write_text("{"), "it must be the seal of a store"),
    "an empty seal": (lambda path: (path / "seal.json").write_text("[]"), "a seal contains both"),
    "a seal that lists no file": (
        lambda path: (path / "seal.json").write_text('{"facts": {}, "files": {}}'),
        "the seal does not list it",
    ),
    "an additional file": (lambda path: (path / "notes.txt").write_text("x"), "the seal does not list it"),
    "other facts": (lambda path: restate(path, stamp=7), "the store has"),
    "a scaled flux": (lambda path: change(path, "flux", lambda x: x * 1.01), "/flux"),
    "shuffled radii": (lambda path: change(path, "radius", lambda x: x[::-1]), "/radius"),
    "other images": (lambda path: change(path, "image", lambda x: x[::-1]), "it must show the galaxy of its factors"),
    "brighter images": (lambda path: change(path, "image", lambda x: x * 1.05), "times as bright"),
    "a pixel that is not finite": (lambda path: change(path, "image", set_a_pixel_to_nan), "not finite"),
    "a symmetry that there is not": (
        lambda path: declare(path, "mirror_x", ["flux"]),
        "symmetry mirror_x: found the drawing of row 0 off by",
    ),
    "other symmetries in the seal": (lambda path: restate(path, symmetries=[]), "seal.json: symmetries"),
    "another split": (lambda path: change(path, "split", lambda x: x[::-1]), "/split"),
}


def set_a_pixel_to_nan(images):
    images[3, 5, 5] = float("nan")
    return images


def test_an_intact_store_passes(good, capsys):
    open_log(None)
    check(good)
    assert "agree with their seal, factors and physics" in capsys.readouterr().err


@pytest.mark.parametrize("case", CORRUPTED)
def test_a_corrupted_store_is_refused_in_one_sentence_per_fault(copy, case):
    corrupt, expected = CORRUPTED[case]
    corrupt(copy)
    with pytest.raises(Refused) as refused:
        check(copy)
    assert expected in str(refused.value)
    assert all("\n" not in str(fault) for fault in refused.value.faults)

"""A good store proves itself; whatever is spoilt in it is named in a sentence."""

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
    """Make the checksums true again, so that only the contents can tell."""
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


def cut(path):
    shard(path).write_bytes(shard(path).read_bytes()[:-100])


SPOILT = {
    "a flipped bit": (flip, "SHA-256 must be the seal's"),
    "a truncated shard": (cut, "bytes, but the seal says"),
    "a missing shard": (lambda path: shard(path).unlink(), "found no file"),
    "no seal": (lambda path: (path / "seal.json").unlink(), "a finished store has its seal"),
    "a broken seal": (lambda path: (path / "seal.json").write_text("{"), "the seal of a store stands here"),
    "a seal of nothing": (lambda path: (path / "seal.json").write_text("[]"), "a seal holds both"),
    "a seal that knows no file": (
        lambda path: (path / "seal.json").write_text('{"facts": {}, "files": {}}'),
        "the seal knows nothing of it",
    ),
    "a file too many": (lambda path: (path / "notes.txt").write_text("x"), "the seal knows nothing of it"),
    "other facts": (lambda path: restate(path, stamp=7), "the store says"),
    "a scaled flux": (lambda path: change(path, "flux", lambda x: x * 1.01), "/flux"),
    "shuffled radii": (lambda path: change(path, "radius", lambda x: x[::-1]), "/radius"),
    "other images": (lambda path: change(path, "image", lambda x: x[::-1]), "it must show the galaxy of its factors"),
    "brighter images": (lambda path: change(path, "image", lambda x: x * 1.05), "times as bright"),
    "a pixel that is not finite": (lambda path: change(path, "image", spoil_pixel), "not finite"),
    "another split": (lambda path: change(path, "split", lambda x: x[::-1]), "/split"),
}


def spoil_pixel(images):
    images[3, 5, 5] = float("nan")
    return images


def test_a_good_store_proves_itself(good, capsys):
    open_log(None)
    check(good)
    assert "agree with their seal, factors and physics" in capsys.readouterr().err


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_store_is_refused_in_a_sentence(copy, case):
    spoil, expected = SPOILT[case]
    spoil(copy)
    with pytest.raises(Refused) as refused:
        check(copy)
    assert expected in str(refused.value)
    assert all("\n" not in str(fault) for fault in refused.value.faults)

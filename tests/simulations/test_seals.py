"""A seal with something else for a number or a name is refused in a sentence that says which, whatever it is."""

import json
import re
from dataclasses import asdict

import pytest

from simulations.facts import Facts, read_declared

SOUND = Facts("s", "0" * 8, ("mass",), 64, 48, 8, 33, 1, "poisson", False, 278_784, sky=5.0)
SIZES = ("galaxies", "train", "test", "stamp", "channels", "image_bytes")
ODD = [None, "8", 8.5, True, [8], {"n": 8}, -1, 10**30]


def faults_of(tmp_path, facts):
    (tmp_path / "seal.json").write_text(json.dumps({"facts": facts}))
    faults = []
    declared = read_declared({"datasets": {"mine": {"store": str(tmp_path)}}}, faults)
    assert bool(faults) != ("mine" in declared.facts)
    return [str(fault) for fault in faults]


def test_a_sound_seal_is_read(tmp_path):
    assert faults_of(tmp_path, asdict(SOUND)) == []


@pytest.mark.parametrize("key", SIZES)
@pytest.mark.parametrize("value", ODD)
def test_a_seal_has_whole_numbers(tmp_path, key, value):
    [sentence] = faults_of(tmp_path, {**asdict(SOUND), key: value})
    assert sentence.startswith(f"datasets.mine.store: found a broken seal ({key} is ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("noise", None), ("digest", 3), ("factors", "mass"), ("factors", [None]), ("factors", []), ("image_true", "no"),
        ("factors", ["mass", "mass"]), ("sky", "5"), ("sky", True), ("sky", -1), ("train", 64),
    ],
)  # fmt: skip
def test_a_seal_has_names_and_notes(tmp_path, key, value):
    [sentence] = faults_of(tmp_path, {**asdict(SOUND), key: value})
    assert "found a broken seal (" in sentence and "Facts" not in sentence


@pytest.mark.parametrize("key", [*SIZES, "factors", "noise"])
def test_a_key_that_is_absent_is_named(tmp_path, key):
    facts = {name: value for name, value in asdict(SOUND).items() if name != key}
    assert f"found a broken seal ({key} is absent)" in faults_of(tmp_path, facts)[0]


@pytest.mark.parametrize("facts", [None, [], "text", 3, {"unknown": 3, **asdict(SOUND)}, {}])
def test_a_seal_of_another_shape_is_refused(tmp_path, facts):
    [sentence] = faults_of(tmp_path, facts)
    assert not re.search(r"object|__|Error|attribute", sentence), sentence

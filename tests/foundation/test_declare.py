"""A declaration is the only list of what is legal; all faults at once, each a sentence with place and value."""

from dataclasses import field
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic.dataclasses import dataclass

from foundation.declare import read
from foundation.faults import Fault, Refused, suggest
from foundation.fields import SECTION, Flag, Many, Name, Number, Range, Section, Text, Whole
from foundation.yaml_file import load_yaml


@dataclass(frozen=True, config=SECTION)
class Inner(Section):
    share: Annotated[Number, Range(0, 1)] = 0.5


@dataclass(frozen=True, config=SECTION)
class Outer(Section):
    number: Whole
    kind: Literal["one", "two"] = "one"
    flag: Flag = False
    names: Many[Text] = ()
    inner: Inner = field(default_factory=Inner)
    either: Number | Literal["auto"] = "auto"
    table: dict[Name, Whole] = field(default_factory=dict)


WHOLE = {
    "number": 3,
    "kind": "two",
    "flag": True,
    "names": ["a"],
    "inner": {"share": 1},
    "either": 2,
    "table": {"a": 1},
}

WRONG = {
    "number missing": ({}, "number: found nothing"),
    "number as text": ({"number": "3"}, "write 3 without quotes"),
    "exponent without a point": ({"number": 1, "either": "1e-3"}, "write 1.0e-3, since YAML takes 1e-3 for text"),
    "exponent without a sign": ({"number": 1, "either": "2.5e4"}, "write 2.5e+4, since YAML takes 2.5e4 for text"),
    "a number beyond all": ({"number": 10**400}, "write a finite number"),
    "fraction for a count": ({"number": 2.5}, "a whole number"),
    "truth for a number": ({"number": True}, "a whole number stands here; write a number (YAML reads yes, no, on and"),
    "neither number nor choice": ({"number": 1, "either": "3"}, "(or 'auto'); write 3 without quotes"),
    "not finite": ({"number": 1, "inner": {"share": float("nan")}}, "finite"),
    "beyond its range": ({"number": 1, "inner": {"share": 1.5}}, "inner.share: found 1.5, but it must be at least 0"),
    "unknown choice": ({"number": 1, "kind": "tow"}, "did you mean 'two'?"),
    "neither choice nor number": ({"number": 1, "either": "atuo"}, "are auto, or a number; did you mean 'auto'?"),
    "unknown key": ({"number": 1, "nubmer": 1}, "did you mean 'number'?"),
    "unknown inner key": ({"number": 1, "inner": {"shar": 1}}, "inner.shar"),
    "no section": ({"number": 1, "inner": 4}, "a section of named settings"),
    "list of numbers for names": ({"number": 1, "names": [1]}, "names[0]: found 1"),
    "name with a slash": ({"number": 1, "table": {"../x": 1}}, "a name is letters"),
    "yes for true": ({"number": 1, "flag": "yes"}, "true or false"),
}


def sentences_of(value):
    faults = []
    read(Outer, value, "", faults)
    return [str(fault) for fault in faults]


def test_what_is_declared_is_read():
    whole = read(Outer, WHOLE, "", [])
    assert whole == Outer(3, "two", True, ("a",), Inner(1.0), 2.0, {"a": 1})


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_what_is_wrong_is_one_sentence_with_its_place(case):
    value, expected = WRONG[case]
    sentences = sentences_of(value)
    assert len(sentences) == 1
    assert expected in sentences[0]


def test_all_faults_are_reported_at_once():
    assert len(sentences_of({"number": "x", "kind": 7, "flag": 0, "names": {}, "inner": {"share": -1}, "new": 1})) == 6


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WHOLE, "other"]), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
def test_nothing_that_yaml_can_hold_raises(value):
    faults = []
    result = read(Outer, value, "", faults)
    assert isinstance(result, Outer) != bool(faults)


@pytest.mark.parametrize(
    ("name", "names", "near"),
    [
        ("sheer1", ("radius", "g1", "g2"), "g1"),
        ("shear2", ("radius", "g1", "g2"), "g2"),
        ("fluks", ("flux", "g1"), "flux"),
    ],
)
def test_a_near_name_is_guessed(name, names, near):
    assert suggest(name, names, "no") == f"did you mean {near!r}?"


def test_a_far_name_is_not_guessed():
    assert suggest("temperature", ("flux", "g1"), "no") == "no"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", "each name stands once"),
        ("a: [1, 2\n", "the file must be YAML"),
        ("- 1\n- 2\n", "a config is a mapping"),
        ("a: 1\n? [a, b]\n: 1\n", "a name is a word"),
        ("? [a, b]\n: 1\n", "a section whose names are no words, but a config is a mapping"),
        ("!!python/object:os.system {}\n", "a value tagged !!python/object:os.system, but a config is a mapping"),
    ],
)
def test_a_broken_yaml_file_is_refused_in_a_sentence(tmp_path, text, expected):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(Refused, match=expected):
        load_yaml(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Refused, match="no file"):
        load_yaml(tmp_path / "absent.yaml")


def test_a_refusal_crosses_processes_with_its_values():
    import pickle

    refused = Refused([Fault("a.b", 3, "it must be 4", "write 4")])
    assert pickle.loads(pickle.dumps(refused)).faults == refused.faults

"""Any YAML within bounds is taken or refused in sentences, one line each, and nothing is written.

AUXVAE_EXAMPLES=5000 runs the search that long, with other examples than those of every day.
"""

import copy
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from auxvae.config.study import read_study
from foundation.faults import Refused
from foundation.yaml_file import LARGEST, load_yaml
from simulations.facts import read_declared
from tests.auxvae.test_config_faults import spots
from tests.conftest import TINY
from tests.searching import plenty, sentences_of

PLENTY = plenty(150)
WRITTEN = [
    "1e300", "-1e-310", "1.0e+300", "9" * 5000, "0x" + "f" * 5000, "010", "1:30", "１２", "0.2.0", ".nan", "-.inf",
    "2026-11-22", "2026-22-11", "!!int twelve", "!!bool maybe", "!!set {a, b}", "!!binary aGk=", "~", "''", "no",
    '"a\\nb"', '"\\ud800"', "x" * 300, "[]", "{}", "[[[1]]]", "{a.b: 1}", "{'[0]': {}}", "[1, 1.0]", "'g1, g2'",
    "[vae, {}]", "{method: vae}", "{kind: poisson}", "{<<: {a: 1}, a: 2}", "paper", "gpu", "1/n", "all",
]  # fmt: skip
KEYS = ["runs", "seeds", "runs[0]", "runs.seeds", "beta", "1", "a.b", "network", "Galaxies", "a\nb", "k" * 400]
leaves = st.sampled_from(WRITTEN) | st.text(max_size=4).map(lambda text: repr(text)) | st.integers().map(str)


def outcome(path):
    """The sentences with which a file is refused, none if it is taken, as `check` would."""
    faults = []
    try:
        config = load_yaml(path, faults)
        declared = read_declared(config, faults)
        study = read_study(config, declared.to_json(), faults)
        return [] if study.estimate() else None
    except Refused as refused:
        return sentences_of(refused, longest=3000)


def judged(path):
    before = sorted(path.parent.iterdir())
    start = time.monotonic()
    sentences = outcome(path)
    assert time.monotonic() - start < 10
    assert len(set(sentences)) == len(sentences)
    assert sorted(path.parent.iterdir()) == before
    return sentences


class Raw(str):
    """YAML that is written as it stands."""


def dumped(value):
    """YAML in flow style, raw parts as they stand."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{yaml.dump(str(k), width=9999, default_style=chr(34)).strip()}: {dumped(v)}"
                               for k, v in value.items()) + "}"  # fmt: skip
    if isinstance(value, list):
        return "[" + ", ".join(map(dumped, value)) + "]"
    return yaml.safe_dump(value, default_flow_style=True, width=9999).removesuffix("...\n").strip()


@PLENTY
@given(data=st.data())
def test_a_changed_config_is_taken_or_refused_in_sentences(data, tmp_path_factory):
    config = copy.deepcopy(TINY)
    config["runs"].append({"method": "ae_mmd", "prior": {"kind": "mixture"}, "mmd": {"queue": 3}, "seeds": [1, 2]})
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(spots(config))
        holder, key = places[data.draw(st.integers(0, len(places) - 1))]
        change = data.draw(st.sampled_from(["value", "value", "drop", "rename"]))
        if change == "value":
            holder[key] = Raw(data.draw(leaves))
        elif change == "drop" or isinstance(holder, list):
            del holder[key]
        else:
            holder[data.draw(st.sampled_from(KEYS))] = holder.pop(key)
    path = tmp_path_factory.mktemp("any") / "config.yaml"
    path.write_bytes(dumped(config).encode("utf-8", "replace"))
    judged(path)


@PLENTY
@given(text=st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4).map(lambda items: "[" + ", ".join(items) + "]")
    | st.dictionaries(st.sampled_from([*TINY, "a", "<<"]), inner, max_size=4).map(
        lambda items: "{" + ", ".join(f"{k}: {v}" for k, v in items.items()) + "}"),
    max_leaves=12,
))  # fmt: skip
def test_any_yaml_is_refused_in_sentences(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "config.yaml"
    path.write_bytes(text.encode("utf-8", "replace"))
    assert judged(path)


LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{name}'] * 8)}]\n" for name, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("study: a\nstudy: b\ntraining: {epochs: 1, epochs: 2}\n", ["line 2: found 'study'", "line 3: found 'epochs'"]),
        ("training: {epochs: 0x" + "f" * 5000 + "}\n", ["training.epochs: found a number of 6,021 digits"]),
        (LAUGHS + "training: {epochs: *i}\n", ["training.epochs: found aliases that multiply"]),
        ("training: {epochs: " + "[" * 60 + "]" * 60 + "}\n", ["training.epochs: found [", "more than 32 lists"]),
        ("[" * 100_000, ["more than 100 lists"]),
        ("a: [" + "1, " * 60_000 + "1]", ["more than 25,000 values"]),
        ("#" * (LARGEST + 1), ["a file of 256 KiB"]),
        ("training: &t {epochs: *t}\n", ["training.epochs: found a value that contains itself"]),
        ("training: {epochs: " + "9" * 5000 + "}\n", ["training.epochs: found a number of 5,000 digits"]),
        ("training: {epochs: 010}\n", ["write 10, since YAML takes a 0 in front for an octal number"]),
        ("training: {epochs: １２}\n", ["write 12"]),
        ("training: {epochs: [5, 10]}\n", ["a group of runs for each of the others"]),
        ("training: {epochs: !!int twelve}\n", ["'twelve' tagged !!int"]),
        ("network: mlp\n", ["write {name: mlp}"]),
        ("coverages: {two: 'g1, g2'}\n", ["coverages.two: found 'g1, g2', but a list stands here", "[g1, g2]"]),
        ("runs.seeds: 3\n", ["runs.seeds: found this key", "write 'seeds' within 'runs'"]),
        ("epochs: 3\n", ["it belongs to 'training'"]),
        ("device: gpu\n", ["did you mean 'cuda'?"]),
        ("study: " + "x" * 70 + "\n", ["64 at most"]),
    ],
)  # fmt: skip
def test_each_kind_has_its_sentence(text, expected, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    sentences = "\n".join(judged(path))
    assert all(each in sentences for each in expected), sentences


def test_a_section_is_merged_into_others(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "study: mine\ndatasets:\n  one: &first {preset: paper, galaxies: 256}\n  two: {<<: *first, galaxies: 512}\n"
        "training: {batch: 32}\nruns:\n  - &run {method: vae, dataset: one}\n  - {<<: *run, dataset: two}\n"
    )
    assert judged(path) == []

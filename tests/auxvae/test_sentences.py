"""Faults as a stranger needs them: one sentence for each cause, the value as written, and a remedy that is right."""

import time

import pytest
import yaml

from tests.auxvae.test_any_yaml import judged
from tests.conftest import TINY, refusal

FACTOR = "{distribution: uniform, low: -0.4, high: 0.4}"
SIMULATED = {
    "galaxies": 256,
    "scene": {"constants": {"flux": 1e4, "psf_fwhm": 0.7}},
    "noise": {"kind": "poisson", "sky": 0},
    "factors": {
        "radius": {"unit": "arcsec", "distribution": "uniform", "low": 0.2, "high": 1},
        "g1": yaml.safe_load(FACTOR),
    },
}

# A change of a section of the tiny config, and the only sentence that is due, in part.
CAUSES = {
    "an integer": ("runs", "[{method: vae, weights: {kl: -4}}]", "runs[0].weights.kl: found -4, but"),
    "an infinity": ("training", "{epochs: .inf}", "training.epochs: found .inf, but"),
    "a power": ("training", "{epochs: 1.0e+300}", "training.epochs: found 1.0e+300, but"),
    "text beyond all numbers": ("training", "{epochs: 1e300}", "write a number, and check its exponent"),
    "a share": ("datasets", "{g: {preset: paper, split: {train: 75%}}}", "write 0.75"),
    "nothing that is needed": ("study", "~", "study: found nothing (null), but a name is"),
    "nothing that is not": ("training", "", "settings stands here; fill it in, or take the key away"),
    "a template": ("training", "{epochs: {{ epochs }}}", "found a section whose names are no words"),
    "a tag": ("training", "{epochs: !mine 3}", "training.epochs: found a value tagged !mine, but"),
    "brackets": ("training", "{epochs: [[3]]}", "write 3 without brackets"),
    "brackets in a list": ("runs", "[{method: vae, seeds: [[0, 1]]}]", "take the inner brackets away"),
    "several methods": ("runs", "[{method: [vae, beta_vae]}]", "a group of runs for each of the others"),
    "several of one": ("analyses", "{bootstrap: [40, 50]}", "; write one of them"),
    "a method alone": ("runs", "[vae]", "write {method: vae}"),
    "a method for a key": ("runs", "[{vae: {}}]", "runs[0].vae: found this key, but"),
    "a misspelt needed key": ("runs", "[{methods: vae}]", "did you mean 'method'?"),
    "a misspelt preset": ("datasets", "{g: {presett: paper}}", "did you mean 'preset'?"),
    "a preset alone": ("datasets", "{g: paper}", "write {preset: paper}"),
    "a store alone": ("datasets", "{g: mine.zarr}", "write {store: mine.zarr}"),
    "another key for a store": ("datasets", "{g: {path: mine.zarr}}", "did you mean 'store'?"),
    "a GPU": ("device", "gpu", "did you mean 'cuda'?"),
    "a prior's other name": ("runs", "[{method: ae_mmd, prior: gaussian}]", "did you mean 'normal'?"),
    "a prior's path": ("runs", "[{method: ae_mmd, prior: ring.py}]", "write {kind: file, path: ring.py, name: ...}"),
    "a prior without a kind": ("runs", "[{method: ae_mmd, prior: {levels: 4}}]", "add 'kind: grid'"),
    "a noise without a kind": ("datasets", "{g: {galaxies: 9, factors: {}, noise: {sky: 3}}}", "add 'kind: poisson'"),
    "a key of the networks": ("runs", "[{method: vae, latents: 3}]", "it belongs to 'network'"),
    "another key of the training": ("lr", "3", "write 'learning_rate' within 'training'"),
    "a key of a data set": ("noise", "poisson", "within a data set of 'datasets'"),
    "a dotted key": ("datasets.g.seed", "4", "write 'seed' within 'datasets.g'"),
    "an invisible key": ('"\\u202e"', "4", "'\\u202e': found this key"),
    "a scale twice": ("analyses", "{sensitivity: {scales: [1, 1]}}", "a scale stands once"),
    "coverages in no section": ("coverages", "[g1]", "coverages: found ['g1'], but named entries"),
    "names in one item": ("coverages", "{full: [g1 g2], two: [g1]}", "write g1, g2, each as an item"),
    "data sets without end": ("datasets", "{" + ", ".join(f"g{i}: {{preset: paper}}" for i in range(201)) + "}", "200"),
}  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_has_one_sentence(cause, tmp_path):
    key, value, expected = CAUSES[cause]
    section = key.partition(".")[0] if key in TINY else key
    rest = {name: each for name, each in TINY.items() if name != section}
    path = tmp_path / "config.yaml"
    path.write_text(f"{key}: {value}\n{yaml.safe_dump(rest)}")
    others = (".dataset: ", "datasets.g.factors")
    sentences = [each for each in judged(path) if not any(words in each for words in others)]
    assert len(sentences) == 1 and expected in sentences[0], sentences


@pytest.mark.parametrize(
    ("name", "factor", "expected"),
    [
        ("gamma1", FACTOR, "datasets.galaxies.factors.gamma1: found 'gamma1', but an exponential galaxy"),
        ("g1", "{distribution: uniform, min: -0.4, high: 0.4}", "did you mean 'low'?"),
        ("g1", "{distribution: gaussian, mean: 0, std: 0.1}", "did you mean 'normal'?"),
        ("psf_beta", "{distribution: uniform, low: 2, high: 4}", "take a galaxy or PSF that has it"),
    ],
)
def test_a_faulty_factor_has_one_sentence(config, name, factor, expected):
    rest = {key: value for key, value in SIMULATED["factors"].items() if name not in ("g1", "gamma1") or key != "g1"}
    config["datasets"]["galaxies"] = {**SIMULATED, "factors": {**rest, name: yaml.safe_load(factor)}}
    config["coverages"] = {"full": ["radius"], "two": ["radius", "g1"]}
    [sentence] = refusal(config)
    assert expected in sentence


@pytest.mark.parametrize(("unit", "meant"), [("arcseconds", "arcsec"), ("Arcsec", "arcsec"), ("milliarcsec", "mas")])
def test_a_unit_has_other_spellings(config, unit, meant):
    factor = {**SIMULATED["factors"]["radius"], "unit": unit}
    config["datasets"]["galaxies"] = {**SIMULATED, "factors": {**SIMULATED["factors"], "radius": factor}}
    config["coverages"] = {"full": ["radius"], "two": ["g1"]}
    [sentence] = refusal(config)
    assert (
        sentence.startswith("datasets.galaxies.factors.radius.unit: found ") and f"did you mean {meant!r}?" in sentence
    )


def test_a_default_is_told_as_one(config):
    config["datasets"]["galaxies"]["galaxies"] = 64
    del config["training"]["batch"], config["analyses"]
    assert "training.batch: found 64, the default, but galaxies has 48 training rows" in refusal(config)[0]


def test_a_value_of_the_study_keeps_its_place_beside_a_group_with_others(config):
    config["training"]["batch"] = 1000
    config["runs"] = [{"method": "vae", "training": {"epochs": 3}}]
    assert [sentence.split(": but")[0][:27] for sentence in refusal(config)] == ["training.batch: found 1000,"]


@pytest.mark.parametrize("study", [None, 3, "a b"])
def test_a_broken_study_hides_nothing(config, study):
    config["study"] = study
    config["coverages"]["two"] = ["sheer1"]
    config["runs"][0]["weights"] = {"inter": 1}
    places = [sentence.split(":")[0] for sentence in refusal(config)]
    assert places == ["study", "coverages.two[0]", "runs[0].weights.inter"]


def test_thousands_of_faults_are_told_in_time(config):
    config["runs"] = [{"method": f"va{i}"} for i in range(2000)]
    start = time.monotonic()
    assert len(refusal(config)) == 2000
    assert time.monotonic() - start < 8

"""Every fault of a config is one sentence, all at once, before anything runs."""

import copy
import datetime
import math
import random

import pytest

from foundation.faults import Refused
from simulations.presets import PAPER
from tests.conftest import refusal, study_of


def spoil(path, value, remove=False):
    def apply(config):
        *outer, last = path
        for step in outer:
            config = config[step]
        if remove:
            del config[last]
        else:
            config[last] = value

    return apply


GALAXIES = ("datasets", "galaxies")


def factors(**changes):
    """The paper's factors with one of them changed."""
    return {**copy.deepcopy(PAPER["factors"]), **changes}


def uniform(low, high, **more):
    return {"distribution": "uniform", "low": low, "high": high, **more}


ARCSEC = {"unit": "arcsec"}


TWO_KL = {"method": "beta_vae", "weights": {"kl": [1, 4]}}


BAD = {
    "unknown factor in a coverage": (spoil(("coverages", "two"), ["sheer1", "g2"]), "did you mean 'g1'?"),
    "unknown key": (spoil(("training", "epoch"), 3), "did you mean 'epochs'?"),
    "unknown section": (spoil(("trainin",), {}), "did you mean 'training'?"),
    "unknown method": (spoil(("runs", 0, "method"), "beta_va"), "did you mean 'beta_vae'?"),
    "unknown coverage": (spoil(("runs", 1, "coverages"), ["ful"]), "did you mean 'full'?"),
    "unknown data set": (spoil(("runs", 0, "dataset"), "galaxie"), "did you mean 'galaxies'?"),
    "unknown preset": (spoil((*GALAXIES, "preset"), "papr"), "did you mean 'paper'?"),
    "unknown parameter": (spoil((*GALAXIES, "factors"), factors(fluks=uniform(1, 2))), "did you mean 'flux'?"),
    "unknown unit": (spoil((*GALAXIES, "factors"), factors(radius=uniform(1, 2, unit="km"))), "is measured in"),
    "a term the method has not": (spoil(("runs", 0, "weights"), {"inter": 3}), "beta_vae has the terms"),
    "a negative weight": (spoil(("runs", 0, "weights"), {"kl": -1}), "it must be at least 0"),
    "low above high": (
        spoil((*GALAXIES, "factors"), factors(radius=uniform(1, 0.5, **ARCSEC))),
        "must be less than high",
    ),
    "a shear of one in reach": (spoil((*GALAXIES, "factors"), factors(g1=uniform(-0.9, 0.9))), "|g| must stay below 1"),
    "negative flux": (spoil((*GALAXIES, "factors"), factors(flux=uniform(-5, 9, unit="ph"))), "flux must be above 0"),
    "negative radius": (
        spoil((*GALAXIES, "factors"), factors(radius=uniform(-1, 1, **ARCSEC))),
        "radius must be above 0",
    ),
    "a normal radius": (
        spoil((*GALAXIES, "factors"), factors(radius={"distribution": "normal", "mean": 1, "std": 1, **ARCSEC})),
        "take truncated_normal",
    ),
    "a factor that is missing": (
        spoil((*GALAXIES, "factors"), {k: v for k, v in factors().items() if k != "flux"}),
        "add flux or a constant for it",
    ),
    "a factor and a constant": (
        spoil((*GALAXIES, "scene"), {"radius": "scale", "constants": {"g1": 0}}),
        "it is a factor as well",
    ),
    "an empty coverage": (spoil(("coverages", "two"), []), "at least one factor"),
    "no coverage": (spoil(("runs", 1, "coverages"), []), "needs auxiliary variables"),
    "a coverage for a method that takes none": (
        spoil(("runs", 0, "coverages"), ["two"]),
        "takes no auxiliary variables",
    ),
    "a factor twice in a coverage": (spoil(("coverages", "two"), ["g1", "g1"]), "a factor stands once in a coverage"),
    "too few latents": (spoil(("network",), {"latents": 3}), "needs a latent for each of its 5 factors"),
    "no latents": (spoil(("network",), {"latents": 0}), "it must be at least 1"),
    "a stamp that is too small": (spoil((*GALAXIES, "scene"), {"radius": "scale", "stamp": 14}), "write 17 or more"),
    "components for another network": (spoil(("network",), {"name": "conv4", "components": 9}), "reads pixels"),
    "more components than pixels": (spoil(("network",), {"name": "components", "components": 2000}), "1089 pixels"),
    "a stamp beyond the network": (spoil((*GALAXIES, "scene"), {"radius": "scale", "stamp": 130}), "28 to 128 pixels"),
    "duplicate runs": (spoil(("runs", 0, "seeds"), [1, 1]), "every run stands once"),
    "zero galaxies": (spoil((*GALAXIES, "galaxies"), 0), "it must be at least 1"),
    "too few galaxies": (spoil((*GALAXIES, "galaxies"), 3), "each part needs one"),
    "a number as text": (spoil(("training", "learning_rate"), "1e-3"), "write 1.0e-3"),
    "text that only looks like a number": (spoil(("training", "clip"), "2.0e4"), "write 2.0e+4"),
    "a batch larger than the data": (spoil(("training", "batch"), 1000), "has 192 training rows"),
    "a batch of one": (spoil(("training", "batch"), 1), "it must be at least 2"),
    "more images than test rows": (spoil(("analyses", "sensitivity", "images"), 500), "has 32 test rows"),
    "no runs": (spoil(("runs",), []), "at least one group of runs"),
    "no study": (spoil(("study",), None, remove=True), "add 'study:'"),
    "a study that is a path": (spoil(("study",), "../x"), "letters, digits and _"),
    "no data sets": (spoil(("datasets",), {}), "at least one named data set"),
    "a data set that is a path": (spoil(("datasets",), {"../x": {"preset": "paper"}}), "letters, digits and _"),
    "a store that is not there": (
        spoil(("datasets", "galaxies"), {"store": "absent.zarr"}),
        "a sealed store must be there",
    ),
    "no noise to take a likelihood from": (spoil((*GALAXIES, "noise"), {"kind": "none"}), "has no noise"),
    "a likelihood without its sigma": (
        spoil(("runs", 0, "likelihood"), "gaussian"),
        "the gaussian likelihood needs it",
    ),
    "noise of two kinds": (spoil((*GALAXIES, "noise"), {"kind": "gaussian", "sigma": 1, "snr": 2}), "one of the two"),
    "a store whose path has braces": (spoil(("datasets", "galaxies"), {"store": "my{data}.zarr"}), "has no braces"),
    "a split that does not add up": (spoil((*GALAXIES, "split"), {"train": 0.9}), "must add up to 1"),
    "sobol of an uneven number": (
        lambda c: c["datasets"]["galaxies"].update(design="sobol", galaxies=300),
        "powers of 2",
    ),
    "no scales": (spoil(("analyses", "sensitivity", "scales"), []), "at least one scale"),
    "a preset that is a list": (spoil((*GALAXIES, "preset"), ["paper"]), "the presets are"),
    "a grid without levels": (spoil((*GALAXIES, "design"), "grid"), "a grid needs levels"),
    "a kernel of no width": (spoil(("runs", 0), {"method": "ae_mmd", "mmd": {"bandwidth": 0}}), "it must be above 0"),
    "scales of no width": (spoil(("runs", 0), {"method": "ae_mmd", "mmd": {"scales": [1, 0]}}), "it must be above 0"),
    "no scales of a kernel": (spoil(("runs", 0), {"method": "ae_mmd", "mmd": {"scales": []}}), "a scale is needed"),
    "an unknown kernel": (spoil(("runs", 0), {"method": "ae_mmd", "mmd": {"kernel": "imk"}}), "did you mean 'imq'?"),
    "a misspelt method": (spoil(("runs", 0), {"methd": "vae"}), "did you mean 'method'?"),
    "counts of gaussian noise": (
        lambda c: (
            c["datasets"]["galaxies"].update(noise={"kind": "gaussian", "snr": 50}),
            c["runs"][0].update(likelihood="counts"),
        ),
        "so its pixels are no counts",
    ),
    "photons for bernoulli": (spoil(("runs", 0, "likelihood"), "bernoulli"), "bernoulli takes images of 0 to 1"),
    "a block above the batch": (spoil(("runs", 0), {"method": "ae_mmd", "mmd": {"block": 64}}), "has 32 images"),
    "a block and a queue": (
        spoil(("runs", 0), {"method": "ae_mmd", "mmd": {"block": 8, "queue": 64}}),
        "take one of the two",
    ),
    "logarithms by components": (
        spoil(("runs", 0), {"method": "beta_vae", "preset": "paper", "network": {"name": "components"}}),
        "runs[0].network.name: found 'components', but log10 is of pixels near 0",
    ),
    "an unknown prior": (spoil(("runs", 0), {"method": "ae_mmd", "prior": "unifrom"}), "did you mean 'uniform'?"),
    "a setting of another prior": (
        spoil(("runs", 0), {"method": "ae_mmd", "prior": {"kind": "grid", "components": 3}}),
        "the prior grid takes levels",
    ),
    "blocks of another dimension": (
        spoil(
            ("runs", 0), {"method": "ae_mmd", "prior": {"kind": "blocks", "of": [{"kind": "uniform", "latents": 3}]}}
        ),
        "it is for a block of 10 latents",
    ),
    "factors of another dimension": (
        spoil(("runs", 1), {"method": "aux_mmd", "coverages": ["two"], "prior": {"kind": "empirical"}}),
        "found a prior of 3 dimensions, but it is for a block of 8 latents",
    ),
    "a prior of unknown factors": (
        spoil(("runs", 0), {"method": "ae_mmd", "prior": {"kind": "empirical", "factors": ["fluks"]}}),
        "did you mean 'flux'?",
    ),
    "a file that is not there": (
        spoil(("runs", 0), {"method": "ae_mmd", "prior": {"kind": "file", "path": "absent.py", "name": "Ring"}}),
        "a Python file with the prior must be there",
    ),
    "a file without its class": (
        spoil(("runs", 0), {"method": "ae_mmd", "prior": {"kind": "file", "path": "setup.cfg"}}),
        "the prior file needs it",
    ),
    "a divergence from a prior without a density": (
        spoil(("runs", 0), {"method": "vae", "prior": "uniform"}),
        "which needs a density for every z",
    ),
    "a prior for a method that learns it": (
        spoil(("runs", 1), {"method": "ivae", "coverages": ["two"], "prior": "laplace"}),
        "ivae learns its prior",
    ),
    "a point for a method that needs a posterior": (
        spoil(("runs", 0), {"method": "vae", "encoder": "deterministic"}),
        "terms that need a Gaussian posterior",
    ),
    "released settings of a method that has none": (
        spoil(("runs", 0), {"method": "ae_mmd", "preset": "paper"}),
        "the preset paper has weights for",
    ),
    "a batch of one in a group": (
        spoil(("runs", 0), {"method": "ae_mmd", "training": {"batch": 1}}),
        "runs[0].training.batch: found 1, but it must be at least 2",
    ),
    "a group's batch larger than the data": (
        spoil(("runs", 0), {"method": "ae_mmd", "training": {"batch": 1000}}),
        "runs[0].training.batch: found 1000, but galaxies has 192 training rows",
    ),
    "settings that no term reads": (spoil(("runs", 0, "mmd"), {"queue": 100}), "beta_vae has no term that reads it"),
    "a capacity that no term reads": (spoil(("runs", 0, "capacity"), 50), "beta_vae has no term that reads it"),
    "a width for points": (
        spoil(("runs", 1), {"method": "regressor", "coverages": ["two"], "encoder": "gaussian"}),
        "regressor has a deterministic encoder",
    ),
    "an auxiliary prior of another dimension": (
        spoil(("runs", 1), {"method": "aux_mmd", "coverages": ["two"], "mmd": {"queue": 0}, "prior": "auxiliary"}),
        "found a prior of 2 dimensions, but it is for a block of 8 latents",
    ),
    "a validation row alone": (
        lambda c: c["datasets"]["galaxies"].update(split={"train": 0.99, "validation": 0.005, "test": 0.005}),
        "two at least",
    ),
    "an unknown rule": (spoil(("runs", 0), {**TWO_KL, "select": "bond"}), "did you mean 'bound'?"),
    "an unknown rule in a section": (
        spoil(("runs", 0), {**TWO_KL, "select": {"rule": "bond"}}),
        "did you mean 'bound'?",
    ),
    "a choice of one": (
        spoil(("runs", 0), {"method": "vae", "seeds": [0, 1], "select": "bound"}),
        "runs[0].select: found 'bound', but the group has one setting, and nothing to choose among; list two weights",
    ),
    "leakage without auxiliary latents": (
        spoil(("runs", 0), {**TWO_KL, "select": "leakage"}),
        "beta_vae has none with a posterior; take another rule",
    ),
    "leakage of copied latents": (
        spoil(("runs", 1), {"method": "cvae", "coverages": ["two"], "weights": {"kl": [1, 2]}, "select": "leakage"}),
        "cvae has none with a posterior; take another rule",
    ),
    "leakage without residual latents": (
        spoil(
            ("runs", 1),
            {"method": "aux_vae", "coverages": ["full", "two"], "weights": {"intra": [0, 1]}, "select": "leakage"}
            | {"network": {"latents": 5}},
        ),
        "found 'leakage' for the coverage full, but full has a factor for each of the 5 latents",
    ),
    "a bound without a divergence": (
        spoil(("runs", 0), {"method": "ae_mmd", "weights": {"mmd": [1, 2]}, "select": "bound"}),
        "ae_mmd has no term kl; take another rule",
    ),
    "an interval over one seed": (
        spoil(("runs", 0), {**TWO_KL, "seeds": 3, "select": {"rule": "bound", "interval": True}}),
        "runs[0].seeds: found 3, but an interval over the seeds needs two at least; add a seed",
    ),
    "no weights in the list": (spoil(("runs", 0, "weights"), {"kl": []}), "a weight is needed"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_config_is_refused_in_sentences(config, case):
    apply, expected = BAD[case]
    apply(config)
    sentences = refusal(config)
    assert any(expected in sentence for sentence in sentences), sentences
    assert all("\n" not in sentence and ": found " in sentence for sentence in sentences)


def test_all_faults_are_reported_at_once(config):
    cases = ["unknown factor in a coverage", "unknown key", "unknown method", "a number as text", "no latents"]
    for case in cases:
        BAD[case][0](config)
    together = "\n".join(refusal(config))
    assert all(BAD[case][1] in together for case in cases), together


def test_a_value_that_cannot_be_read_is_one_fault_not_two(config):
    config["runs"] = [{"method": "vae", "seeds": [True]}]
    assert [sentence.split(":")[0] for sentence in refusal(config)] == ["runs[0].seeds[0]"]


def test_a_group_keeps_its_place_behind_a_broken_one(config):
    config["runs"] = [{"methd": "vae"}, {"method": "aux_vae", "coverages": "ful"}]
    assert any(sentence.startswith("runs[1].coverages[0]: found 'ful'") for sentence in refusal(config))


def test_a_word_keeps_its_place_behind_a_broken_one(config):
    config["coverages"]["two"] = [1, "sheer1", "g1"]
    assert [sentence.split(":")[0] for sentence in refusal(config)] == ["coverages.two[0]", "coverages.two[1]"]


def test_a_fault_of_the_study_is_not_repeated_for_its_groups(config):
    config["network"] = {"latents": "ten"}
    config["runs"] = [{"method": "vae", "network": {"width": 8}}]
    assert [sentence.split(":")[0] for sentence in refusal(config)] == ["network.latents"]


ODD = [
    None,
    True,
    -1,
    0,
    math.nan,
    math.inf,
    10**400,
    "x",
    "",
    b"x",
    [],
    [None],
    [[1]],
    {},
    {"a": 1},
    {1: 2},
    {None: 3},
]


ODD += [
    {None: 3},
    datetime.date(2020, 1, 1),
    {"kind": "product", "of": [{}]},
    {"kind": "blocks", "of": "normal"},
    "vae",
    "paper",
]


def spots(value):
    """Every container inside a config with each of its keys or indices."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from spots(value[key])


@pytest.mark.parametrize("seed", range(20))
def test_nothing_that_a_config_can_hold_raises(config, seed):
    """Odd values anywhere, odd keys too, are refused in sentences, each once, or taken."""
    source = random.Random(seed)
    config["datasets"]["spelt"] = copy.deepcopy(PAPER)
    blocks = {"kind": "blocks", "of": [{"kind": "uniform", "latents": 4}, {"kind": "laplace", "latents": 6}]}
    matched = {"method": "ae_mmd", "dataset": "spelt", "prior": blocks, "mmd": {"queue": 3}, "weights": {"mmd": [1, 2]}}
    config["runs"] = [{**group, "dataset": "galaxies"} for group in config["runs"]] + [matched]
    for _ in range(30):
        spoilt = copy.deepcopy(config)
        for _ in range(source.choice([1, 2, 3])):
            container, key = source.choice(list(spots(spoilt)))
            key = source.choice(["other", 3, None]) if isinstance(container, dict) and source.random() < 0.2 else key
            container[key] = copy.deepcopy(source.choice(ODD))
        try:
            study_of(spoilt)
        except Refused as refused:
            assert all("; " in str(fault) for fault in refused.faults)

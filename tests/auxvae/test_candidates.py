"""Does a candidate say anything new? Constructed codes whose verdict is known, the rule under a null, and faults."""

import copy

import numpy as np
import pytest
import torch

from auxvae.analysis.candidates import NUMBERS, _rates
from auxvae.config.auxiliaries import truth_of
from auxvae.config.candidates import pairs_of
from auxvae.data.encoding import limits
from auxvae.data.preparation import refuse_constants
from auxvae.data.scaling import Scaling
from auxvae.data.store import Store
from auxvae.metrics.novelty import LEAST, degree, gain_of, pooled, r2, ranked, share, verdict
from auxvae.training.loop import Trainer
from foundation.faults import Refused
from tests.conftest import TINY, refusal, study_of

ROWS, SEEDS = 768, 3
FUNCTIONS = {
    "a copy": lambda u: u[:, 0],
    "a sum": lambda u: u[:, 0] - 2 * u[:, 3],
    "a ratio of three decades": lambda u: (u[:, 0] + 0.05) / (u[:, 1] + 0.1) ** 2,
    "a ratio": lambda u: (u[:, 0] + 0.2) / (u[:, 1] + 0.3) ** 2,
    "a parabola": lambda u: (u[:, 2] - 0.5) ** 2,
    "a step": lambda u: (u[:, 0] > 0.5) * 1.0,
}


def judged(candidate, own, base, seed=0, seeds=SEEDS):
    """The verdict on a candidate (N,) with base variables (N, b), where latents are the values with some noise."""
    images, gains = [], []
    for s in range(seeds):
        g = np.random.default_rng([seed, s])
        noisy = lambda x: x + 0.02 * g.normal(size=x.shape)  # noqa: B023, E731
        residual = g.normal(size=(len(base), 3))
        c = ranked(candidate)[:, None]
        sources = {"image": np.c_[noisy(base), own(g), residual], "values": base, "base_aux": noisy(base)}
        r2_of = {name: r2(x, c, 40) for name, x in sources.items()}
        images.append(r2_of["image"])
        gains.append(gain_of(r2_of))
    return verdict(pooled(images), pooled(gains)), pooled(images), pooled(gains)


def base_of(seed=0):
    return np.random.default_rng(seed).random((ROWS, 4))


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_of_what_was_given_is_redundant(function):
    """Its own latent, which is much closer to it than any fit to the others, gains nothing."""
    u = base_of()
    c = function(u)
    said, image, gain = judged(c, lambda g: c + 0.001 * g.normal(size=ROWS), u)
    assert said == "redundant" and image.low > 0.9 and gain.high < LEAST


def test_a_candidate_that_only_its_own_latent_tells_is_new():
    u, c = base_of(), np.random.default_rng(9).random(ROWS)
    said, image, gain = judged(c, lambda g: c + 0.3 * g.normal(size=ROWS), u)
    r2_of_latent = (1 / 12) / (1 / 12 + 0.09)
    assert said == "new" and image.value == pytest.approx(r2_of_latent, abs=0.08)
    assert gain.value == pytest.approx(image.value, abs=0.02)


def test_half_of_a_candidate_may_be_new():
    u, rest = base_of(), np.random.default_rng(9).random(ROWS)
    c = u[:, 0] + rest
    said, _, gain = judged(c, lambda g: c + 0.01 * g.normal(size=ROWS), u)
    assert said == "new" and gain.value == pytest.approx(0.5, abs=0.06)


def test_a_noisy_measurement_of_what_was_given_gains_nothing():
    """Its noise is not in the image, so that no latent tells it; three seeds may not be enough to decide."""
    u = base_of()
    c = u[:, 0] + 0.3 * np.random.default_rng(3).normal(size=ROWS)
    said, _, gain = judged(c, lambda g: u[:, 0] + 0.01 * g.normal(size=ROWS), u)
    assert said != "new" and gain.value == pytest.approx(0, abs=LEAST)


def test_a_base_that_is_noisier_than_the_image_tells_what_its_latents_tell():
    """Two noisy measurements of one quantity: the second says nothing that the latent of the first does not."""
    truth, g = base_of()[:, :1], np.random.default_rng(4)
    given, c = (truth + 0.2 * g.normal(size=truth.shape) for _ in range(2))
    latent = truth + 0.01 * g.normal(size=truth.shape)
    r2_of = {name: r2(x, c, 40) for name, x in {"image": latent, "values": given, "base_aux": latent}.items()}
    assert verdict(pooled([r2_of["image"]]), pooled([gain_of(r2_of)])) == "redundant"
    blind = {**r2_of, "base_aux": r2_of["values"]}
    assert verdict(pooled([blind["image"]]), pooled([gain_of(blind)])) == "new"


def test_noise_is_irrelevant_even_where_a_latent_was_fitted_to_it_in_training():
    """A latent that no test row agrees with says nothing: the rule under a null that is drawn 20 times."""
    said = []
    for seed in range(20):
        g = np.random.default_rng([1, seed])
        z, c = g.normal(size=(ROWS, 4)), g.normal(size=(ROWS, 1))
        image = r2(z, c, 40)
        said.append(verdict(pooled([image]), pooled([image])))
    assert said == ["irrelevant"] * 20


def test_chance_and_perfection():
    g = np.random.default_rng(0)
    z, c = g.normal(size=(ROWS, 3)), g.normal(size=(ROWS, 1))
    assert -0.1 < r2(z, c, 0)[0] < 0.02 and r2(z[:, :0], c, 5).tolist() == [0] * 6
    assert r2(z, z[:, :1] ** 3, 0)[0] > 0.97
    assert [degree(d, 10**6) for d in (2, 10, 11, 23, 24, 500)] == [3, 3, 2, 2, 1, 1]
    assert [degree(5, rows) for rows in (400, 200, 60)] == [3, 2, 1]


def test_a_candidate_in_another_unit_or_on_a_logarithmic_scale_is_the_same():
    c = np.array([3.0, 1.0, 1.0, 2.0])
    assert ranked(c).tolist() == [0.875, 0.25, 0.25, 0.625] == ranked(np.exp(5 * c)).tolist()


def test_an_interval_over_seeds_holds_the_rows_that_they_share():
    rows = np.random.default_rng(0).normal(size=101)
    same = pooled([rows] * 5)
    assert same.high - same.low >= 2 * 1.96 * rows[1:].std(ddof=1) * 0.999
    apart = pooled([rows, rows + 1, rows - 1])
    assert apart.high - apart.low > 2 * 4.3 / 3**0.5


def test_rates_count_wrong_and_undecided_verdicts_apart():
    whole = ["irrelevant", "new", "undecided", "redundant"]
    rates = _rates(["irrelevant"] * 3 + [""], whole, [[w, w] for w in whole])
    assert dict(zip(NUMBERS, rates[0, 0], strict=True)) == {
        "verdicts": 3, "wrong": 1, "undecided": 1,
        "wrong_share": pytest.approx(1 / 3), "wrong_low": pytest.approx(0.00840, abs=1e-4),
        "wrong_high": pytest.approx(0.90572, abs=1e-4),
    }  # fmt: skip
    assert rates[0, 1, 0] == 6 and rates[1:, :, 0].sum() == 0
    assert share(0, 30).high == pytest.approx(1 - 0.025 ** (1 / 30))


AUXILIARIES = {
    "noise_a": {"kind": "noise"},
    "surface": {"kind": "product", "of": {"flux": 1, "radius": -2}},
    "tilt": {"kind": "sum", "of": {"g1": 1, "g2": -1}},
}
COVERAGES = {
    **TINY["coverages"],
    "with_noise": ["g1", "g2", "noise_a"],
    "with_tilt": ["g1", "g2", "tilt"],
    "with_surface": ["g1", "g2", "surface"],
    "with_flux": ["g1", "g2", "flux"],
}
MORE = ["with_noise", "with_tilt", "with_surface", "with_flux"]
ASKING = {
    **TINY,
    "auxiliaries": AUXILIARIES,
    "coverages": COVERAGES,
    "runs": [{"method": "aux_vae", "coverages": ["two", *MORE], "seeds": [0, 1]}],
    "analyses": {**TINY["analyses"], "candidates": {"two": MORE}},
}


def test_pairs_are_of_runs_that_differ_in_the_candidate_alone():
    study = study_of(ASKING)[1]
    pairs = pairs_of(study, study.runs[1:])  # the base of seed 0 has failed, say
    assert [(pair.candidate, pair.truth) for pair in pairs] == [
        ("noise_a", "irrelevant"), ("tilt", "redundant"), ("surface", ""), ("flux", "new"),
    ]  # fmt: skip
    assert all([run.seed for run in (*pair.base, *pair.more)] == [1, 1] for pair in pairs)
    backwards = {**ASKING, "auxiliaries": {k: AUXILIARIES[k] for k in reversed(AUXILIARIES)}}
    backwards["auxiliaries"]["surface"] = {"kind": "product", "of": {"radius": -2, "flux": 1}}
    assert [run.id for run in study_of(backwards)[1].runs] == [run.id for run in study.runs]
    assert truth_of("flux", ["surface"], study.runs[0].dataset.auxiliaries, True) == ""
    assert truth_of("flux", ["g1"], study.runs[0].dataset.auxiliaries, False) == ""


def test_their_values_belong_to_the_row_and_change_no_other_identity(tiny_store, tiny):
    study = study_of(ASKING)[1]
    run = next(run for run in study.runs if run.coverage == "with_surface")
    store = Store(tiny_store, run.dataset)
    rows = store.read("test")
    expected = rows.factors["flux"] / rows.factors["radius"] ** 2
    assert np.allclose(rows.variables["surface"], expected, rtol=1e-12)
    assert np.array_equal(rows.variables["tilt"], rows.factors["g1"] - rows.factors["g2"])
    noise = {name: store.variables(name)["noise_a"] for name in ("train", "validation", "test")}
    whole = np.concatenate([*noise.values()])
    assert len({*whole.tolist()}) == 256 and abs(whole.mean()) < 0.2 and abs(whole.std() - 1) < 0.15
    trainer = Trainer(run, store, tiny_store.parent / "work", torch.device("cpu"))
    aux = trainer.loader.data.aux
    assert aux.shape[1] == 3 and aux.min() == 0 and aux.max() == 1
    two = next(run for run in study.runs if run.coverage == "two")
    assert two.id in {each.id for each in tiny.runs}
    other = {**ASKING, "auxiliaries": {**AUXILIARIES, "surface": {"kind": "product", "of": {"flux": 1}}}}
    assert {r.id for r in study.runs} ^ {r.id for r in study_of(other)[1].runs} == {
        r.id for each in (study, study_of(other)[1]) for r in each.runs if r.coverage == "with_surface"
    }


def test_a_power_of_nothing_is_refused_where_it_is_scaled(tiny_store):
    study = study_of(ASKING)[1]
    run = next(run for run in study.runs if run.coverage == "with_surface")
    rows = Store(tiny_store, run.dataset).read("train")
    rows.factors["radius"][0] = 0
    low, high = limits(rows.variables, ())
    with pytest.raises(Refused, match="not finite"):
        refuse_constants(run, Scaling(0.0, 1.0, 0.0, 1.0, low, high, torch.zeros(1)))


def changed(path, value):
    config = copy.deepcopy(ASKING)
    *outer, last = path
    section = config
    for step in outer:
        section = section[step]
    section[last] = value
    return config


FAULTS = {
    "a name of a factor": (("auxiliaries", "g1"), {"kind": "noise"}, "has a factor of that name"),
    "an unknown factor": (("auxiliaries", "tilt", "of"), {"fluxx": 1}, "did you mean 'flux'?"),
    "a function of nothing": (("auxiliaries", "tilt", "of"), {}, "a sum is of factors"),
    "noise of something": (("auxiliaries", "noise_a", "of"), {"g1": 1}, "noise is a function of nothing"),
    "a seed of a function": (("auxiliaries", "tilt", "seed"), 3, "nothing in a sum is random"),
    "a weight of 0": (("auxiliaries", "tilt", "of"), {"g1": 0}, "it changes nothing in the sum"),
    "code": (("auxiliaries", "tilt", "of"), {"g1": "__import__('os')"}, "a number stands here"),
    "an unknown kind": (("auxiliaries", "tilt", "kind"), "ratio", "the choices are noise, product, sum"),
    "in no coverage": (("coverages", "with_tilt"), ["g1", "g2", "flux"], "no model is given it"),
    "not a variable": (("coverages", "with_tilt"), ["g1", "g2", "tild"], "did you mean 'tilt'?"),
    "an unknown pair": (("analyses", "candidates"), {"two": "with_fluks"}, "did you mean 'with_flux'?"),
    "an unknown base": (("analyses", "candidates"), {"tow": "with_flux"}, "did you mean 'two'?"),
    "more than one": (("analyses", "candidates"), {"two": "full"}, "a candidate is the one variable"),
    "no run of both": (("runs", 0, "coverages"), [*MORE], "no group of runs has both two and with_flux"),
    "latents that are copies": (("runs", 0, "method"), "cvae", "must be read from the image alone"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_every_fault_is_a_sentence_before_the_first_job(fault):
    path, value, sentence = fault
    sentences = refusal(changed(path, value))
    assert any(sentence in each for each in sentences), sentences


def test_augmented_images_have_no_candidates():
    assert any("no symmetry says" in each for each in refusal(changed(("training", "augment"), True)))

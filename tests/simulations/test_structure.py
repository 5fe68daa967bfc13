"""Mechanisms and contexts: factors keep their distributions, effects follow causes, interventions cut causes off."""

import json
import shutil

import numpy as np
import pytest
import zarr
from scipy import special, stats

from foundation.faults import Refused
from simulations.check import check
from simulations.context_check import context_faults
from simulations.draw import simulate
from simulations.factors import draw_context, draw_factors, draw_split, share_below
from simulations.facts import read_dataset, read_declared
from simulations.spec import to_json
from simulations.structure import facts_of, in_order, scatters
from simulations.symmetries import symmetries_of
from tests.simulations.test_factors import FACTORS, dataset

ROWS = 12_000
MECHANISMS = {"radius": {"flux": 0.8}, "offset_x": {"radius": -0.5, "flux": 0.6}}
CONTEXTS = {
    "obs": {},
    "bright": {"do": {"flux": {"mean": 1, "std": 0.5}}},
    "large": {"do": {"radius": {"low": 600, "high": 800}}, "share": 0.5},
    "both": {"do": {"flux": {"mean": 1, "std": 0.5}, "radius": {"low": 600, "high": 800}}, "held_out": True},
}


def structured(galaxies=ROWS, design="random", **changes):
    return dataset(design, galaxies, **{"mechanisms": MECHANISMS, "contexts": CONTEXTS, **changes})


@pytest.fixture(scope="module")
def drawn():
    """A structured data set, its factors, and the context of each row."""
    declared = structured()
    return declared, draw_factors(declared, 0, ROWS), draw_context(declared, 0, ROWS)


def scores(declared, factors, rows=slice(None)):
    return {name: special.ndtri(share_below(declared.factors[name], each[rows])) for name, each in factors.items()}


def test_the_scatter_that_is_left_is_that_of_the_whole_covariance():
    """Against the matrix: s = (I - W)^-1 sigma n has unit variances."""
    names = in_order(MECHANISMS, FACTORS)
    assert names.index("flux") < names.index("radius") < names.index("offset_x")
    sigma = scatters(MECHANISMS, names)
    weights = np.array([[MECHANISMS.get(k, {}).get(i, 0.0) for i in names] for k in names])
    mixing = np.linalg.inv(np.eye(len(names)) - weights) @ np.diag([sigma[name] for name in names])
    np.testing.assert_allclose(np.diag(mixing @ mixing.T), 1)


@pytest.mark.parametrize("design", ["random", "latin_hypercube"])
def test_where_nothing_is_done_factors_keep_their_distributions_and_follow_their_causes(design):
    declared = structured(design=design, contexts={})
    factors = draw_factors(declared, 0, ROWS)
    for name, factor in declared.factors.items():
        assert stats.kstest(share_below(factor, factors[name]), "uniform").pvalue > 1e-3
    rho = np.corrcoef(list(scores(declared, factors).values()))
    assert rho[0, 1] == pytest.approx(0.8, abs=0.02)
    assert rho[1, 3] == pytest.approx(-0.5 + 0.6 * 0.8, abs=0.04)
    assert rho[2] == pytest.approx([0, 0, 1, 0], abs=0.04)


def test_an_intervention_cuts_causes_off_and_moves_effects(drawn):
    declared, factors, context = drawn
    bright, large = (scores(declared, factors, context == number) for number in (1, 2))
    assert bright["flux"].mean() == pytest.approx(1, abs=0.05) and bright["flux"].std() == pytest.approx(0.5, abs=0.03)
    assert bright["radius"].mean() == pytest.approx(0.8, abs=0.05)
    assert large["flux"].mean() == pytest.approx(0, abs=0.08)
    assert np.corrcoef(large["flux"], large["radius"])[0, 1] == pytest.approx(0, abs=0.09)
    sizes = factors["radius"][context == 2]
    assert sizes.min() >= 600 and sizes.max() <= 800
    assert stats.kstest((sizes - 600) / 200, "uniform").pvalue > 1e-3


def test_rows_do_not_depend_on_the_block_in_which_they_are_drawn(drawn):
    declared, factors, context = drawn
    edges = [(0, 5), (5, 4099), (4099, ROWS)]
    for name in factors:
        assert np.array_equal(np.concatenate([draw_factors(declared, a, b)[name] for a, b in edges]), factors[name])
    assert np.array_equal(np.concatenate([draw_context(declared, a, b) for a, b in edges]), context)


def test_contexts_have_their_shares_and_what_is_held_out_is_tested_alone(drawn):
    declared, _, context = drawn
    split = draw_split(declared, 0, ROWS)
    counts = [(int(((context == c) & (split == s)).sum())) for c in range(4) for s in range(3)]
    assert counts == [n for part in declared.parts for n in (part.train, part.validation, part.test)]
    assert [part.rows for part in declared.parts] == pytest.approx(
        [ROWS / 3.5, ROWS / 3.5, ROWS / 7, ROWS / 3.5], abs=1
    )
    assert declared.parts[0].train == declared.parts[0].validation == 0
    assert declared.counts == tuple(int((split == s).sum()) for s in range(3))


def test_a_data_set_without_structure_is_what_it_was():
    plain, none = dataset(), dataset(mechanisms={}, contexts={})
    assert plain.digest == none.digest and not {"mechanisms", "contexts"} & to_json(plain).keys()
    declared = structured()
    assert plain.digest != declared.digest and read_dataset(to_json(declared), "d", []) == declared
    assert dataset().counts == dataset().split.counts(256)


def test_the_order_in_which_contexts_are_written_decides_nothing():
    """A spec that was passed on as JSON has its keys in another order."""
    declared, other = structured(), structured(contexts=dict(reversed(CONTEXTS.items())))
    assert declared.digest == other.digest and declared.parts == other.parts
    assert [*declared.contexts] == [*other.contexts] == ["both", "bright", "large", "obs"]
    sorted_json = json.loads(json.dumps(to_json(declared), sort_keys=True))
    passed = read_dataset(sorted_json, "d", [])
    assert facts_of(passed.contexts, passed.parts) == facts_of(declared.contexts, declared.parts)
    for draw in (draw_context, draw_split):
        drawn = [draw(each, 0, ROWS) for each in (declared, other, passed)]
        assert np.array_equal(drawn[0], drawn[1]) and np.array_equal(drawn[0], drawn[2])


def test_a_caused_shear_keeps_no_symmetry_that_flips_it():
    both = {"g2": FACTORS["g1"], "g1": FACTORS["g1"], "flux": FACTORS["flux"]}
    scene = {"constants": {"psf_fwhm": 0.3, "radius": 0.5}}
    shear = {"obs": {}, "shear": {"do": {"g1": {"mean": 1, "std": 0.5}}}}
    names = [
        {each.operation for each in symmetries_of(dataset(factors=both, scene=scene, **structure))}
        for structure in ({"contexts": shear}, {"mechanisms": {"g1": {"flux": 0.5}}}, {})
    ]
    assert names[0] == names[1] == {"mirror_x", "mirror_y", "half_turn"}
    assert names[2] > names[0]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A small store with contexts, and its data set."""
    path = tmp_path_factory.mktemp("contexts") / "g.zarr"
    config = {"datasets": {"g": to_json(structured(galaxies=700)) | {"noise": {"kind": "none"}}}}
    faults = []
    declared = read_declared(config, faults)
    assert not faults
    simulate(declared.simulated["g"], declared.facts["g"], path)
    return path, declared.simulated["g"]


def test_a_store_says_its_contexts_and_its_check_agrees(stored):
    path, declared = stored
    check(path)
    group = zarr.open_group(path, mode="r")
    assert group["context"].attrs["flag_meanings"] == "both bright large obs"
    assert np.array_equal(group["context"][:], draw_context(declared, 0, 700))
    faults = []
    facts = read_declared({"datasets": {"g": {"store": str(path)}}}, faults).facts["g"]
    assert not faults
    assert [(each.name, each.of) for each in facts.contexts] == [
        ("both", ("flux", "radius")), ("bright", ("flux",)), ("large", ("radius",)), ("obs", ())
    ]  # fmt: skip
    assert sum(each.train for each in facts.contexts) == facts.train


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda seal: seal["facts"]["contexts"][0].pop("name"), "contexts or measurements cannot be read"),
        (lambda seal: seal["facts"]["contexts"][1].update(of=["fluks"]), "which is no factor"),
        (lambda seal: seal["facts"]["contexts"][1].update(name="obs"), "two contexts of one name"),
    ],
)
def test_a_seal_with_other_contexts_is_refused(stored, tmp_path, spoil, expected):
    shutil.copytree(stored[0], tmp_path / "g.zarr")
    file = tmp_path / "g.zarr" / "seal.json"
    seal = json.loads(file.read_text())
    spoil(seal)
    file.write_text(json.dumps(seal))
    faults = []
    read_declared({"datasets": {"g": {"store": str(tmp_path / "g.zarr")}}}, faults)
    assert expected in str(Refused(faults))
    with pytest.raises(Refused, match="contexts"):
        check(tmp_path / "g.zarr")


def sorted_by_flux(factors, context):
    """Sizes of an intervention, each as declared, in the order of the flux that they should not hear."""
    rows = context == 2
    ranks = np.argsort(np.argsort(factors["flux"][rows]))
    factors["radius"][rows] = np.sort(factors["radius"][rows])[ranks]


SPOILT = {
    "a cause that is heard within the bounds": sorted_by_flux,
    "another intervention": lambda f, c: f["flux"].__setitem__(c == 1, np.clip(1.3 * f["flux"][c == 1], 1e4, 1e5)),
    "a cause that is still heard": lambda f, c: f["radius"].__setitem__(c == 2, f["radius"][c == 3][: (c == 2).sum()]),
    "no mechanism": lambda f, c: f["radius"].__setitem__(c == 3, np.sort(f["radius"][c == 3])),
    "contexts exchanged": lambda f, c: c.__setitem__(slice(None), np.roll(c, 1)),
}


def test_rows_as_declared_have_no_faults(drawn, tmp_path):
    declared, factors, context = drawn
    assert not [*context_faults(tmp_path, declared, {**factors, "context": context})]


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_rows_that_show_another_structure_are_found(drawn, tmp_path, spoil):
    declared, factors, context = drawn
    other, contexts = {name: each.copy() for name, each in factors.items()}, context.copy()
    spoil(other, contexts)
    assert [*context_faults(tmp_path, declared, {**other, "context": contexts})]


REFUSED = {
    "an unknown effect": ({"mechanisms": {"radus": {"flux": 0.5}}}, "did you mean 'radius'?"),
    "an unknown cause": ({"mechanisms": {"radius": {"fluks": 0.5}}}, "did you mean 'flux'?"),
    "a circle": ({"mechanisms": {"radius": {"flux": 0.5}, "flux": {"radius": 0.1}}}, "form a circle"),
    "its own cause": ({"mechanisms": {"radius": {"radius": 0.5}}}, "form a circle"),
    "no scatter": ({"mechanisms": {"radius": {"flux": 1.0}}}, "less than all of its variance"),
    "correlations too": ({"correlations": [{"of": ["flux", "g1"], "rho": 0.5}]}, "by correlations or by mechanisms"),
    "a grid": ({"design": "grid"}, "every combination of its levels"),
    "no obs": ({"contexts": {"a": {"do": {"flux": {"mean": 1, "std": 1}}}}}, "exactly one context"),
    "two obs": ({"contexts": {"a": {}, "b": {}}}, "exactly one context"),
    "obs held out": ({"contexts": {"a": {"held_out": True}}}, "exactly one context"),
    "an unknown target": ({"contexts": {"obs": {}, "a": {"do": {"fluks": {"mean": 1, "std": 1}}}}}, "'flux'?"),
    "half of a pair": ({"contexts": {"obs": {}, "a": {"do": {"flux": {"mean": 1}}}}}, "mean and std, or low and high"),
    "both pairs": ({"contexts": {"obs": {}, "a": {"do": {"flux": {"mean": 1, "low": 1}}}}}, "write one of the pairs"),
    "upside down": ({"contexts": {"obs": {}, "a": {"do": {"radius": {"low": 500, "high": 400}}}}}, "less than high"),
    "out of range": ({"contexts": {"obs": {}, "a": {"do": {"radius": {"low": 500, "high": 950}}}}}, "stay within"),
    "too far": ({"contexts": {"obs": {}, "a": {"do": {"flux": {"mean": 4, "std": 3}}}}}, "end of the factor's range"),
    "too narrow a score": (
        {"contexts": {"obs": {}, "a": {"do": {"flux": {"mean": 1, "std": 1e-9}}}}},
        "at least 0.001",
    ),
    "too narrow a range": (
        {"contexts": {"obs": {}, "a": {"do": {"radius": {"low": 500, "high": 500.0001}}}}},
        "no image shows so small a change",
    ),
    "no validation rows": ({"contexts": {"obs": {}}, "galaxies": 3}, "leave 0 validation rows"),
    "no rows": ({"contexts": {"obs": {}, "a": {**CONTEXTS["bright"], "share": 1e-6}}}, "raise its share or galaxies"),
}


@pytest.mark.parametrize(("changes", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_structure_is_refused(changes, sentence):
    faults = []
    levels = {} if changes.get("design") == "grid" else {"levels": None}
    value = {
        "factors": {name: {**factor, **levels} for name, factor in FACTORS.items()},
        "galaxies": 256,
        "mechanisms": MECHANISMS,
        "scene": {"constants": {"psf_fwhm": 0.3}},
        **changes,
    }
    assert read_dataset(value, "d", faults) is None
    assert any(sentence in str(fault) for fault in faults), [str(fault) for fault in faults]

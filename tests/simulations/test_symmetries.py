"""Declared symmetries hold on the stamps of every scene, and what breaks one is not declared."""

import itertools

import numpy as np
import pytest

from simulations.check import OPERATIONS, ROUNDING, asymmetry
from simulations.factors import draw_factors
from simulations.facts import read_dataset, read_declared
from simulations.galaxy import GALAXIES, PSFS, parameters
from simulations.symmetries import EXCHANGING, ODD, Symmetry, symmetries_of

SCENES = list(itertools.product(GALAXIES, PSFS, (32, 33)))
FACTORS = {
    "flux": {"unit": "ph", "distribution": "uniform", "low": 1e4, "high": 1e5},
    "radius": {"unit": "arcsec", "distribution": "uniform", "low": 0.2, "high": 0.5},
    "psf_fwhm": {"unit": "arcsec", "distribution": "uniform", "low": 0.4, "high": 0.8},
    "g1": {"distribution": "uniform", "low": -0.5, "high": 0.5},
    "g2": {"distribution": "truncated_normal", "mean": 0, "std": 0.2, "low": -0.4, "high": 0.4},
}
OF_GALAXY = {
    "sersic": {"sersic_index": {"distribution": "uniform", "low": 0.5, "high": 4}},
    "bulge_disk": {
        "bulge_fraction": {"distribution": "uniform", "low": 0, "high": 1},
        "bulge_radius": {"unit": "arcsec", "distribution": "uniform", "low": 0.1, "high": 0.3},
    },
}
OFFSET = {"unit": "pix", "distribution": "uniform", "low": -1, "high": 1}


def dataset(galaxy="exponential", seeing="gaussian", stamp=33, constants=None, **factors):
    """Every parameter of the scene varies, the offsets on request; `name=None` takes a factor away."""
    all_factors = {**FACTORS, **OF_GALAXY.get(galaxy, {}), **factors}
    value = {
        "galaxies": 64,
        "scene": {"galaxy": galaxy, "psf": seeing, "stamp": stamp, "constants": constants or {}},
        "factors": {name: factor for name, factor in all_factors.items() if factor},
    }
    faults = []
    read = read_dataset(value, "d", faults)
    assert not faults, faults
    return read


def operations(**changes):
    return {each.operation: each.flips for each in symmetries_of(dataset(**changes))}


def rows_of(data, count=3):
    drawn = draw_factors(data, 0, count)
    return [parameters(data, {name: float(values[i]) for name, values in drawn.items()}) for i in range(count)]


@pytest.mark.parametrize(("galaxy", "seeing", "stamp"), SCENES, ids=str)
@pytest.mark.parametrize("offsets", [{}, {"offset_x": OFFSET, "offset_y": OFFSET}], ids=["centred", "offset"])
def test_every_declared_symmetry_is_one_of_the_stamps(galaxy, seeing, stamp, offsets):
    data = dataset(galaxy, seeing, stamp, **offsets)
    declared = symmetries_of(data)
    assert len(declared) == (3 if offsets else 7)
    for symmetry, values in itertools.product(declared, rows_of(data)):
        assert asymmetry(data.scene, values, symmetry) <= ROUNDING, symmetry


@pytest.mark.parametrize("operation", ODD)
def test_an_operation_without_one_of_its_signs_is_no_symmetry(operation):
    data = dataset(offset_x=OFFSET, offset_y=OFFSET)
    values = rows_of(data, 1)[0]
    values |= dict.fromkeys(("offset_x", "offset_y"), 0.0) if operation in EXCHANGING else {}
    assert asymmetry(data.scene, values, Symmetry(operation, ODD[operation])) <= ROUNDING
    for name in ODD[operation]:
        others = tuple(other for other in ODD[operation] if other != name)
        assert asymmetry(data.scene, values, Symmetry(operation, others)) > 0.01


def test_the_operations_are_the_group_of_the_square():
    """Closed under products, images and signs alike: eight different ones with the identity."""
    image = np.arange(9.0).reshape(3, 3)
    group = {"identity": (lambda stamp: stamp, ())} | {name: (OPERATIONS[name], {*ODD[name]}) for name in ODD}
    of_image = {operation(image).tobytes(): {*odd} - {"offset_x", "offset_y"} for operation, odd in group.values()}
    assert len(of_image) == 8 and OPERATIONS.keys() == ODD.keys()
    for (one, odd), (two, also) in itertools.product(group.values(), repeat=2):
        assert of_image[two(one(image)).tobytes()] == ({*odd} ^ {*also}) - {"offset_x", "offset_y"}


BOTH_MIRRORS = {"mirror_x": ("g2",), "mirror_y": ("g2",), "half_turn": ()}
DIAGONAL = {"half_turn": (), "transpose": ("g1",), "antitranspose": ("g1",)}
LOPSIDED = {"distribution": "uniform", "low": -0.2, "high": 0.5}
CASES = {
    "a constant g1": ({"g1": None, "constants": {"g1": 0.1}}, BOTH_MIRRORS),
    "a constant g2": ({"g2": None, "constants": {"g2": 0.1}}, DIAGONAL),
    "both constant": ({"g1": None, "g2": None, "constants": {"g1": 0.1, "g2": 0.1}}, {"half_turn": ()}),
    "no shear": ({"g1": None, "g2": None}, dict.fromkeys(ODD, ())),
    "an uneven range of g1": ({"g1": LOPSIDED}, BOTH_MIRRORS),
    "a mean of g2 that is not 0": ({"g2": {**FACTORS["g2"], "mean": 0.1}}, DIAGONAL),
    "galaxies off centre": ({"constants": {"offset_x": 0.3}}, {"mirror_y": ("g2",)}),
    "one offset that varies": (
        {"offset_x": OFFSET},
        {"mirror_x": ("g2", "offset_x"), "mirror_y": ("g2",), "half_turn": ("offset_x",)},
    ),
    "an uneven offset": ({"offset_y": {**OFFSET, "low": 0}}, {"mirror_x": ("g2",)}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_breaks_a_symmetry_is_not_declared(case):
    changes, expected = CASES[case]
    assert operations(**changes) == expected


def test_the_papers_galaxies_have_all_of_them():
    facts = read_declared({"datasets": {"d": {"preset": "paper"}}}, []).to_json()["d"]
    flips = {each["operation"]: each["flips"] for each in facts["symmetries"]}
    assert len(flips) == 7 and flips["mirror_x"] == ("g2",) and flips["transpose"] == ("g1",)


def test_a_draw_at_the_flipped_signs_is_as_probable():
    """The factors that an operation flips have an even distribution: their quantiles are each other's negatives."""
    data = dataset()
    drawn = draw_factors(data, 0, 64)
    for name in {name for each in symmetries_of(data) for name in each.flips}:
        values = np.sort(drawn[name])
        np.testing.assert_allclose(values, -values[::-1], atol=np.diff(values).max())

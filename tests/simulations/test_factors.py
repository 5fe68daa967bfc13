"""Row i of every design depends on (seed, design, i) alone, and each design has its defining property."""

import numpy as np
import pytest
from scipy import special, stats

from foundation.declare import read
from simulations.distributions import Factor
from simulations.factors import draw_factors, draw_split, quantile, unit_cube, with_correlations
from simulations.facts import read_dataset
from simulations.spec import to_json
from simulations.symmetries import symmetries_of

DESIGNS = ("latin_hypercube", "sobol", "random", "grid")
FACTORS = {
    "flux": {"unit": "ph", "distribution": "log_uniform", "low": 1e4, "high": 1e5, "levels": 8},
    "radius": {
        "unit": "mas",
        "distribution": "truncated_normal",
        "low": 200,
        "high": 900,
        "mean": 500,
        "std": 200,
        "levels": 4,
    },
    "g1": {"distribution": "uniform", "low": -0.3, "high": 0.3, "levels": 4},
    "offset_x": {"unit": "pix", "distribution": "uniform", "low": -0.5, "high": 0.5, "levels": 2},
}


def dataset(design="latin_hypercube", galaxies=256, seed=1, **changes):
    faults = []
    scene = {"constants": {"psf_fwhm": 0.3}}
    value = {"factors": FACTORS, "galaxies": galaxies, "design": design, "seed": seed, "scene": scene, **changes}
    if design != "grid":
        value["factors"] = {name: {**factor, "levels": None} for name, factor in value["factors"].items()}
    declared = read_dataset(value, "d", faults)
    assert declared is not None, faults
    return declared


@pytest.mark.parametrize("design", DESIGNS)
def test_rows_do_not_depend_on_the_block_in_which_they_are_drawn(design):
    declared = dataset(design)
    whole = unit_cube(declared, 0, 256)
    parts = [unit_cube(declared, a, b) for a, b in ((0, 1), (1, 37), (37, 130), (130, 256))]
    assert np.array_equal(np.concatenate(parts), whole)
    assert ((whole >= 0) & (whole < 1)).all()


@pytest.mark.parametrize("design", DESIGNS)
def test_factors_follow_their_distributions(design):
    drawn = draw_factors(dataset(design, seed=3), 0, 256)
    assert 1e4 <= drawn["flux"].min() < drawn["flux"].max() <= 1e5
    assert abs(np.median(np.log(drawn["flux"])) - np.log(10**4.5)) < 0.25
    assert 200 <= drawn["radius"].min() < drawn["radius"].max() <= 900


def test_a_latin_hypercube_has_one_row_in_each_stratum():
    cube = unit_cube(dataset(), 0, 256)
    assert all(np.array_equal(np.sort(np.floor(column * 256)), np.arange(256)) for column in cube.T)
    rho = np.corrcoef(cube.T)
    assert np.abs(rho[~np.eye(4, dtype=bool)]).max() < 0.3


def test_a_sobol_design_is_more_even_than_a_random_one():
    even, random = (stats.qmc.discrepancy(unit_cube(dataset(d), 0, 256)) for d in ("sobol", "random"))
    assert even < 0.5 * random


def test_a_grid_holds_every_combination_once():
    cube = unit_cube(dataset("grid"), 0, 256)
    assert len(np.unique(cube, axis=0)) == 256
    assert [len(np.unique(column)) for column in cube.T] == [8, 4, 4, 2]


def test_seeds_share_no_row():
    one, two = (unit_cube(dataset("random", seed=s), 0, 256) for s in (1, 2))
    assert not np.intersect1d(one, two).size


@pytest.mark.parametrize(
    ("factor", "exact"),
    [
        ({"distribution": "uniform", "low": 2, "high": 5}, stats.uniform(2, 3)),
        ({"distribution": "log_uniform", "low": 2, "high": 5}, stats.loguniform(2, 5)),
        ({"distribution": "normal", "mean": 1, "std": 3}, stats.norm(1, 3)),
        ({"distribution": "truncated_normal", "mean": 1, "std": 3, "low": 0, "high": 4},
         stats.truncnorm(-1 / 3, 1, 1, 3)),
    ],
    ids=lambda x: x.get("distribution") if isinstance(x, dict) else "",
)  # fmt: skip
def test_quantiles_are_those_of_scipy(factor, exact):
    u = np.linspace(0.001, 0.999, 50)
    np.testing.assert_allclose(quantile(read(Factor, factor, "f", []), u), exact.ppf(u), rtol=1e-12)


def test_a_sersic_index_is_rounded_so_that_tables_are_reused():
    index = {"distribution": "uniform", "low": 0.5, "high": 4, "levels": 1}
    declared = dataset(
        factors={**FACTORS, "sersic_index": index}, scene={"galaxy": "sersic", "constants": {"psf_fwhm": 0.3}}
    )
    drawn = draw_factors(declared, 0, 256)["sersic_index"]
    np.testing.assert_allclose(drawn / 0.05, np.round(drawn / 0.05), atol=1e-9)


def test_a_split_has_exact_counts_and_follows_the_row():
    declared = dataset(galaxies=1000)
    split = draw_split(declared, 0, 1000)
    assert np.bincount(split).tolist() == [750, 125, 125]
    assert np.array_equal(draw_split(declared, 300, 400), split[300:400])


COUPLED = [{"of": ["flux", "radius"], "rho": 0.7}, {"of": ["g1", "flux"], "rho": -0.5}]


@pytest.mark.parametrize("design", ["latin_hypercube", "sobol", "random"])
def test_correlated_factors_have_their_correlations_and_their_own_distributions(design):
    declared, alone = (dataset(design, galaxies=8192, seed=4, **more) for more in ({"correlations": COUPLED}, {}))
    cube, independent = with_correlations(declared, unit_cube(declared, 0, 8192)), unit_cube(alone, 0, 8192)
    rho = np.corrcoef(special.ndtri(np.clip(cube, 1e-9, None)).T)
    assert rho[0, 1] == pytest.approx(0.7, abs=0.02) and rho[0, 2] == pytest.approx(-0.5, abs=0.02)
    assert rho[1, 2] == pytest.approx(0, abs=0.04)
    assert np.corrcoef(cube.T)[0, 1] == pytest.approx(6 / np.pi * np.arcsin(0.35), abs=0.02)
    assert all(stats.kstest(column, "uniform").pvalue > 1e-3 for column in cube.T)
    assert np.array_equal(cube[:, 3], independent[:, 3])  # offset_x is not named
    parts = [draw_factors(declared, a, b)["radius"] for a, b in ((0, 5), (5, 4099), (4099, 8192))]
    assert np.array_equal(np.concatenate(parts), draw_factors(declared, 0, 8192)["radius"])


def test_independent_factors_are_what_they_were():
    plain, none = dataset(), dataset(correlations=[])
    assert plain.digest == none.digest and "correlations" not in to_json(plain)
    assert plain.digest != dataset(correlations=COUPLED).digest
    assert read_dataset(to_json(dataset(correlations=COUPLED)), "d", []) == dataset(correlations=COUPLED)


def test_a_correlated_shear_has_the_symmetries_alone_that_keep_its_sign():
    both = {"g2": FACTORS["g1"], "g1": FACTORS["g1"], "flux": FACTORS["flux"]}
    scene = {"constants": {"psf_fwhm": 0.3, "radius": 0.5}}
    declared = [
        dataset(factors=both, scene=scene, correlations=[{"of": of, "rho": 0.5}])
        for of in (["g1", "flux"], ["g1", "g2"])
    ]
    names = [{each.operation for each in symmetries_of(each)} for each in declared]
    assert names[0] == {"mirror_x", "mirror_y", "half_turn"}
    assert names[1] == {"half_turn", "quarter_turn", "three_quarter_turn"}


@pytest.mark.parametrize(
    ("correlations", "design", "sentence"),
    [
        ([{"of": ["flux", "radus"], "rho": 0.5}], "random", "did you mean 'radius'?"),
        ([{"of": ["flux", "flux"], "rho": 0.5}], "random", "it takes two factors"),
        ([{"of": ["flux", "radius"], "rho": 1}], "random", "a function of the other"),
        ([{"of": ["flux", "radius"], "rho": 1.5}], "random", "at most 1"),
        ([*COUPLED, {"of": ["radius", "flux"], "rho": 0.1}], "random", "have one correlation"),
        ([*COUPLED, {"of": ["radius", "g1"], "rho": 0.9}], "random", "must be a correlation matrix"),
        (COUPLED, "grid", "every combination of its levels"),
    ],
)
def test_what_is_no_correlation_is_refused(correlations, design, sentence):
    faults = []
    levels = {} if design == "grid" else {"levels": None}
    factors = {name: {**factor, **levels} for name, factor in FACTORS.items()}
    value = {"factors": factors, "galaxies": 256, "design": design, "correlations": correlations}
    assert read_dataset({**value, "scene": {"constants": {"psf_fwhm": 0.3}}}, "d", faults) is None
    assert any(sentence in str(fault) for fault in faults), [str(fault) for fault in faults]

"""`coverages: all`: every subset of the factors once, largest first, and what it cannot mean."""

import pytest

from auxvae.config.subsets import with_subsets
from foundation.faults import Refused
from tests.conftest import TINY, study_of

EVERY = {**TINY, "coverages": "all", "runs": [{"method": "beta_vae"}, {"method": "aux_vae", "coverages": "all"}]}
FACTORS = ["radius", "g1", "g2", "flux", "psf_fwhm"]


def refusals(config):
    with pytest.raises(Refused) as refused:
        study_of(config)
    return str(refused.value).splitlines()


def test_every_subset_is_a_coverage_and_a_run():
    study = study_of(EVERY)[1]
    given = [run.aux for run in study.runs[1:]]
    assert len(given) == len({frozenset(aux) for aux in given}) == 31
    assert all(aux == tuple(name for name in FACTORS if name in aux) for aux in given)
    assert [len(aux) for aux in given] == sorted((len(aux) for aux in given), reverse=True)
    assert study.runs[1].coverage == "radius_g1_g2_flux_psf_fwhm" and study.runs[-1].aux == ("psf_fwhm",)


def test_a_group_may_take_all_coverages_that_are_declared():
    declared = {**EVERY, "coverages": {"two": ["g1", "g2"], "flux": "flux"}}
    assert [run.coverage for run in study_of(declared)[1].runs] == ["", "two", "flux"]
    own = {**EVERY, "coverages": {"two": ["g1", "g2"], "all": ["flux"]}}
    assert [run.aux for run in study_of(own)[1].runs] == [(), ("flux",)]


def test_a_run_has_the_id_that_it_has_where_its_coverage_is_listed():
    listed = {**TINY, "coverages": {"g1_g2": ["g1", "g2"]}, "runs": [{"method": "aux_vae", "coverages": "g1_g2"}]}
    assert study_of(listed)[1].runs[0] in study_of(EVERY)[1].runs


def test_what_all_cannot_mean_is_said():
    other = {**TINY["datasets"]["galaxies"], "factors": {"flux": {"uniform": [100, 200]}}}
    assert any(
        "the data sets differ" in line for line in refusals({**EVERY, "datasets": {"a": other, **TINY["datasets"]}})
    )
    assert refusals({**EVERY, "coverages": "every"})[0].startswith("coverages: found 'every'")


def test_a_faulty_data_set_is_the_only_fault():
    broken = {**EVERY, "datasets": {"galaxies": {"preset": "paper", "galaxies": -1}}}
    assert len(refusals(broken)) == 1


@pytest.mark.parametrize("names", [("a", "b", "a_b"), ("a" * 40, "b" * 40)], ids=["alike", "long"])
def test_factors_whose_names_cannot_be_joined_are_refused(names):
    facts = {"galaxies": {"factors": names}}
    faults = []
    with_subsets({"coverages": "all"}, facts, faults)
    assert [fault.where for fault in faults] == ["coverages"] and "joins the names" in str(faults[0])


def test_every_named_coverage_stands_in_an_order_that_the_keys_of_a_config_do_not_decide():
    """Jobs read the config with its keys sorted, and find the workflow's fleets in it."""
    facts = {"galaxies": {"factors": ["radius", "g1", "g2"]}}
    named = {"two": ["g1", "g2"], "size": ["radius"], "other": ["radius", "g1"], "full": ["radius", "g1", "g2"]}
    runs = [{"method": "aux_vae", "coverages": "all"}]
    orders = [
        with_subsets({"coverages": {key: named[key] for key in keys}, "runs": runs}, facts, [])["runs"][0]["coverages"]
        for keys in (named, sorted(named))
    ]
    assert orders == [["full", "other", "two", "size"]] * 2

"""Any codes and factors, damaged or degenerate, are scored with finite or absent values, or refused in sentences."""

import json
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from auxvae.analysis.scoring import left_out, rare_classes, read_codes, table
from auxvae.analysis.strays import strays
from auxvae.metrics.suite import suite
from foundation.faults import Refused
from tests.searching import plenty, sentences_of
from tests.simulations.test_damaged_files import damage

PLENTY = plenty(12)
G = np.random.default_rng(5)
ROWS = 60
Z = G.standard_normal((ROWS, 3))
U = np.column_stack([np.arange(ROWS) % 3, G.random(ROWS)])
SLOW = ["dci", "lps"]  # tried for some shapes alone
QUICK = ["lds", "sap", "sap_discrete", "mig", "modularity", "explicitness", "explicitness_auc", "irs", "tad",
         "total_correlation", "wasserstein_correlation", "covariance_ratio", "pair_dependence", "lps_ridge", "prior",
         "straightness"]  # fmt: skip


def scored(path, only=QUICK):
    """The scores of a file, none if it is refused, in sentences; as the command does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            inputs = read_codes(path)
            scores = suite(inputs, only, resamples=4)
            assert table(scores)
            notes = left_out(inputs) + rare_classes(inputs) + strays(inputs)
    except Refused as refused:
        assert sentences_of(refused)
        return {}
    assert all(each.isprintable() for each in notes)
    json.dumps({name: score.to_json() for name, score in scores.items()}, allow_nan=False)
    wrong = {name: score for name, score in scores.items() if not np.isfinite(score.value)}
    assert not wrong, wrong
    return scores


DEGENERATE = {
    "whole": {},
    "one row": {"codes": Z[:1], "factors": U[:1]},
    "no row": {"codes": Z[:0], "factors": U[:0]},
    "one latent": {"codes": Z[:, :1]},
    "a column of numbers": {"codes": Z[:, 0], "factors": U[:, 1]},
    "no latent": {"codes": Z[:, :0]},
    "no factor": {"factors": U[:, :0]},
    "a single number": {"codes": np.array(3.0)},
    "single numbers": {"codes": np.array(3.0), "factors": np.array(1)},
    "constant codes": {"codes": 0 * Z},
    "one constant code": {"codes": Z * [0, 1, 1]},
    "nearly constant codes": {"codes": 1e8 + 1e-9 * Z},
    "two equal codes": {"codes": Z[:, [0, 0, 1]]},
    "constant factors": {"factors": 0 * U},
    "one row of a class": {"factors": np.column_stack([np.arange(ROWS) == 7, U[:, 1]]).astype(float)},
    "integers": {"codes": np.round(10 * Z).astype(np.int32), "factors": (10 * U).astype(np.int64)},
    "booleans": {"codes": Z > 0, "factors": U > 0.5},
    "words": {"factors": U.astype(str)},
    "complex numbers": {"codes": 1j * Z},
    "huge codes": {"codes": 1e60 * Z},
    "tiny codes": {"codes": 1e-200 * Z},
    "infinite codes": {"codes": np.where(Z > 2, np.inf, Z)},
    "missing factors": {"factors": np.where(U == 2, np.nan, U)},
    "large integers": {"factors": 2**62 + (10 * U).astype(np.int64)},
    "integers far apart": {"factors": np.array([[0, 2**62]] * 30 + [[2**62, 0]] * 30)},
    "half precision": {"codes": Z.astype(np.float16)},
    "big endian": {"codes": Z.astype(">f8")},
    "a table of three axes": {"codes": Z[None]},
    "fewer factors than codes": {"factors": U[:30]},
    "one test row": {"codes_test": Z[:1], "factors_test": U[:1]},
    "test rows of one class": {"codes_test": Z[:30], "factors_test": U[np.arange(30) * 0]},
    "test codes alone": {"codes_test": Z},
    "a class of test rows alone": {"codes_test": Z, "factors_test": U + np.array([1, 0])},
    "films that stand still": {"films": np.zeros((4, 5, 3))},
    "films of two images": {"films": Z[:6].reshape(3, 2, 3)},
    "one film that moves once": {"films": np.repeat([[0.0, 0, 0], [1, 1, 1]], [3, 1], 0)[None]},
    "one sample of the prior": {"prior": Z[:1]},
    "a constant prior": {"prior": 0 * Z},
    "names twice": {"latent_names": ["a", "a", "b"]},
    "names of numbers": {"latent_names": [1, 2, 3]},
    "one name": {"factor_names": np.array("size")},
}
REFUSED = {
    "one row", "no row", "no latent", "no factor", "a single number", "single numbers", "constant factors", "words",
    "complex numbers", "infinite codes", "missing factors", "integers far apart", "a table of three axes",
    "fewer factors than codes", "one test row", "test rows of one class", "test codes alone", "films that stand still",
    "films of two images", "one film that moves once", "one sample of the prior", "names twice", "one name",
}  # fmt: skip


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_arrays_have_finite_scores_or_are_refused(tmp_path, case):
    np.savez(tmp_path / "c.npz", **{"codes": Z, "factors": U, **DEGENERATE[case]})
    assert (scored(tmp_path / "c.npz") == {}) is (case in REFUSED)


@pytest.mark.parametrize("case", ["constant codes", "one row of a class"])
def test_fitted_metrics_take_degenerate_arrays_too(tmp_path, case):
    np.savez(tmp_path / "c.npz", **{"codes": Z, "factors": U, **DEGENERATE[case]})
    assert scored(tmp_path / "c.npz", SLOW)


SPOILS = st.sampled_from([0.0, -99.0, 1e30, 1e99, 1e101, -1e300, 1e-300, np.nan, np.inf, -0.0, 5e-324])


@PLENTY
@given(data=st.data())
def test_spoilt_codes_have_finite_scores_or_are_refused(tmp_path_factory, data):
    arrays = {"codes": Z.copy(), "factors": U.copy(), "films": Z.reshape(5, 12, 3).copy(), "prior": Z.copy()}
    for _ in range(data.draw(st.integers(1, 3))):
        array = arrays[data.draw(st.sampled_from([*arrays]))].reshape(-1, 1)[:, 0]
        start = data.draw(st.integers(0, array.size - 1))
        array[start : start + data.draw(st.sampled_from([1, 2, 40, 400])) : data.draw(st.integers(1, 3))] = data.draw(
            SPOILS
        )
    path = tmp_path_factory.mktemp("codes") / "c.npz"
    np.savez(path, **arrays)
    scored(path)


def dataset():
    return xr.Dataset({"codes": (("row", "latent"), Z), "factors": (("row", "factor"), U)})


WRITERS = {
    "c.npz": lambda path: np.savez_compressed(path, codes=Z, factors=U),
    "c.nc": lambda path: dataset().to_netcdf(path),
    "c.zarr": lambda path: dataset().to_zarr(path, consolidated=False),
    "c.parquet": lambda path: pd.DataFrame(
        np.hstack([Z, U]), columns=["codes_1", "codes_2", "codes_3", "factors_1", "factors_2"]
    ).to_parquet(path, write_page_checksum=True),
}


@pytest.mark.parametrize("name", WRITERS)
@PLENTY
@given(data=st.data())
def test_damaged_files_of_codes_are_refused_in_sentences(tmp_path_factory, name, data):
    path = tmp_path_factory.mktemp("codes") / name
    WRITERS[name](path)
    damage(path, data)
    scored(path, ["lds"])


def test_marks_of_missing_values_are_told():
    """-99 twice, 1e30 once; what is clipped, or a class, or merely bright, is not told."""
    from auxvae.metrics.representation import representation

    z, u = np.column_stack([Z, np.clip(Z[:, 0], 0, None)]), np.column_stack([U, U[:, 1]])
    z[[3, 8], 1], z[4, 2], u[:2, 2], u[5, 0] = -99, 1e30, -99, 2
    told = "\n".join(strays(representation(z, u)))
    assert re.findall(r"(\w+ \w+): (\S+) in (\d+) of 60 rows", told) == [
        ("codes z2", "-99", "2"), ("codes z3", "1e+30", "1"), ("factors u3", "-99", "2"),
    ]  # fmt: skip

"""`python -m auxvae score`: every kind of file, names, choices, and faults in a sentence with status 2."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from auxvae.analysis.scoring import chosen_metrics, left_out, read_codes, table
from auxvae.metrics.suite import suite
from foundation.faults import Refused
from tests.conftest import ROOT

G = np.random.default_rng(3)
N = 400
U = np.column_stack([np.floor(3 * G.random(N)), G.random(N)])
Z = U @ G.standard_normal((2, 3)) + 0.1 * G.standard_normal((N, 3))
NAMES = ["kind", "size"]


def npz(folder):
    np.savez(folder / "codes.npz", codes=Z, factors=U, factor_names=NAMES, codes_test=Z[:90], factors_test=U[:90])
    return folder / "codes.npz"


def dataset():
    variables = {"codes": (("row", "latent"), Z), "factors": (("row", "factor"), U)}
    tests = {"codes_test": (("judged", "latent"), Z[:90]), "factors_test": (("judged", "factor"), U[:90])}
    return xr.Dataset({**variables, **tests}, {"factor": NAMES})


def zarr(folder):
    dataset().to_zarr(folder / "codes.zarr")
    return folder / "codes.zarr"


def netcdf(folder):
    dataset().to_netcdf(folder / "codes.nc")
    return folder / "codes.nc"


def parquet(folder):
    rows = np.vstack([np.hstack([Z, U]), np.hstack([Z, U])[:90]])
    columns = ["codes_z1", "codes_z2", "codes_z3", "factors_kind", "factors_size"]
    pd.DataFrame(rows, columns=columns).assign(test=np.arange(len(rows)) >= N).to_parquet(folder / "codes.parquet")
    return folder / "codes.parquet"


@pytest.mark.parametrize("write", [npz, zarr, netcdf, parquet])
def test_every_kind_of_file_gives_the_same(tmp_path, write):
    inputs = read_codes(write(tmp_path))
    np.testing.assert_allclose(inputs.codes, Z)
    np.testing.assert_allclose(inputs.factors_test, U[:90])
    assert inputs.factors["factor"].values.tolist() == NAMES
    assert inputs.discrete == (True, False)
    assert suite(inputs, ["sap"])["sap"].matrix["factor"].values.tolist() == NAMES


def test_codes_alone_are_scored_without_factors(tmp_path):
    np.savez(tmp_path / "c.npz", codes=Z)
    inputs = read_codes(tmp_path / "c.npz")
    scores = suite(inputs)
    assert {"total_correlation", "lps", "pair_dependence"} <= scores.keys()
    assert "mig" not in scores
    assert any("mig" in sentence and "factors" in sentence for sentence in left_out(inputs))
    lines = {line.split()[0]: line for line in table(scores).splitlines()}
    assert lines["covariance_ratio"].endswith(" 1") and lines["pair_dependence"].endswith(" floor")
    assert lines["pair_dependence_floor"].rstrip().endswith("400")


def broken(folder):
    path = npz(folder)
    path.write_bytes(path.read_bytes()[:300])
    return path


def empty(folder):
    (folder / "c.npz").touch()
    return folder / "c.npz"


def without_codes(folder):
    np.savez(folder / "c.npz", latents=Z, factors=U)
    return folder / "c.npz"


def misspelt(folder):
    np.savez(folder / "c.npz", codes=Z, factors=U, factor_name=NAMES)
    return folder / "c.npz"


def pickled(folder):
    np.savez(folder / "c.npz", codes=np.array([{}], dtype=object))
    return folder / "c.npz"


def text(folder):
    (folder / "codes.txt").write_text("1 2 3")
    return folder / "codes.txt"


def misnamed(folder):
    np.savez(folder / "c.npz", codes=Z, factors=U, factor_names=["one"])
    return folder / "c.npz"


BAD = {
    "absent": (lambda folder: folder / "no.npz", "a file of codes must be there"),
    "another kind": (text, "found '.txt', but it is one of .npz, .zarr, .nc"),
    "truncated": (broken, "a file that cannot be read"),
    "empty": (empty, "a file that cannot be read"),
    "no codes": (without_codes, "it must hold codes"),
    "a misspelt array": (misspelt, "did you mean 'factor_names'"),
    "a pickle": (pickled, "a file that cannot be read"),
    "too few names": (misnamed, "found 1 names, but there are 2 factors"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_cannot_be_scored_is_refused(tmp_path, case):
    write, sentence = BAD[case]
    with pytest.raises(Refused, match=sentence):
        read_codes(write(tmp_path))


def test_metrics_are_chosen_by_name(tmp_path):
    inputs = read_codes(npz(tmp_path))
    assert chosen_metrics("mig, sap", inputs) == ["mig", "sap"]
    assert chosen_metrics("", inputs) is None
    assert suite(inputs, chosen_metrics("dci_completeness", inputs)).keys() == {"dci_completeness"}
    with pytest.raises(Refused, match="did you mean 'mig'"):
        chosen_metrics("migg", inputs)
    with pytest.raises(Refused, match="found 'tad', but it needs a factor of two values"):
        chosen_metrics("tad", inputs)


def test_the_command_prints_a_table_and_writes_json(tmp_path):
    path = npz(tmp_path)
    command = [sys.executable, "-m", "auxvae", "score", str(path), "--out", str(tmp_path / "s.json")]
    done = subprocess.run([*command, "--only", "mig,sap"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores.keys() == {"mig", "sap"}
    assert scores["mig"].keys() == {"value", "low", "high", "se", "n", "matrix"}
    assert scores["mig"]["matrix"]["dims"] == ["latent", "factor"]
    assert scores["mig"]["matrix"]["factor"] == NAMES
    assert np.shape(scores["mig"]["matrix"]["values"]) == (3, 2)
    assert f"{scores['mig']['value']:.4f}" in done.stdout
    wrong = subprocess.run([*command, "--only", "x"], cwd=ROOT, capture_output=True, text=True)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)

"""An archive gives the tables again elsewhere, byte for byte; damage, foreign names and unfinished studies are told."""

import copy
import json
import shutil
import zipfile

import numpy as np
import pytest

from auxvae.config.reading import study_of as study_from
from auxvae.report.archive import archive
from auxvae.report.page import draw, page, tabulate
from auxvae.report.unpack import unpack
from foundation.faults import Refused
from foundation.files import write_json
from tests.auxvae.test_report import report_of
from tests.conftest import TINY


@pytest.fixture(scope="module")
def finished(tiny, tiny_store, tmp_path_factory):
    """The folder of a finished study, its files written by hand but for the store's seal."""
    results = tmp_path_factory.mktemp("results") / "tiny"
    report_of(tiny, results, {"beta_vae", "aux_vae full", "aux_vae two"})
    for run in tiny.runs:
        folder = results / "runs" / run.id
        write_json(folder / "spec.json", {"run": run.record(), "code": "c", "versions": {"torch": "2"}})
        write_json(folder / "analysis.json", {})
        for name in ("model", "last", "scaling"):
            (folder / f"{name}.safetensors").write_bytes(b"weights")
    (results / "data" / "galaxies.zarr").mkdir(parents=True)
    shutil.copy(tiny_store / "seal.json", results / "data" / "galaxies.zarr" / "seal.json")
    return results


@pytest.fixture(scope="module")
def packed(tiny, finished, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "tiny.zip"
    archive(tiny, copy.deepcopy(TINY), finished, path)
    return path


def test_another_folder_makes_the_same_tables(packed, finished, tmp_path):
    study = study_from(unpack(packed, tmp_path / "elsewhere"))
    tables = {file.name: file.read_bytes() for file in (finished / "tables").iterdir()}
    shutil.rmtree(tmp_path / "elsewhere" / "tables")
    shutil.rmtree(tmp_path / "elsewhere" / "figures")
    tabulate(study, tmp_path / "elsewhere")
    draw(study, tmp_path / "elsewhere")
    page(study, tmp_path / "elsewhere")
    assert {file.name: file.read_bytes() for file in (tmp_path / "elsewhere" / "tables").iterdir()} == tables


@pytest.mark.parametrize("weights", [False, True])
def test_the_same_study_gives_the_same_bytes(weights, tiny, finished, packed, tmp_path):
    archive(tiny, copy.deepcopy(TINY), finished, tmp_path / "again.zip", weights)
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes() or weights
    with zipfile.ZipFile(tmp_path / "again.zip") as whole:
        assert any(name.endswith(".safetensors") for name in whole.namelist()) == weights
        manifest = json.loads(whole.read("manifest.json"))
    assert manifest["runs"].keys() == {run.id for run in tiny.runs}


def test_a_damaged_byte_is_told_or_changes_no_content(packed, tmp_path):
    """One byte at 60 places from the first to the last; what zip says beside the contents (dates) may be any."""
    whole = packed.read_bytes()
    with zipfile.ZipFile(packed) as archived:
        contents = {name: archived.read(name) for name in archived.namelist()}
    told = 0
    for place in np.linspace(0, len(whole) - 1, 60).astype(int):
        (tmp_path / "bad.zip").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            unpack(tmp_path / "bad.zip", tmp_path / "out")
        except Refused as refused:
            told += 1
            assert all("\n" not in str(fault) for fault in refused.faults)
            assert not (tmp_path / "out").exists()
        else:
            assert all((tmp_path / "out" / name).read_bytes() == content for name, content in contents.items())
            shutil.rmtree(tmp_path / "out")
    assert told >= 50 and [file.name for file in tmp_path.iterdir()] == ["bad.zip"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_archive_is_refused(share, packed, tmp_path):
    whole = packed.read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(Refused, match="it must be a whole zip"):
        unpack(tmp_path / "cut.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:evil"])
def test_a_name_that_leads_out_is_refused(name, packed, tmp_path):
    shutil.copy(packed, tmp_path / "bad.zip")
    with zipfile.ZipFile(tmp_path / "bad.zip", "a") as whole:
        whole.writestr(name, b"evil")
    with pytest.raises(Refused, match="a path that leads out of the folder"):
        unpack(tmp_path / "bad.zip", tmp_path / "in" / "out")
    assert not [*tmp_path.rglob("evil")] and not (tmp_path / "in" / "out").exists()


@pytest.mark.parametrize("name", ["scores.parquet", "tables/alignment.csv", "data/galaxies.zarr/seal.json"])
def test_an_unfinished_study_is_refused(name, tiny, finished, tmp_path):
    results = tmp_path / "tiny"
    shutil.copytree(finished, results)
    (results / name).unlink()
    with pytest.raises(Refused, match="only a finished study is archived"):
        archive(tiny, copy.deepcopy(TINY), results, tmp_path / "t.zip")
    assert not (tmp_path / "t.zip").exists()


def test_a_folder_with_files_is_not_unpacked_into(packed, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(Refused, match="an archive is unpacked into a new folder"):
        unpack(packed, tmp_path)

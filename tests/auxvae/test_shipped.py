"""The configs and the docs that ship: every config is sound, and the docs name every key and show what works."""

import re

import pytest

from auxvae.config.methods import METHODS
from auxvae.config.priors import PRIORS
from auxvae.models.prior_checks import prior_faults
from foundation.yaml_file import load_yaml
from simulations.official import import_official
from tests.conftest import ROOT, study_of
from tests.simulations import official_files
from tests.simulations.catalogues import write_catalogue

STORES = {  # rows, or rows a batch
    "data/dsprites.zarr": ("dsprites", 1200),
    "data/cifar10.zarr": ("cifar10", 200),
    "data/celeba.zarr": ("celeba", 210),
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Small stores in place of the official data, which do not ship."""
    paths = {}
    for place, (name, rows) in STORES.items():
        folder = tmp_path_factory.mktemp(name)
        example = getattr(official_files, name)(folder, rows=rows)
        import_official(name, example.source, folder / "store.zarr", None, 0)
        paths[place] = str(folder / "store.zarr")
    return paths


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_that_ships_is_sound(path, stores, tmp_path):
    config = load_yaml(path)
    for name, dataset in config["datasets"].items():
        if "store" in dataset:
            dataset["store"] = stores[dataset["store"]]
        if "catalogue" in dataset.get("scene", {}):  # neither does any catalogue ship
            dataset["scene"] = {**dataset["scene"], "catalogue": str(write_catalogue(tmp_path / name))}
    assert study_of(config)[1].runs


def test_the_contexts_of_the_docs_are_sound(tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "contexts.md").read_text(), re.DOTALL)
    facts = {}
    for block in blocks:
        (tmp_path / "mine.yaml").write_text(block)
        facts |= study_of(load_yaml(tmp_path / "mine.yaml"))[1].facts
    trained = {name: [each["train"] > 0 for each in of["contexts"]] for name, of in facts.items()}
    assert sorted(trained["galaxies"]) == [False] + [True] * 4
    assert sorted(trained["dependent"]) == sorted(trained["independent"]) == [False] * 9 + [True] * 7


def test_the_example_of_the_docs_is_sound(tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "own_factors.md").read_text(), re.DOTALL)
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(blocks))
    study = study_of(load_yaml(path))[1]
    assert len(study.runs) == 3
    assert study.facts["ground"]["noise"] == "poisson"


def test_the_prior_of_the_docs_is_sound(tmp_path, config):
    """The program and the config of docs/own_prior.md, tried as `check` tries them."""
    text = (ROOT / "docs" / "own_prior.md").read_text()
    path = tmp_path / "sphere.py"
    path.write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1))
    config["runs"] = [{"method": "ae_mmd", "prior": {"kind": "file", "path": str(path), "name": "Sphere"}}]
    assert prior_faults(study_of(config)[1].runs, lambda run: {}) == []


def test_the_docs_name_every_method_and_every_kind_of_prior_with_its_settings():
    """The keys stand in tables that are generated (test_schema)."""
    text = (ROOT / "docs" / "config.md").read_text()
    settings = {name for kind in PRIORS.values() for name in kind.settings}
    for name in [*METHODS, *PRIORS, *settings]:
        assert f"`{name}`" in text, name

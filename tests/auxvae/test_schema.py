"""The JSON schema, the configs that ship and the tables of docs/config.md are in step with the declarations."""

import copy
import json

import pytest
from jsonschema import Draft202012Validator

from auxvae.config.reference import documented
from auxvae.config.schema import study_schema
from foundation.yaml_file import load_yaml
from simulations.facts import dataset_schema
from tests.conftest import ROOT, TINY

REMEDY = "python -m auxvae schema > config/schema.json; python -m auxvae schema --page docs/config.md"


@pytest.fixture(scope="module")
def schema():
    return study_schema(dataset_schema())


@pytest.fixture(scope="module")
def validator(schema):
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_schema_that_ships_is_that_of_the_declarations(schema):
    assert json.loads((ROOT / "config" / "schema.json").read_text()) == schema, REMEDY


def test_the_tables_of_the_docs_are_those_of_the_declarations(schema):
    page = (ROOT / "docs" / "config.md").read_text()
    assert documented(page, schema) == page, REMEDY


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_editors_take_every_config_that_ships(path, validator):
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    assert list(validator.iter_errors(load_yaml(path))) == []


def test_every_key_is_described(schema):
    for name, section in {"Config": schema, **schema["$defs"]}.items():
        section = next((each for each in section.get("anyOf", ()) if "properties" in each), section)
        for key, field in section["properties"].items():
            assert field.get("description"), f"{name}.{key}"


LEGAL = {
    "one seed": {"method": "vae", "seeds": 3},
    "one weight": {"method": "vae", "weights": {"kl": 4}},
    "one coverage": {"method": "aux_vae", "coverages": "two"},
    "a prior in a word": {"method": "ae_mmd", "prior": "uniform"},
    "a prior of words": {"method": "ae_mmd", "prior": {"kind": "product", "of": ["uniform", "laplace"]}},
    "a part in a word": {"method": "ae_mmd", "prior": {"kind": "product", "of": "uniform"}},
    "a bandwidth as a number": {"method": "ae_mmd", "mmd": {"bandwidth": 2, "scales": 1.0}},
    "a variance in words": {"method": "aux_vae", "prior_variance": "1/n"},
    "nothing in a section's place": {"method": "vae", "network": None, "training": {"clip": None}},
    "a rule in a word": {"method": "vae", "weights": {"kl": [1, 4]}, "select": "bound"},
    "a rule in a section": {"method": "vae", "select": {"rule": "bound", "interval": True}},
    "a whole number with a point": {"method": "vae", "training": {"epochs": 3.0}},
}
ILLEGAL = {
    "a misspelt key": {"method": "vae", "degre": 3},
    "a misspelt key inside": {"method": "vae", "training": {"epoch": 3}},
    "a misspelt method": {"method": "va"},
    "a misspelt term": {"method": "vae", "weights": {"lk": 3}},
    "a misspelt prior": {"method": "ae_mmd", "prior": "unifrom"},
    "a misspelt network": {"method": "vae", "network": {"name": "conv5"}},
    "a number in quotes": {"method": "vae", "capacity": "3"},
    "a number out of its range": {"method": "vae", "training": {"batch": 1}},
    "truth for a number": {"method": "vae", "degree": True},
    "a misspelt rule": {"method": "vae", "select": "bond"},
    "no method": {"seeds": [0]},
}


@pytest.mark.parametrize("case", LEGAL)
def test_editors_take_short_forms(case, validator):
    assert validator.is_valid({**copy.deepcopy(TINY), "runs": [LEGAL[case]]})


@pytest.mark.parametrize("case", ILLEGAL)
def test_editors_underline_what_the_check_refuses(case, validator):
    assert not validator.is_valid({**copy.deepcopy(TINY), "runs": [ILLEGAL[case]]})


DATASETS = {
    "a preset": ({"preset": "paper"}, True),
    "a preset with changes": ({"preset": "paper", "galaxies": 99}, True),
    "a store": ({"store": "d.zarr"}, True),
    "a store with settings": ({"store": "d.zarr", "galaxies": 99}, False),
    "neither preset nor factors": ({"galaxies": 99}, False),
    "an unknown parameter": ({"galaxies": 9, "factors": {"fluks": {"distribution": "uniform"}}}, False),
    "an unknown preset": ({"preset": "papr"}, False),
}


@pytest.mark.parametrize("case", DATASETS)
def test_editors_know_data_sets(case, validator):
    dataset, legal = DATASETS[case]
    assert validator.is_valid({**copy.deepcopy(TINY), "datasets": {"galaxies": dataset}}) is legal


def test_editors_know_names(validator):
    assert not validator.is_valid({**copy.deepcopy(TINY), "datasets": {"my/galaxies": {"preset": "paper"}}})
    assert not validator.is_valid({**copy.deepcopy(TINY), "study": "../x"})

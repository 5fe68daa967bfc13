"""A config unfolds to runs and fleets: products of lists, presets, identities, choices, costs."""

import copy
import json
from dataclasses import asdict

import pytest

from auxvae.config.labels import labels
from auxvae.config.run import Fleet, read_run
from tests.conftest import refusal, study_of


def test_a_group_is_the_product_of_its_lists(config):
    config["runs"] = [
        {"method": "aux_vae", "coverages": ["full", "two"], "weights": {"kl": [1, 2, 4]}, "seeds": [0, 1]}
    ]
    study = study_of(config)[1]
    assert len({run.id for run in study.runs}) == 12
    assert len(study.fleets) == 1
    assert {run.weights["kl"] for run in study.runs} == {1, 2, 4}


def test_a_fleet_holds_no_more_than_it_may(config):
    config["runs_per_fleet"] = 2
    study = study_of(config)[1]
    assert [len(fleet.runs) for fleet in study.fleets] == [2, 1]


def test_ids_follow_all_that_decides_the_bytes_and_nothing_else(config):
    before = [run.id for run in study_of(copy.deepcopy(config))[1].runs]
    config["analyses"]["bootstrap"] = 50
    config["study"] = "other"
    assert [run.id for run in study_of(copy.deepcopy(config))[1].runs] == before
    config["training"]["epochs"] = 3
    assert not set(before) & {run.id for run in study_of(config)[1].runs}


def test_a_choice_has_the_products_of_its_weights_at_each_coverage(config):
    weights = {"kl": [1, 2], "intra": [3, 4]}
    group = {"method": "aux_vae", "coverages": ["full", "two"], "weights": weights, "seeds": [0, 1]}
    config["runs"] = [{"method": "vae"}, group | {"select": "mse_lds"}]
    study = study_of(config)[1]
    assert [(choice.where, choice.rule, choice.runs[0].coverage) for choice in study.choices] == [
        ("runs[1]", "mse_lds", "full"),
        ("runs[1]", "mse_lds", "two"),
    ]
    for choice in study.choices:
        assert [(runs[0].weights["kl"], runs[0].weights["intra"]) for runs in choice.candidates] == [
            (1, 3), (1, 4), (2, 3), (2, 4),
        ]  # fmt: skip
        assert all([run.seed for run in runs] == [0, 1] for runs in choice.candidates)
    assert study.candidates(study.fleets[0]) == [run.id for run in study.runs[1:]]


def test_the_order_of_keys_decides_nothing(config):
    """The workflow's study.json has them sorted, and its jobs name fleets by their ids."""
    config["runs"] = [{"method": "aux_vae", "coverages": ["two"], "weights": {"kl": [1, 2], "explicitness": [3, 4]}}]
    study = study_of(config)[1]
    sorted_keys = json.loads(json.dumps(config, sort_keys=True))
    assert study_of(sorted_keys)[1].fleets[0].id == study.fleets[0].id
    assert [(run.weights["kl"], run.weights["explicitness"]) for run in study.runs] == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_a_choice_changes_no_id_and_no_fleet(config):
    config["runs"] = [{"method": "beta_vae", "weights": {"kl": [1, 4]}}]
    plain = study_of(copy.deepcopy(config))[1]
    config["runs"][0]["select"] = "bound"
    selecting = study_of(config)[1]
    assert plain.fleets == selecting.fleets and not plain.choices and len(selecting.choices) == 1


def test_a_method_that_does_not_decode_is_not_chosen_by_its_images(config):
    from tests.auxvae import linear

    group = {"method": "linear", "coverages": ["two"], "weights": {"regression": [1, 2]}}
    config["runs"] = [group | {"select": "mse_lds"}]
    linear.register()
    try:
        assert refusal(config) == [
            "runs[0].select: found 'mse_lds', but it asks for the least MSE × (1 - LDS), arXiv:2507.00298, Fig. 16, "
            "and linear has no term reconstruction; take another rule"
        ]
        config["runs"] = [group | {"select": "leakage"}]
        assert study_of(config)[1].choices
    finally:
        linear.unregister()


def test_runs_come_back_from_json(tiny):
    for fleet in tiny.fleets:
        assert fleet.to_json()["runs"] == asdict(fleet)["runs"]
        value = json.loads(json.dumps(fleet.to_json(), sort_keys=True))
        assert Fleet(tuple(read_run(run) for run in value["runs"])) == fleet


def test_the_published_setting_is_a_preset(config):
    config["runs"] = [{"method": "aux_vae", "preset": "paper", "coverages": ["full"]}]
    run = study_of(config)[1].runs[0]
    published = {"reconstruction": 1, "kl": 20, "explicitness": 544.5, "intra": 544.5, "inter": 0.4 * 1089}
    assert run.weights == {**published, "kl_early": 0, "calibration": 0}
    assert run.settings.correlation == "absolute"
    assert (run.settings.likelihood, run.prior_variance, run.settings.aux_degree, run.settings.normalise) == (
        "log10",
        1,
        1,
        False,
    )


def test_the_published_penalty_is_a_preset_in_nats(config):
    config["runs"] = [{"method": "aux_vae", "preset": name, "coverages": ["full"]} for name in ("penalty", "default")]
    penalty, default = study_of(config)[1].runs
    assert (penalty.settings.correlation, default.settings.correlation) == ("absolute", "unbiased")
    assert (penalty.weights["inter"], penalty.weights["kl_early"]) == (12000, 0)
    assert (default.weights["inter"], default.weights["kl_early"]) == (0, 1)
    assert penalty.settings.likelihood == default.settings.likelihood == "noise"


def test_the_published_weights_are_per_pixel_of_the_data_set(config):
    config["datasets"]["galaxies"]["scene"] = {"stamp": 41}
    config["runs"] = [{"method": "aux_vae", "preset": "paper", "coverages": ["full"], "weights": {"intra": 7}}]
    weights = study_of(config)[1].runs[0].weights
    assert (weights.pop("kl_early"), weights.pop("calibration")) == (0, 0)
    assert weights == {"reconstruction": 1, "kl": 20, "explicitness": 0.5 * 41**2, "intra": 7, "inter": 0.4 * 41**2}


def test_one_over_n_is_that_of_the_training_rows(tiny):
    assert tiny.runs[1].prior_variance == pytest.approx(1 / 192)


def test_a_study_says_what_it_costs(tiny):
    assert "3 runs in 1 fleet," in tiny.estimate()
    assert tiny.store_bytes() == 256 * 33 * 33 * 4 * 2


def test_check_tries_a_prior_of_ones_own(tmp_path):
    import subprocess
    import sys

    from tests.conftest import ROOT

    (tmp_path / "flat.py").write_text(
        "import torch\nfrom auxvae.models.priors import Prior\n\n\nclass Flat(Prior):\n"
        "    def sample(self, u, source):\n        return torch.full((len(u), self.dimensions), float('nan'))\n"
    )
    (tmp_path / "mine.yaml").write_text(
        "study: mine\ndatasets:\n  galaxies: {preset: paper}\nruns:\n"
        f"  - {{method: ae_mmd, prior: {{kind: file, path: {tmp_path / 'flat.py'}, name: Flat}}}}\n"
    )
    command = [sys.executable, "-m", "auxvae", "check", str(tmp_path / "mine.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"runs[0].prior: Flat of {tmp_path / 'flat.py'}: found 40960 samples that are no numbers" in done.stderr


def test_a_group_keeps_what_it_does_not_change(config):
    config["network"] = {"latents": 7, "width": 16}
    config["runs"] = [{"method": "vae", "network": {"width": 8}, "training": {"epochs": 5}}]
    run = study_of(config)[1].runs[0]
    assert (run.network.latents, run.network.width, run.training.epochs, run.training.batch) == (7, 8, 5, 32)


def test_a_label_names_a_group_and_changes_no_run(config):
    """Runs of one method with and without it differ in their names alone."""
    config["runs"] = [
        {"method": "beta_vae", "weights": {"kl": weight}, "label": label}
        for weight, label in ((1, "light"), (4, "heavy"))
    ]
    labelled = study_of(config)[1].runs
    assert [*labels(labelled).values()] == ["beta_vae, light", "beta_vae, heavy"]
    for group in config["runs"]:
        del group["label"]
    plain = study_of(config)[1].runs
    assert [run.id for run in plain] == [run.id for run in labelled]
    assert [*labels(plain).values()] == ["beta_vae, kl 1", "beta_vae, kl 4"]
    assert all(run.agrees_with(other.record()) for run, other in zip(plain, labelled, strict=True))

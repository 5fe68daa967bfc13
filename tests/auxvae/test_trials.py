"""Users' priors are tried apart: whatever they do, a check ends, with a sentence at the place of the prior."""

from dataclasses import replace

import pytest

from auxvae.config.latents import PriorSpec
from auxvae.config.study import read_study
from auxvae.config.trials import SECONDS, Trial, tried
from foundation.faults import Refused
from simulations.facts import read_declared

HEAD = "import os, torch\nfrom auxvae.models.priors import Prior\nprint('loud')\n"
NORMAL = "return torch.randn(len(u), self.dimensions, generator=source)"
ENDLESS = "while True:\n            try: len(u)\n            except: pass"


@pytest.fixture
def trial(tmp_path):
    """Makes the trial of a prior whose `sample` has this body."""

    def made(name, body, **more):
        path = tmp_path / f"{name}.py"
        path.write_text(f"{HEAD}class Mine(Prior):\n    def sample(self, u, source):\n        {body}\n")
        prior = PriorSpec("file", path=str(path), name="Mine")
        return Trial(where=f"runs[0].prior.{name}", prior=prior, latents=3, aux=1, method="ae_mmd", **more)

    return made


def test_every_prior_has_its_sentence_and_one_that_never_ends_is_left(trial, tmp_path):
    trials = [
        trial("loud", NORMAL),
        trial("raises", "raise SystemExit(3)"),
        replace(trial("dense", NORMAL), method="vae"),
        trial("endless", ENDLESS),
        trial("later", "return None"),
    ]
    files = sorted(tmp_path.iterdir())
    sentences = [str(fault) for fault in tried(trials)]
    expected = [
        "runs[0].prior.raises: Mine of ",
        "runs[0].prior.dense: Mine of ",
        f"found a program that does not end within {SECONDS} s",
    ]
    assert len(sentences) == 3, sentences
    assert all(words in sentence for words, sentence in zip(expected, sentences, strict=True)), sentences
    assert "log_prob(z) gives one finite number" in sentences[1]
    assert sentences[2].startswith("runs[0].prior.endless: ")
    assert sorted(tmp_path.iterdir()) == files


def test_a_prior_that_ends_the_process_is_refused(trial):
    [fault] = tried([trial("exits", "os._exit(0)")])
    assert "found a program that ends with status 0" in str(fault)


def asked(config):
    """The places of the priors that are tried for a config, and of its faults."""
    trials, faults = [], []
    declared = read_declared(config, faults)
    try:
        read_study(config, declared.to_json(), faults, lambda every: trials.extend(every) or [])
    except Refused as refused:
        return [each.where for each in trials], [fault.where for fault in refused.faults]
    return [each.where for each in trials], []


def test_a_prior_is_tried_whenever_its_own_settings_are_right(config, tmp_path):
    (tmp_path / "mine.py").touch()
    prior = {"kind": "file", "path": str(tmp_path / "mine.py"), "name": "Mine"}
    config["coverages"]["two"] = ["sheer1", "g2"]
    config["runs"] += [
        {"method": "ae_mmd", "prior": prior},
        {"method": "wae_mmd", "prior": prior},
        {"method": "ae_mmd", "prior": prior, "network": {"latents": "four"}},
        {"method": "ae_mmd", "prior": {"kind": "blocks", "of": [{**prior, "latents": 3}]}},
    ]
    tries, faults = asked(config)
    assert tries == ["runs[2].prior"]
    assert {*faults} == {"coverages.two[0]", "runs[4].network.latents", "runs[5].prior"}

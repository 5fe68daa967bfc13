"""The rooms and their arrows: who may import whom (docs/architecture.md)."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("foundation", "simulations", "auxvae")
MODULES = [p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))]

# Inside auxvae each level may import only itself where it is one file, and the levels before it.
LEVELS = [
    {"methods", "randomness", "latents", "bodies"},
    {"spec", "kernels"},
    {"labels", "soundness", "likelihoods", "priors", "dependence", "mmd"},
    {"second", "trial"},
    {"study", "data", "networks", "metrics", "metrics.score", "metrics.images"},
    {"metrics.moments", "metrics.information", "metrics.shapes"},
    {"metrics.alignment", "metrics.readout", "metrics.representation", "metrics.robustness", "metrics.votes"},
    {"metrics.aggregate", "metrics.importance", "metrics.attributes", "metrics.predictability"},
    {"metrics.agreement", "metrics.closed", "metrics.trajectories"},
    {"metrics.suite"},
    {"scoring"},
    {"runs", "seen"},
    {"independence", "model", "fleet"},
    {"terms"},
    {"objective"},
    {"train", "evaluate"},
    {"sensitivity", "traversal", "collect", "figures", "tables"},
    {"analyse", "report"},
    {"__main__", "__init__"},
]


def imported(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def roots(path):
    return {name.split(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_import_only_what_they_stand_on(path):
    room = path.relative_to(ROOT).parts[0]
    forbidden = {
        "foundation": {"simulations", "auxvae", "torch", "galsim", "numpy"},
        "simulations": {"auxvae", "torch", "snakemake"},
        "auxvae": {"simulations", "galsim", "snakemake"},
    }[room]
    assert not roots(path) & forbidden


@pytest.mark.parametrize(
    "name",
    [
        "simulations/spec.py",
        "simulations/reach.py",
        "simulations/facts.py",
        "simulations/presets.py",
        "auxvae/spec.py",
        "auxvae/study.py",
        "auxvae/methods.py",
        "auxvae/latents.py",
        "auxvae/soundness.py",
        "auxvae/labels.py",
        *(str(p.relative_to(ROOT)) for p in (ROOT / "foundation").glob("*.py")),
    ],
)
def test_what_the_snakefile_reads_needs_the_standard_library_alone(name):
    allowed = set(sys.stdlib_module_names) | {"yaml", *ROOMS}
    assert roots(ROOT / name) <= allowed


def test_no_arrow_runs_back_inside_auxvae():
    level = {name: i for i, names in enumerate(LEVELS) for name in names}
    for path in sorted((ROOT / "auxvae").rglob("*.py")):
        own = ".".join(path.relative_to(ROOT / "auxvae").with_suffix("").parts).removesuffix(".__init__")
        assert own in level, f"{own} has no level"
        for name in imported(path):
            other = name.removeprefix("auxvae.")
            if name.startswith("auxvae.") and other in level and other != own:
                assert level[other] < level[own], f"{own} imports {other}"


def test_training_and_evaluation_do_not_know_each_other():
    assert "auxvae.evaluate" not in set(imported(ROOT / "auxvae/train.py"))
    assert not {"auxvae.train", "auxvae.fleet"} & set(imported(ROOT / "auxvae/evaluate.py"))


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name == "metrics"], ids=lambda p: p.stem)
def test_metrics_know_no_model(path):
    known = ("auxvae.metrics", "auxvae.mmd", "auxvae.latents")
    assert all(name.startswith(known) for name in imported(path) if name.startswith("auxvae"))

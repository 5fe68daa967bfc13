"""The rooms and their arrows: who may import whom (docs/architecture.md)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("foundation", "simulations", "auxvae")
MODULES = [p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))]

# The rooms of auxvae in the order of the data's flow: each imports only itself and the rooms before it.
AUXVAE = ("config", "data", "models", "losses", "metrics", "training", "analysis", "report")


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


IN_THE_SNAKEFILE = (
    "parameters", "spec", "reach", "facts", "presets", "symmetries", "kinds", "cost", "jobs", "distributions",
    "transform", "extent", "examination", "longhand", "quad_model", "structure", "catalogue", "catalogue_checks",
    "fits_files", "psf_width", "scene_spec",
)  # fmt: skip  # modules of simulations that are imported there, without numpy


@pytest.mark.parametrize(
    "path",
    [
        *(
            ROOT / f"simulations/{name}.py"
            for name in (
                "parameters",
                "spec",
                "reach",
                "facts",
                "presets",
                "symmetries",
                "kinds",
                "cost",
                "jobs",
                "distributions",
                "transform",
                "extent",
                "examination",
                "longhand",
                "quad_model",
                "structure",
                "catalogue",
                "catalogue_checks",
                "fits_files",
                "psf_width",
                "scene_spec",
            )
        ),
        *sorted((ROOT / "auxvae/config").glob("*.py")),
        *(ROOT / f"auxvae/metrics/{name}.py" for name in ("__init__", "table")),
        *(ROOT / f"auxvae/report/{name}.py" for name in ("__init__", "section", "context_section", "guidance_section")),
        *(path for path in sorted((ROOT / "foundation").glob("*.py")) if path.stem != "bars"),
    ],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_what_the_snakefile_reads_needs_the_standard_library_yaml_and_pydantic_alone(path):
    allowed = set(sys.stdlib_module_names) | {"yaml", "pydantic", "pydantic_core", *ROOMS}
    assert roots(path) <= allowed


def test_a_study_is_read_without_what_draws_bars():
    """foundation.bars is imported by a job in a terminal alone."""
    program = (
        "import sys; from auxvae.config import study, reading; from simulations import facts, jobs; "
        "from foundation import console, workers; sys.exit(str({'rich', 'foundation.bars'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert ended.stderr.splitlines()[-1] == "set()"


def room_of(name):
    """The room of auxvae that a module's dotted name lies in, if any."""
    parts = name.split(".")
    return parts[1] if parts[0] == "auxvae" and len(parts) > 1 and parts[1] in AUXVAE else None


def test_the_rooms_are_those_of_the_page():
    assert {p.parent.name for p in (ROOT / "auxvae").glob("*/__init__.py")} == {*AUXVAE}
    assert sorted(p.name for p in (ROOT / "auxvae").glob("*.py")) == ["__init__.py", "__main__.py"]


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.parent.name in AUXVAE], ids=lambda p: str(p.relative_to(ROOT / "auxvae"))
)
def test_each_room_of_auxvae_imports_only_those_before_it(path):
    allowed = AUXVAE[: AUXVAE.index(path.parent.name) + 1]
    assert {room for name in imported(path) if (room := room_of(name))} <= {*allowed}


@pytest.mark.parametrize("room", AUXVAE)
def test_no_imports_go_round_in_a_room(room):
    """Modules of one room can be put in an order in which each imports only earlier ones."""
    folder = ROOT / "auxvae" / room
    names = {f"auxvae.{room}.{p.stem}": p for p in folder.glob("*.py")}
    waiting = {name: {*imported(path)} & names.keys() - {name} for name, path in names.items()}
    while waiting:
        free = [name for name, needs in waiting.items() if not needs & waiting.keys()]
        assert free, f"a circle among {sorted(waiting)}"
        for name in free:
            del waiting[name]


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name == "metrics"], ids=lambda p: p.stem)
def test_metrics_know_no_model(path):
    arrays_only = (
        "auxvae.metrics",
        *(f"auxvae.losses.{name}" for name in ("mmd", "kernels", "queue")),
        "auxvae.config.latents",
        "auxvae.config.kinds",
        "auxvae.data.encoding",
    )
    assert all(name.startswith(arrays_only) for name in imported(path) if name.startswith("auxvae"))


def test_a_report_needs_no_torch():
    """envs/report.yaml has neither torch nor scikit-learn nor zarr."""
    program = "import sys, auxvae.report.page as _; sys.exit(str({'torch', 'sklearn', 'zarr'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert ended.stderr.strip() == "set()"

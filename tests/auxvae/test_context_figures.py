"""Figures of runs in contexts, from the files of runs."""

import numpy as np
import pytest
import xarray as xr

from auxvae.analysis import files
from auxvae.report.context_figures import context_images_figure, figures_in_contexts, interventions_figure
from auxvae.report.context_section import FIGURES, INTERVENTIONS, TABLES
from auxvae.report.contexts import DISTANCE
from auxvae.report.section import Picture, Table
from foundation.files import write_json


def row(context, is_trained, concepts, distance, **moved):
    """A row of contexts.json with the distances beside it."""
    beside = {f"{DISTANCE}_floor": 0.1, f"{DISTANCE}_obs_images": 2.0, f"{DISTANCE}_pooled_images": 1.5}
    facts = {"context": context, "is_trained": is_trained, "concepts": concepts, DISTANCE: distance}
    return {**facts, **beside, **{f"moved_{name}": value for name, value in moved.items()}}


@pytest.fixture
def results(tmp_path):
    """Two seeds of one label and one of another, on galaxies; the second shows no shift in size."""
    for run, distance in {"a": 1.0, "b": 1.2, "c": 3.0}.items():
        rows = [row("obs", True, 0, 9.0), row("flux", True, 1, distance), row("radius", True, 1, distance + 1)]
        rows.append(row("flux_radius", False, 2, distance + 2, flux=0.5, **({"size": 0.9} if run == "a" else {})))
        write_json(tmp_path / "runs" / run / files.CONTEXTS, {"rows": rows, "effects": []})
    return tmp_path


LABELS = {"a": "module", "b": "module", "c": "base", "gone": "none"}


def test_distances_are_means_over_contexts_and_shares_stand_where_any_run_has_one(results):
    figure = interventions_figure(results, LABELS)
    one, held, *shares = figure.axes
    assert sorted(one.lines[0].get_xdata()) == pytest.approx([1.5, 1.7, 3.5])  # the observational context is none of it
    assert sorted(held.lines[0].get_xdata()) == pytest.approx([3.0, 3.2, 5.0])
    assert [each.get_xlabel().split()[0] for each in shares] == ["flux", "size"]
    assert [label.get_text() for label in one.get_yticklabels()] == ["module", "base"]
    floor, obs, pooled = (set(np.asarray(line.get_xdata())) for line in one.lines[1:4])
    assert (floor, obs, pooled) == ({0.1}, {2.0}, {1.5})


def test_the_names_that_the_workflow_declares_are_those_that_are_drawn_and_shown(tmp_path):
    assert {*figures_in_contexts(tmp_path, {}, {})} == {*FIGURES}
    shown = {
        type(part): {each.name for each in INTERVENTIONS.parts if type(each) is type(part)}
        for part in INTERVENTIONS.parts
    }
    assert shown == {Picture: {*FIGURES}, Table: {"interventions", *TABLES}}


def test_without_runs_in_contexts_the_figures_are_a_sentence(tmp_path):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    xr.Dataset().to_netcdf(tmp_path / "runs" / "a" / files.PICTURES)
    for figure in figures_in_contexts(tmp_path, {"a": "vae"}, {"a": "vae"}).values():
        assert "No run of this study" in figure().get_label()


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_every_context_stand_under_the_data(channels):
    stamps = (("context", "sample", "channel", "y", "x"), np.random.default_rng(0).random((4, 3, channels, 8, 8)))
    trained = ("context", [True, True, True, False])
    names = ["flux", "obs", "radius", "flux_radius"]
    images = xr.Dataset({"context_data": stamps, "context_model": stamps}, {"context": names, "is_trained": trained})
    one, other = (images.assign_attrs(dataset=name) for name in ("one", "other"))
    figure = context_images_figure({"module": one, "base": one, "elsewhere": other})
    rows = [ax.get_ylabel() for ax in figure.axes[::4]]
    assert rows == ["one data", "module", "base", "other data", "elsewhere"] and len(figure.axes) == 5 * 4
    assert [ax.get_title() for ax in figure.axes[:4]] == ["flux", "obs", "radius", "flux_radius\n(never shown)"]
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == ((8, 24, 3) if channels == 3 else (8, 24))

"""Runs in contexts measured: images, composed variables, concepts, effects, bits per pixel, and the whole analysis."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from scipy import special

from auxvae.analysis import interventions
from auxvae.analysis.analyse import analyse
from auxvae.analysis.bound import bits_per_pixel, bound_scores
from auxvae.analysis.concepts import concept_scores
from auxvae.analysis.context_images import context_images
from auxvae.analysis.effects import effects_of, mechanisms_of, structure
from auxvae.analysis.files import CONTEXTS as CONTEXTS_FILE
from auxvae.analysis.files import PICTURES, SCORES
from auxvae.analysis.interventions import FEWEST, of_contexts
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.reconstructions import image_scores
from auxvae.config.analyses import Analyses
from auxvae.config.contexts import DataContext
from auxvae.data.randomness import generator
from auxvae.data.store import Store
from auxvae.models.composed import rows_in_context
from auxvae.report.contexts import effects_table
from auxvae.training import loop
from foundation.files import read_json, write_json
from simulations.draw import simulate
from tests.auxvae.in_contexts import CPU, drawn, run_of, trained_of, with_contexts
from tests.conftest import study_of


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The store of galaxies in contexts."""
    return drawn(tmp_path_factory.mktemp("contexts"))


def test_images_are_decoded_in_the_contexts_of_their_rows_or_of_others(store, tmp_path):
    run = run_of(method="context")
    loop.train_run(run, store, tmp_path, CPU)
    model = trained_of(run, store, tmp_path)
    codes, context = model.encode()[0], model.rows.context
    decoded, places = model.decode(codes), np.flatnonzero(context == 2)
    torch.testing.assert_close(model.decode(codes[places], places), decoded[places])
    elsewhere = model.decode(codes[places], np.full(len(places), np.flatnonzero(context == 1)[0]))
    assert (elsewhere - decoded[places]).abs().max() > 1e-4
    samples = [model.sample_counts(64, context=number) for number in range(4)]
    assert all(np.isfinite(each).all() and each.shape == samples[0].shape for each in samples)
    assert not np.allclose(samples[0], samples[3])
    shown = context_images(model)
    assert shown["context"].values.tolist() == ["both", "brighter", "larger", "obs"]
    assert shown["is_trained"].values.tolist() == [False, True, True, True]
    assert np.array_equal(shown["context_model"].sel(context="obs"), model.sample_counts(3, 3))
    assert np.array_equal(model.sample_counts(64, 3), samples[3])
    with torch.no_grad():  # a module that does nothing with its context: the same latents are the same images
        for name in ("observed", "effects_observed"):
            getattr(model.model.network.module, name.replace("observed", "intervened")).copy_(
                getattr(model.model.network.module, name)
            )
        model.model.network.module.effects_observed.zero_()
        model.model.network.module.effects_intervened.zero_()
        for each in (*model.model.network.module.scales, *model.model.network.module.shifts):
            each[1] = each[0]
    same = [model.sample_counts(64, context=number) for number in range(4)]
    for each in same:
        np.testing.assert_allclose(each, same[3], rtol=1e-3, atol=1e-2)


def columns(rows, run):
    return {name: rows[:, k] for k, name in enumerate(run.variables)}


def test_auxiliary_variables_of_a_context_are_its_rows_and_of_a_composed_one_those_of_its_concepts():
    config = with_contexts(method="aux_vae", coverages="three")
    run = study_of({**config, "coverages": {"three": ["flux", "radius", "g1"]}})[1].runs[0]
    of_rows = torch.arange(1, 4).repeat_interleave(1000)  # brighter, larger, obs: none of both
    aux = of_rows[:, None] + torch.tensor([[0.0, 0.1, 0.2]])  # a value tells its context and its column
    every = {k: columns(rows_in_context(run, aux, of_rows, k, 50, generator(0, "u")), run) for k in range(4)}
    for number in (1, 2, 3):
        for k, name in enumerate(("flux", "radius", "g1")):
            torch.testing.assert_close(every[number][name], torch.full((50,), number + k / 10))
    torch.testing.assert_close(every[0]["flux"], torch.full((50,), 1.0))
    torch.testing.assert_close(every[0]["radius"], torch.full((50,), 2.1))
    torch.testing.assert_close(every[0]["g1"], torch.full((50,), 1.2))


@pytest.mark.parametrize("method", ["vae", "context", "context_pooled"])
def test_a_run_is_measured_in_every_context(method, store, tmp_path):
    run = run_of(method=method)
    loop.train_run(run, store, tmp_path, CPU)
    model = trained_of(run, store, tmp_path)
    counts = np.bincount(model.rows.context)
    measured = of_contexts(model, is_galaxy=True)
    named = {row["context"]: row for row in measured.rows}
    assert [*named] == [each.name for each, n in zip(run.dataset.contexts, counts, strict=True) if n >= FEWEST]
    for row in named.values():
        assert row["sliced_wasserstein"] > 0 and row["images"] <= counts.max()
    scores = concept_scores(trained_of(run, store, tmp_path, "train"), 10)
    assert (scores == {}) == (method == "vae")
    assert all(each.value <= 1 for each in scores.values())


def test_concepts_that_are_the_factors_are_identified_and_shuffled_ones_are_not(store, tmp_path, monkeypatch):
    run = run_of(method="context")
    loop.train_run(run, store, tmp_path, CPU)
    model = trained_of(run, store, tmp_path, "train")
    of = [model.rows.factors[concept.of[0]] for concept in run.concepts]
    perfect = np.stack([np.stack([each, 2 - each], 1) for each in of], 1).reshape(len(of[0]), -1).astype(np.float32)
    scores = []
    for codes in (perfect, np.random.default_rng(0).permutation(perfect)):
        monkeypatch.setattr(TrainedModel, "concepts", lambda self, codes=codes: codes)
        scores.append(concept_scores(model, 10))
    assert scores[0]["identified"].value > 0.99 and scores[1]["identified"].value < 0.3
    assert scores[0]["identified_elsewhere"].value < 0.9
    assert scores[0]["block_dci_informativeness"].value > scores[1]["block_dci_informativeness"].value


CHAIN = {"radius": ("flux",), "psf_fwhm": ("radius",), "g1": ("psf_fwhm", "flux")}


@pytest.mark.parametrize(
    ("concepts", "edges"),
    [
        ({"flux": ("flux",), "radius": ("radius",)}, {("flux", "radius")}),
        ({"flux": ("flux",), "psf": ("psf_fwhm",)}, {("flux", "psf")}),  # past the radius, which is of no concept
        (
            {"flux": ("flux",), "radius": ("radius",), "psf": ("psf_fwhm",)},
            {("flux", "radius"), ("radius", "psf")},  # what the radius passes on is the radius's
        ),
        ({"shear": ("g1", "g2"), "flux": ("flux",)}, {("flux", "shear")}),
        ({"both": ("radius", "psf_fwhm"), "shear": ("g1",)}, {("both", "shear")}),
    ],
)
def test_an_edge_is_a_cause_past_factors_of_no_concept(concepts, edges):
    of = [DataContext(name, names, 10) for name, names in concepts.items()]
    matrix = structure(of, CHAIN)
    assert {(of[i].name, of[j].name) for j, i in np.argwhere(matrix)} == edges
    assert not structure(of, {}).any()


def test_effects_of_a_run_are_ranked_against_the_structure_of_its_data(store, tmp_path):
    run = run_of(method="context")
    loop.train_run(run, store, tmp_path, CPU)
    model = trained_of(run, store, tmp_path)
    module = model.model.network.module
    with torch.no_grad():  # the flux acts on the radius and not the other way around
        module.effects_observed.zero_()
        module.effects_observed[module.sizes.units :, : module.sizes.units] = 0.5
    mechanisms = mechanisms_of(Store(store, run.dataset))
    assert mechanisms == {"radius": ["flux"]}
    other = Store(store, run.dataset)
    for attributes, expected in (({}, None), ({"spec": {}}, {})):  # drawn elsewhere; of independent factors
        other.dataset = other.dataset.drop_attrs().assign_attrs(attributes)
        assert mechanisms_of(other) == expected
    rows, scores = effects_of(model, mechanisms)
    assert [(row["cause"], row["effect"], row["is_edge"]) for row in rows] == [
        ("larger", "brighter", False),
        ("brighter", "larger", True),
    ]
    assert rows[0]["strength"] == 0 and rows[1]["strength"] == pytest.approx(0.5 * module.sizes.units)
    assert scores["effects"].value == 1
    module.effects_observed.data = module.effects_observed.data.T
    assert effects_of(model, mechanisms)[1]["effects"].value == 0
    assert effects_of(model, {})[1] == {} and effects_of(model, None) == ([], {})
    write_json(tmp_path / "runs" / run.id / CONTEXTS_FILE, {"rows": [], "effects": rows})
    table = effects_table(tmp_path, {run.id: "one", "gone": "none"})
    assert [*table.index] == ["larger → brighter", "brighter → larger, an edge"] and table.columns.tolist() == ["one"]


@pytest.fixture(scope="module")
def quads(tmp_path_factory):
    """A run on quads, trained, beside its store."""
    config = {
        "study": "quads",
        "datasets": {"quads": {"preset": "quad", "galaxies": 900, "scene": {"stamp": 32}}},
        "network": {"name": "components", "latents": 12, "width": 4, "components": 16},
        "training": {"epochs": 2, "batch": 16},
        "runs": [{"method": "context", "likelihood": "bernoulli"}],
    }
    declared, study = study_of(config)
    path = tmp_path_factory.mktemp("quads") / "quads.zarr"
    simulate(declared.simulated["quads"], declared.facts["quads"], path)
    loop.train_run(study.runs[0], path, path.parent, CPU)
    return study.runs[0], path


def test_bits_per_pixel_are_the_bound_and_their_floor_the_entropy_of_the_pixels(quads):
    run, path = quads
    store = Store(path, run.dataset)
    model = trained_of(run, path, path.parent)
    scores = image_scores(store, model, model.encode()[0]) | bound_scores(model)
    bits = bits_per_pixel(model, scores)
    x = model.rows.images.numpy().astype(np.float64)
    entropy = special.entr(x) + special.entr(1 - x)  # nats of each pixel, the least cross entropy there is
    expected = entropy.sum((1, 2, 3)).mean() / (32 * 32 * np.log(2))
    assert bits["bits_per_pixel_floor"].value == pytest.approx(expected, rel=1e-5)
    assert bits["bits_per_pixel"].value == pytest.approx(scores["bound"].value / (32 * 32 * np.log(2)))
    assert bits["bits_per_pixel"].value > bits["bits_per_pixel_floor"].value
    assert bits_per_pixel(trained_like(model, "gaussian"), scores) == {}


def trained_like(model, likelihood):
    """A model that says it has another likelihood."""
    other = copy.copy(model)
    other.run = replace(model.run, settings=replace(model.run.settings, likelihood=likelihood, sigma=1.0))
    return other


@pytest.mark.parametrize("method", ["vae", "context"])
def test_a_run_in_contexts_is_analysed_whole(method, store, tmp_path, monkeypatch):
    monkeypatch.setattr(interventions, "FEWEST", 2)
    run = run_of(method=method)
    loop.train_run(run, store, tmp_path, CPU)
    analyse(run, Analyses(bootstrap=20), "cpu", store, tmp_path)
    folder = tmp_path / "runs" / run.id
    assert {"rows", "effects"} == read_json(folder / CONTEXTS_FILE, "").keys()
    with xr.open_dataset(folder / PICTURES) as pictures:
        assert {"image", "context_model", "context_data", "sampled_image"} <= {*pictures}
    scores = read_json(folder / SCORES, "")
    assert ("effects" in scores) == ("changed_targets" in scores) == (method == "context")
    assert ("changed_flux" in read_json(folder / CONTEXTS_FILE, "")["rows"][0]) == (method == "context")

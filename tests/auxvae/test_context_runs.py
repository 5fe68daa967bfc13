"""Runs with a context module, on galaxies in contexts: what is trained when, restarts, stacks, sets, bad configs."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from scipy import special

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
from auxvae.config.run import Run
from auxvae.data.preparation import prepare
from auxvae.data.randomness import generator
from auxvae.data.store import Store
from auxvae.models.autoencoder import build
from auxvae.models.composed import rows_in_context
from auxvae.report.contexts import effects_table
from auxvae.training import loop, stack
from auxvae.training.loop import open_trainer
from foundation.faults import Refused
from foundation.files import read_json, write_json
from simulations.draw import simulate
from tests.auxvae.test_devices import one_stacked_step, one_step
from tests.auxvae.test_stack import agree_with_the_plain_loop, seeds_of
from tests.auxvae.test_static_step import repeats
from tests.auxvae.test_train import STACKED, bytes_of, killed_and_whole
from tests.conftest import TINY, refusal, study_of

CPU = torch.device("cpu")
BRIGHTER, LARGER = {"flux": {"mean": 1, "std": 0.5}}, {"radius": {"low": 0.5, "high": 0.9}}
CONTEXTS = {
    "larger": {"do": LARGER},
    "obs": {},
    "brighter": {"do": BRIGHTER},
    "both": {"do": {**BRIGHTER, **LARGER}, "share": 0.2, "held_out": True},
}
METHODS = ["context", "context_pooled"]


def with_contexts(**group):
    """The tiny study on galaxies in contexts, with one group of runs."""
    config = copy.deepcopy(TINY)
    config["datasets"]["galaxies"] |= {"mechanisms": {"radius": {"flux": 0.7}}, "contexts": CONTEXTS}
    small = {"network": {"name": "components", "latents": 8, "width": 8}, "training": {"epochs": 2, "batch": 16}}
    return {**config, "coverages": {}, **small, "runs": [group]}


def run_of(**group) -> Run:
    """The first run of such a study."""
    return study_of(with_contexts(**group))[1].runs[0]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The store of galaxies in contexts."""
    declared, _ = study_of(with_contexts(method="vae"))
    path = tmp_path_factory.mktemp("contexts") / "galaxies.zarr"
    simulate(declared.simulated["galaxies"], declared.facts["galaxies"], path)
    return path


def trainer_of(run, store, folder):
    """A run before its first step."""
    return open_trainer(run, store, folder, CPU, loop.follow_nothing)


def test_concepts_are_the_contexts_that_intervene_and_sets_follow_their_order():
    run = run_of(method="context")
    assert [each.name for each in run.dataset.contexts] == ["both", "brighter", "larger", "obs"]
    assert [each.name for each in run.concepts] == ["brighter", "larger"]
    assert run.sets == ((1, 1), (1, 0), (0, 1), (0, 0))
    assert run_of(method="context_pooled").sets == ((0, 0),) * 4
    assert run_of(method="context", contexts=["obs", "brighter"]).sets == ((1,), (1,), (0,), (0,))
    assert run_of(method="vae").concepts == ()


@pytest.mark.parametrize("contexts", [(), ("obs",), ("larger", "obs")])
@pytest.mark.parametrize("method", ["vae", *METHODS])
def test_a_run_reads_rows_of_its_contexts_alone_and_the_module_one_context_a_batch(method, contexts, store, tmp_path):
    if method != "vae" and contexts == ("obs",):
        return
    run = run_of(method=method, contexts=list(contexts)) if contexts else run_of(method=method)
    names = [each.name for each in run.dataset.contexts]
    _, train, validation = prepare(run, Store(store, run.dataset))
    for rows in (train, validation):
        read = {names[number] for number in rows.of(run).context}
        assert read == {*(contexts or ("obs", "larger", "brighter"))}
    trainer = trainer_of(run, store, tmp_path)
    several = len(contexts) != 1
    for loader, apart in ((trainer.loader, method == "context"), (trainer.validation, False)):
        mixed = any(len(batch.context.unique()) > 1 for batch in loader.batches(0, 1))
        assert mixed == (several and not apart)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("settings", [{}, {"mask": "intervened", "cut": "all", "depth": 3}])
def test_a_stack_agrees_with_the_plain_loop(method, settings, store, tmp_path):
    agree_with_the_plain_loop(seeds_of(run_of(method=method, module=settings), 2), store, tmp_path)


def test_a_members_bytes_do_not_depend_on_its_stack_or_on_a_kill(store, tmp_path):
    runs = seeds_of(run_of(method="context"), 3)
    longer = [replace(run, training=replace(run.training, epochs=6)) for run in runs]
    killed, whole = killed_and_whole(longer, store, tmp_path, STACKED)
    assert killed == whole
    stack.train_stack(longer[1:2], store, tmp_path / "one", CPU)
    assert bytes_of(tmp_path / "one" / "runs" / longer[1].id) == whole[1]


@pytest.mark.parametrize("method", METHODS)
def test_weights_follow_the_seed(method):
    run = run_of(method=method)
    one, two, other = (
        dict(build(each, 0.0, 1.0, False).named_parameters()) for each in (conv(run), conv(run), conv(run, 1))
    )
    for name, values in one.items():
        assert torch.equal(values, two[name])
        assert "module.scales" in name or "module.shifts" in name or not torch.equal(values, other[name])


def conv(run, seed=0):
    return replace(run, seed=seed, network=replace(run.network, name="conv4"))


def gradients(run, store, folder, context):
    """The names of the parameters that a step on one context trains."""
    trainer = trainer_of(run, store, folder)
    batches = [each for each in trainer.loader.batches(0, 1) if (each.context == context).all()]
    batch = batches[0] if batches else next(trainer.loader.batches(0, 1))
    draws = trainer.draws("latents", 0, 1, len(batch.rows))
    loss = trainer.model.loss(batch, draws._make(each[0] for each in draws), torch.tensor(0.9))
    sum(loss.terms.values()).backward()
    named = trainer.model.network.named_parameters()
    return {name for name, each in named if each.grad is not None and (each.grad != 0).any()}, trainer


@pytest.mark.parametrize("method", METHODS)
def test_gradients_reach_what_a_context_uses_and_nothing_else(method, store, tmp_path):
    observational, trainer = gradients(run_of(method=method), store, tmp_path, 3)
    every = {name for name, _ in trainer.model.network.named_parameters()}
    assert every - observational == {"module.intervened", "module.effects_intervened"}
    if method == "context":
        brighter, _ = gradients(run_of(method=method), store, tmp_path, 1)
        assert every - brighter == {"module.effects_observed"}  # the other concept hears this one alone


@torch.no_grad()
def weights_at(trainer):
    return {name: each.clone() for name, each in trainer.model.network.named_parameters()}


@pytest.mark.parametrize(("start", "release"), [(0.5, 0.75), (0.5, 1.0), (0.0, 0.0)])
@pytest.mark.parametrize("stacked", [False, True])
def test_the_module_waits_for_its_start_and_the_autoencoder_for_its_release(start, release, stacked, store, tmp_path):
    run = run_of(method="context", module={"start": start, "release": release}, training={"keep": "last"})
    trainer = trainer_of(replace(run, training=replace(run.training, epochs=4)), store, tmp_path)
    epoch = stack.Stack([trainer], lambda trainer: None).epoch if stacked else trainer._epoch
    trainer.saved, trainer.pause, changed = 0.0, float("inf"), []
    for _ in range(4):
        before = weights_at(trainer)
        epoch()
        after = weights_at(trainer)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        changed.append((any("module" in name for name in moved), any("module" not in name for name in moved)))
    done = np.arange(4) / 4
    assert [each for each, _ in changed] == (done >= start).tolist()
    assert [each for _, each in changed] == [not start <= share < release for share in done]


def test_effects_are_clamped_in_training_and_moments_are_followed(store, tmp_path):
    run = run_of(method="context")
    loop.train_run(run, store, tmp_path, CPU)
    module = trained_of(run, store, tmp_path).model.network.module
    for effects in (module.effects_observed, module.effects_intervened):
        assert (
            effects.min() >= 0 and effects.max() <= 1 and torch.equal(effects * (1 - module.off_diagonal), 0 * effects)
        )
    assert not torch.equal(module.get_buffer("mean_0"), torch.zeros_like(module.get_buffer("mean_0")))
    assert (module.get_buffer("variance_0") != 1).any(1).all()  # of every trained set


def trained_of(run, store, folder, split="test"):
    """A run as analyses have it, beside all test rows or those of another split."""
    opened = Store(store, run.dataset)
    return TrainedModel(folder / "runs" / run.id, run, opened, opened.read(split), CPU)


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


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"contexts": ["obs", "briter"]}, "runs[0].contexts[1]: found 'briter', but galaxies has training rows of"),
        ({"contexts": ["both"]}, "runs[0].contexts[0]: found 'both', but galaxies has training rows of"),
        ({"contexts": ["obs"]}, "runs[0].method: found 'context', but context learns a concept from each context"),
        ({"network": {"latents": 7}}, "runs[0].network.latents: found 7, but context divides the latents among 2"),
        ({"module": {"start": 1}}, "runs[0].module.start: found 1"),
        ({"module": {"start": 0.5}}, "runs[0].training.keep: found 'best', but the bound is least before module.start"),
        (
            {"module": {"start": 0.5}, "training": {"keep": "last", "patience": 3, "batch": 16}},
            "runs[0].training.patience: found 3, but the bound is least before module.start",
        ),
        ({"module": {"start": 0.5, "release": 0.5}}, "runs[0].module.release: found 0.5"),
        ({"contexts": ["obs", "larger", "obs"]}, "runs[0].contexts: found 'obs', but a context stands once"),
        ({"training": {"batch": 64}}, "training.batch: found 64, but galaxies (context brighter) has 60 training rows"),
        (
            {"method": "vae", "contexts": ["obs", "larger"], "training": {"batch": 128}},
            "training.batch: found 128, but galaxies (contexts obs, larger) has 120 training rows",
        ),
        ({"module": {"units": 0}}, "runs[0].module.units: found 0"),
        ({"training": {"order": "shards"}}, "batches of chosen contexts are taken from images in memory"),
        ({"method": "vae", "module": {"units": 4}}, "module"),
    ],
)
def test_what_cannot_be_trained_is_refused(change, expected):
    assert any(expected in fault for fault in refusal(with_contexts(**{"method": "context", **change})))


def test_a_store_that_numbers_its_contexts_otherwise_is_refused(store):
    source = run_of(method="context").dataset
    with pytest.raises(Refused, match="the contexts both, brighter, larger, obs, but the run numbers them otherwise"):
        Store(store, replace(source, contexts=source.contexts[::-1]))


def test_data_without_contexts_are_refused(config):
    config["runs"] = [{"method": "context"}]
    assert any("context learns a concept from each context that intervenes" in fault for fault in refusal(config))
    config["runs"] = [{"method": "vae", "contexts": ["obs"]}]
    assert any("runs[0].contexts[0]: found 'obs', but galaxies has no contexts" in fault for fault in refusal(config))


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
        assert ("changed_flux" in row) == (method != "vae")
    if method == "context_pooled":  # it knows no context: the same latents are the same images
        assert all(row["changed_flux"] == row["changed_size"] == 0 for row in named.values())
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


@pytest.mark.parametrize("method", METHODS)
def test_a_recorded_step_repeats(method, store, tmp_path, monkeypatch):
    runs = seeds_of(run_of(method=method, module={"start": 0.5, "release": 0.75}, training={"keep": "last"}), 2)
    assert repeats(runs, store, tmp_path, monkeypatch)


@pytest.mark.parametrize("method", METHODS)
def test_every_tensor_follows_its_device(method, pretend, store, tmp_path):
    run = run_of(method=method, network={"name": "mlp", "latents": 8, "width": 8})
    one_step(run, pretend)
    one_stacked_step(run, pretend, store, tmp_path)


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_weights_that_are_kept_are_of_a_module_that_takes_part(start, store, tmp_path):
    run = run_of(method="context", module={"start": start}, training={"keep": "last" if start else "best"})
    loop.train_run(run, store, tmp_path, CPU)
    trained, fresh = (
        dict(each.module.named_parameters()) for each in (trained_of(run, store, tmp_path).model.network, build_of(run))
    )
    assert all(not torch.equal(trained[name], fresh[name]) for name in trained)


def build_of(run):
    """The network before its first step."""
    return build(conv(run), 0.0, 1.0, False)


def test_the_id_changes_with_the_module_and_the_contexts_that_are_read():
    runs = [{"module": {"units": 3}}, {"module": {"cut": "all"}}, {"contexts": ["obs", "larger"]}, {}]
    assert len({run_of(method="context", **each).id for each in runs}) == 4
    assert run_of(method="context", module={"units": 8}).id == run_of(method="context").id


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
def test_a_run_in_contexts_is_analysed_whole(method, store, tmp_path):
    run = run_of(method=method)
    loop.train_run(run, store, tmp_path, CPU)
    analyse(run, Analyses(bootstrap=20), "cpu", store, tmp_path)
    folder = tmp_path / "runs" / run.id
    assert {"rows", "effects"} == read_json(folder / CONTEXTS_FILE, "").keys()
    with xr.open_dataset(folder / PICTURES) as pictures:
        assert {"image", "context_model", "context_data", "sampled_image"} <= {*pictures}
    assert ("effects" in read_json(folder / SCORES, "")) == (method == "context")

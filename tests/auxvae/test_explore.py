"""The page of `auxvae explore` in a real browser: what it shows is torch's, GalSim's and metrics/shapes.py's."""

import copy
import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from auxvae.analysis import explored as explored_module
from auxvae.analysis.explore import run_of
from auxvae.analysis.explored import galaxies_of
from auxvae.analysis.model import TrainedModel
from auxvae.analysis.spread import latent_nats
from auxvae.analysis.true_images import STEP, true_images
from auxvae.data.store import Store
from auxvae.losses.objective import AutoencoderModel
from auxvae.metrics.posterior import ACTIVE
from auxvae.metrics.shapes import shapes
from auxvae.report import explorer
from auxvae.report.explore import explore
from auxvae.training.loop import train_run
from foundation.faults import Refused
from simulations.factors import draw_factors
from simulations.render import dataset_of, stamps_of
from tests.auxvae.models import model_of
from tests.auxvae.models import run_of as run_without_store
from tests.auxvae.test_stores_of_kinds import DECLARED, config_of, written
from tests.conftest import TINY, study_of

CHROMIUM = Path(shutil.which("chromium") or "/usr/bin/chromium")
CPU = torch.device("cpu")
FULL, TWO = {"method": "aux_vae", "coverages": "full"}, {"method": "aux_vae", "coverages": "two"}
RUNS = {
    "components": {**FULL, "network": {"name": "components"}, "training": {"epochs": 60, "batch": 32}},
    "mlp": {**TWO, "network": {"name": "mlp", "width": 8}, "activation": "gelu"},
    "conv4": {"method": "beta_vae", "network": {"name": "conv4", "width": 8}, "likelihood": "counts"},
    "residual": {**TWO, "network": {"name": "residual", "width": 8}, "likelihood": "log10", "activation": "relu"},
}


@pytest.fixture(scope="module")
def trained(tiny_store, tmp_path_factory):
    """Folders of a trained run by network, in a study's layout."""
    results, folders = tmp_path_factory.mktemp("study"), {}
    (results / "data").mkdir()
    (results / "data" / "galaxies.zarr").symlink_to(tiny_store)
    for name, group in RUNS.items():
        run = study_of({**copy.deepcopy(TINY), "runs": [group]})[1].runs[0]
        train_run(run, tiny_store, results, CPU)
        folders[name] = results / "runs" / run.id
    return folders


@pytest.fixture(scope="module")
def page_file(trained, tmp_path_factory):
    """One page of all of them, in which the last latent is declared inactive."""
    out, measured = tmp_path_factory.mktemp("page") / "explore.html", latent_nats
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explored_module, "latent_nats", lambda *codes: np.append(measured(*codes)[:-1], 0.004))
        explore([*trained.values()], out, None)
    return out


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.is_file():
        pytest.skip(f"there is no {CHROMIUM}")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@contextmanager
def opened(browser, file, **context):
    """The page of a file; a message of the console above `info`, an error or another request fails the test."""
    faults, requests = [], []
    with browser.new_context(**context) as held:
        page = held.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("websocket", lambda socket: requests.append(socket.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: message.type in ("error", "warning") and faults.append(message.text))
        page.goto(file.as_uri())
        page.evaluate("explorer.ready")
        yield page
        page.wait_for_timeout(50)
    assert not faults
    assert requests == [file.as_uri()]


@pytest.fixture
def page(browser, page_file):
    with opened(browser, page_file) as page:
        yield page


def show(page, index):
    page.select_option("#run", str(index))
    page.wait_for_function("n => explorer.run() === data.runs[n] && explorer.state().z.length", arg=index)


def read_back(folder, store_path):
    run = run_of(folder)
    store = Store(store_path, run.dataset)
    return TrainedModel(folder, run, store, store.read("test"), CPU)


@pytest.mark.parametrize("index, network", enumerate(RUNS))
def test_pixels_and_moments_are_those_of_torch_and_of_the_metrics(page, trained, tiny_store, index, network):
    model = read_back(trained[network], tiny_store)
    show(page, index)
    mean, _ = model.encode()
    g = np.random.default_rng(0)
    codes = np.concatenate([mean[:6], mean[:6] + g.normal(size=mean[:6].shape).astype(np.float32)])
    shown = np.array(page.evaluate("zs => zs.map(z => [...decode(explorer.run(), z).values])", codes.tolist()))
    wanted = model.decode_counts(codes)
    assert np.abs(shown.reshape(wanted.shape) - wanted).max() < 1e-4 * np.ptp(wanted)
    moments = page.evaluate("zs => zs.map(z => measure(decode(explorer.run(), z)))", codes.tolist())
    measured = shapes(shown.reshape(wanted.shape)[:, 0])
    for k, each in enumerate(moments):
        column = [values[k] for values in measured]
        assert (each is None) == np.isnan(column).any()
        if each is not None:
            assert [each[name] for name in measured._fields] == pytest.approx(column, rel=1e-6, abs=1e-6)


def test_moments_of_galaxies_are_those_of_the_metrics(page, tiny_store):
    """Of true images, all of which converge, and of one that does not."""
    images = np.concatenate([stamps_of(dataset_of(tiny_store), _factors(tiny_store, 6)), np.ones((1, 33, 33))])
    moments = page.evaluate(
        "all => all.map(values => measure({values, channels: 1, height: 33, width: 33}))",
        images.reshape(7, -1).tolist(),
    )
    wanted = shapes(images)
    assert moments[6] is None and np.isnan(wanted.size[6])
    for k in range(6):
        assert [moments[k][name] for name in wanted._fields] == pytest.approx(
            [c[k] for c in wanted], rel=1e-6, abs=1e-7
        )


def _factors(store, count):
    return draw_factors(dataset_of(store), 0, count)


def test_a_slider_moved_by_keyboard_moves_its_latent_alone_and_the_image_that_is_painted(page):
    before = page.evaluate("({z: [...explorer.state().z], url: document.getElementById('decoded').toDataURL()})")
    page.focus("#z0")
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    after = page.evaluate("({z: [...explorer.state().z], url: document.getElementById('decoded').toDataURL()})")
    assert [k for k, (a, b) in enumerate(zip(before["z"], after["z"], strict=True)) if a != b] == [0]
    assert before["url"] != after["url"]
    page.click("#reset")
    assert page.evaluate("[...explorer.state().z]") == before["z"]


def test_latents_of_another_galaxy_are_swapped_block_by_block(page, trained, tiny_store):
    model = read_back(trained["components"], tiny_store)
    codes = model.encode()[0][galaxies_of(model.rows)]
    assert page.evaluate("[...explorer.state().z]") == pytest.approx(codes[0].tolist())
    page.check("input[name=b][value='3']")
    assert page.evaluate("[...explorer.state().z]") == pytest.approx([*codes[0, :5], *codes[3, 5:]])
    wanted = page.evaluate("explorer.shown().wanted")
    page.check("input[name=a][value='2']")
    assert page.evaluate("[...explorer.state().z]") == pytest.approx([*codes[2, :5], *codes[3, 5:]])
    assert page.evaluate("explorer.shown().wanted") != wanted
    swapped = np.concatenate([codes[2, :5], codes[3, 5:]])[None]
    decoded = np.array(page.evaluate("[...explorer.shown().decoded.values]"))
    assert decoded == pytest.approx(model.decode_counts(swapped).ravel(), abs=1e-4 * decoded.max())


@pytest.mark.parametrize("index", range(len(RUNS)))
def test_the_true_image_is_galsims_at_the_factors_that_are_stated(page, tiny_store, index):
    dataset, g = dataset_of(tiny_store), np.random.default_rng(index)
    show(page, index)
    for _ in range(5):
        shares = g.random(10).tolist()
        page.evaluate("all => all.forEach((share, j) => move(j, Math.round(200 * share)))", shares)
        shown = page.evaluate(
            "(({wanted, truth, residual}) => ({wanted, factors: truth.factors, image: [...truth.image.values],"
            " residual: [...residual.values], decoded: [...explorer.shown().decoded.values]}))(explorer.shown())"
        )
        columns = {name: np.array([value]) for name, value in zip(dataset.factors, shown["factors"], strict=True)}
        stamp = stamps_of(dataset, columns)[0].ravel().astype(float)
        sigma = np.sqrt(np.maximum(stamp, 1))
        assert (np.abs(np.array(shown["image"]) - stamp) / sigma).max() < 1.05 * STEP / 2
        residual = (np.array(shown["decoded"]) - stamp) / sigma
        assert np.array(shown["residual"]) == pytest.approx(residual, rel=0.02, abs=0.1)
        stated = page.evaluate(
            "[...document.querySelectorAll('#factors td:last-child')].map((e) => parseFloat(e.textContent))"
        )
        assert stated == pytest.approx(shown["factors"], rel=1e-3)


def test_the_sliders_go_to_the_true_image(page):
    page.evaluate("[0, 1, 2].forEach((j) => move(j, 37 + 31 * j))")
    assert "differs in" in page.inner_text("#said")
    page.click("#match")
    assert page.is_disabled("#match")
    shown = page.evaluate("explorer.shown()")
    aligned = page.evaluate("store.factors.map((f) => run.latents.some((l) => l.variable === f.name && l.aligned))")
    assert sum(aligned) >= 4
    for is_aligned, one, two in zip(aligned, shown["wanted"], shown["truth"]["factors"], strict=True):
        assert not is_aligned or one == pytest.approx(two, rel=1e-9)


def test_a_factor_moved_alone_from_a_galaxy_has_its_true_image(page, tiny_store):
    """At a level of the star, with the other sliders where the galaxy truly is, the truth differs in nothing."""
    page.evaluate("""() => {
      store.factors.forEach((factor, k) => {
        const j = run.latents.findIndex((latent) => latent.variable === factor.name && latent.aligned);
        if (j >= 0) state.z[j] = codeOf(run.latents[j], store.values[0][k]);
      });
      move(0, 70);
    }""")
    wanted, truth = page.evaluate("[explorer.shown().wanted, explorer.shown().truth.factors]")
    assert truth == pytest.approx(wanted, rel=1e-9)
    assert page.is_disabled("#match") and "differs" not in page.inner_text("#said")
    low, high = page.evaluate("[store.factors[0].low, store.factors[0].high]")
    assert wanted[0] == pytest.approx(low + 0.35 * (high - low))


@pytest.mark.parametrize("index", range(len(RUNS)))
def test_an_inactive_latent_says_so_and_no_other_does(page, index):
    show(page, index)
    active = page.evaluate("run.latents.map((latent) => latent.active)")
    says = ["inactive" in page.inner_text(f"#note{j}") for j in range(10)]
    assert says == [not each for each in active] and says[-1]


def test_names_units_and_ranges_of_sliders(page):
    names = page.evaluate("[...document.querySelectorAll('.latent label span')].map((each) => each.textContent)")
    assert names[:4] == ["radius", "g1", "g2", "flux"]
    assert names[5:] == [f"z{j}" for j in range(6, 11)]
    for j, (least, most, unit) in enumerate([(0.1, 1, " arcsec"), (-0.5, 0.5, ""), (-0.5, 0.5, ""), (1e4, 1e5, " ph")]):
        low, *_, high = page.inner_text(f"#note{j}").split("\n")
        assert float(low) == pytest.approx(least, abs=0.02 * most)
        assert float(high.removesuffix(unit)) == pytest.approx(most, rel=0.02)
        assert high.endswith(unit)
    page.evaluate("move(0, 0)")
    assert page.get_attribute("#z0", "aria-valuetext") == page.inner_text("#value0")
    assert page.inner_text("#value0").endswith(" arcsec")


@pytest.mark.parametrize("scheme, width", [("light", 1280), ("dark", 1280), ("light", 360), ("dark", 360)])
def test_nothing_is_wider_than_the_screen(browser, page_file, scheme, width):
    with opened(browser, page_file, color_scheme=scheme, viewport={"width": width, "height": 780}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background, ink = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        dark = sum(map(int, background[4:-1].split(","))) < sum(map(int, ink[4:-1].split(",")))
        assert dark == (scheme == "dark")
        named = "all => all.every((each) => each.labels?.length || each.ariaLabel || each.textContent)"
        assert page.eval_on_selector_all("input, select, button", named)


def test_images_that_were_not_simulated_have_no_truth_and_the_page_says_so(browser, tmp_path):
    store = written(tmp_path, **DECLARED)
    run = study_of(config_of(store))[1].runs[0]
    train_run(run, store, tmp_path, CPU)
    explore([tmp_path / "runs" / run.id], tmp_path / "e.html", store)
    with opened(browser, tmp_path / "e.html") as page:
        assert page.is_visible("#no-truth") and not page.is_visible("#residual") and not page.is_visible("#match")
        page.evaluate("move(6, 150)")
        assert page.evaluate("explorer.shown().truth") is None


def test_true_images_hold_every_pair_and_every_star(trained, tiny_store):
    run = run_of(trained["mlp"])
    store = Store(tiny_store, run.dataset)
    rows = store.read("test")
    galaxies = galaxies_of(rows)
    truth = true_images(store, [run], rows, galaxies)
    assert truth.linear == ("flux",)
    names = list(rows.factors)
    shown = np.stack([*rows.factors.values()], 1)[galaxies]
    for a in shown:
        for b in shown:
            pair = [a[k] if names[k] in run.aux else b[k] for k in range(5) if names[k] != "flux"]
            others = np.delete(truth.factors, names.index("flux"), 1)
            assert np.abs(others - pair).max(1).min() < 1e-12
    drawn = stamps_of(dataset_of(tiny_store), dict(zip(names, truth.factors[::50].T, strict=True)))
    error = np.abs(truth.photons()[::50] - drawn) / np.sqrt(np.maximum(drawn, 1))
    assert error.max() < 1.02 * STEP / 2


def test_the_nats_of_a_latent(trained):
    """A posterior equal to the prior holds nothing; an auxiliary latent of the right width is not inactive."""
    run = run_of(trained["components"])
    g = np.random.default_rng(0)
    mean, log_variance = np.zeros((500, 10), np.float32), np.zeros((500, 10), np.float32)
    mean[:, :5], log_variance[:, :5] = g.random((500, 5)), np.log(run.prior_variance)
    mean[:, 7] = g.normal(size=500)
    nats = latent_nats(run, mean, log_variance)
    assert (nats[:5] > 1).all() and nats[7] > 0.3
    assert (nats[[5, 6, 8, 9]] < ACTIVE).all()


def test_every_network_of_the_table_is_in_this_test():
    from tests.auxvae.models import NETWORKS

    assert {group["network"]["name"] for group in RUNS.values()} == {*NETWORKS}


def refused(*arguments):
    with pytest.raises(Refused) as caught:
        explore(*arguments)
    return str(caught.value)


def test_what_cannot_be_shown_is_refused_in_a_sentence(trained, tmp_path, monkeypatch):
    out, good = tmp_path / "e.html", trained["components"]
    (tmp_path / "s" / "runs" / "empty").mkdir(parents=True)
    (tmp_path / "s" / "work" / "half").mkdir(parents=True)
    (tmp_path / "s" / "failed").mkdir(parents=True)
    (tmp_path / "s" / "failed" / "nan.json").write_text("{}")
    runs = tmp_path / "s" / "runs"
    assert "no folder" in refused([runs / "none"], out, None)
    assert "no finished run" in refused([runs / "empty"], out, None)
    assert "unfinished run" in refused([runs / "half"], out, None)
    assert "failed" in refused([runs / "nan"], out, None)
    (runs / "empty" / "spec.json").write_text(json.dumps({"run": 3}))
    assert "no spec of a run" in refused([runs / "empty"], out, None)
    shutil.copytree(good, runs / good.name)
    assert "--store PATH" in refused([runs / good.name], out, None)
    assert "--store PATH" in refused([runs / good.name], out, tmp_path)
    (runs / good.name / "model.safetensors").write_bytes(b"other")
    assert "SHA-256" in refused([runs / good.name], out, good.parent.parent / "data" / "galaxies.zarr")
    monkeypatch.setattr(AutoencoderModel, "can_decode", False)
    assert "does not decode" in refused([good], out, None)
    monkeypatch.undo()
    monkeypatch.setattr(explorer, "LARGEST", 1e4)
    assert "fewer or smaller runs" in refused([good], out, None)
    assert not out.exists()


def test_a_layer_that_the_page_does_not_know_is_refused(config):
    from auxvae.analysis.decoder_layers import decoder_layers
    from auxvae.data.likelihoods import Poisson

    model = model_of(run_without_store("beta_vae", config))
    model.network.decoder.append(torch.nn.Tanh())
    with pytest.raises(Refused, match="Tanh"):
        decoder_layers(model, Poisson(0.0), "run")

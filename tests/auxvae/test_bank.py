"""The bank: versions come again with their epochs, whatever was read before; a kill changes no byte of a run."""

from functools import partial

import pytest
import torch

from auxvae.config.cost import training_memory
from auxvae.losses.bank import Bank
from auxvae.models.model import draws_at
from tests.auxvae.models import any_batch, model_of, seeded
from tests.auxvae.test_score_runs import config_of, group, run_of
from tests.auxvae.test_train import killed_and_whole
from tests.conftest import refusal, study_of

VERSIONS, SHAPE, ROWS = 3, (1, 4, 4), torch.tensor([40, 7, 12])
FIRST = {"learning": "first", "start": 0.2, "versions": 2}


def filled(epochs, rows=ROWS):
    """A bank that was asked for these rows in these epochs, and the last answer."""
    bank = Bank(VERSIONS, 50, SHAPE, 5)
    for epoch in epochs:
        answer = bank.read(epoch, rows, lambda eps, time, at: eps * time[:, None, None, None])
    return bank, answer


def test_versions_come_again_whatever_was_read_before():
    _, once = filled([2])
    for epochs in ([0, 1, 2], [5], [2, 3, 4, 5]):
        for one, other in zip(once, filled(epochs)[1], strict=True):
            assert one.equal(other)
    _, turned = filled([2], ROWS.flip(0))
    assert all(one.equal(other.flip(0)) for one, other in zip(once, turned, strict=True))
    assert not once.eps.equal(filled([1])[1].eps)


def test_a_version_is_computed_once():
    bank, positions = Bank(VERSIONS, 50, SHAPE, 5), []
    for epoch in range(3 * VERSIONS):
        bank.read(epoch, ROWS, lambda eps, time, at: positions.append(at) or eps)
    assert positions == [0, 1, 2] * VERSIONS


def test_the_levels_of_a_row_lie_at_equal_times():
    times = torch.stack([filled([k])[1].time for k in range(VERSIONS)]).sort(0).values
    torch.testing.assert_close(times.diff(dim=0), torch.full((VERSIONS - 1, 3), 1 / VERSIONS), atol=1e-6, rtol=0)
    many = Bank(1, 2000, (1, 1, 1), 0).read(0, torch.arange(2000), lambda eps, time, at: eps)
    assert many.time.mean() == pytest.approx(0.5, abs=0.02) and many.eps.std() == pytest.approx(1, abs=0.05)


def test_the_loss_is_that_of_the_same_noise_without_a_bank():
    model = model_of(run_of(diffusion=FIRST))
    seeded(model.network)
    batch, progress = any_batch(model.run, 16), torch.tensor(0.9)
    draws = draws_at(model.draw(0, "latents", 3, 1, 16), 0)
    of_bank = model.loss(batch, draws, progress).terms
    kept = model.bank.read(3, batch.rows, lambda *of: pytest.fail("computed again"))
    model.bank = None
    from_noise = model._noisy
    model._noisy = lambda images, rows, _: kept._replace(error=model._error(images, kept.eps, kept.time))
    for name, value in model.loss(batch, draws, progress).terms.items():
        torch.testing.assert_close(of_bank[name], value, rtol=2e-3, atol=0)
    model._noisy = from_noise
    assert not model.loss(batch, draws, progress).terms["guided"].equal(of_bank["guided"])


def test_errors_do_not_depend_on_what_stands_beside_an_image():
    """A run that was killed fills its bank from other batches; of 50 rows a convolution rounds by the place in them."""
    model = model_of(run_of(diffusion=FIRST))
    seeded(model.network)
    batch = any_batch(model.run, 50)
    images, errors = model.network.standard(batch.images), []
    for order in (torch.arange(50), torch.arange(50).flip(0), torch.arange(7)):
        bank = Bank(2, 50, (1, 33, 33), 0)
        bank.read(0, order, partial(model._error_alone, images[order]))
        errors.append(bank.read(0, torch.arange(7), lambda *of: pytest.fail("computed again")).error)
    assert errors[0].equal(errors[1]) and errors[0].equal(errors[2])


def test_killed_while_it_reads_errors_again_it_ends_in_the_same_bytes(tiny_store, tmp_path):
    config = config_of(group("sami", diffusion=FIRST))
    config["training"] |= {"epochs": 6, "batch": 50}  # versions come again from epoch 4 on
    killed, whole = killed_and_whole(study_of(config)[1].runs, tiny_store, tmp_path)
    assert killed == whole


def test_the_average_rests_with_the_denoiser():
    model = model_of(run_of(diffusion=FIRST))
    batch, draws = any_batch(model.run, 16), draws_at(model.draw(0, "latents", 0, 1, 16), 0)
    for progress, moves in ((0.1, True), (0.9, False)):
        codes = model.loss(batch, draws, torch.tensor(progress)).codes
        before = model.network.followed.clone()
        model.after_step(batch, codes)
        assert bool(model.network.followed > before) is moves


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"diffusion": {"versions": 2}}, "errors are kept of a denoiser that is not trained"),
        ({"diffusion": FIRST, "training": {"augment": True}}, "versions of an image that is turned"),
    ],
)
def test_versions_that_cannot_be_kept_are_refused(settings, expected):
    assert expected in " ".join(refusal(config_of(group("sami", **settings))))


def test_the_memory_of_a_job_counts_versions():
    runs = [study_of(config_of(group("sami", diffusion=each)))[1].runs[0] for each in (FIRST, FIRST | {"versions": 60})]
    few, many = (training_memory([run], 1) for run in runs)
    source = runs[0].dataset
    assert many - few == pytest.approx(58 * 4e-6 * source.train * source.stamp**2, abs=1)

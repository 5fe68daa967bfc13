"""Another project's trainer beside this one, on the same model, loss, rows and batch: time per step, time to quality.

    pip install -e '.[peers]'                                  pythae 0.1.2 (github.com/clementchadebec/benchmark_VAE)
    python benchmarks/peers.py step STORE                      ratios of core time per training step, in turns
    python benchmarks/peers.py quality STORE RATE [SEED ...]   core seconds to 467 nats and PSF 0.81, in turns

STORE is a store of the paper's galaxies, as the default study leaves it. For pythae, Aux-VAE is a BaseAE whose
`forward` returns the loss of our terms, so that both trainers differentiate the same function; its convolutions are
torch's. It is used as its documentation shows: Adam and OneCycleLR by name (one step per epoch, our warm-up), an
evaluation after every epoch, the best model kept. It has no clip of the gradient, without which our learning rate of
5e-3 stalls (LOG.md), so that its largest rate is RATE. Its messages and bars are discarded.
"""

import contextlib
import dataclasses
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from convolutions import torchs
from pythae.data.datasets import DatasetOutput
from pythae.models import BaseAE, BaseAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from quality import NATS, PSF, SEEDS, marks, runs
from torch import nn

from auxvae.data.loader import batch_of
from auxvae.data.store import Store
from auxvae.models.model import draws_at
from auxvae.training.loop import Trainer

ROUNDS = 9


def trainer_of(run, path, torch_layers=False):
    """Our trainer of a run; on request with torch's own convolutions."""
    with tempfile.TemporaryDirectory() as work:
        trainer = Trainer(run, Store(Path(path), run.dataset), Path(work), torch.device("cpu"))
    if torch_layers:
        for part in (trainer.model.network.encoder, trainer.model.network.decoder):
            for i, layer in enumerate(part):
                if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                    part[i] = torchs(layer)
                    part[i].load_state_dict(layer.state_dict())
        trainer.state = trainer._new_state()
    return trainer


class Rows(torch.utils.data.Dataset):
    """Rows of a split as pythae reads them."""

    def __init__(self, batch):
        self.batch = batch

    def __len__(self):
        return len(self.batch.rows)

    def __getitem__(self, i):
        return DatasetOutput(data=self.batch.images[i], labels=self.batch.aux[i])


class Wrapped(BaseAE):
    """The model of one of our trainers as a model of pythae."""

    def __init__(self, model):
        super().__init__(BaseAEConfig(input_dim=(1, 33, 33), latent_dim=10), decoder=None)
        del self.decoder
        self.network = model.network
        self.ours = [model]  # a list, so that its weights are registered once
        self.draws = draws_at(model.draw(0, "latents", 0, 1, 2), 0)
        self.weights = torch.tensor([model.run.weights[name] for name in model.run.terms])

    def forward(self, inputs, **_):
        """The weighted sum of the terms."""
        images, aux = inputs["data"], inputs["labels"]
        rows = torch.arange(len(aux))
        draws = self.draws._replace(noise=torch.randn(len(aux), self.draws.noise.shape[1]))
        loss = self.ours[0].loss(batch_of(images, aux, rows), draws, torch.tensor(0.5))
        return ModelOutput(loss=torch.stack(list(loss.terms.values())) @ self.weights)


def peer_of(trainer, callbacks, folder, rate):
    """Pythae's trainer of the same model and rows."""
    training = trainer.run.training
    schedule = {"max_lr": rate, "total_steps": training.epochs + 1, "pct_start": 0.1}
    config = BaseTrainerConfig(
        output_dir=folder,
        per_device_train_batch_size=training.batch,
        per_device_eval_batch_size=training.batch,
        num_epochs=training.epochs,
        learning_rate=rate,
        optimizer_params={"betas": (0.9, training.beta2)},
        scheduler_cls="OneCycleLR",
        scheduler_params=schedule,
        seed=trainer.run.seed,
        no_cuda=True,
    )
    rows = (Rows(trainer.loader.data), Rows(trainer.validation.data))
    return BaseTrainer(Wrapped(trainer.model), *rows, training_config=config, callbacks=callbacks)


class Watch(TrainingCallback):
    """Measures both marks after every epoch, outside the time."""

    def __init__(self, record):
        self.record = record

    def on_log(self, training_config, logs, **kwargs):
        """After training and evaluation of an epoch."""
        self.record.measure()


class Record:
    """Core seconds of a training until each mark."""

    def __init__(self):
        self.start, self.reached, self.epochs = time.process_time(), {}, []

    def measure(self):
        """Nats and correlation of this epoch; the clock stands still meanwhile."""
        spent, pause = time.process_time() - self.start, time.process_time()
        nats, psf = marks(self.trainer)
        self.epochs.append((nats, psf, spent))
        if nats <= NATS:
            self.reached.setdefault("nats", spent)
        if psf >= PSF:
            self.reached.setdefault("psf", spent)
        self.start += time.process_time() - pause

    def row(self, loss):
        """Times to both marks, time in all, last nats and PSF, best of both, last validation loss."""
        times = [f"{self.reached[name]:.1f}" if name in self.reached else "missed" for name in ("nats", "psf")]
        nats, psf, spent = (np.array(column) for column in zip(*self.epochs, strict=True))
        figures = f"{spent[-1]:.1f} | {nats.min():.1f} | {psf.max():.3f} | {nats[-1]:.1f} | {psf[-1]:.3f} | {loss:.1f}"
        return f"{' | '.join(times)} | {figures}"


@contextlib.contextmanager
def silent():
    """Without pythae's messages and progress bars."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


def pythae_training(run, path, rate):
    """A row for pythae's trainer, and its last validation loss."""
    record = Record()
    record.trainer = trainer = trainer_of(run, path, torch_layers=True)
    with silent(), tempfile.TemporaryDirectory() as folder:
        peer_of(trainer, [Watch(record)], folder, rate).train()
    loss = validation_loss(trainer)
    return f"{record.row(loss)} | {record.epochs[-1][2]:.1f}", loss


def our_training(run, path, target):
    """A row for our trainer, and core seconds until its validation loss is no larger than pythae's last."""
    record = Record()
    record.trainer = trainer = trainer_of(run, path)
    while not trainer.ended():
        trainer.saved = time.monotonic()
        trainer._epoch()
        record.measure()
    losses = [row["validation_loss"] for row in trainer.state.history]
    equal = next(
        (f"{epoch[2]:.1f}" for epoch, loss in zip(record.epochs, losses, strict=True) if loss <= target), "missed"
    )
    return f"{record.row(validation_loss(trainer))} | {equal}"


def validation_loss(trainer):
    """The weighted sum of the terms on the validation rows, by our trainer's random numbers."""
    return float(trainer._validate()[0] @ trainer.weights)


def epoch_of(trainer, steps):
    """Our trainer's own steps, without validation: core seconds of one."""
    start, plan = time.process_time(), trainer.loader.plan(0, 0)
    draws = trainer.draws("latents", 0, steps, trainer.loader.size)
    for i in range(steps):
        one = draws._make(each[i] for each in draws)
        trainer._step(trainer.loader.data.take(plan[i]), one, torch.tensor(0.5), i)
    return (time.process_time() - start) / steps


def peer_epoch_of(peer):
    """Pythae's `train_step`, which is one epoch: core seconds of one step."""
    start = time.process_time()
    peer.train_step(1)
    return (time.process_time() - start) / len(peer.train_loader)


def ready_peer(run, path, rows):
    """Pythae's trainer on so many rows, ready for its `train_step`."""
    trainer = trainer_of(run, path, torch_layers=True)
    trainer.loader.data = trainer.loader.data.take(slice(0, rows))
    peer = peer_of(trainer, None, tempfile.mkdtemp(), run.training.learning_rate)
    peer.prepare_training()
    return peer


def steps(path):
    """Print a line per batch and method: milliseconds and median ratios of turns."""
    print("| batch | method | pythae, ms | ours, torch's layers, ms | ours, ms | ratio | ratio |\n" + "|---" * 7 + "|")
    conv4 = list(runs())[1]
    for batch in (64, 128):
        for method in ("aux_vae", "beta_vae"):
            run = dataclasses.replace(conv4, training=dataclasses.replace(conv4.training, batch=batch))
            if method == "beta_vae":
                run = dataclasses.replace(run, method=method, weights={"reconstruction": 1.0, "kl": 4.0}, aux=())
            count = 2048 // batch
            with silent():
                peer = ready_peer(run, path, 2048)
                both = [trainer_of(run, path, plain) for plain in (True, False)]
                turns = [(peer_epoch_of(peer), *(epoch_of(each, count) for each in both)) for _ in range(ROUNDS)][1:]
            times = [1e3 * statistics.median(each) for each in zip(*turns, strict=True)]
            ratios = [statistics.median(turn[0] / turn[i] for turn in turns) for i in (1, 2)]
            cells = [f"{each:.1f}" for each in times] + [f"{each:.2f}" for each in ratios]
            print(f"| {batch} | {method} | {' | '.join(cells)} |", flush=True)


def quality(path, rate, seeds):
    """Print a line per seed and trainer."""
    print(
        "| trainer | seed | to 467 nats | to PSF 0.81 | whole | best nats | PSF | last nats | PSF | loss "
        "| to pythae's loss |"
    )
    print("|---" * 11 + "|")
    components, conv4 = runs()
    for seed in seeds:
        on_conv4, other = (dataclasses.replace(each, seed=seed) for each in (conv4, components))
        row, loss = pythae_training(on_conv4, path, rate)
        print(f"| pythae, conv4 | {seed} | {row} |", flush=True)
        print(f"| ours, conv4 | {seed} | {our_training(on_conv4, path, loss)} |", flush=True)
        print(f"| ours, components | {seed} | {our_training(other, path, loss)} |", flush=True)


if __name__ == "__main__":
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    table, store, *asked = sys.argv[1:]
    if table == "step":
        steps(store)
    else:
        quality(store, float(asked[0]), [int(each) for each in asked[1:]] or SEEDS)

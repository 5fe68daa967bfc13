"""Models of any run without a store: random factors and images in place of a simulation."""

import math

import torch

from auxvae.analysis.analyse import analyse_fleet
from auxvae.analysis.collect import collect
from auxvae.config.methods import METHODS
from auxvae.config.networks import BACKBONES
from auxvae.data.components import Components
from auxvae.data.inputs import InputScaling
from auxvae.data.likelihoods import Poisson
from auxvae.data.loader import batch_of
from auxvae.data.scaling import Scaling
from auxvae.models.backbones import uniform_weights
from auxvae.models.model import TrainingData, make_model
from auxvae.report.page import draw, page, tabulate
from auxvae.training import fleet
from tests.conftest import study_of

CPU = torch.device("cpu")
# Methods with a context module need data with contexts, and score-based ones a network of their own: they are held to
# the same laws in test_context_runs and test_score_runs.
PLAIN = tuple(name for name, method in METHODS.items() if not method.module and method.family == "autoencoder")
NETWORKS = tuple(name for name, backbone in BACKBONES.items() if backbone.family == "autoencoder")
ROWS = 96  # of the training data


def run_of(method, config, **settings):
    """The only run of a method in the tiny study, given the shear where it needs auxiliary variables."""
    coverage = {"coverages": ["two"]} if METHODS[method].needs_aux else {}
    config["runs"] = [{"method": method, **coverage, **settings}]
    return study_of(config)[1].runs[0]


def any_data(run, mean=3.0, std=5.0):
    """Random factors, and the likelihood of photons over no sky."""
    g = torch.Generator().manual_seed(2)
    factors = {name: torch.rand(ROWS, generator=g) for name in run.dataset.factors}
    low, high = dict.fromkeys(factors, 0.0), dict.fromkeys(factors, 1.0)
    aux = torch.rand(ROWS, len(run.aux), generator=g)
    inputs = run.settings.inputs
    beside = InputScaling(inputs, torch.zeros(len(inputs)), torch.eye(len(inputs))) if inputs else None
    scaling = Scaling(0.0, 100.0, mean, std, low, high, torch.full(stamp_of(run), 10.0), components_of(run), beside)
    return TrainingData(Poisson(0.0), scaling, factors, aux, inputs=torch.randn(ROWS, len(inputs), generator=g))


def through(study, store, folder, workers=1):
    """A study of one fleet from its training to its page."""
    fleet.train(study.fleets[0], store, folder, CPU, workers)
    analyse_fleet(study.fleets[0], study.config.analyses, "cpu", store, folder, workers)
    collect(study.runs, folder)
    draw(study, folder)
    tabulate(study, folder)
    page(study, folder)


def components_of(run, bounded=False):
    """Components of 4 directions for a network that is made of them; None for the others."""
    if not BACKBONES[run.network.name].on_components:
        return None
    pixels = math.prod(stamp_of(run))
    directions = torch.linalg.qr(torch.randn(pixels, 4, generator=torch.Generator().manual_seed(4)))[0].T
    return Components(torch.full((pixels,), 0.5), directions, torch.tensor([9.0, 4.0, 2.0, 1.0]), 3, bounded)


def seeded(network, seed=0):
    """The network with weights that belong to a seed."""
    uniform_weights(network, torch.Generator().manual_seed(seed))
    return network


def stamp_of(run):
    """Channels, height and width of the run's images."""
    return (run.dataset.channels, run.dataset.stamp, run.dataset.stamp)


def model_of(run, device=CPU, **scaling):
    """The model of a run on random data."""
    return make_model(run, any_data(run, **scaling), device)


def any_batch(run, rows, seed=3):
    """Random images and auxiliary variables of the run's shapes."""
    g = torch.Generator().manual_seed(seed)
    shape = (rows, *stamp_of(run))
    aux = torch.rand(rows, len(run.aux), generator=g)
    images = 20 * torch.rand(shape, generator=g)
    inputs = torch.randn(rows, len(run.settings.inputs), generator=g)
    return batch_of(images, aux, torch.arange(rows), inputs=inputs)

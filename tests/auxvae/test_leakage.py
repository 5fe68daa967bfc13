"""Leakage and the swap test on codes and decoders whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from auxvae.analysis.model import TrainedModel
from auxvae.analysis.sensitivity import _moved
from auxvae.analysis.swap import swap
from auxvae.metrics.leakage import Codes, Factor, explained, leakage_scores
from auxvae.metrics.swap import slope

RNG = np.random.default_rng(0)
FIT, TEST = 4000, 2000
AUX = ("radius", "g1")


def factors():
    return {name: Factor(RNG.random((FIT, 1)), RNG.random((TEST, 1))) for name in ("radius", "g1", "flux")}


def codes_of(u, *residual):
    """Auxiliary latents near their factors, then residual ones, each a function of the factors and of noise."""

    def split(part):
        noise = RNG.standard_normal((len(getattr(u["g1"], part)), 2 + len(residual)))
        values = {name: getattr(each, part)[:, 0] for name, each in u.items()}
        aux = [values[name] + 0.01 * noise[:, j] for j, name in enumerate(AUX)]
        return np.stack([*aux, *(each(values, noise[:, 2 + j]) for j, each in enumerate(residual))], 1)

    return Codes(split("fit"), split("test"))


def scored(u, *residual):
    return leakage_scores(codes_of(u, *residual), u, AUX, 50)


def test_independent_residual_latents_leak_nothing():
    scores = scored(factors(), lambda u, e: e, lambda u, e: e**3)
    assert scores["leakage"].value < 0.01
    assert scores["leakage"].value <= scores["leakage"].high
    assert scores["leakage_chance"].value < 0.01
    assert scores["leakage_spread"].value < 0.01
    assert scores["leakage_aux"].value < 0.01


def test_what_correlations_do_not_see_is_found_and_belongs_to_its_factor():
    """An even function of g1, of two latents together: neither correlates with anything."""
    sign = lambda u, e: np.sign(e) * (u["g1"] > 0.5)  # noqa: E731
    scores = scored(factors(), sign, lambda u, e: e)
    assert scores["recon_tells_g1"].value == pytest.approx(0.75, abs=0.05)  # of a uniform, its half
    assert scores["leakage"].value == scores["recon_tells_g1"].value
    assert scores["recon_tells_radius"].value < 0.02
    assert scores["leakage"].low < 0.75 < scores["leakage"].high or abs(scores["leakage"].value - 0.75) < 0.02


def test_a_bump_is_seen_in_the_spread_and_not_in_the_mean():
    scores = scored(factors(), lambda u, e: e * (abs(u["g1"] - 0.5) < 0.2))
    assert scores["leakage"].value < 0.02
    assert scores["leakage_spread"].value > 0.3


def test_a_factor_that_the_model_was_not_given_may_stand_in_the_residual_latents():
    """That is what they are for: it is no leakage."""
    scores = scored(factors(), lambda u, e: u["flux"] + 0.1 * e)
    assert scores["recon_tells_flux"].value > 0.8
    assert scores["leakage"].value < 0.01


def test_an_auxiliary_latent_that_tells_of_another_factor_is_found():
    u = factors()
    codes = codes_of(u, lambda u, e: e)
    for part in ("fit", "test"):
        getattr(codes, part)[:, 0] += getattr(u["g1"], part)[:, 0]
    scores = leakage_scores(codes, u, AUX, 20)
    assert scores["aux_tells_g1"].value > 0.3
    assert scores["leakage_aux"].value >= scores["aux_tells_g1"].value


def test_without_residual_latents_there_is_no_leakage_to_measure():
    assert "leakage" not in scored(factors())


def test_explained_is_the_coefficient_of_determination_with_the_interval_of_a_bootstrap():
    y = RNG.standard_normal(4000)
    predicted = 0.5 * y + 0.3 * RNG.standard_normal(4000)
    r2 = explained(y[:, None], predicted[:, None], 400)
    assert r2[0] == pytest.approx(1 - ((y - predicted) ** 2).mean() / y.var())
    draws = [RNG.integers(0, 4000, 4000) for _ in range(400)]
    by_row = [1 - ((y - predicted)[rows] ** 2).mean() / y[rows].var() for rows in draws]
    assert r2[1:].std() == pytest.approx(np.std(by_row), rel=0.25)


def test_the_slope_and_its_interval_are_those_of_simulation():
    rng = np.random.default_rng(7)
    x = rng.standard_normal((1000, 500))
    y = 0.7 * x + 0.2 * (1 + abs(x)) * rng.standard_normal(x.shape)
    repeats = [slope(*each) for each in zip(x, y, strict=True)]
    assert np.mean([each.value for each in repeats]) == pytest.approx(0.7, abs=0.01)
    covered = np.mean([each.low < 0.7 < each.high for each in repeats])
    assert 0.93 < covered < 0.97


def gaussians(codes, reads):
    """Images of Gaussian galaxies whose ln flux, ln size and ellipticity are the latents `reads`."""
    y, x = np.mgrid[-16:17, -16:17].astype(float)
    flux, size, e1, e2 = codes[:, reads].T.astype(float)[..., None, None]
    area = np.exp(2 * np.log(3.0) + 0.2 * size)
    xx, yy, xy = area * (1 + 0.1 * e1), area * (1 - 0.1 * e1), area * 0.1 * e2
    form = (yy * x**2 - 2 * xy * x * y + xx * y**2) / (xx * yy - xy**2)
    return (np.exp(8 + 0.3 * flux) * np.exp(-0.5 * form) / area)[:, None]


class Drawn(TrainedModel):
    """A model of four auxiliary and four residual latents whose decoder draws Gaussians from some of them."""

    can_decode = True

    def __init__(self, reads, aux=("a", "b", "c", "d")):
        self.run = SimpleNamespace(aux_latents=len(aux), network=SimpleNamespace(latents=8), seed=0)
        self.codes = np.random.default_rng(3).standard_normal((300, 8)).astype(np.float32)
        self.reads = reads

    def encode(self):
        return self.codes, np.full_like(self.codes, -20.0)

    def decode_counts(self, codes, images=None):
        return gaussians(codes, self.reads).astype(np.float32)


@pytest.mark.parametrize("block", ["aux", "recon"])
def test_the_block_that_holds_the_quantities_is_the_one_whose_exchange_changes_them(block):
    scores = swap(Drawn([0, 1, 2, 3] if block == "aux" else [4, 5, 6, 7]), True)
    other = {"aux": "recon", "recon": "aux"}[block]
    for quantity in ("flux", "size", "shape"):
        kept, exchanged = (scores[f"swap_{name}_{quantity}_slope"] for name in (other, block))
        assert kept.value == pytest.approx(1, abs=1e-5)
        assert scores[f"swap_{other}_{quantity}_scatter"].value == pytest.approx(0, abs=1e-5)
        assert exchanged.low - 0.05 < 0 < exchanged.high + 0.05
        assert scores[f"swap_{block}_{quantity}_scatter"].value > 0.05


def test_there_is_no_swap_without_two_blocks_a_decoder_and_galaxies():
    assert swap(Drawn([0, 1, 2, 3]), False) == {}
    assert swap(Drawn([0, 1, 2, 3], aux=()), True) == {}
    assert swap(Drawn([0, 1, 2, 3], aux=tuple("abcdefgh")), True) == {}
    silent = Drawn([0, 1, 2, 3])
    silent.can_decode = False
    assert swap(silent, True) == {}


def test_what_moves_is_measured_in_the_image():
    """A shift of a decoder's ln flux by 0.3 moves ln flux by 0.3 and nothing else."""
    model = Drawn([0, 1, 2, 3])
    codes, _ = model.encode()
    moved = codes.copy()
    moved[:, 0] += 1
    flux, size, shape = _moved(model, codes)(moved)
    np.testing.assert_allclose(flux, 0.3, atol=1e-4)
    np.testing.assert_allclose([size, shape], 0, atol=1e-4)

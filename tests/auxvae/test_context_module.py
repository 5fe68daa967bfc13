"""The laws of the context module: blocks, clamping, cuts, and sets in any order."""

import numpy as np
import pytest
import torch

from auxvae.config.module import Module
from auxvae.data.randomness import generator
from auxvae.models.context_module import ContextModule, Sizes, _renormalised, pooled

M, IN, K = 3, 4, 2
VARIANTS = [(mask, cut) for mask in ("always", "intervened") for cut in ("others", "all")]


TRAINED = torch.cat([torch.zeros(1, M), torch.eye(M)])


def module_of(mask="always", cut="others", depth=3, trained=TRAINED, **settings):
    module = ContextModule(Sizes(M, IN, K, depth, 5), trained, Module(mask=mask, cut=cut, **settings))
    module.reset(generator(1, "module"))
    with torch.no_grad():  # effects that clearly act
        for effects in (module.effects_observed, module.effects_intervened):
            effects.copy_(0.2 + 0.6 * torch.rand(effects.shape, generator=generator(2, "effects")))
        module.clamp()
    return module


def latents(rows=64):
    return torch.randn(rows, M * IN, generator=generator(3, "z"))


def sets(*chosen, rows=64):
    row = torch.zeros(M)
    row[list(chosen)] = 1
    return row.expand(rows, M)


def block(j):
    return slice(K * j, K * (j + 1))


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_widths_go_from_latents_to_units(depth):
    widths = Sizes(M, 32, 8, depth, 5).widths
    assert len(widths) == depth and widths[0] == 32
    assert depth == 1 or widths[-1] == 8
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("by", ["batch", "renormalised", "running", "prior"])
@pytest.mark.parametrize("chosen", [(), (0,), (1, 2), (0, 1, 2)])
def test_an_exogenous_variable_is_a_function_of_its_own_latents(chosen, by):
    module, z = module_of(), latents()
    other = z.clone()
    other[:, IN : 2 * IN] *= 1.5
    same, moved = (module.exogenous(each, sets(*chosen), by) for each in (z, other))
    assert torch.equal(same[:, block(0)], moved[:, block(0)]) and torch.equal(same[:, block(2)], moved[:, block(2)])
    assert not torch.allclose(same[:, block(1)], moved[:, block(1)])


def test_the_dense_variant_mixes_latents_where_nothing_is_done_alone():
    module, z = module_of("intervened"), latents()
    other = z.clone()
    other[:, IN : 2 * IN] += 1
    with torch.no_grad():
        mixed, apart = (
            torch.allclose(*(module.exogenous(each, sets(*chosen))[:, block(0)] for each in (z, other)))
            for chosen in ((), (2,))
        )
    assert not mixed and apart


def test_effects_stay_in_0_to_1_and_the_identity_stays():
    module = module_of()
    with torch.no_grad():
        module.effects_observed += 3 * torch.randn(M * K, M * K, generator=generator(4, "push"))
        module.clamp()
    assert module.effects_observed.min() >= 0 and module.effects_observed.max() <= 1
    assert torch.equal(pooled(module.effects_observed, M).diagonal(), torch.zeros(M))
    once = module.effects_observed.clone()
    module.clamp()
    assert torch.equal(module.effects_observed, once)


@torch.no_grad()
def influence(module, chosen):
    """Whether c_j changes with eps_i in a context, (m, m): rows are j."""
    z, heard = latents(), np.zeros((M, M), bool)
    bare = module.concepts(z, sets(*chosen))
    for i in range(M):
        other = z.clone()
        other[:, IN * i : IN * (i + 1)] += 1
        moved = module.concepts(other, sets(*chosen))
        heard[:, i] = [not torch.allclose(bare[:, block(j)], moved[:, block(j)], atol=1e-6) for j in range(M)]
    return heard


@pytest.mark.parametrize("cut", ["others", "all"])
def test_an_intervention_cuts_incoming_effects_and_no_others(cut):
    module = module_of(cut=cut)
    assert influence(module, ()).all()
    assert (influence(module, (0,)) == [[1, 0, 0], [1, 1, 1], [1, 1, 1]]).all()
    among = cut == "others"
    assert (influence(module, (0, 2)) == [[1, 0, among], [1, 1, 1], [among, 0, 1]]).all()
    assert (influence(module, (0, 1, 2)) == (np.ones((M, M)) if among else np.eye(M))).all()


@pytest.mark.parametrize("by", ["running", "prior"])
@pytest.mark.parametrize(("mask", "cut"), VARIANTS)
def test_rows_of_several_contexts_are_what_each_is_alone(mask, cut, by):
    """After training: any set, of any row, in any company."""
    module, z = module_of(mask, cut), latents(6)
    for chosen in ((), (0,), (2,)):
        module.follow(2 * latents() + 1, sets(*chosen, rows=1))
    rows = torch.stack([sets(*chosen, rows=1)[0] for chosen in ((), (0,), (1,), (0, 2), (2, 0), (0, 1, 2))])
    together = module(z, rows, by)
    torch.testing.assert_close(together[3], module(z[[3]], rows[[4]], by)[0])
    for i in range(6):
        torch.testing.assert_close(module(z[i : i + 1], rows[i : i + 1], by), together[i : i + 1])


@pytest.mark.parametrize("mask", ["always", "intervened"])
@pytest.mark.parametrize("chosen", [(), (0,), (2,)])
@torch.no_grad()
def test_all_moments_are_those_of_a_large_batch_of_the_prior(mask, chosen):
    """A batch of samples of the prior, the running moments of many, and the fixed samples give nearly the same."""
    module = module_of(mask)
    z, rows = torch.randn(50_000, M * IN, generator=generator(5, "many")), sets(*chosen, rows=50_000)
    for _ in range(200):
        module.follow(z, rows[:1])
    by_batch, running, prior = (module(z, rows, by) for by in ("batch", "running", "prior"))
    assert (by_batch - running).abs().max() < 1e-3 * by_batch.std()
    assert (by_batch - prior).abs().mean() < 0.05 * by_batch.std()


@torch.no_grad()
def followed(mask="always"):
    """A module that has followed codes of another width in every trained set, and the moments of its first stage."""
    module = module_of(mask)
    for _ in range(100):
        for i, chosen in enumerate([(), (0,), (1,), (2,)]):
            module.follow(latents() * (1 + i), sets(*chosen, rows=1))
    return module, module.get_buffer("variance_0")


@torch.no_grad()
def test_a_trained_set_has_its_moments_alone():
    module, variance = followed()
    untouched = module_of()
    untouched.follow(latents(), sets(1, rows=1))
    assert torch.equal(untouched.get_buffer("mean_0")[[0, 1, 3]], torch.zeros(3, variance.shape[1]))
    for row, chosen in zip(module.trained, [(), (2,), (1,), (0,)], strict=False):
        assert row.tolist() == TRAINED[module.trained.tolist().index(row.tolist())].tolist()
        shares = module._shares(sets(*chosen, rows=1))
        assert torch.equal((shares > 0).sum(0), torch.ones(1, M, dtype=torch.long))


@pytest.mark.parametrize(("mask", "absent"), [("always", [0, 1, 2]), ("intervened", [1, 2])])
@torch.no_grad()
def test_moments_of_a_set_that_was_not_trained_are_those_of_the_sets_that_agree_on_each_concept(mask, absent):
    module, _ = followed(mask)
    shares = module._shares(sets(0, 1, rows=1))[:, 0]
    assert torch.equal(shares[:, 0], torch.tensor([0.0, 1, 0, 0]))  # do(0) alone intervenes on 0
    assert torch.equal(shares[:, 1], torch.tensor([0.0, 0, 1, 0]))
    expected = torch.zeros(4)
    expected[absent] = 1 / len(absent)  # the sets that leave 2 alone
    torch.testing.assert_close(shares[:, 2], expected)


def test_without_effects_and_interventions_it_is_a_map_of_each_concept():
    module = module_of()
    with torch.no_grad():
        module.effects_observed.zero_()
        c = module.concepts(latents(), sets())
        assert torch.equal(c, module.exogenous(latents(), sets()) + module.effects_bias)


def test_a_stack_of_modules_computes_what_each_does():
    modules = [module_of() for _ in range(2)]
    modules[1].reset(generator(9, "another"))
    stacked = {
        name: torch.stack([dict(module.named_parameters())[name].detach() for module in modules])
        for name, _ in modules[0].named_parameters()
    }
    z = latents()
    run = torch.func.vmap(lambda weights: torch.func.functional_call(modules[0], weights, (z, sets(1), "batch")))
    for one, other in zip(run(stacked), modules, strict=True):
        torch.testing.assert_close(one, other(z, sets(1), "batch"))


def test_gradients_reach_every_weight_that_a_context_uses():
    module = module_of()
    module(latents(), sets(0), "batch").square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and (parameter.grad != 0).any(), name
    unused = module.observed.grad[:, :IN]  # columns of the concept that is intervened on
    assert (unused == 0).all() and (module.intervened.grad[:, IN:] == 0).all()


@torch.no_grad()
def plain_decoder(module, row):
    """The same map of torch's own layers, where nothing acts on anything: a block of layers for each concept."""
    mean, variance = (module.get_buffer(f"{name}_0")[row] for name in ("mean", "variance"))
    parts = []
    for j in range(M):
        first, second, norm = torch.nn.Linear(IN, IN), torch.nn.Linear(IN, K, bias=False), torch.nn.BatchNorm1d(K)
        first.weight.copy_(module.observed[IN * j : IN * (j + 1), IN * j : IN * (j + 1)])
        first.bias.copy_(module.bias[IN * j : IN * (j + 1)])
        second.weight.copy_(module.stages[0][j])
        norm.weight.copy_(module.scales[0][0][block(j)])
        norm.bias.copy_(module.shifts[0][0][block(j)])
        norm.running_mean.copy_(mean[block(j)])
        norm.running_var.copy_(variance[block(j)])
        parts.append(torch.nn.Sequential(first, torch.nn.GELU(), second, norm, torch.nn.GELU()).eval())
    return lambda z: module.unpool(
        torch.cat([part(z[:, IN * j : IN * (j + 1)]) for j, part in enumerate(parts)], 1) + module.effects_bias
    )


@pytest.mark.parametrize("affine", ["shared", "states"])
@torch.no_grad()
def test_the_observational_context_with_no_effects_is_a_plain_decoder(affine):
    module, z = module_of(depth=2, affine=affine), latents()
    for _ in range(30):
        module.follow(2 * latents() + 1, sets(rows=1))
    module.effects_observed.zero_()
    row = module.trained.tolist().index([0.0] * M)
    torch.testing.assert_close(module(z, sets()), plain_decoder(module, row)(z))
    module.effects_observed.copy_(0.5 * module.off_diagonal)
    assert (module(z, sets()) - plain_decoder(module, row)(z)).abs().max() > 0.1


@pytest.mark.parametrize("chosen", [(), (1,), (0, 2)])
@pytest.mark.parametrize(("mask", "cut"), VARIANTS)
@pytest.mark.parametrize("by", ["batch", "renormalised", "running", "prior"])
@torch.no_grad()
def test_one_set_for_all_rows_is_that_set_in_every_row(chosen, mask, cut, by):
    module, z = module_of(mask, cut), latents()
    module.follow(latents() + 1, sets(*chosen, rows=1))
    torch.testing.assert_close(module(z, sets(*chosen, rows=1), by), module(z, sets(*chosen), by))


def test_renormalised_codes_have_the_values_of_the_running_moments_and_the_gradients_of_the_batch():
    module = module_of(depth=2)
    with torch.no_grad():
        for _ in range(20):
            module.follow(1.5 * latents() + 0.5, sets(1, rows=1))
    z = latents()
    values = [module.exogenous(z, sets(1, rows=1), by) for by in ("renormalised", "running")]
    torch.testing.assert_close(*values)
    h = torch.randn(64, 5, generator=generator(6, "h"), dtype=torch.float64, requires_grad=True)
    mean, variance = torch.full((5,), 0.3, dtype=torch.float64), torch.full((5,), 2.0, dtype=torch.float64)
    weights = torch.randn(64, 5, generator=generator(7, "w"), dtype=torch.float64)
    (ours,) = torch.autograd.grad((_renormalised(h, (mean, variance)) * weights).sum(), h)
    spread = (h.detach().var(0, correction=0) / variance).sqrt()
    norm = torch.nn.functional.batch_norm(h, None, None, training=True)
    (batch,) = torch.autograd.grad((norm * weights * spread).sum(), h)
    torch.testing.assert_close(ours, batch, rtol=1e-4, atol=1e-6)  # a variance has EPSILON added
    assert ours.mean(0).abs().max() < 1e-12  # a shift of all rows changes nothing


def test_a_concept_has_its_own_scale_where_it_is_intervened_on():
    module, z = module_of(depth=2, affine="states"), latents()
    with torch.no_grad():
        before = {chosen: module.exogenous(z, sets(*chosen)) for chosen in ((), (0,))}
        module.shifts[0][1, block(0)] += 1
        after = {chosen: module.exogenous(z, sets(*chosen)) for chosen in ((), (0,))}
    assert torch.equal(before[()], after[()]) and torch.equal(before[(0,)][:, K:], after[(0,)][:, K:])
    assert (after[(0,)] - before[(0,)])[:, block(0)].min() > 0.1
    assert len(module_of(affine="shared").shifts[0]) == 1

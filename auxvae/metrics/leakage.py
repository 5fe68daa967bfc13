r"""What some of the latents tell of the factors that stand elsewhere: leakage.

    R2_k = 1 - sum_n (u_nk - g_k(z_n))^2 / sum_n (u_nk - mean u_k)^2        over rows that g_k has not seen

g_k are gradient boosted trees, fitted to codes of training rows and stopped early on 15 % of them, so that they find
any dependence of the conditional mean on all latents of a block together. z are samples of the posterior: the mean of
an inactive latent correlates with everything and says nothing. Of a circular or categorical factor R2 pools its
auxiliary variables (auxvae.config.kinds), both sums over n and over them: of classes it is the skill of a Brier score.

    recon_tells_FACTOR   R2 of a factor from the residual latents
    leakage              the largest of them over the auxiliary variables, 0 at least; 0 is good
    leakage_chance       the same with the codes of other rows: what chance gives
    leakage_spread       leakage of |u - median u| in place of u: a latent that is large only near the middle of a
                         factor tells nothing of its mean; of factors that are no numbers as they are
    aux_tells_FACTOR     R2 of a factor from the auxiliary latents but its own
    leakage_aux          the largest of them, 0 at least, over all factors; 0 is good

Range: 1 at most; R2 may be below 0 by chance. LDS and pairwise correlations see none of this: they were 0.97 where
leakage was 0.81 (docs/findings.md). Intervals: bootstrap over the test rows, for fixed trees. Known failure: a
dependence that leaves the conditional mean and spread of every factor unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from auxvae.metrics.score import Score, group_of_rows, group_weights, interval

Array = NDArray[np.float64]
LOWEST = -np.inf  # of R2
SHUFFLES = 3  # behind the chance level


class Codes(NamedTuple):
    """Samples of the posterior of training rows, (N, D), and of test rows, (M, D)."""

    fit: Float[ndarray, "N D"]
    test: Float[ndarray, "M D"]

    def only(self, latents: Sequence[int]) -> Codes:
        """Some of the latents."""
        return Codes(self.fit[:, latents], self.test[:, latents])

    def of_other_rows(self, source: np.random.Generator) -> Codes:
        """The codes in another order of the rows, and so of other images."""
        return Codes(source.permutation(self.fit), source.permutation(self.test))


class Factor(NamedTuple):
    """The V auxiliary variables of one factor, of training rows, (N, V), and of test rows, (M, V)."""

    fit: Float[ndarray, "N V"]
    test: Float[ndarray, "M V"]

    def spread(self) -> Factor:
        """The distance of a number from the median of the training rows."""
        middle = np.median(self.fit)
        return Factor(np.abs(self.fit - middle), np.abs(self.test - middle))


def r2_of(codes: Codes, factor: Factor, resamples: int) -> Float[ndarray, " S"]:
    """R2 of a factor from codes, (1 + resamples,), the first of all test rows; 0 without a latent or any variation."""
    if not codes.fit.shape[1] or not np.ptp(factor.fit, 0).any():
        return np.zeros(1 + resamples)
    predicted = [_predicted(codes, column) for column in factor.fit.T]
    return explained(factor.test, np.stack(predicted, 1), resamples)


def _predicted(codes: Codes, values: Float[ndarray, " N"]) -> Float[ndarray, " M"]:
    """Values of the test rows by trees that were fitted to those of the training rows."""
    trees = HistGradientBoostingRegressor(
        max_iter=200, early_stopping=True, validation_fraction=0.15, n_iter_no_change=5, random_state=0
    )
    return np.asarray(trees.fit(codes.fit, values).predict(codes.test))


def explained(values: Float[ndarray, "M V"], predicted: Float[ndarray, "M V"], resamples: int) -> Float[ndarray, " S"]:
    """R2 of a prediction, (1 + resamples,), of all columns together; 0 where the values do not vary."""
    group, weights = group_of_rows(len(values)), group_weights(len(values), resamples)
    centred, wrong = values - values.mean(0), (values - predicted) ** 2
    totals = [weights @ np.bincount(group, column) for column in centred.T]
    squares, missed = (weights @ np.bincount(group, each.sum(1)) for each in (centred**2, wrong))
    varied = squares - sum(total**2 for total in totals) / (weights @ np.bincount(group))
    return np.asarray(1 - np.divide(missed, varied, out=np.ones_like(varied), where=varied > 0))


def leakage_scores(
    codes: Codes, factors: Mapping[str, Factor], aux: tuple[str, ...], resamples: int
) -> dict[str, Score]:
    """The scores above of a run whose first latents belong to the factors `aux`, in this order, one a variable."""
    latents, owner = codes.fit.shape[1], _owners(factors, aux)
    recon = codes.only(range(len(owner), latents))
    by_aux = {name: r2_of(codes.only(_others(owner, name)), each, resamples) for name, each in factors.items()}
    samples = {f"aux_tells_{name}": r2 for name, r2 in by_aux.items()} | {"leakage_aux": _largest(by_aux.values())}
    if len(owner) < latents:
        by_recon = {name: r2_of(recon, each, resamples) for name, each in factors.items()}
        numbers = {name for name in aux if factors[name].fit.shape[1] == 1}
        spreads = {name: r2_of(recon, factors[name].spread(), resamples) for name in numbers}
        chance = [_chance(recon, [factors[name] for name in aux], seed) for seed in range(SHUFFLES)]
        samples |= {f"recon_tells_{name}": r2 for name, r2 in by_recon.items()}
        samples |= {
            "leakage": _largest([by_recon[name] for name in aux]),
            "leakage_spread": _largest([(by_recon | spreads)[name] for name in aux]),
        }
        samples["leakage_chance"] = np.full(1 + resamples, np.mean(chance))
    rows = len(codes.test)
    return {name: interval(each, rows, least=_least(name)) for name, each in samples.items()}


def leakage_alone(codes: Codes, factors: Mapping[str, Factor], aux: tuple[str, ...], resamples: int) -> Score:
    """The score `leakage` without the others: one ensemble of trees for each auxiliary variable."""
    recon = codes.only(range(len(_owners(factors, aux)), codes.fit.shape[1]))
    return interval(_largest([r2_of(recon, factors[name], resamples) for name in aux]), len(codes.test))


def _owners(factors: Mapping[str, Factor], aux: tuple[str, ...]) -> list[str]:
    """The factor of each auxiliary latent."""
    return [name for name in aux for _ in range(factors[name].fit.shape[1])]


def _others(owner: list[str], name: str) -> list[int]:
    """The auxiliary latents but those of a factor."""
    return [j for j, other in enumerate(owner) if other != name]


def _largest(by_factor: Iterable[Array]) -> Array:
    """The largest over the factors, 0 at least, in each bootstrap sample."""
    return np.asarray(np.max(list(by_factor), axis=0).clip(0))


def _least(name: str) -> float:
    return 0.0 if name.startswith("leakage") else LOWEST


def _chance(codes: Codes, factors: list[Factor], seed: int) -> float:
    """Leakage of codes of other rows."""
    shuffled = codes.of_other_rows(np.random.Generator(np.random.Philox(key=(len(codes.test), seed))))
    return max(0.0, *(float(r2_of(shuffled, factor, 0)[0]) for factor in factors))

"""Does a candidate say anything new? The evidence of auxvae.metrics.novelty for pairs of coverages, and a verdict.

candidate_r2       (candidate, evidence, bound)   R2 of the candidate from each source, over the seeds; the gain
candidate_change   (candidate, score, bound)      what giving it changes, paired over the seeds
candidate_verdict, candidate_truth  (candidate)   in a word; what is true by its making, empty where nobody knows
candidate_least                                   the share of the variance that counts
candidate_rates    (truth, judged, number)        of candidates whose truth is known: wrong and undecided verdicts, by
                                                  all seeds of a pair together, and by each seed alone
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.aligned import posterior_samples
from auxvae.analysis.contrasts import over_seeds
from auxvae.analysis.files import CODES
from auxvae.config.candidates import Pair
from auxvae.config.kinds import variables_of
from auxvae.config.run import Run
from auxvae.data.encoding import encoded
from auxvae.metrics.novelty import (
    IRRELEVANT,
    LEAST,
    NEW,
    REDUNDANT,
    UNDECIDED,
    gain_of,
    pooled,
    r2,
    ranked,
    share,
    verdict,
)

Array = NDArray[np.float64]
EVIDENCE = ("image", "own", "values", "base_aux", "base_recon", "others", "chance", "gain")
CHANGES = ("nats", "leakage", "lds_all_corrected", "kl_recon")
BOUNDS = ("mean", "low", "high")
NUMBERS = ("verdicts", "wrong", "undecided", "wrong_share", "wrong_low", "wrong_high")
RESAMPLES = 100


class Coded(NamedTuple):
    """A run's test rows: posterior samples (N, D), and every auxiliary variable that is known, (N,) by name."""

    samples: Array
    variables: dict[str, Array]


def candidates(pairs: Sequence[Pair], scores: pd.DataFrame, folder: Path) -> xr.Dataset:
    """The data set above, from the table of scores on test rows and the folders of the runs; empty without a pair."""
    if not pairs:
        return xr.Dataset()
    evidence = [[_evidence(pair, i, folder) for i in range(len(pair.base))] for pair in pairs]
    intervals = [{name: pooled([seed[name] for seed in seeds]) for name in EVIDENCE} for seeds in evidence]
    whole = [verdict(each["image"], each["gain"]) for each in intervals]
    single = [[verdict(pooled([s["image"]]), pooled([s["gain"]])) for s in seeds] for seeds in evidence]
    labels = [_label(pair, pairs) for pair in pairs]
    return xr.Dataset(
        {
            "candidate_r2": (("candidate", "evidence", "bound"), [[e[name] for name in EVIDENCE] for e in intervals]),
            "candidate_change": (("candidate", "score", "bound"), [[*_changes(pair, scores)] for pair in pairs]),
            "candidate_verdict": ("candidate", whole),
            "candidate_truth": ("candidate", [pair.truth for pair in pairs]),
            "candidate_least": LEAST,
            "candidate_rates": (("truth", "judged", "number"), _rates([pair.truth for pair in pairs], whole, single)),
        },
        coords={
            "candidate": labels,
            "evidence": list(EVIDENCE),
            "bound": list(BOUNDS),
            "score": list(CHANGES),
            "truth": [IRRELEVANT, REDUNDANT, NEW],
            "judged": ["all seeds", "one seed"],
            "number": list(NUMBERS),
        },
    )


def _label(pair: Pair, pairs: Sequence[Pair]) -> str:
    """The candidate and its base; the method and its label too, where they differ."""
    first = pair.base[0]
    kinds = {(each.base[0].dataset.name, each.base[0].method, each.base[0].label) for each in pairs}
    before = " ".join(filter(None, (first.dataset.name, first.method, first.label))) + ": " if len(kinds) > 1 else ""
    return f"{before}{pair.candidate} beside {first.coverage} ({', '.join(first.aux)})"


def _evidence(pair: Pair, i: int, folder: Path) -> dict[str, Array]:
    """R2 of the candidate from each source, (1 + resamples,), for one seed."""
    base, more = (_coded(run, folder) for run in (pair.base[i], pair.more[i]))
    run, kinds = pair.more[i], pair.base[i].dataset.kinds
    tied = [run.variables.index(name) for name in variables_of([pair.candidate], kinds)]
    others = [j for j in range(len(run.variables)) if j not in tied]
    count = len(pair.base[i].variables)
    c = np.stack([more.variables[run.variables[j]] for j in tied], 1)
    c = np.stack([ranked(column) for column in c.T], 1) if len(tied) == 1 else c
    shuffled = np.random.Generator(np.random.Philox(key=(len(c), 5))).permutation(c)
    sources = {
        "image": more.samples,
        "own": more.samples[:, tied],
        "values": np.stack([more.variables[name] for name in pair.base[i].variables], 1),
        "base_aux": base.samples[:, :count],
        "base_recon": base.samples[:, count:],
        "others": more.samples[:, others],
    }
    r2_of = {name: r2(x, c, RESAMPLES) for name, x in sources.items()}
    return {**r2_of, "chance": r2(more.samples, shuffled, RESAMPLES), "gain": gain_of(r2_of)}


def _coded(run: Run, folder: Path) -> Coded:
    with xr.open_dataset(folder / "runs" / run.id / CODES) as codes:
        samples = posterior_samples(run, codes["mean"].values, codes["log_variance"].values)
        names = codes["added"].values if "beside" in codes else ()
        factors = {str(name): codes["factors"].sel(factor=name).values for name in codes["factor"].values}
        beside = {str(name): codes["beside"].sel(added=name).values for name in names}
    return Coded(samples, encoded(factors, run.dataset.kinds) | beside)


def _changes(pair: Pair, scores: pd.DataFrame) -> Iterator[tuple[float, float, float]]:
    """What giving the candidate changes in each score, paired over the seeds."""
    for metric in CHANGES:
        of_metric = scores[scores["metric"] == metric]
        more, base = (of_metric[of_metric["run"].isin([run.id for run in runs])] for runs in (pair.more, pair.base))
        paired = more.merge(base, on="seed", suffixes=("_one", "_two"))
        yield over_seeds(paired) if len(paired) else (np.nan, np.nan, np.nan)


def _rates(truths: Sequence[str], whole: Sequence[str], single: Sequence[Sequence[str]]) -> Array:
    """Number of verdicts, of wrong and undecided ones, and the share of wrong ones with its interval."""
    rates = np.full((3, 2, len(NUMBERS)), np.nan)
    for k, truth in enumerate((IRRELEVANT, REDUNDANT, NEW)):
        of_truth = [i for i, each in enumerate(truths) if each == truth]
        judged = ([whole[i] for i in of_truth], [each for i in of_truth for each in single[i]])
        for j, verdicts in enumerate(judged):
            undecided = verdicts.count(UNDECIDED)
            wrong = len(verdicts) - verdicts.count(truth) - undecided
            ends = share(wrong, len(verdicts)) if verdicts else (np.nan,) * 3
            rates[k, j] = (len(verdicts), wrong, undecided, *ends)
    return rates

"""Which runs of a study say whether a candidate is new: those given a base of auxiliary variables, and one more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from auxvae.config.auxiliaries import judges, truth_of
from auxvae.config.run import Run
from auxvae.config.study import Study
from foundation.files import digest_of


@dataclass(frozen=True)
class Pair:
    """Runs given a base, and runs given the candidate beside it, seed by seed, alike in everything else.

    truth: what is true of the candidate by its making; empty where nobody knows.
    """

    candidate: str
    base: tuple[Run, ...]
    more: tuple[Run, ...]
    truth: str = ""


def pairs_of(study: Study, runs: Sequence[Run]) -> tuple[Pair, ...]:
    """The pairs that a study asks of, among these runs of it, with the seeds that both have."""
    alike: dict[str, list[Run]] = {}
    for run in (run for run in runs if judges(run.composition)):
        record = replace(run, coverage="", aux=(), seed=0).record()
        alike.setdefault(digest_of({key: record[key] for key in record if key not in ("id", "identity")}), []).append(
            run
        )
    return tuple(pair for group in alike.values() for pair in _pairs(study, group))


def _pairs(study: Study, runs: list[Run]) -> Iterator[Pair]:
    by_place = {(run.coverage, run.seed): run for run in runs}
    for base, several in study.config.analyses.candidates.items():
        for more in several:
            seeds = [seed for coverage, seed in by_place if coverage == base and (more, seed) in by_place]
            if seeds:
                both = (tuple(by_place[coverage, seed] for seed in seeds) for coverage in (base, more))
                yield _pair(study, *both)


def _pair(study: Study, base: tuple[Run, ...], more: tuple[Run, ...]) -> Pair:
    first = base[0]
    (candidate,) = {*more[0].aux} - {*first.aux}
    written = study.config.datasets.get(first.dataset.name) or {}
    related = any(written.get(key) for key in ("correlations", "mechanisms", "contexts"))
    is_independent = study.facts[first.dataset.name]["store"] is None and not related
    return Pair(candidate, base, more, truth_of(candidate, first.aux, first.dataset.auxiliaries, is_independent))

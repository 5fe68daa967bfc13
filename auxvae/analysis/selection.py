"""Settings chosen on validation rows: for each choice of a study the candidate of least mean value over its seeds.

    value(candidate) = mean_s rule(scores of seed s on validation rows)          auxvae.config.rules

with Student's t interval over the seeds where there are two or more. Of equal candidates the first is chosen, in the
order of the config; one with a seed whose value is no number is not chosen. selection.json holds every candidate's
runs, values and interval, and what was chosen; the evaluation on test rows, `collect` and the report read it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from auxvae.analysis.files import SELECTION, VALIDATION
from auxvae.config.choices import Choice
from auxvae.config.rules import RULES
from auxvae.config.run import Run
from auxvae.config.study import Study
from auxvae.data.failures import failures
from foundation.console import log
from foundation.faults import Fault, Refused, Words
from foundation.files import read_json, write_json

AGAIN = "run `python -m auxvae evaluate --validation` for every fleet, then `python -m auxvae select`"


def select(choices: tuple[Choice, ...], results: Path) -> None:
    """Choose, and write selection.json."""
    if not choices:
        text = "there is nothing to choose without one"
        raise Refused(Fault("runs", Words("no group with a `select`"), text, "write `select: RULE` in a group of runs"))
    chosen = [decided(choice, results) for choice in choices]
    write_json(results / SELECTION, {"choices": chosen})
    for choice in chosen:
        title = " ".join(filter(None, (choice["method"], choice["coverage"])))
        weights = next(each["weights"] for each in choice["candidates"] if each["chosen"])
        log.info(f"{title}: {choice['rule']} chose {weights} of {len(choice['candidates'])} settings")


def decided(choice: Choice, results: Path) -> dict[str, Any]:
    """A choice as plain JSON: every candidate with its values, and the least marked."""
    failed = failures(choice.runs, results)
    files = [
        [None if run.id in failed else results / "runs" / run.id / VALIDATION for run in c] for c in choice.candidates
    ]
    values = [[_value(choice.rule, file) for file in each] for each in files]
    means = [float(np.mean(each)) for each in values]
    finite = [i for i, mean in enumerate(means) if math.isfinite(mean)]
    first = choice.candidates[0][0]
    if not finite:
        value = Words(f"no number for any setting of {first.method}")
        text = f"{choice.rule} needs a finite value for every seed of one setting at least"
        raise Refused(Fault(f"{choice.where}.select", value, text, "take another rule, or other weights"))
    least = min(finite, key=lambda i: means[i])
    head = {"where": choice.where, "rule": choice.rule, "dataset": first.dataset.name}
    rows = zip(choice.candidates, values, strict=True)
    candidates = [{**_candidate(runs, each), "chosen": i == least} for i, (runs, each) in enumerate(rows)]
    return {**head, "method": first.method, "coverage": first.coverage, "candidates": candidates}


def _value(rule: str, file: Path | None) -> float:
    """The value of one run; NaN where a score that the rule reads is no number, and of a run that failed."""
    if file is None:
        return math.nan
    scores = read_json(file, "the scores of the validation rows")["scores"]
    for name in RULES[rule].reads:
        if name not in scores:
            raise Refused(Fault(str(file), Words(f"no score {name}"), f"{rule} reads it", "take another rule"))
    read = {name: scores[name]["value"] for name in RULES[rule].reads}
    return math.nan if None in read.values() else float(RULES[rule].value(read))


def _candidate(runs: tuple[Run, ...], values: list[float]) -> dict[str, Any]:
    """The runs of a setting, the value of each, their mean and its interval; None for what is no number."""
    mean, half, n = float(np.mean(values)), math.nan, len(values)
    if n > 1:
        half = float(stdtrit(n - 1, 0.975) * np.std(values, ddof=1)) / math.sqrt(n)
    numbers = {"value": mean, "low": mean - half, "high": mean + half}
    return {
        "runs": [run.id for run in runs],
        "seeds": [run.seed for run in runs],
        "weights": runs[0].weights,
        "values": [_plain(each) for each in values],
        **{name: _plain(number) for name, number in numbers.items()},
    }


def _plain(number: float) -> float | None:
    return number if math.isfinite(number) else None


def left_out(candidates: Collection[str], results: Path) -> frozenset[str]:
    """Those candidates that were not chosen, by selection.json, which is not asked where there is no candidate."""
    if not candidates:
        return frozenset()
    file = results / SELECTION
    if not file.is_file():
        text = "settings are chosen before any run of them is scored on test rows"
        raise Refused(Fault(str(file), Words("no file"), text, AGAIN))
    judged = {run: c["chosen"] for choice in read_selection(results) for c in choice["candidates"] for run in c["runs"]}
    for run in sorted(candidates):
        if run not in judged:
            raise Refused(Fault(str(file), Words(f"nothing on {run}"), "it must be the choice of this study", AGAIN))
    return frozenset(run for run in candidates if not judged[run])


def read_selection(results: Path) -> list[dict[str, Any]]:
    """The choices of a study as `select` left them."""
    choices: list[dict[str, Any]] = read_json(results / SELECTION, "the choice of settings")["choices"]
    return choices


def shown_runs(study: Study, results: Path) -> tuple[Run, ...]:
    """The runs of a study that are scored on test rows: without failed ones and candidates that were not chosen."""
    absent = left_out(study.chosen_among, results) | failures(study.runs, results).keys()
    return tuple(run for run in study.runs if run.id not in absent)


def with_first_weights(runs: Iterable[Run], choices: Iterable[Choice]) -> tuple[Run, ...]:
    """The runs, those that were chosen with the weights of their first candidate.

    Runs of a group that were chosen at different coverages are thereby one method with one setting: the rule's.
    """
    first = {run.id: choice.candidates[0][0].weights for choice in choices for run in choice.runs}
    return tuple(replace(run, weights=first.get(run.id, run.weights)) for run in runs)

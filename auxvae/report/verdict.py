"""What a study says, in a few sentences at the top of its report: collapse, leakage, alignment, nats, failures.

Each sentence is made of cells of the tables and says no more than they do: that something leaks, if its 95 % interval
lies above that of chance; that something is best, if it is marked so (auxvae.analysis.best). A study that lacks a
score has no sentence of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from auxvae.config.study import Study
from auxvae.report.tables import text_of

LISTED = 4  # names in a sentence


def question(study: Study) -> str:
    """The question of the config, else what the study compares."""
    if study.config.question:
        return study.config.question
    methods = list(dict.fromkeys(run.method for run in study.runs))
    coverages = list(dict.fromkeys(run.coverage for run in study.runs if run.coverage))
    aux = f" (given {_listed(coverages)})" if coverages else ""
    return f"What do the codes and images of {_listed(methods)}{aux} say of the factors?"


def verdict(
    values: pd.DataFrame, marked: Mapping[str, set[str]], failed: int, trained: int, datasets: int = 1
) -> list[str]:
    """The sentences; values: cells (auxvae.report.tables) of labels; marked: the best labels by score.

    datasets: how many data sets the rows are of; what is marked is the best of its own.
    """
    among = "every other" if datasets == 1 else "every other of its data set"
    values = values.dropna(subset=["mean"])
    scores = values.index.get_level_values(1)
    by_score = {str(score): values[scores == score].droplevel(1) for score in scores.unique()}
    sentences = [
        *_collapse(by_score),
        *_leakage(by_score),
        *_alignment(by_score, marked.get("lds_sampled_corrected", set()), among),
        *_nats(by_score, marked.get("nats", set()), among),
        *_interventions(by_score),
    ]
    if failed:
        sentences.append(f"{failed} of {failed + trained} runs could not be trained, and are left out of all numbers.")
    return sentences


def _collapse(by_score: Mapping[str, pd.DataFrame]) -> list[str]:
    """Rows that have fewer than one latent, on average over the seeds, that holds more than 0.3 nat."""
    if "latents_live" not in by_score:
        return []
    live = by_score["latents_live"]["mean"]
    collapsed = [str(label) for label in live.index[live < 1]]
    if not collapsed:
        return []
    have = "has" if len(collapsed) == 1 else "have"
    return [
        f"{_listed(collapsed)} {have} collapsed in all or most seeds: on average fewer than one latent holds more than "
        "0.3 nat, so that codes say next to nothing of an image. Lower the weight of the divergence, or let it rise "
        "slowly."
    ]


def _leakage(by_score: Mapping[str, pd.DataFrame]) -> list[str]:
    """Whether residual latents say more than chance of the factors that a model was given."""
    if "leakage" not in by_score or "leakage_chance" not in by_score:
        return []
    leakage, chance = by_score["leakage"], by_score["leakage_chance"]
    ends = pd.DataFrame({"low": leakage["low"], "chance": chance["high"].reindex(leakage.index)}).dropna()
    if len(ends) < len(leakage):  # without an interval nothing can be told from chance
        return []
    leaking = leakage[ends["low"] > ends["chance"]]
    least, most = (f"{each:.3f}" for each in (leakage["mean"].min(), leakage["mean"].max()))
    span = f"R² of {most}" if least == most else f"R² of {least} to {most}"
    if leaking.empty:
        words = "Residual latents say no more of the factors that a model was given than can be told from chance"
        return [f"{words} ({span})."]
    falling = leaking.sort_values("mean", ascending=False)
    names = _listed([str(label) for label in falling.index])
    return [
        f"Residual latents say more than chance of factors that the model was given in {len(leaking)} of "
        f"{len(leakage)} rows of the tables: {names}; the most has R² = {_text(falling.iloc[0])}."
    ]


def _alignment(by_score: Mapping[str, pd.DataFrame], best: set[str], among: str) -> list[str]:
    if "lds_sampled_corrected" not in by_score:
        return []
    values = by_score["lds_sampled_corrected"]
    return [_compared("corrected LDS of samples (1 is perfect)", values, values["mean"], best, among)]


def _nats(by_score: Mapping[str, pd.DataFrame], best: set[str], among: str) -> list[str]:
    """Nats, compared by their distance from the floor of their data set where that is known."""
    if "nats" not in by_score:
        return []
    nats = by_score["nats"]
    floors = by_score["nats_floor"]["mean"].reindex(nats.index).dropna() if "nats_floor" in by_score else pd.Series()
    if len(floors) < len(nats):
        return [_compared("reconstruction in nats per image, less is better", nats, -nats["mean"], best, among)]
    above = nats.sub(floors, axis=0)
    span = f"; its floor, that of the noise-free truth, is {floors.iloc[0]:.4g}" if floors.nunique() == 1 else ""
    words = f"reconstruction in nats per image above the floor, less is better{span}"
    return [_compared(words, above, -above["mean"].abs(), best, among)]


def _interventions(by_score: Mapping[str, pd.DataFrame]) -> list[str]:
    """How near images come to those of contexts that training never shows, and whether they know contexts at all."""
    if "composition" not in by_score:
        return []
    distance = by_score["composition"]
    floor, pooled = (
        by_score[f"composition_{name}"]["mean"].reindex(distance.index) for name in ("floor", "pooled_images")
    )
    nearer, best = int((distance["high"] < pooled).sum()), int((distance["mean"] / floor).argmin())
    return [
        "In contexts that training never shows, the distance of images from the data's is at best "
        f"{_text(distance.iloc[best])} ({distance.index[best]}), where a perfect model has {floor.iloc[best]:.3g} and "
        f"the data's images of all contexts pooled {pooled.iloc[best]:.3g}; {nearer} of {len(distance)} rows are "
        "clearly below the pooled images."
    ]


def _compared(score: str, cells: pd.DataFrame, goodness: pd.Series, best: set[str], among: str) -> str:
    """The best mean, and whether it is better than every other."""
    label = str(goodness.idxmax())
    value = _text(cells.iloc[int(goodness.argmax())])
    if len(cells) == 1:
        return f"The {score}: {value}."
    if best:
        named = _listed(sorted(best))
        sentence = f"{named} {'is' if len(best) == 1 else 'are each'} significantly better than {among}"
        return f"The {score}: at best {value} ({label}); {sentence}."
    alike = goodness[goodness.round(12) == goodness.loc[label].round(12)]
    name = label if len(alike) == 1 else f"{len(alike)} of {len(cells)} rows alike"
    return f"The {score}: at best {value} ({name}); no row is significantly better than {among}."


def _text(cell: pd.Series) -> str:
    return text_of(cell["mean"], cell["low"], cell["high"])


def _listed(names: list[str]) -> str:
    """The first names in a sentence, parted by semicolons where one has a comma of its own."""
    comma, final = ("; ", "; and ") if any("," in name for name in names) else (", ", " and ")
    *others, last = names if len(names) <= LISTED + 1 else [*names[:LISTED], f"{len(names) - LISTED} more"]
    return f"{comma.join(others)}{final}{last}" if others else last

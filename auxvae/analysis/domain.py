"""`python -m auxvae domain RUN STORE`: are these images like those that a run was trained on?

Judged against the validation rows of the run's own data set by auxvae.metrics.domain. The file has a row per image:
nats and nats_noise (reconstruction at the posterior mean, and what the noise alone is expected to cost), the statistics
excess, distance and log_variance, their p-values p_excess, p_distance and p_log_variance, p of all three, and outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.surveyed import (
    Trained,
    beside,
    judged_rows,
    read_trained,
    refuse_unwritable,
    rows_of,
    write_table,
)
from auxvae.config.methods import METHODS, Method
from auxvae.data.noise_nats import noise_nats
from auxvae.data.store import Store
from auxvae.data.survey import blocks, open_survey
from auxvae.metrics.domain import (
    STATISTICS,
    Domain,
    Reconstructed,
    Share,
    combined,
    mean_error,
    rows_needed,
    share_outside,
)
from foundation.console import counted, log
from foundation.faults import Fault, Refused, Words, listed

SHIFTED = 4.0  # standard errors from which a mean of p counts as shifted: 1 in 16,000 by chance
Array = NDArray[np.float64]


def domain(folder: Path, path: Path, out: Path | None, data: Path | None, rate: float) -> str:
    """Judge the images of a store by the run of a folder, write the file if one is named, and return the table."""
    if out is not None:
        refuse_unwritable(out)
    trained = read_trained(folder, data)
    _refuse_blind(trained)
    store, reference = (
        open_survey(path, trained.store, trained.run.settings.inputs),
        trained.store.numbers("validation"),
    )
    _refuse_too_few(trained, len(reference), rate)
    fitted = Domain.of(reconstructed(trained, trained.store, reference))
    images = reconstructed(trained, store, np.arange(len(store.split)))
    values, p_values = fitted.values(images), fitted.p_values(images)
    p = combined(p_values)
    if out is not None:
        named = {f"p_{name}": each for name, each in p_values.items()}
        nats = {"nats": images.nats, "nats_noise": images.noise}
        columns = {**rows_of(trained, store), **nats, **values, **named, "p": p, "outside": p <= rate}
        write_table(out, columns, {"run": trained.run.id, "store": store.source.digest, "false_alarms": rate})
        log.info(f"{out}: written, {len(p):,} rows")
    rows = judged_rows(trained, store)
    share = share_outside(p[rows] <= rate, rate, fitted.rows)
    values, p_values = ({name: each[rows] for name, each in both.items()} for both in (values, p_values))
    shown = {name: values[name] for name in STATISTICS if name not in fitted.constant}
    return "\n".join([*table(shown, p_values, fitted.rows), *verdict(store.path.name, share, rate, fitted.rows)])


def reconstructed(trained: Trained, store: Store, numbers: NDArray[np.intp]) -> Reconstructed:
    """What the run makes of the rows of a store with these numbers."""
    parts: list[tuple[Array, ...]] = []
    with counted(store.path.name, len(numbers), "images") as progress:
        for rows in blocks(trained.run, store, numbers):
            model = beside(trained, store, rows)
            mean, log_variance = model.encode()
            decoded = model.decode(mean)
            noise = noise_nats(model.likelihood, decoded).numpy()
            parts.append((mean.astype(float), log_variance.astype(float), model.nats(decoded), noise.astype(float)))
            progress.advance(len(rows.numbers))
    return Reconstructed(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _refuse_blind(trained: Trained) -> None:
    """Refuse a run that does not make an image of what it reads from the image alone."""
    able = [name for name, each in METHODS.items() if _can_judge(each)]
    if not can_judge(trained):
        allowed = f"images are judged by runs of {listed(able)}"
        raise Refused(Fault(str(trained.folder), Words(f"a run of {trained.run.method}"), allowed, "name one of them"))


def can_judge(trained: Trained) -> bool:
    """Whether a run makes an image of what it reads from the image alone."""
    return _can_judge(trained.run.composition) and trained.model.can_decode


def _can_judge(method: Method) -> bool:
    return method.family == "autoencoder" and not method.module and not method.encoder_sees_aux


def _refuse_too_few(trained: Trained, rows: int, rate: float) -> None:
    """Refuse validation rows by half of which no image could be told from the others at this rate."""
    needed = 2 * rows_needed(rate)
    if rows < needed:
        value, text = Words(f"{rows} validation rows"), f"a false-alarm rate of {rate:g} needs {needed}"
        least = len(STATISTICS) / (rows // 2 + 1)
        remedy = (
            f"raise --false-alarms to {np.ceil(1e3 * least) / 1e3:g} or more" if least < 0.5 else "train on more rows"
        )
        raise Refused(Fault(str(trained.store.path), value, text, remedy))


def table(values: Mapping[str, Array], p_values: Mapping[str, Array], rows: int) -> Iterator[str]:
    """Lines of the spread of each statistic, and of the mean of its p, which is 1/2 for images like the run's own."""
    yield f"{'statistic':<14}{'median':>12}{'16 %':>12}{'84 %':>12}{'mean p (0.5 if alike)':>26}"
    for name, each in values.items():
        low, middle, high = np.quantile(each, [0.16, 0.5, 0.84])
        mean, error = float(p_values[name].mean()), mean_error(len(p_values[name]), rows)
        shifted = "   shifted" if abs(mean - 0.5) > SHIFTED * error else ""
        yield f"{name:<14}{middle:>12.4g}{low:>12.4g}{high:>12.4g}{f'{mean:.3f} ± {error:.3f}':>26}{shifted}"


def verdict(name: str, share: Share, rate: float, rows: int) -> Iterator[str]:
    """The share of all three together with its interval, and the verdict on the store."""
    ends = f"[{share.low:.4f}, {share.high:.4f}]"
    whole = share.outside / share.images
    yield f"outside: {share.outside:,} of {share.images:,} images, {whole:.4f}, 95 % interval {ends}"
    yield f"false alarms alone: {rate:g}, with {rows:,} rows to calibrate on up to {share.alarms:.4f}"
    yield f"{name}: {share.verdict}"

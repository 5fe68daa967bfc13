"""The terminal and the log file: what a command reports while it works, and why it refuses."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foundation.faults import Fault, Refused, Words

log = logging.getLogger("auxvae")


def open_log(path: Path | None) -> None:
    """Send the package's messages to standard error and, if `path` is not None, to that file as well."""
    log.setLevel(logging.INFO)
    log.handlers.clear()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
        handler.addFilter(lambda record: getattr(record, "is_due", True))
        log.addHandler(handler)


def log_file() -> Path | None:
    """The log file in use, so that a worker process can open it as well."""
    paths = [Path(h.baseFilename) for h in log.handlers if isinstance(h, logging.FileHandler)]
    return paths[0] if paths else None


def in_terminal() -> bool:
    """Whether standard error is a terminal of this command alone: a workflow, which shares it, sets AUXVAE_BARS=0."""
    return sys.stderr.isatty() and os.environ.get("AUXVAE_BARS", "1") != "0"


def at(part: str, done: int) -> dict[str, Any]:
    """The `extra` of a message that says how far a part of the work is, and so moves the bar, if there is one."""
    return {"at": (part, done)}


@contextmanager
def bar(what: str, total: int, unit: str) -> Iterator[None]:
    """A progress bar while this lasts, in a terminal; it stands in place of the messages that move it."""
    plain = [handler for handler in log.handlers if type(handler) is logging.StreamHandler]
    if not plain or not total or not in_terminal():
        yield
        return
    from foundation.bars import BarHandler  # rich: needed here alone

    handler, before = BarHandler(what, total, unit, sys.stderr), log.handlers[:]
    log.handlers[:] = [handler, *(each for each in before if each not in plain)]
    try:
        with handler.progress:
            yield
    finally:
        log.handlers[:] = before


def run_app(app: Callable[[], object]) -> None:
    """Run a command; refusals and unusable paths are printed, one sentence per fault, and end it with status 2."""
    try:
        app()
    except Refused as refused:
        _print_and_exit(refused.faults)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, FileExistsError, PermissionError) as error:
        value = Words(error.strerror or type(error).__name__)
        fault = Fault(str(error.filename), value, "the command needs this path", "check the paths of the command")
        _print_and_exit([fault])


def _print_and_exit(faults: Iterable[Fault]) -> None:
    if not log.handlers:
        open_log(None)
    for fault in faults:
        log.error(str(fault))
    sys.exit(2)


class Progress:
    """Progress messages: how much is done, how fast, and how long the rest will take; within `bar` they move it."""

    def __init__(self, what: str, total: int, unit: str, every: float = 5.0, done: int = 0) -> None:
        """`every` is the shortest time in seconds between two messages; `done` is what an earlier start finished."""
        self.what, self.total, self.unit, self.every = what, total, unit, every
        self.done = self.done_at_start = done
        self.start = self.last_message = time.monotonic()

    def advance(self, steps: int, note: str = "") -> None:
        """Count steps; log a message, with the note in it, when one is due and at the end; a bar moves with each."""
        self.done += steps
        now = time.monotonic()
        is_due = now - self.last_message >= self.every or self.done >= self.total
        if is_due:
            self.last_message = now
        log.info(self.message(now, note), extra={**at(self.what, self.done), "is_due": is_due})

    def message(self, now: float, note: str) -> str:
        """The message at time `now` (s, of the monotonic clock)."""
        rate = (self.done - self.done_at_start) / max(now - self.start, 1e-9)
        left = span((self.total - self.done) / rate) + " left" if self.done < self.total else "done"
        head = f"{self.what}: {self.done:,} of {self.total:,} {self.unit}"
        return ", ".join(filter(None, (head, note, f"{rate:,.3g} {self.unit}/s", left)))


@contextmanager
def counted(what: str, total: int, unit: str) -> Iterator[Progress]:
    """Progress with a bar while this lasts, for work that one process counts."""
    with bar(what, total, unit):
        yield Progress(what, total, unit)


def span(seconds: float) -> str:
    """A duration in the unit that people would use: s, min or h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

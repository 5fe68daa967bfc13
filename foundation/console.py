"""What a command says while it works and when it refuses: lines to the terminal and to its log file."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from foundation.faults import Fault, Refused, Words

log = logging.getLogger("auxvae")


def open_log(path: Path | None) -> None:
    """Send the package's lines to standard error and, where a path is given, to that file too."""
    log.setLevel(logging.INFO)
    log.handlers.clear()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)


def log_file() -> Path | None:
    """The log file in use, so that a worker process can open it too."""
    paths = [Path(h.baseFilename) for h in log.handlers if isinstance(h, logging.FileHandler)]
    return paths[0] if paths else None


def run_app(app: Callable[[], object]) -> None:
    """Run a command; a refusal, or a path that cannot be used, is a sentence each and ends it with status 2."""
    try:
        app()
    except Refused as refused:
        _say(refused.faults)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, FileExistsError, PermissionError) as error:
        value = Words(error.strerror or type(error).__name__)
        _say([Fault(str(error.filename), value, "this path is needed here", "check the paths of the command")])


def _say(faults: Iterable[Fault]) -> None:
    if not log.handlers:
        open_log(None)
    for fault in faults:
        log.error(str(fault))
    sys.exit(2)


class Progress:
    """A line now and then: how much is done, how fast, how long it will take."""

    def __init__(self, what: str, total: int, unit: str, every: float = 5.0, done: int = 0) -> None:
        """`every` is the least number of seconds between two lines; `done` was done before this start."""
        self.what, self.total, self.unit, self.every = what, total, unit, every
        self.done = self.before = done
        self.start = self.spoke = time.monotonic()

    def advance(self, steps: int, told: str = "") -> None:
        """Count steps; speak when it is time, and at the end."""
        self.done += steps
        now = time.monotonic()
        if now - self.spoke >= self.every or self.done >= self.total:
            self.spoke = now
            log.info(self.line(now, told))

    def line(self, now: float, told: str) -> str:
        """The line itself."""
        rate = (self.done - self.before) / max(now - self.start, 1e-9)
        left = span((self.total - self.done) / rate) + " left" if self.done < self.total else "done"
        head = f"{self.what}: {self.done:,} of {self.total:,} {self.unit}"
        return ", ".join(filter(None, (head, told, f"{rate:,.3g} {self.unit}/s", left)))


def span(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

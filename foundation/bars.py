"""A progress bar at the foot of a terminal, drawn by rich; messages appear above it."""

from __future__ import annotations

import logging
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

REMEMBERED = 600.0  # seconds over which the speed is averaged: an epoch may take minutes


class BarHandler(logging.Handler):
    """A handler of messages: those that say how far a part of the work is move the bar, others are printed above it."""

    def __init__(self, what: str, total: int, unit: str, stream: TextIO) -> None:
        """`total` counts all parts together."""
        super().__init__()
        self.done: dict[str, int] = {}
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit, markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        console = Console(file=stream, force_terminal=True, highlight=False)
        self.progress = Progress(*columns, console=console, speed_estimate_period=REMEMBERED)
        self.task = self.progress.add_task(what, total=total)

    def emit(self, record: logging.LogRecord) -> None:
        """Move the bar, or print the message."""
        if at := getattr(record, "at", None):
            part, done = at
            self.done[part] = done
            self.progress.update(self.task, completed=sum(self.done.values()))
        else:
            self.progress.console.print(self.format(record), markup=False, soft_wrap=True)

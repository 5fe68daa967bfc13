"""Progress bars: in a terminal alone, moved by the messages of all processes; the log keeps its lines."""

import os
import pty
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

ROWS = """
import sys
from pathlib import Path
from foundation.console import Progress, bar, log, open_log
open_log(Path(sys.argv[1]))
progress = Progress("store", 200, "galaxies", every=1e9)
with bar("store", 200, "galaxies"):
    for i in range(8):
        progress.advance(25)
        if i == 3:
            log.info("a message in between")
log.info("a message at the end")
"""
RUNS = """
import sys
from pathlib import Path
from foundation.console import bar, log, open_log
from foundation.workers import run_all
from tests.foundation.test_bars import epochs
open_log(Path(sys.argv[1]))
with bar("fleet", 12, "epochs"):
    for item, refused in run_all(["a", "b", "c"], epochs, 2):
        log.info(f"{item} ended")
"""


def epochs(run):
    """Four epochs of a run, in a process of its own."""
    from foundation.console import at, log

    for epoch in range(1, 5):
        log.info(f"{run}: epoch {epoch} of 4", extra=at(run, epoch))


def start(program, log, stderr, **env):
    command = [sys.executable, "-c", program, str(log)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100", **env}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=stderr)


def in_terminal(program, log, **env):
    """What a program writes to a terminal, without the codes that move the cursor and colour it."""
    ours, theirs = pty.openpty()
    with start(program, log, theirs, **env) as process:
        os.close(theirs)
        written = b""
        try:
            while chunk := os.read(ours, 65536):
                written += chunk
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())


def in_pipe(program, log):
    with start(program, log, subprocess.PIPE) as process:
        return process.stderr.read().decode()


def test_a_terminal_shows_a_bar_that_reaches_its_end_and_messages_above_it(tmp_path):
    raw, text = in_terminal(ROWS, tmp_path / "log")
    assert "\x1b[" in raw and "━" in text
    assert "200/200 galaxies" in text
    assert "a message in between" in text and text.rstrip().endswith("a message at the end")
    assert "200 of 200 galaxies" not in text  # the line that the bar stands for
    assert "200 of 200 galaxies" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("program", [ROWS, RUNS], ids=["rows", "runs"])
def test_elsewhere_there_is_no_bar_and_the_lines_are_those_of_the_log(program, tmp_path):
    text = in_pipe(program, tmp_path / "log")
    assert "\x1b" not in text and "━" not in text and "\r" not in text
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines and sorted(lines) == sorted(line for line in text.splitlines() if line in lines)


def test_a_workflow_in_a_terminal_shows_no_bar(tmp_path):
    raw, _ = in_terminal(ROWS, tmp_path / "log", AUXVAE_BARS="0")
    assert "\x1b" not in raw and "━" not in raw
    assert "200 of 200 galaxies" in raw


def test_the_snakefile_asks_for_no_bars():
    assert "AUXVAE_BARS=0" in (ROOT / "workflow" / "rules" / "study.smk").read_text()


def test_the_messages_of_other_processes_move_one_bar_and_all_reach_the_log(tmp_path):
    _, text = in_terminal(RUNS, tmp_path / "log")
    assert "12/12 epochs" in text
    assert "epoch 2 of 4" not in text and "b ended" in text
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(lines) == sorted(
        [f"{run}: epoch {epoch} of 4" for run in "abc" for epoch in range(1, 5)] + [f"{run} ended" for run in "abc"]
    )

"""How much memory a process may use: the machine's, or less under a limit of its own or of its control group.

A batch system bounds its jobs by control groups (Slurm, containers), a shell by `ulimit`. The machine's memory alone
would promise more than they leave.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def memory_limit() -> int:
    """The smallest of all limits, in bytes."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(machine, *_of_process(), *_of_groups(Path("/proc/self/cgroup"), GROUPS))


def available_memory(table: Path = Path("/proc/meminfo")) -> int:
    """Bytes that a process may still take: what Linux can hand out without swapping, within all limits."""
    limit = memory_limit()
    lines = dict(line.split(":", 1) for line in table.read_text().splitlines()) if table.is_file() else {}
    return min(limit, 1024 * int(lines["MemAvailable"].split()[0])) if "MemAvailable" in lines else limit // 2


def _of_process() -> Iterator[int]:
    """The limits of address space and of data, where they are set."""
    softs = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    yield from (soft for soft in softs if soft != resource.RLIM_INFINITY)


def _of_groups(membership: Path, groups: Path) -> Iterator[int]:
    """The limits of the control group that the process is in, and of those around it; of version 1 or 2."""
    lines = membership.read_text().splitlines() if membership.is_file() else []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers in ("", "memory"):
            name = "memory.limit_in_bytes" if controllers else "memory.max"
            root = groups / controllers
            for folder in (root / path.lstrip("/"), *(root / path.lstrip("/")).parents):
                if folder.is_relative_to(root) and (folder / name).is_file():
                    yield from _number(folder / name)


def _number(file: Path) -> Iterator[int]:
    """The number in a file; none where it says `max`."""
    text = file.read_text().strip()
    if text.isdigit():
        yield int(text)

"""The memory of a process is the smallest of the machine's and all limits around the process."""

import subprocess
import sys

import pytest

from foundation import memory
from tests.conftest import ROOT

PROGRAM = """
import resource, sys
resource.setrlimit(getattr(resource, sys.argv[1]), (3 * 10**9, resource.RLIM_INFINITY))
from foundation.memory import memory_limit; print(memory_limit())
"""


@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_limit_of_the_process_holds(kind):
    ended = subprocess.run([sys.executable, "-c", PROGRAM, kind], capture_output=True, text=True, cwd=ROOT, check=True)
    assert int(ended.stdout) <= 3 * 10**9


GROUPS = {  # line of /proc/self/cgroup, files of limits, smallest limit
    "version 2, set by a parent": ("0::/a/b", {"a/memory.max": "500", "a/b/memory.max": "max"}, [500]),
    "version 1": ("7:memory:/a", {"memory/a/memory.limit_in_bytes": "700", "a/memory.max": "1"}, [700]),
    "a container's own view": ("0::/elsewhere", {"memory.max": "900"}, [900]),
    "no limit": ("0::/a", {"a/memory.max": "max"}, []),
    "another controller": ("3:cpu,cpuacct:/a", {"cpu,cpuacct/a/memory.max": "5"}, []),
}


@pytest.mark.parametrize("case", GROUPS)
def test_limits_of_control_groups_are_those_of_the_group_and_its_parents(case, tmp_path):
    line, files, expected = GROUPS[case]
    (tmp_path / "membership").write_text(f"{line}\n")
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(f"{text}\n")
    assert list(memory._of_groups(tmp_path / "membership", tmp_path / "groups")) == expected


def test_no_list_of_groups_is_no_limit(tmp_path):
    assert list(memory._of_groups(tmp_path / "absent", tmp_path)) == []


@pytest.mark.parametrize(
    ("table", "limit", "available"),
    [("MemAvailable:  5 kB\n", 9000, 5120), ("MemAvailable:  5 kB\n", 3000, 3000), ("MemFree:  5 kB\n", 9000, 4500)],
)
def test_what_is_available_keeps_within_the_limits(table, limit, available, tmp_path, monkeypatch):
    """Memory that the machine has to spare does not help a job that may not take it."""
    (tmp_path / "meminfo").write_text("MemTotal:  8 kB\n" + table)
    monkeypatch.setattr(memory, "memory_limit", lambda: limit)
    assert memory.available_memory(tmp_path / "meminfo") == available

"""The runner of CUDA graphs with a stand-in for torch.cuda: so many calls are so many steps, and failures are said."""

from contextlib import contextmanager

import pytest
import torch

from auxvae.training import replay
from foundation.faults import Refused

CUDA = torch.device("cuda")


class Stream:
    def wait_stream(self, other):
        pass


class Graph:
    """Holds what the step did while it was recorded."""

    recorded = None

    def replay(self):
        self.recorded()


@pytest.fixture
def counted(monkeypatch):
    """A step that counts, with a recording that does not carry it out."""
    steps, recording = [], []

    @contextmanager
    def graph(into, stream):
        recording.append(into)
        yield
        recording.pop()
        into.recorded = lambda: steps.append("graph")

    def step():
        if not recording:
            steps.append("python")

    stands_in = {"Stream": Stream, "CUDAGraph": Graph, "graph": graph, "current_stream": Stream}
    for name, value in (stands_in | {"stream": lambda stream: contextmanager(lambda: (yield))()}).items():
        monkeypatch.setattr(torch.cuda, name, value)
    return step, steps


def test_so_many_calls_are_so_many_steps(counted):
    step, steps = counted
    run = replay.repeated(step, CUDA)
    for _ in range(10):
        run()
    assert steps == ["python"] * replay.WARM_UP + ["graph"] * (10 - replay.WARM_UP)


def test_graphs_can_be_turned_off_and_a_cpu_has_none(counted, monkeypatch):
    step, _ = counted
    assert replay.repeated(step, torch.device("cpu")) is step
    monkeypatch.setenv("AUXVAE_GRAPH", "0")
    assert replay.repeated(step, CUDA) is step
    monkeypatch.setenv("AUXVAE_GRAPH", "no")
    with pytest.raises(Refused, match="AUXVAE_GRAPH: found 'no', but it must be 0 or 1"):
        replay.repeated(step, CUDA)


@pytest.mark.parametrize(
    "error, raised",
    [
        (RuntimeError("operation not permitted when stream is capturing\nmore"), Refused),
        (torch.OutOfMemoryError("out of memory"), torch.OutOfMemoryError),
    ],
)
def test_a_step_that_cannot_be_recorded_is_refused(error, raised, counted):
    """No step falls back to Python in silence; a lack of memory stays one, so that the stack is halved."""
    calls = []

    def step():
        calls.append(1)
        if len(calls) > replay.WARM_UP:
            raise error

    run = replay.repeated(step, CUDA)
    with pytest.raises(raised, match=r"not permitted when stream is capturing\).*AUXVAE_GRAPH=0|out of memory"):
        for _ in range(10):
            run()
    assert len(calls) == replay.WARM_UP + 1

"""How a static step (training.static_step) is carried out again and again: by Python, or as a recorded CUDA graph.

A small network's step is some hundreds of kernels of a few microseconds, each launched by Python in ten or more. A CUDA
graph launches all of them at once. The first steps are carried out by Python on a side stream, as libraries choose
their algorithms in them; the next is recorded, which computes nothing, and from then on replayed.

A step that cannot be recorded is refused: nothing falls back to Python in silence. AUXVAE_GRAPH=0 in the environment
trains without graphs.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from foundation.faults import Fault, Refused, Words

Step = Callable[[], None]
WARM_UP = 3  # steps before the recording


def repeated(step: Step, device: torch.device) -> Step:
    """The step as it is repeated on a device."""
    wanted = os.environ.get("AUXVAE_GRAPH", "1")
    if wanted not in ("0", "1"):
        raise Refused(Fault("AUXVAE_GRAPH", wanted, "it must be 0 or 1", "write 0 to train without CUDA graphs"))
    return GraphReplay(step) if device.type == "cuda" and wanted == "1" else step


class GraphReplay:
    """A step that is recorded as one CUDA graph when it has been carried out WARM_UP times."""

    def __init__(self, step: Step) -> None:
        """Record later."""
        self.step, self.done = step, 0
        self.stream, self.graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()

    def __call__(self) -> None:
        """The next step."""
        if self.done < WARM_UP:
            self._by_python()
        else:
            if self.done == WARM_UP:
                self._record()
            self.graph.replay()
        self.done += 1

    def _by_python(self) -> None:
        """On the stream that is recorded later; what was queued before it comes first, what follows waits for it."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self.step()
        torch.cuda.current_stream().wait_stream(self.stream)

    def _record(self) -> None:
        try:
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.step()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            value = Words(f"a step that cannot be recorded ({str(error).splitlines()[0]})")
            remedy = "set AUXVAE_GRAPH=0 to train without graphs, and report it"
            raise Refused(Fault("CUDA graph", value, "a stack's step is one graph", remedy)) from error

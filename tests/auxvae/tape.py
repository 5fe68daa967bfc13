"""A list of torch operations, recorded once and repeated on the same tensors: on a CPU, what a CUDA graph is on a GPU.

Like a graph, the repetition runs no Python of the step: what the step read from Python or the host while it was
recorded stays as it was. Unlike a graph, the recording computes.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# What no graph can hold: values that come to the host, shapes that depend on values, tensors made of Python numbers,
# random numbers from a generator.
FORBIDDEN = {
    *("_local_scalar_dense", "is_nonzero", "equal", "item", "lift_fresh", "nonzero", "masked_select", "_unique2"),
    *("unique_dim", "unique_consecutive", "normal_", "uniform_", "bernoulli", "rand", "randn", "randperm", "randint"),
    *("multinomial", "native_dropout"),
}
MASKED = {"index", "index_put_", "index_put"}  # with a mask, a shape depends on values


class Tape(TorchDispatchMode):
    """Records every operation that is carried out under it."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name, kwargs = func._schema.name.removeprefix("aten::"), kwargs or {}
        assert name not in FORBIDDEN, f"{name} cannot be part of a graph"
        if name in MASKED:
            masks = [t for t in tree_leaves(args[1]) if t is not None and t.dtype == torch.bool]
            assert not masks, "a mask cannot be part of a graph"
        outputs = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, outputs))
        return outputs

    def replay(self):
        """Carry out every operation again, and write its outputs to where they were."""
        with torch.no_grad():
            for func, args, kwargs, outputs in self.operations:
                again = func(*args, **kwargs)
                for place, value in zip(tree_leaves(outputs), tree_leaves(again), strict=True):
                    if isinstance(place, torch.Tensor) and place.data_ptr() != value.data_ptr():
                        place.copy_(value)


class TapeReplay:
    """A runner in place of training.replay.GraphReplay: some steps by Python, one recorded, the others repeated."""

    repeated = 0  # steps of all runners that were not carried out by Python

    def __init__(self, step, device=None, warm_up=2):
        self.step, self.tape, self.warm_up, self.done = step, Tape(), warm_up, 0

    def __call__(self):
        if self.done < self.warm_up:
            self.step()
        elif self.done == self.warm_up:
            with self.tape:
                self.step()
        else:
            self.tape.replay()
            TapeReplay.repeated += 1
        self.done += 1

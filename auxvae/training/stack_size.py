"""How many runs fit into the memory of a device.

    bytes of a run = 16 P + 2 A + D + T    P parameters (weight, gradient and two moments of 4 bytes each)
                                           A bytes that one batch keeps for the backward pass, D its random numbers of
                                           an epoch; 2 A stands for the gradients that pass through, too
                                           T where it is augmented, 12 bytes of each pixel of a batch: the image, and
                                           where the pixel comes from

A is counted in one forward pass of the first run. It is an estimate: where it is too low, the device says so with an
out-of-memory error, and the stack is halved (training.stack).
"""

from __future__ import annotations

import gc

import torch
from torch import Tensor

from auxvae.data.loader import held
from auxvae.models.model import draws_at
from auxvae.training.loop import Trainer


def most_runs(trainer: Trainer, memory: float) -> int:
    """How many runs like this one fit into so many bytes, at least one."""
    return max(1, int(memory // run_bytes(trainer)))


def run_bytes(trainer: Trainer) -> int:
    """Estimated bytes that one run takes in a stack."""
    loader = held(trainer.loader)
    draws = trainer.draws("latents", 0, 1, loader.size)
    parameters = sum(each.numel() for each in trainer.model.network.parameters())
    columns = 2 * len(loader.data.images) * trainer.run.network.latents * 4
    turned = 12 * loader.data.take(slice(loader.size)).images.numel() if loader.augmentation else 0
    of_epoch: int = loader.steps * sum(each.numel() * each.element_size() for each in draws)
    return 16 * parameters + 2 * _kept_for_backward(trainer, draws_at(draws, 0)) + of_epoch + columns + turned


def _kept_for_backward(trainer: Trainer, draws: object) -> int:
    """Bytes that a forward pass of one batch keeps for the backward pass, the parameters left out."""
    storages: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    rows = torch.arange(trainer.loader.size, device=trainer.device)
    batch, done = held(trainer.loader).data.take(rows), torch.ones((), device=trainer.device)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = trainer.model.loss(batch, draws, done)
        total = sum(loss.terms.values())
    del total
    return sum(storages.values())


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that the memory of the device does not suffice; a CPU's allocator says so in words."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def release(device: torch.device) -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()

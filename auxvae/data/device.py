"""The device that a run is trained and measured on."""

from __future__ import annotations

import torch

from foundation.faults import Fault, Refused
from foundation.memory import available_memory

USED = 0.8  # share of a device's free memory that is planned with


def choose_device(name: str) -> torch.device:
    """The device by name; `auto` is a CUDA GPU where there is one, else the CPU. A GPU that is not there is refused."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise Refused(Fault("device", name, "torch sees no CUDA GPU on this machine", "write cpu or auto"))
    return torch.device(name)


def free_memory(device: torch.device) -> float:
    """Bytes that may be planned with on a device."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()
    return USED * free


def set_precision(device: torch.device, name: str) -> None:
    """Products of float32 matrices on a GPU in TF32 or in full; torch's own default has TF32 for convolutions."""
    if device.type == "cuda":
        kind = "tf32" if name == "tf32" else "ieee"
        torch.backends.cuda.matmul.fp32_precision = kind
        torch.backends.cudnn.conv.fp32_precision = kind  # type: ignore[attr-defined]

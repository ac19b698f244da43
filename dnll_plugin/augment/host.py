"""Small tensors from the host, without waiting for the device."""

from functools import cache

import torch
from torch import Tensor


def to_device_async(tensor: Tensor, device: torch.device) -> Tensor:
    """Copies a tensor of the host to a device; to a GPU while both go on working."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@cache
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """One value a channel, (C, 1, 1), copied to the device once."""
    return torch.tensor(values, dtype=dtype, device=device).view(-1, 1, 1)

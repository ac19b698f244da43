"""The device of a run: CUDA, MPS or the CPU."""

import torch

from dnll_plugin.errors import InputError
from dnll_plugin.toolbox.patches import redirection


def select_device(name: str) -> torch.device:
    """Finds the device of a run.

    Args:
        name: ``auto`` (the first of CUDA, MPS and the CPU that is there), ``cpu``, ``cuda`` or
            ``mps``.

    Raises:
        InputError: If the named device is not there.
    """
    there = redirection.available()
    if name == "auto":
        name = next(device for device, available in there.items() if available)
    if not there.get(name, False):
        raise InputError(f"device: {name} is not available on this machine; use device=auto")
    return torch.device(name, torch.cuda.current_device()) if name == "cuda" else torch.device(name)


def use_device(device: torch.device) -> None:
    """Makes the toolbox run on ``device`` in this process, until another one is chosen."""
    if device.type == "cuda":
        redirection.restore()
        torch.cuda.set_device(device)
    else:
        redirection.redirect(device)

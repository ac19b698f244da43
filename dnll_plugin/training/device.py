"""The device of a run: CUDA, MPS or the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


class LossScaler(torch.amp.GradScaler):
    """The scaler of a loss in float16, which also goes on from where there was none."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict:
            super().load_state_dict(state_dict)


@contextmanager
def use_device(device: torch.device) -> Iterator[None]:
    """Makes the toolbox run on ``device`` inside the ``with`` block."""
    with torch.cuda.device(device) if device.type == "cuda" else redirection.redirect(device):
        yield

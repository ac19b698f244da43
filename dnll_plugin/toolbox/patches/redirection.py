"""Sends what the toolbox sends to CUDA to another device.

The toolbox assumes CUDA in some eighty places. Where the run's device is another one, calls of
``.cuda()`` go to that device and CUDA's events and synchronisation become those of the host.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

_redirected_to: torch.device | None = None


def current() -> torch.device:
    """The device that the toolbox's ``.cuda()`` leads to in this process."""
    return _redirected_to or torch.device("cuda")


def available() -> dict[str, bool]:
    """Whether each type of device is there, the first choice first."""
    return {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }


def autocast(device: torch.device, enabled: bool) -> Callable[[], AbstractContextManager[Any]]:
    """The context of mixed precision: float16 on CUDA and MPS, bfloat16 on the CPU."""
    if not enabled:
        return nullcontext
    dtype = torch.bfloat16 if device.type == "cpu" else torch.float16
    return partial(torch.autocast, device.type, dtype=dtype)


class HostEvent:
    """Stands in for :class:`torch.cuda.Event` where there is no CUDA: host time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.at = 0.0

    def record(self, stream: Any = None) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, end: "HostEvent") -> float:
        """Milliseconds from this event to ``end``."""
        return (end.at - self.at) * 1000.0


def _to_run_device(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return self.to(current())


def _module_to_run_device(self: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
    return self.to(current())


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


_REPLACED: list[tuple[Any, str, Any]] = [
    (Tensor, "cuda", _to_run_device),
    (nn.Module, "cuda", _module_to_run_device),
    (torch.cuda, "Event", HostEvent),
    (torch.cuda, "synchronize", _nothing),
    (torch.cuda, "set_device", _nothing),
]
_originals: dict[tuple[Any, str], Any] = {}


def redirect(device: torch.device) -> None:
    """Sends the toolbox's CUDA calls to ``device``, until :func:`restore`."""
    global _redirected_to
    _redirected_to = device
    for owner, name, replacement in _REPLACED:
        _originals.setdefault((owner, name), getattr(owner, name))
        setattr(owner, name, replacement)


def restore() -> None:
    """Lets the toolbox's CUDA calls reach CUDA again."""
    global _redirected_to
    _redirected_to = None
    for (owner, name), original in _originals.items():
        setattr(owner, name, original)
    _originals.clear()

"""Sends what the toolbox sends to CUDA to another device.

The toolbox assumes CUDA in some eighty places. Where the run's device is another one, calls of
``.cuda()`` go to that device and CUDA's events and synchronisation become those of the host, as
long as the toolbox is at work: torch is as it was before and after.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial, wraps
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")

_redirected_to: torch.device | None = None


def current() -> torch.device:
    """The device that the toolbox's ``.cuda()`` leads to at this moment."""
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

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.at = 0.0

    def record(self, stream: Any = None) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, end: "HostEvent") -> float:
        """Milliseconds from this event to ``end``."""
        return (end.at - self.at) * 1000.0


def _to_run_device(self: Tensor, *args: object, **kwargs: object) -> Tensor:
    return self.to(current())


def _module_to_run_device(self: nn.Module, *args: object, **kwargs: object) -> nn.Module:
    return self.to(current())


def _nothing(*args: object, **kwargs: object) -> None:
    return None


_REPLACED: list[tuple[Any, str, Any]] = [
    (Tensor, "cuda", _to_run_device),
    (nn.Module, "cuda", _module_to_run_device),
    (torch.cuda, "Event", HostEvent),
    (torch.cuda, "synchronize", _nothing),
    (torch.cuda, "set_device", _nothing),
]
_INHERITED = object()
"""Stands for an attribute that its owner does not have itself."""


@contextmanager
def redirect(device: torch.device) -> Iterator[None]:
    """Sends the toolbox's CUDA calls to ``device`` inside the ``with`` block; blocks may nest."""
    global _redirected_to
    outer = _redirected_to
    originals = [vars(owner).get(name, _INHERITED) for owner, name, _ in _REPLACED]
    _redirected_to = device
    for owner, name, replacement in _REPLACED:
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        _redirected_to = outer
        for (owner, name, _), original in zip(_REPLACED, originals, strict=True):
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def redirect_within(function: Callable[..., T], device: torch.device) -> Callable[..., T]:
    """A function that works with its CUDA calls sent to ``device``.

    Where they are sent somewhere already, as in a run of ``dnll train``, that stays so.
    """

    @wraps(function)
    def redirected(*args: object, **kwargs: object) -> T:
        if _redirected_to is not None:
            return function(*args, **kwargs)
        with redirect(device):
            return function(*args, **kwargs)

    return redirected

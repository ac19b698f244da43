"""Counts of what a step asks of a CUDA device: kernels launched, and waits of the host for it."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch

LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch")
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


def device_calls(run: Callable[[], Any], device: torch.device) -> dict[str, int]:
    """Counts the calls of a function on a CUDA device; nothing on another one.

    Returns:
        ``kernel_launches`` and ``synchronisations``; those of the profiler itself are not counted.
    """
    if device.type != "cuda":
        return {}
    of_profiler, of_run = profiled(lambda: None), profiled(run)
    return {name: of_run[name] - of_profiler[name] for name in of_run}


def profiled(run: Callable[[], Any]) -> dict[str, int]:
    """The counts of a function, with those of the profiler."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        run()
    return count_events((event.key, event.count) for event in profile.key_averages())


def count_events(events: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Adds up the calls of the CUDA runtime, by their names."""
    calls: Counter[str] = Counter()
    for name, number in events:
        calls["kernel_launches"] += number * name.startswith(LAUNCHES)
        calls["synchronisations"] += number * name.startswith(WAITS)
    return {name: calls[name] for name in ("kernel_launches", "synchronisations")}

"""Counts of what a step asks of a CUDA device: kernels launched, and waits of the host for it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch

COUNTED = {
    "kernel_launches": re.compile(
        r"_*cu(da)?(Launch(Cooperative)?Kernel|GraphLaunch)(Ex|ExC)?(_.*)?"
    ),
    "synchronisations": re.compile(r"_*cu(da)?(Stream|Device|Ctx|Event)Synchronize(_.*)?"),
}
"""What is counted, and the calls of CUDA's runtime and driver that do it: CUDA 12 and 13 name them
differently, with and without underscores, a version or the kind of default stream."""

Calls = dict[str, int | None]
"""A number for each of ``COUNTED``, None where it was not counted."""


def device_calls(run: Callable[[], Any], device: torch.device) -> Calls:
    """Counts the calls of a function on a CUDA device; nothing on another one.

    Args:
        run: Launches at least one kernel.
        device: Where it works.

    Returns:
        ``kernel_launches`` and ``synchronisations``; those of the profiler itself are not counted.
        None for each where the profiler cannot start or recorded no launch.
    """
    if device.type != "cuda":
        return {}
    of_profiler, of_run = profiled(lambda: None), profiled(run)
    if not of_run["kernel_launches"]:
        return dict.fromkeys(COUNTED)
    return {name: of_run[name] - of_profiler[name] for name in COUNTED}


def profiled(run: Callable[[], Any]) -> dict[str, int]:
    """The counts of a function, with those of the profiler; 0 where it cannot look at the GPU."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        run()
    return count_events((event.key, event.count) for event in profile.key_averages())


def count_events(events: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Adds up the calls of the CUDA runtime, by their names."""
    calls: Counter[str] = Counter()
    for event, number in events:
        for name, pattern in COUNTED.items():
            calls[name] += number * bool(pattern.fullmatch(event))
    return {name: calls[name] for name in COUNTED}

"""Calls of the CUDA runtime are counted by their names."""

import pytest
import torch

from dnll_plugin.benchmark import counting
from dnll_plugin.benchmark.counting import count_events, device_calls

NOTHING = {"kernel_launches": 0, "synchronisations": 0}


def test_launches_and_waits_are_told_apart() -> None:
    events = [
        ("cudaLaunchKernel", 7),
        ("cudaLaunchKernelExC", 2),
        ("cudaStreamSynchronize", 3),
        ("cudaMemcpyAsync", 5),
        ("aten::add", 9),
    ]
    assert count_events(events) == {"kernel_launches": 9, "synchronisations": 3}
    assert count_events([]) == {"kernel_launches": 0, "synchronisations": 0}


def test_without_cuda_there_is_nothing_to_count() -> None:
    assert device_calls(lambda: None, torch.device("cpu")) == {}


@pytest.mark.parametrize(
    "name",
    [
        *("cudaLaunchKernel", "cudaLaunchKernelExC", "cudaLaunchKernel_ptsz", "cuLaunchKernel"),
        *("cuLaunchKernelEx", "cudaLaunchCooperativeKernel", "cuLaunchCooperativeKernel"),
        *("cudaLaunchKernel_v13000", "cudaLaunchKernelExC_v11060", "__cudaLaunchKernel"),
        *("cudaGraphLaunch", "cudaGraphLaunch_v10000", "cuGraphLaunch"),
    ],
)
def test_launches_under_every_name(name: str) -> None:
    """The names of CUPTI's header in CUDA 12 and 13, and those of the driver."""
    assert count_events([(name, 2)]) == NOTHING | {"kernel_launches": 2}


@pytest.mark.parametrize("name", ["cudaLaunchHostFunc", "my_cudaLaunchKernel", "cudaMemcpyAsync"])
def test_other_calls_are_no_launches(name: str) -> None:
    assert count_events([(name, 2)]) == NOTHING


def test_where_nothing_was_recorded_nothing_was_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The profiler only warns where CUPTI cannot start: its record has no call of CUDA."""
    monkeypatch.setattr(counting, "profiled", lambda run: dict(NOTHING))
    of_step = device_calls(lambda: None, torch.device("cuda"))
    assert of_step == {"kernel_launches": None, "synchronisations": None}


def test_calls_of_the_profiler_itself_are_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [
        {"kernel_launches": 0, "synchronisations": 2},
        {"kernel_launches": 40, "synchronisations": 3},
    ]
    monkeypatch.setattr(counting, "profiled", lambda run: records.pop(0))
    of_step = device_calls(lambda: None, torch.device("cuda"))
    assert of_step == {"kernel_launches": 40, "synchronisations": 1}

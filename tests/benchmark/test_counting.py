"""Calls of the CUDA runtime are counted by their names."""

import torch

from dnll_plugin.benchmark.counting import count_events, device_calls


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

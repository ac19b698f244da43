"""Nothing in a step waits for the device: CUDA's debug mode makes a wait an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from dnll_plugin.training.device import use_device

pytestmark = pytest.mark.gpu


@contextmanager
def waits_are_errors(device: torch.device) -> Iterator[None]:
    if device.type != "cuda":
        pytest.skip("only CUDA has a debug mode")
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("amp", ["false", "true"])
@pytest.mark.parametrize("algorithm", ["dnll_dual", "dnll_meanteacher"])
def test_no_step_waits(
    device: torch.device, build: Any, batches: Any, algorithm: str, amp: str
) -> None:
    changes = (f"algorithm={algorithm}", "net=wrn_28_2", "data_on=device", f"amp={amp}")
    built = build(device, *changes)
    found = batches(built)
    with use_device(device):
        for step in range(4):
            built.it = step
            if step < 2:  # the first steps choose algorithms and make the optimizer's state
                take_step(built, next(found))
                continue
            with waits_are_errors(device):
                take_step(built, next(found))


def take_step(algorithm: Any, batch: dict[str, torch.Tensor]) -> None:
    """A step without the optimizer, as float16's scaler waits by design."""
    out, _ = algorithm.train_step(**algorithm.process_batch(**batch))
    out["loss"].backward()
    algorithm.model.zero_grad()

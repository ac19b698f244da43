"""The toolbox where there is CUDA: batches go to the device while the host works on."""

import inspect
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dnll_plugin.toolbox.patches.change import replace_method
from dnll_plugin.toolbox.patches.no_cuda import there_is_no_cuda

if TYPE_CHECKING:
    from torch import Tensor


def _base() -> Any:
    return import_module("semilearn.core").AlgorithmBase


def batches_are_waited_for() -> bool:
    """Whether there is CUDA, and each tensor of a batch is copied while the host waits."""
    if there_is_no_cuda():
        return False
    return "non_blocking" not in inspect.getsource(_base().process_batch)


def send_batches_without_waiting() -> None:
    """Makes ``process_batch`` copy from page-locked memory without waiting; from other it waits."""

    def send(value: Any, gpu: int | None) -> Any:
        if isinstance(value, dict):
            return {name: send(part, gpu) for name, part in value.items()}
        return value.cuda(gpu, non_blocking=True)

    def process_batch(
        self: Any, input_args: Iterable[str] | None = None, **batch: "Tensor | None"
    ) -> dict[str, Any]:
        wanted = input_args or inspect.signature(self.train_step).parameters
        return {
            name: send(value, self.gpu)
            for name, value in batch.items()
            if name in wanted and value is not None
        }

    replace_method(_base(), "process_batch", lambda original: process_batch)

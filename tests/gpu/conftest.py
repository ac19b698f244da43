"""What the tests on a GPU share. They are skipped where there is none.

With ``DNLL_GPU_TESTS_ON=cpu`` they run on the CPU, which shows that the tests work, no more.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dnll_plugin.settings import resolve as settings

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
SMALL = ("img_size=16", "batch_size=10", "uratio=2", "num_train_iter=40", "epoch=2")
WHERE = os.environ.get("DNLL_GPU_TESTS_ON", "cuda")


class Quiet:
    def info(self, message: object) -> None:
        pass


@pytest.fixture
def device() -> torch.device:
    if WHERE == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA here")
    return torch.device(WHERE, 0)


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Any]:
    """Builds an algorithm on a device, with changed settings ``key=value``."""
    from dnll_plugin.training.build import build_algorithm

    def build(device: torch.device, *changes: str) -> Any:
        args = settings.resolve(DIGITS, [*SMALL, *changes]).namespace()
        algorithm = build_algorithm(args, device, tmp_path, Quiet())
        algorithm.call_hook("before_run", "EMAHook")
        algorithm.epoch = 0
        algorithm.call_hook("before_train_epoch", "LoaderPositionHook")
        return algorithm

    return build


@pytest.fixture
def batches() -> Callable[[Any], Any]:
    """The batches of an algorithm's epoch, labeled and unlabeled together, as loaders give them."""

    def batches(algorithm: Any) -> Any:
        loaders = (algorithm.loader_dict[f"train_{kind}"] for kind in ("lb", "ulb"))
        return ({**labeled, **unlabeled} for labeled, unlabeled in zip(*loaders, strict=False))

    return batches

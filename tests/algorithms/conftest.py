"""Algorithms on the digits, built as for a run, and their steps without a run around them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dnll_plugin.settings import resolve as settings

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
SMALL = ("img_size=8", "batch_size=10", "uratio=2", "num_train_iter=40", "epoch=20", "net=cnn3")


class Quiet:
    def info(self, message: object) -> None:
        pass


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Any]:
    """Builds an algorithm by name, with changed settings ``key=value``, ready for its steps."""
    from dnll_plugin.training.build import build_algorithm

    def build(name: str, *changes: str) -> Any:
        args = settings.resolve(DIGITS, [*SMALL, *changes, f"algorithm={name}"]).namespace()
        algorithm = build_algorithm(args, torch.device("cpu"), tmp_path, Quiet())
        algorithm.call_hook("before_run", "EMAHook")
        if name.endswith("dash"):
            algorithm.rho_init = 3.0  # the loss on the labeled images, which its warm-up measures
        return algorithm

    return build


@pytest.fixture
def steps() -> Callable[[Any, int], list[dict[str, Any]]]:
    """Trains an algorithm for some steps, without evaluation; gives what each step logs."""
    return take_steps


def take_steps(algorithm: Any, number: int) -> list[dict[str, Any]]:
    logs = []
    for algorithm.it in range(number):
        algorithm.epoch = algorithm.it // algorithm.num_iter_per_epoch
        if algorithm.it % algorithm.num_iter_per_epoch == 0:
            algorithm.call_hook("before_train_epoch", "LoaderPositionHook")
            batches = zip(
                *(algorithm.loader_dict[f"train_{k}"] for k in ("lb", "ulb")), strict=False
            )
        labeled, unlabeled = next(batches)
        batch = algorithm.process_batch(**labeled, **unlabeled)
        algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**batch)
        algorithm.call_hook("after_train_step", "ParamUpdateHook")
        algorithm.call_hook("after_train_step", "EMAHook")
        logs.append(algorithm.log_dict)
    return logs

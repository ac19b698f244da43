"""The hook that records a run: ``metrics.jsonl`` and TensorBoard."""

import json
import math
from pathlib import Path
from typing import Any

from semilearn.core.hooks import Hook
from torch.utils.tensorboard import SummaryWriter

from dnll_plugin.hooks.monitor import is_log_step
from dnll_plugin.runs.records import Record, truncate


class MetricsHook(Hook):
    """Writes one line to ``metrics.jsonl`` at each step that is logged, and the same scalars to
    TensorBoard.

    It runs after evaluation and before the checkpoint, so that a checkpoint never lacks its line.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "metrics.jsonl"
        self.tensorboard = folder / "tensorboard"
        self.last: Record = {}
        self.writer: Any = None

    def before_run(self, algorithm: Any) -> None:
        truncate(self.path, algorithm.it)
        self.writer = SummaryWriter(str(self.tensorboard), purge_step=algorithm.it + 1)

    def after_train_step(self, algorithm: Any) -> None:
        if not is_log_step(algorithm):
            return
        self.last = {
            "step": algorithm.it + 1,
            "epoch": algorithm.epoch,
            "lr": algorithm.optimizer.param_groups[-1]["lr"],
            **{name: number(value) for name, value in algorithm.log_dict.items()},
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(self.last) + "\n")
        for name, value in self.last.items():
            if value is not None:
                self.writer.add_scalar(name, value, algorithm.it + 1)

    def after_run(self, algorithm: Any) -> None:
        self.writer.close()


def number(value: Any) -> float | int | None:
    """A scalar as a plain number; None for one that is not finite, which JSON does not know."""
    value = value.item() if hasattr(value, "item") else value
    return value if math.isfinite(value) else None

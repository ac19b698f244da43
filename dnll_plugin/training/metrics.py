"""The hook that records a run: ``metrics.jsonl`` and TensorBoard."""

import json
import logging
import math
from pathlib import Path
from typing import Any

from semilearn.core.hooks import Hook
from torch.utils.tensorboard import SummaryWriter

from dnll_plugin.errors import FileNotWrittenError
from dnll_plugin.files import append_text
from dnll_plugin.hooks.monitor import is_log_step
from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.runs.per_class import PREFIX
from dnll_plugin.runs.records import Record, read, truncate


class MetricsHook(Hook):
    """Writes one line to ``metrics.jsonl`` at each step that is logged, and the same scalars to
    TensorBoard.

    It runs after evaluation and before the checkpoint, so that a checkpoint never lacks its line.
    Lines that cannot be written are kept, and written with the next one; scalars that cannot be
    are lost. Either is said once, and the training goes on.

    Args:
        folder: The run folder.
        logger: Where to say it.
    """

    def __init__(self, folder: Path, logger: logging.Logger) -> None:
        super().__init__()
        self.path = RunFolder(folder).metrics
        self.tensorboard = folder / "tensorboard"
        self.logger = logger
        self.last: Record = {}
        self.unwritten = ""
        self.has_failed = False
        self.writer: Any = None

    def before_run(self, algorithm: ToolboxAlgorithm) -> None:
        damaged = truncate(self.path, algorithm.it)
        if damaged:
            self.logger.info(
                f"{self.path}: {damaged} damaged lines were cut off; the training is not concerned"
            )
        try:
            self.writer = SummaryWriter(str(self.tensorboard), purge_step=algorithm.it + 1)
        except OSError as error:
            self.give_up_tensorboard(error)

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        if not is_log_step(algorithm):
            return
        self.write(
            {
                "step": algorithm.it + 1,
                "epoch": algorithm.epoch,
                "lr": algorithm.optimizer.param_groups[-1]["lr"],
                **{name: number(value) for name, value in algorithm.log_dict.items()},
            }
        )

    def write(self, record: Record) -> None:
        """Writes a record, or keeps it where it cannot be written."""
        self.last = record
        self.unwritten += json.dumps(self.last) + "\n"
        try:
            self.flush()
        except FileNotWrittenError as error:
            if not self.has_failed:
                self.has_failed = True
                self.logger.info(f"{error}; the training goes on, and the lines are kept")
        self.add_scalars()

    def flush(self) -> None:
        """Writes the lines that are not written yet.

        Raises:
            FileNotWrittenError: If they cannot be.
        """
        append_text(self.path, self.unwritten)
        self.unwritten = ""

    def add_scalars(self) -> None:
        """Gives the last record to TensorBoard."""
        if self.writer is None:
            return
        try:
            for name, value in self.last.items():
                if value is not None and not name.startswith(PREFIX):
                    self.writer.add_scalar(name, value, self.last["step"])
        except OSError as error:  # of the thread that writes, at the call after the one that failed
            self.give_up_tensorboard(error)

    def give_up_tensorboard(self, error: OSError) -> None:
        """Writes no more scalars, and says so."""
        self.writer = None
        reason = error.strerror or error
        self.logger.info(f"{self.tensorboard}: could not be written ({reason}); the run goes on")

    def after_run(self, algorithm: ToolboxAlgorithm) -> None:
        last = self.last or next(reversed(read(self.path)), {})
        if last.get("step") != algorithm.it or last.get("eval/top-1-acc") is None:
            # a run that goes on from its last step, whose record was damaged
            evaluated = algorithm.evaluate("eval")
            self.write({"step": algorithm.it} | {n: number(v) for n, v in evaluated.items()})
        if self.writer is not None:
            try:
                self.writer.close()
            except OSError as error:
                self.give_up_tensorboard(error)


def number(value: Any) -> float | int | None:
    """A scalar as a plain number; None for one that is not finite, which JSON does not know."""
    value = value.item() if hasattr(value, "item") else value
    return value if math.isfinite(value) else None

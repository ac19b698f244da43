"""The hook that shows a run's progress: a bar on a terminal, plain lines elsewhere."""

import logging
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from semilearn.core.hooks import Hook

from dnll_plugin.hooks.monitor import is_log_step
from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.runs.log import LINE, SHORT
from dnll_plugin.training.metrics import MetricsHook


class ProgressHook(Hook):
    """Shows rate, time left, losses and the current error.

    Args:
        console: Where to draw; a bar if it is a terminal, else nothing but the log lines.
        logger: Where each log step writes a line.
    """

    def __init__(self, console: Console, logger: logging.Logger) -> None:
        super().__init__()
        self.console = console
        self.logger = logger
        self.bar: Progress | None = None
        self.error: float | None = None
        self.started_at = 0.0
        self.started_it = 0

    def before_run(self, algorithm: ToolboxAlgorithm) -> None:
        self.started_at, self.started_it = time.monotonic(), algorithm.it
        if not self.console.is_terminal:
            return
        self.bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
            console=self.console,
        )
        self.task = self.bar.add_task(
            algorithm.algorithm,
            total=algorithm.num_train_iter,
            completed=algorithm.it,
            rate="",
            state="",
        )
        self.bar.start()

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=algorithm.it + 1)
        if not is_log_step(algorithm):
            return
        record = algorithm.hooks_dict[MetricsHook.__name__].last
        if "eval/top-1-acc" in record:
            self.error = 100.0 * (1.0 - record["eval/top-1-acc"])
        rate = (algorithm.it + 1 - self.started_it) / (time.monotonic() - self.started_at)
        losses = ", ".join(
            f"{name.removeprefix('train/')} {value:.4f}"
            for name, value in record.items()
            if name.startswith("train/") and value is not None
        )
        state = losses if self.error is None else f"error {self.error:.2f}%, {losses}"
        width = len(str(algorithm.num_train_iter))
        step = f"step {algorithm.it + 1:{width}d}/{algorithm.num_train_iter}"
        line = f"{step}, {rate:.1f} it/s, {state}"
        self.logger.log(
            logging.INFO if self.bar is None else logging.DEBUG,  # beside a bar only in the file
            line,
            extra={SHORT: fit_into_line(line)},
        )
        if self.bar is not None:
            self.bar.update(self.task, rate=f"{rate:.1f} it/s", state=_short(state))

    def stop(self) -> None:
        """Takes the bar off the screen, also when the run was interrupted."""
        if self.bar is not None:
            self.bar.stop()


def fit_into_line(text: str) -> str:
    """As many of a line's parts, which commas separate, as fit into a line of the console."""
    while len(text) > LINE and ", " in text:
        text = text.rpartition(", ")[0]
    return text


def _short(state: str) -> str:
    """As much of the state as fits beside the bar: the error and the first losses."""
    return ", ".join(state.split(", ")[:3])

"""The hook that says at once when a run will take days."""

import logging
import time

from semilearn.core.hooks import Hook

from dnll_plugin.protocols import ToolboxAlgorithm

SKIPPED, MEASURED = 3, 10
"""Steps that are not measured, for the first ones start workers and choose kernels, and steps that
are. Nothing waits for a GPU here: its queue is full after the first steps."""

DAY = 86_400


class DurationHook(Hook):
    """Measures the first steps, and warns if the others will take a day or more.

    Args:
        logger: Where to say it.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self.logger = logger
        self.steps = 0
        self.started_at = 0.0

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        self.steps += 1
        if self.steps == SKIPPED:
            self.started_at = time.monotonic()
        if self.steps == SKIPPED + MEASURED:
            seconds = (time.monotonic() - self.started_at) / MEASURED
            warning = warn_of_days(seconds, algorithm.num_train_iter - algorithm.it - 1)
            if warning is not None:
                self.logger.info(warning)


def warn_of_days(seconds: float, steps: int) -> str | None:
    """What to say about a run; None if it takes less than a day.

    Args:
        seconds: Time of a step.
        steps: Steps that are left.
    """
    days = seconds * steps / DAY
    if days < 1:
        return None
    return (
        f"warning: {seconds:.2g} s a step: the {steps:,} steps left will take about {days:.1f} "
        "days here; see num_train_iter, img_size, net"
    )

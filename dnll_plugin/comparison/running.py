"""Has the runs of a comparison run by a launcher, and tells what becomes of them.

A launcher says where runs run: `local` in processes of this machine, `slurm` as jobs of a cluster.
"""

import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dnll_plugin.comparison.plan import Run
from dnll_plugin.runs.signals import Interruption

SECONDS_BETWEEN_LOOKS = 0.2
"""How often the runs are looked after: costs nothing, and no run waits longer to be started."""

Choose = Callable[[Sequence[Run]], Run]
"""Gives the one of the waiting runs that comes next."""


@dataclass(frozen=True)
class Failure:
    """A run that did not come to its end: how its process ended, and its last lines."""

    run: Run
    reason: str
    last_lines: tuple[str, ...]


class Watcher(Protocol):
    """Is told what happens to the runs; ``look`` is called all the time."""

    def started(self, run: Run) -> None: ...
    def ended(self, run: Run, failure: Failure | None) -> None: ...
    def look(self) -> None: ...


class Launcher(Protocol):
    """Where runs run."""

    def start(self, waiting: list[Run], choose: Choose, watcher: Watcher) -> None:
        """Takes out of ``waiting`` what it can take now, and starts that."""

    def collect(self, watcher: Watcher) -> list[Failure]:
        """Lets go of the runs that have ended; returns those that failed."""

    def is_busy(self) -> bool:
        """Whether it looks after any run."""

    def interrupt(self) -> None:
        """A signal asked this process to end; nothing is started any more."""

    def close(self) -> None:
        """Is called last, also after an error of this process."""


def run_all(
    runs: Iterable[Run],
    launcher: Launcher,
    watcher: Watcher,
    interruption: Interruption,
    choose: Choose = lambda waiting: waiting[0],
) -> list[Failure]:
    """Runs every run; a failed one does not stop the others, after a signal none is started.

    Args:
        runs: those that are not finished.
        launcher: where they run.
        watcher: is told what happens.
        interruption: tells the signal that asked to end.
        choose: gives the one of the waiting runs that comes next.

    Returns:
        The runs that did not finish; also those that a signal ended, but none that never started.
    """
    waiting = list(runs)
    failures: list[Failure] = []
    told = False
    try:
        while waiting or launcher.is_busy():
            if interruption() is not None and not told:
                waiting.clear()
                launcher.interrupt()
                told = True
            launcher.start(waiting, choose, watcher)
            failures += launcher.collect(watcher)
            watcher.look()
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        launcher.close()
    return failures


def locate_log(run: Run, logs: Path) -> Path:
    """The file with what a run printed, over all its sessions."""
    return logs / f"{run.name}.txt"


def describe_failure(run: Run, code: int, log: Path) -> Failure | None:
    """What went wrong with a run whose process ended, None if nothing did."""
    if code == 0 and run.folder.is_finished():
        return None
    if code < 0:
        reason = f"killed by {signal.Signals(-code).name}"
    elif code > 128 and code - 128 in set(signal.Signals):
        reason = f"ended by {signal.Signals(code - 128).name}"
    else:
        reason = f"exit code {code}" + ("" if code else ", but no result")
    return Failure(run, reason, last_lines(log))


def last_lines(log: Path, number: int = 5) -> tuple[str, ...]:
    """The last lines of a file that are not empty."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2**14))
        text = file.read().decode("utf-8", errors="replace")
    return tuple([line.rstrip() for line in text.splitlines() if line.strip()][-number:])

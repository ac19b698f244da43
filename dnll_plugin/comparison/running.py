"""Runs the runs of a comparison, each in a process of its own, a few at a time."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from dnll_plugin.comparison.planning import Run
from dnll_plugin.runs.signals import Interruption

SECONDS_BETWEEN_LOOKS = 0.2
"""How often the runs are looked after: costs nothing, and no run waits longer to be started."""

Command = Callable[[Run], Sequence[str]]


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


@dataclass
class Child:
    """The process of a run."""

    run: Run
    process: subprocess.Popen[bytes]
    output: IO[bytes]


def build_command(run: Run) -> list[str]:
    """The command line of a run."""
    return [sys.executable, "-m", "dnll_plugin", *run.arguments]


def run_all(
    runs: Iterable[Run],
    jobs: int,
    logs: Path,
    watcher: Watcher,
    interruption: Interruption,
    *,
    lock: int | None = None,
    command: Command = build_command,
) -> list[Failure]:
    """Runs every run, ``jobs`` at a time; a failed one does not stop the others.

    After a signal no run is started any more, and those in progress are asked to save and end.

    Args:
        runs: those that are not finished.
        jobs: processes at a time, at least 1.
        logs: folder of a file a run with what it printed.
        watcher: is told what happens.
        interruption: tells the signal that asked to end.
        lock: file descriptor that the children keep open.
        command: gives the command line of a run.

    Returns:
        The runs that did not finish; also those that a signal ended, but none that never started.
    """
    waiting, children = deque(runs), list[Child]()
    environment = build_environment(os.environ, jobs)
    failures = []
    told = False
    logs.mkdir(parents=True, exist_ok=True)
    try:
        while waiting or children:
            if interruption() is not None and not told:
                waiting.clear()
                _tell(children, signal.SIGTERM)
                told = True
            while waiting and len(children) < jobs:
                run = waiting.popleft()
                children.append(_start(run, command(run), logs, environment, lock))
                watcher.started(run)
            for child in [child for child in children if child.process.poll() is not None]:
                children.remove(child)
                child.output.close()
                failure = describe_failure(
                    child.run, child.process.returncode, locate_log(child.run, logs)
                )
                failures += [failure] if failure else []
                watcher.ended(child.run, failure)
            watcher.look()
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        _tell(children, signal.SIGKILL)
    return failures


def build_environment(environment: Mapping[str, str], jobs: int) -> dict[str, str]:
    """The environment of the runs: each gets its share of the cores, unless the user said how many.

    Args:
        environment: that of this process.
        jobs: runs at a time.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return {"OMP_NUM_THREADS": str(max(1, cores // jobs)), **environment}


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


def _start(
    run: Run, command: Sequence[str], logs: Path, environment: Mapping[str, str], lock: int | None
) -> Child:
    output = locate_log(run, logs).open("ab")
    # a session of its own: Ctrl-C reaches only this process, which passes it on once
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
        pass_fds=() if lock is None else (lock,),
    )
    return Child(run, process, output)


def _tell(children: Sequence[Child], number: signal.Signals) -> None:
    for child in children:
        if child.process.poll() is None:
            child.process.send_signal(number)

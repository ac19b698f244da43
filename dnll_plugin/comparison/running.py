"""Runs the runs of a comparison, each in a process of its own, a few at a time."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from dnll_plugin.comparison.plan import Run
from dnll_plugin.errors import InputError
from dnll_plugin.runs.signals import Interruption

SECONDS_BETWEEN_LOOKS = 0.2
"""How often the runs are looked after: costs nothing, and no run waits longer to be started."""

Command = Callable[[Run], Sequence[str]]

VISIBLE = "CUDA_VISIBLE_DEVICES"

PR_SET_PDEATHSIG = 1
"""Of Linux's ``prctl``: the signal that the kernel sends when the parent ends."""

_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


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
    device: str | None


def build_command(run: Run) -> list[str]:
    """The command line of a run."""
    return [sys.executable, "-m", "dnll_plugin", *run.arguments]


@dataclass(frozen=True)
class Launch:
    """How runs are started.

    Attributes:
        jobs: processes at a time, at least 1.
        devices: values of ``CUDA_VISIBLE_DEVICES`` that runs are spread over; none: as it is.
        lock: file descriptor that the children keep open.
        command: gives the command line of a run.
    """

    jobs: int
    devices: tuple[str, ...] = ()
    lock: int | None = None
    command: Command = build_command


def run_all(
    runs: Iterable[Run],
    launch: Launch,
    logs: Path,
    watcher: Watcher,
    interruption: Interruption,
    choose: Callable[[Sequence[Run]], Run] = lambda waiting: waiting[0],
) -> list[Failure]:
    """Runs every run, some at a time; a failed one does not stop the others.

    After a signal no run is started any more, and those in progress are asked to save and end.

    Args:
        runs: those that are not finished.
        launch: how they are started.
        logs: folder of a file a run with what it printed.
        watcher: is told what happens.
        interruption: tells the signal that asked to end.
        choose: gives the one of the waiting runs that comes next.

    Returns:
        The runs that did not finish; also those that a signal ended, but none that never started.
    """
    waiting, children = list(runs), list[Child]()
    environment = build_environment(os.environ, launch.jobs)
    failures: list[Failure] = []
    told = False
    try:
        while waiting or children:
            if interruption() is not None and not told:
                waiting.clear()
                _tell(children, signal.SIGTERM)
                told = True
            while waiting and len(children) < launch.jobs:
                run = choose(waiting)
                waiting.remove(run)
                device = choose_device(launch.devices, [child.device for child in children])
                children.append(_start(run, launch, logs, environment, device))
                watcher.started(run)
            failures += _collect_ended(children, logs, watcher)
            watcher.look()
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        _tell(children, signal.SIGKILL)
        for (
            child
        ) in children:  # until the kernel is done with them they hold the locks of their runs
            child.process.wait()
            child.output.close()
    return failures


def _collect_ended(children: list[Child], logs: Path, watcher: Watcher) -> list[Failure]:
    """Takes the runs whose process ended out of ``children``; returns those that failed."""
    failures = []
    for child in [child for child in children if child.process.poll() is not None]:
        children.remove(child)
        child.output.close()
        log = locate_log(child.run, logs)
        failure = describe_failure(child.run, child.process.returncode, log)
        failures += [failure] if failure else []
        watcher.ended(child.run, failure)
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


def choose_device(devices: Sequence[str], taken: Sequence[str | None]) -> str | None:
    """The device with the fewest runs, None if there are no devices to choose from.

    Args:
        devices: without repetition.
        taken: that of each run in progress.
    """
    number = Counter(taken)
    return min(devices, key=lambda device: number[device], default=None)


def read_devices(words: Sequence[str], visible: str | None) -> tuple[str, ...]:
    """Values of ``CUDA_VISIBLE_DEVICES``, each of one GPU.

    Args:
        words: ``cuda:N`` or ``N``, as torch counts the GPUs that this process sees.
        visible: this process's own ``CUDA_VISIBLE_DEVICES``, None if it is not set.

    Raises:
        InputError: a word is no device, stands there twice, or is not visible.
    """
    seen = None if visible is None else [name for name in visible.split(",") if name.strip()]
    devices: list[str] = []
    for word in words:
        number = word.removeprefix("cuda:")
        if not (number.isascii() and number.isdigit()):
            raise InputError(f"--devices: {word!r} is no GPU; write cuda:0 cuda:1, or 0 1")
        if seen is not None and int(number) >= len(seen):
            raise InputError(
                f"--devices: {word} is not there: {VISIBLE} shows {len(seen)}; leave it out"
            )
        devices.append(str(int(number)) if seen is None else seen[int(number)].strip())
        if devices.count(devices[-1]) > 1:
            raise InputError(
                f"--devices: {word} stands there twice; --jobs says how many runs at a time"
            )
    return tuple(devices)


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
    run: Run, launch: Launch, logs: Path, environment: Mapping[str, str], device: str | None
) -> Child:
    log = locate_log(run, logs)
    log.parent.mkdir(parents=True, exist_ok=True)
    output = log.open("ab")
    launcher = os.getpid()
    # a session of its own: Ctrl-C reaches only this process, which passes it on once
    process = subprocess.Popen(
        launch.command(run),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**environment, **({} if device is None else {VISIBLE: device})},
        start_new_session=True,
        pass_fds=() if launch.lock is None else (launch.lock,),
        preexec_fn=lambda: _end_with(launcher),
    )
    return Child(run, process, output, device)


def _end_with(launcher: int) -> None:
    """In the child: asks the kernel to have it save and end when the launcher is killed."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != launcher:  # it ended before the kernel knew
            os._exit(128 + signal.SIGTERM)


def _tell(children: Sequence[Child], number: signal.Signals) -> None:
    for child in children:
        if child.process.poll() is None:
            child.process.send_signal(number)

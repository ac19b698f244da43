"""Runs of a comparison as processes of this machine, a few at a time."""

import ctypes
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from dnll_plugin.comparison.plan import Run
from dnll_plugin.comparison.running import Choose, Failure, Watcher, describe_failure, locate_log
from dnll_plugin.errors import InputError

Command = Callable[[Run], Sequence[str]]

VISIBLE = "CUDA_VISIBLE_DEVICES"

PR_SET_PDEATHSIG = 1
"""Of Linux's ``prctl``: the signal that the kernel sends when the parent ends."""

_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


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


@dataclass
class LocalLauncher:
    """A process a run. After a signal they save and end, and none outlives this process.

    Attributes:
        logs: folder of a file a run with what it printed.
        jobs: processes at a time, at least 1.
        devices: values of ``CUDA_VISIBLE_DEVICES`` that runs are spread over; none: as it is.
        lock: file descriptor that the children keep open.
        command: gives the command line of a run.
    """

    logs: Path
    jobs: int
    devices: tuple[str, ...] = ()
    lock: int | None = None
    command: Command = build_command
    children: list[Child] = field(default_factory=list, init=False)

    def start(self, waiting: list[Run], choose: Choose, watcher: Watcher) -> None:
        """Starts as many of the waiting runs as there is room for."""
        environment = build_environment(os.environ, self.jobs)
        while waiting and len(self.children) < self.jobs:
            run = choose(waiting)
            waiting.remove(run)
            device = choose_device(self.devices, [child.device for child in self.children])
            self.children.append(self._start(run, environment, device))
            watcher.started(run)

    def collect(self, watcher: Watcher) -> list[Failure]:
        """Lets go of the runs whose process ended; returns those that failed."""
        failures = []
        for child in [child for child in self.children if child.process.poll() is not None]:
            self.children.remove(child)
            child.output.close()
            log = locate_log(child.run, self.logs)
            failure = describe_failure(child.run, child.process.returncode, log)
            failures += [failure] if failure else []
            watcher.ended(child.run, failure)
        return failures

    def is_busy(self) -> bool:
        """Whether a process is at work."""
        return bool(self.children)

    def interrupt(self) -> None:
        """Asks the processes once to save and end."""
        self._tell(signal.SIGTERM)

    def close(self) -> None:
        """Kills what is still there."""
        self._tell(signal.SIGKILL)
        # until the kernel is done with them they hold the locks of their runs
        for child in self.children:
            child.process.wait()
            child.output.close()
        self.children.clear()

    def _tell(self, number: signal.Signals) -> None:
        for child in self.children:
            if child.process.poll() is None:
                child.process.send_signal(number)

    def _start(self, run: Run, environment: Mapping[str, str], device: str | None) -> Child:
        log = locate_log(run, self.logs)
        log.parent.mkdir(parents=True, exist_ok=True)
        output = log.open("ab")
        launcher = os.getpid()
        # a session of its own: Ctrl-C reaches only this process, which passes it on once
        process = subprocess.Popen(
            self.command(run),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment, **({} if device is None else {VISIBLE: device})},
            start_new_session=True,
            pass_fds=() if self.lock is None else (self.lock,),
            preexec_fn=lambda: end_with(launcher),
        )
        return Child(run, process, output, device)


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


def end_with(parent: int) -> None:
    """In a child that is about to begin: has it save and end when its parent is killed."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the kernel knew
            os._exit(128 + signal.SIGTERM)

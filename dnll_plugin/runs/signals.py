"""The signals that end a run in good order."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Interruption = Callable[[], int | None]
"""Tells the number of the signal that asked the run to end, None for none."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)

STDERR = 2
OUTPUTS = (1, STDERR)


@contextmanager
def record_signals(processes: int = 1) -> Iterator[Interruption]:
    """Takes note of the signals that end a run, instead of dying of them at once.

    People press Ctrl-C twice, and schedulers send one signal after another. So a second one only
    makes the process say that it is saving; a third ends it as usual. But not one of several
    processes, to which the launcher passes on what the terminal has sent already.

    SIGHUP stays ignored where it is, as under ``nohup``.

    Args:
        processes: Number of processes of the run.

    Yields:
        A function that tells the number of the signal that came, None for none.
    """
    came: list[int] = []
    terminals = [output for output in OUTPUTS if os.isatty(output)]

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if number == signal.SIGHUP:
            leave_closed(terminals)
        if processes > 1 or len(came) == 1:
            return
        if len(came) > 2:
            raise KeyboardInterrupt
        # not by print(), which the signal may have interrupted
        os.write(STDERR, b"dnll: still saving; one more signal ends it without saving\n")

    noted = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in noted}
    try:
        yield lambda: came[0] if came else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_closed(terminals: list[int]) -> None:
    """Sends to nowhere what goes to terminals that are closed, where writing would fail.

    Args:
        terminals: File descriptors that were terminals when the run began.
    """
    for output in terminals:
        if not os.isatty(output):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, output)
            os.close(nowhere)

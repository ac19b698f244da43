"""The signals that end a run in good order."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Interruption = Callable[[], int | None]
"""Tells the number of the signal that asked the run to end, None for none."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@contextmanager
def record_signals(processes: int = 1) -> Iterator[Interruption]:
    """Takes note of the signals that end a run, instead of dying of them at once.

    A SIGINT after the first signal ends the process as usual; but not one of several processes, to
    which the launcher passes on the Ctrl-C that the terminal has sent already.

    Args:
        processes: Number of processes of the run.

    Yields:
        A function that tells the number of the signal that came, None for none.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came and number == signal.SIGINT and processes == 1:
            raise KeyboardInterrupt
        came.append(number)

    before = {number: signal.signal(number, note) for number in ENDING}
    try:
        yield lambda: came[0] if came else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

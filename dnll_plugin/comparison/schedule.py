"""Which run comes next, and when all will be done: pure arithmetic on the runs that have ended."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from dnll_plugin.comparison.plan import Run


class Pace:
    """Seconds that runs take, by those that have ended.

    A run is judged by those of its variant on its task, else by all of its task, else by all; the
    planned work of each (`estimate_work`) is what seconds are counted by.
    """

    def __init__(self) -> None:
        self.rates: Mapping[tuple[str, ...], list[float]] = defaultdict(list)

    def note(self, run: Run, seconds: float) -> None:
        """Takes account of a run that took ``seconds``."""
        if run.work > 0:
            for kind in _kinds(run):
                self.rates[kind].append(seconds / run.work)

    def seconds(self, run: Run) -> float | None:
        """How long a run will take from its first step to its last, None if nothing is known."""
        rates = next((self.rates[kind] for kind in _kinds(run) if self.rates[kind]), None)
        return None if rates is None else fmean(rates) * run.work

    def choose_longest(self, waiting: Sequence[Run]) -> Run:
        """The run that takes longest, so that none of the long ones is left for the end."""

        def length(run: Run) -> float:
            seconds = self.seconds(run)
            return run.work if seconds is None else seconds

        return max(waiting, key=length)


def time_left(running: Iterable[float], waiting: Iterable[float], jobs: int) -> float:
    """Seconds until everything is done, if the longest always begins next.

    Args:
        running: what is left of each run in progress.
        waiting: what each of the others takes.
        jobs: runs at a time, at least 1.
    """
    busy = sorted(running)
    # a place that is free now is one that is free after 0 seconds
    places = [0.0] * max(0, jobs - len(busy)) + busy
    heapq.heapify(places)
    for seconds in sorted(waiting, reverse=True):
        heapq.heappush(places, heapq.heappop(places) + seconds)
    return max(places)


def duration_in_words(seconds: float) -> str:
    """A duration as people say it: ``40 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _kinds(run: Run) -> tuple[tuple[str, ...], ...]:
    return (run.task, run.variant), (run.task,), ()

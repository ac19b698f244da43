"""Shows how the runs of a comparison get on: one line a run, live on a terminal."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dnll_plugin.comparison.escaping import for_terminal
from dnll_plugin.comparison.plan import Run
from dnll_plugin.comparison.running import Failure
from dnll_plugin.comparison.schedule import Pace, duration_in_words, time_left
from dnll_plugin.runs import records

LIVE_SECONDS, LINE_SECONDS = 2.0, 60.0
"""How often the display is renewed: on a terminal, and elsewhere."""

TAIL_BYTES = 2**12

MOST_LINES = 25
"""With more runs than this, the live table shows those that run or failed only."""

QUIET = ("kept", "waiting", "finished")

Progress = tuple[int, float | None]
"""The last step, and the last error rate in percent."""


class Display:
    """Tells on the console what happens to the runs, and how far they are.

    Args:
        runs: all of them, in the order of the display.
        console: a live table if it is a terminal, else plain lines.
        pace: how long runs take, which this also keeps up to date.
        jobs: runs at a time.
    """

    def __init__(self, runs: Sequence[Run], console: Console, pace: Pace, jobs: int) -> None:
        self.pace = pace
        self.jobs = jobs
        self.started_at: dict[str, tuple[float, int]] = {}
        self.runs = runs
        self.console = console
        self.states = {run.name: "kept" if run.folder.is_finished() else "waiting" for run in runs}
        self.reached = {run.name: progress(run.folder.metrics) for run in runs}
        self.looked_at = time.monotonic()
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> "Display":
        for run in self.runs:
            if self.states[run.name] == "kept" and self.live is None:
                self._say(f"{run.name}: finished already, kept")
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.live is not None:
            self.live.update(self.table(), refresh=True)
            self.live.stop()

    def started(self, run: Run) -> None:
        self.states[run.name] = "running"
        self._renew(run)
        self.started_at[run.name] = time.monotonic(), self.reached[run.name][0]
        if self.live is None:
            self._say(f"{run.name}: started")

    def ended(self, run: Run, failure: Failure | None) -> None:
        self.states[run.name] = "finished" if failure is None else failure.reason
        a_step = self._seconds_a_step(run, run.iterations)
        if failure is None and a_step:
            self.pace.note(run, a_step * run.iterations)
        self._renew(run)
        if self.live is None:
            self._say(f"{run.name}: {self.states[run.name]}, {self._at(run)}")

    def look(self) -> None:
        """Renews the display if it is time to."""
        pause = LINE_SECONDS if self.live is None else LIVE_SECONDS
        if time.monotonic() - self.looked_at < pause:
            return
        self.looked_at = time.monotonic()
        for run in self.runs:
            if self.states[run.name] == "running":
                self._renew(run)
                if self.live is None:
                    self._say(f"{run.name}: {self._at(run)}")
        if self.live is None:
            self._say(self.outlook())
        if self.live is not None:
            self.live.update(self.table(), refresh=True)

    def table(self) -> Table:
        """One line a run: name, bar, step, last error, state."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("run", "", "step", "error", "state"):
            table.add_column(title, justify="right" if title in ("step", "error") else "left")
        for run in self.runs:
            if len(self.runs) > MOST_LINES and self.states[run.name] in QUIET:
                continue
            step, error = self.reached[run.name]
            table.add_row(
                Text(for_terminal(run.name)),
                ProgressBar(total=run.iterations, completed=step, width=24),
                f"{step}/{run.iterations}",
                "" if error is None else f"{error:.2f}%",
                self.states[run.name],
            )
        table.caption = self.outlook()
        return table

    def outlook(self) -> str:
        """How many runs are finished, and when all will be."""
        done = sum(state in ("kept", "finished") for state in self.states.values())
        text = f"{done} of {len(self.runs)} runs finished"
        left = self.seconds_left()
        if not left:
            return text
        at = time.strftime("%a %H:%M", time.localtime(time.time() + left))
        return f"{text}; all done in about {duration_in_words(left)}, {at}"

    def seconds_left(self) -> float | None:
        """Seconds until all runs are finished, None while nothing is known of some."""
        left: dict[str, list[float]] = {"running": [], "waiting": []}
        for run in self.runs:
            state = self.states[run.name]
            if state not in left:
                continue
            step, _ = self.reached[run.name]
            a_step = self._seconds_a_step(run, step) if state == "running" else 0.0
            whole = a_step * run.iterations or self.pace.seconds(run)
            if whole is None:
                return None
            left[state].append(whole * (1 - step / run.iterations))
        return time_left(left["running"], left["waiting"], self.jobs)

    def _seconds_a_step(self, run: Run, step: int) -> float:
        """Of a run that this call started, from its start to a step; 0 before its first."""
        started, first = self.started_at[run.name]
        return (time.monotonic() - started) / (step - first) if step > first else 0.0

    def _renew(self, run: Run) -> None:
        step, error = progress(run.folder.metrics)
        self.reached[run.name] = step, self.reached[run.name][1] if error is None else error

    def _at(self, run: Run) -> str:
        step, error = self.reached[run.name]
        reached = f"step {step}/{run.iterations}"
        return reached if error is None else f"{reached}, error {error:.2f}%"

    def _say(self, text: str) -> None:
        self.console.print(for_terminal(text), markup=False, highlight=False, soft_wrap=True)


def progress(metrics: Path) -> Progress:
    """How far a run is, by the end of its ``metrics.jsonl``.

    No more of the file is read, because this is asked all the time; the error is None where that
    part holds no evaluation.
    """
    step, error = 0, None
    for record in _last_records(metrics):
        step = int(record.get("step") or 0)
        accuracy = record.get("eval/top-1-acc")
        error = error if accuracy is None else 100.0 * (1.0 - accuracy)
    return step, error


def _last_records(metrics: Path) -> list[records.Record]:
    try:
        with metrics.open("rb") as file:
            skipped = max(0, metrics.stat().st_size - TAIL_BYTES)
            file.seek(skipped)
            lines = file.read().split(b"\n")
    except OSError:
        return []
    # the first line of the rest may be the end of one, the last one the beginning
    found = map(records.parse_line, lines[bool(skipped) : -1])
    return [record for record in found if record is not None]

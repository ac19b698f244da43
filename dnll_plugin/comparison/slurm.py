"""Runs of a comparison as jobs of a SLURM cluster, handed to it by submitit.

The jobs are SLURM's: they outlive this process, and the next call finds them by a record beside the
runs. SLURM is asked by ``squeue``, which every cluster has; ``sacct``, which submitit asks, needs
accounting.
"""

import hashlib
import io
import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dnll_plugin.comparison.local import Command, build_command
from dnll_plugin.comparison.plan import Run
from dnll_plugin.comparison.running import (
    Choose,
    Failure,
    Watcher,
    describe_failure,
    last_lines,
    locate_log,
)
from dnll_plugin.errors import InputError, RunError
from dnll_plugin.files import write_text

SECONDS_BETWEEN_QUESTIONS = 10.0
"""How often SLURM is asked: it serves everybody, and asks its users not to hurry it."""

ENDED = frozenset(
    (
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
        *("OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
    )
)
"""Words of ``squeue`` for jobs that do not come again. It forgets them after some minutes."""

States = Mapping[str, str]
"""By the id of a job, SLURM's word for its state."""


class Queue(Protocol):
    """Knows the jobs of this comparison, those of earlier calls too."""

    def read_states(self) -> States:
        """The jobs that it knows. Raises RunError where it does not answer."""

    def cancel(self, jobs: Sequence[str]) -> None:
        """Asks the jobs to save and end, and not to begin."""


@dataclass(frozen=True)
class SlurmQueue:
    """SLURM's queue of the jobs with one name."""

    name: str

    def read_states(self) -> States:
        """The jobs that SLURM knows. Raises RunError where it does not answer."""
        command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %T"]
        done = subprocess.run([*command, f"--name={self.name}"], capture_output=True, text=True)
        if done.returncode:
            raise RunError(f"squeue failed: {done.stderr.strip()}")
        return dict(line.split(maxsplit=1) for line in done.stdout.splitlines())

    def cancel(self, jobs: Sequence[str]) -> None:
        """Cancels jobs; one that has ended meanwhile is no error."""
        if jobs:
            subprocess.run(["scancel", "--quiet", *jobs], check=False)


def name_jobs(out: Path) -> str:
    """The name of a comparison's jobs, by which SLURM tells them from others."""
    return f"dnll_{hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:12]}"


@dataclass
class SlurmLauncher:
    """A job a run, in one array. Runs on when this process ends, unless a signal cancels it.

    Attributes:
        executor: submitit's, which hands jobs over.
        queue: tells what became of them.
        logs: folder of a file a run with what it printed.
        say: tells the user a line.
        cancels: whether a signal cancels the jobs; else it leaves them in the queue.
        pause: seconds between two questions to the queue.
        command: gives the command line of a run.
    """

    executor: Any
    queue: Queue
    logs: Path
    say: Callable[[str], None]
    cancels: bool = False
    pause: float = SECONDS_BETWEEN_QUESTIONS
    command: Command = build_command
    jobs: dict[str, Run] = field(default_factory=dict, init=False)
    begun: set[str] = field(default_factory=set, init=False)
    asked_at: float = field(default=float("-inf"), init=False)

    @property
    def record(self) -> Path:
        """File with the job and the command of each run, for the next call."""
        return Path(self.executor.folder) / "jobs.json"

    def start(self, waiting: list[Run], choose: Choose, watcher: Watcher) -> None:
        """Takes over what is in the queue already, and hands over the rest, the longest first."""
        if not waiting:
            return
        ordered = []
        while waiting:
            ordered.append(choose(waiting))
            waiting.remove(ordered[-1])
        self.jobs = self._take_over(ordered)
        kept = {run.name for run in self.jobs.values()}
        new = [run for run in ordered if run.name not in kept]
        if new:
            self.jobs |= self._submit(new)

    def collect(self, watcher: Watcher) -> list[Failure]:
        """Lets go of the runs that are finished or whose job ended; returns those that failed."""
        if time.monotonic() - self.asked_at < self.pause:
            return []
        self.asked_at = time.monotonic()
        try:
            states = self.queue.read_states()
        except RunError:  # a controller that is restarted, say: the jobs go on meanwhile
            return []
        failures = []
        for job, run in list(self.jobs.items()):
            state = states.get(job)
            ended = not is_alive(state) or run.folder.is_finished()
            if job not in self.begun and (ended or state == "RUNNING"):
                self.begun.add(job)
                watcher.started(run)
            if ended:
                del self.jobs[job]
                failure = self._describe(run, job, state)
                failures += [failure] if failure else []
                watcher.ended(run, failure)
        return failures

    def is_busy(self) -> bool:
        """Whether a job is waited for."""
        return bool(self.jobs)

    def interrupt(self) -> None:
        """Cancels the jobs, which then save and end, or leaves them as they are."""
        if self.cancels:
            self.queue.cancel(list(self.jobs))
            self.asked_at = float("-inf")
        else:
            self.say(f"{len(self.jobs)} runs stay in SLURM's queue and go on")
            self.jobs.clear()

    def close(self) -> None:
        """Leaves the jobs to SLURM."""

    def _take_over(self, runs: Sequence[Run]) -> dict[str, Run]:
        """The jobs of an earlier call that are still to be waited for.

        Others of this comparison end first: those of a call that was killed before it could record
        them, and those that would do one of these runs with other options.
        """
        record = self._read_record()
        commands = {run.name: list(self.command(run)) for run in runs}
        alive = self._list_alive()
        kept = {}
        for run in runs:
            entry = record.get(run.name, {})
            if entry.get("job") in alive and entry["command"] == commands[run.name]:
                kept[entry["job"]] = run
        of_other_runs = {entry["job"] for name, entry in record.items() if name not in commands}
        strays = alive - set(kept) - of_other_runs
        self.queue.cancel(sorted(strays))
        while strays:
            time.sleep(self.pause)
            strays &= self._list_alive()
        if kept:
            self.say(f"{len(kept)} runs are in SLURM's queue since an earlier call")
        return kept

    def _list_alive(self) -> set[str]:
        return {job for job, state in self.queue.read_states().items() if is_alive(state)}

    def _submit(self, runs: Sequence[Run]) -> dict[str, Run]:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        from dnll_plugin.comparison.slurm_job import RunJob

        functions = [
            RunJob(self.command(run), locate_log(run, self.logs).absolute()) for run in runs
        ]
        try:
            with redirect_stderr(io.StringIO()):  # submitit prints what it then raises
                jobs = self.executor.submit_array(functions)
        except (FailedJobError, FailedSubmissionError) as error:
            raise InputError(f"--slurm: {' '.join(str(error).split())}") from error
        submitted = {job.job_id: run for job, run in zip(jobs, runs, strict=True)}
        entries = {
            run.name: {"job": job, "command": list(self.command(run))}
            for job, run in submitted.items()
        }
        write_text(self.record, json.dumps({**self._read_record(), **entries}, indent=1))
        self.say(f"{len(runs)} runs are in SLURM's queue, the first as job {next(iter(submitted))}")
        return submitted

    def _read_record(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            return json.loads(self.record.read_bytes())
        return {}

    def _describe(self, run: Run, job: str, state: str | None) -> Failure | None:
        """What went wrong with a run whose job ended, None if nothing did."""
        with suppress(OSError):  # where folders are shared, this has the machine look anew
            run.folder.path.chmod(run.folder.path.stat().st_mode)
        if run.folder.is_finished():
            return None
        handle = self.executor.job_class(self.executor.folder, job)
        log = locate_log(run, self.logs)
        if handle.paths.result_pickle.exists() and handle.exception() is None:
            return describe_failure(run, handle.result(), log)
        # the run itself said nothing of its end: SLURM or submitit did
        reason = f"SLURM's job {job} ended{f' as {state}' if state else ''}"
        told = next((file for file in (handle.paths.stderr, log) if file.exists()), None)
        return Failure(run, reason, last_lines(told) if told else ())


def is_alive(state: str | None) -> bool:
    """Whether a job runs or will run; None: the queue does not know it any more."""
    return state is not None and state not in ENDED

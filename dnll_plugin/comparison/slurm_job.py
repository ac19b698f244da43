"""What a job of the cluster does: one run of a comparison. Runs on the cluster's machines."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from submitit.helpers import DelayedSubmission

from dnll_plugin.comparison.local import end_with

SAVED = 128 + signal.SIGUSR1
"""Exit code of a run that saved a checkpoint at the signal and ended."""

CORES = "SLURM_CPUS_ON_NODE"
"""Variable by which SLURM tells a job how many cores it has."""


class RunJob:
    """Runs a run; SIGUSR1, which SLURM sends before the time is up, has it save and queue again.

    The run is a process of its own, because this one's signals are submitit's.

    Args:
        command: command line of the run, the same for a new run and for one to go on with.
        log: file that gets what it prints.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.command = command
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Runs it to its end and returns its exit code, as a shell does."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        job = os.getpid()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=build_job_environment(os.environ),
                preexec_fn=lambda: end_with(job),
            )
            return _wait(self.process)

    def checkpoint(self) -> DelayedSubmission | None:
        """Has the run save; submitit calls this at the signal.

        Returns:
            What the job does when its turn comes again, None where it is not to come again.
        """
        again = DelayedSubmission(RunJob(self.command, self.log))
        if self.process is None:
            return again
        self.process.send_signal(signal.SIGUSR1)
        return again if _wait(self.process) == SAVED else None


def build_job_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a run: as many threads as the job has cores, unless the user said."""
    cores = environment.get(CORES)
    return {**({"OMP_NUM_THREADS": cores} if cores else {}), **environment}


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Waits; not by ``process.wait``, whose lock the signal's handler would wait for forever."""
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode

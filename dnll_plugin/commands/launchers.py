"""Where the runs of ``dnll compare`` run: its options, and the launcher that they describe."""

import argparse
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dnll_plugin.comparison.folder import LOGS
from dnll_plugin.comparison.local import VISIBLE, LocalLauncher, read_devices
from dnll_plugin.comparison.running import Launcher
from dnll_plugin.comparison.slurm import SlurmLauncher, SlurmQueue, name_jobs
from dnll_plugin.errors import InputError

SIGNAL = "USR1"
"""Sent before the time is up; the one that a run saves and ends at."""

SECONDS_TO_SAVE = 60

OWN = ("array", "error", "job-name", "no-requeue", "open-mode", "output", "requeue", "signal")
"""Options of ``sbatch`` that the launcher itself gives."""

UNLIMITED = 10**9
"""Minutes. submitit gives up jobs that ran into their time limit often; a run may, any number of
times. What SLURM is told is the user's ``time``."""

SETUP = "${SLURM_CPUS_PER_TASK:+export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK}"
"""Since SLURM 22.05 ``srun`` has to be told how many cores ``sbatch`` was asked for."""


def add_launcher_options(parser: argparse.ArgumentParser) -> None:
    """Declares where the runs run, and how many at a time."""
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="runs at a time; by default one, or one a device; with SLURM as many as it likes",
    )
    parser.add_argument(
        "--devices",
        nargs="+",
        default=[],
        metavar="cuda:N",
        help="GPUs to spread the runs over; with more --jobs than GPUs they share them",
    )
    parser.add_argument(
        "--launcher",
        choices=("local", "slurm"),
        default="local",
        help="local (default): processes of this machine; slurm: jobs of a cluster",
    )
    parser.add_argument(
        "--slurm",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="options of sbatch for each run: partition=gpu time=04:00:00 gpus=1; one without a "
        "value is its name alone",
    )
    parser.add_argument(
        "--on_interrupt",
        choices=("leave", "cancel"),
        help="what Ctrl-C does to SLURM's jobs: leave (default) has them go on, cancel has them "
        "save and end",
    )


def check_launcher(options: argparse.Namespace) -> None:
    """Checks what the parser cannot, before anything is begun.

    Raises:
        InputError: An option is wrong, or goes with the other launcher, or SLURM is not there.
    """
    check_jobs(options.jobs)
    read_devices(options.devices, os.environ.get(VISIBLE))
    if options.launcher == "local":
        for name in ("slurm", "on_interrupt"):
            if getattr(options, name):
                raise InputError(f"--{name}: goes with --launcher slurm; add that, or leave it out")
        return
    read_slurm_options(options.slurm)
    if options.devices:
        raise InputError("--devices: SLURM chooses the GPUs; ask for them by --slurm gpus=1")
    try:
        import submitit  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            "--launcher slurm: needs the package submitit; pip install 'dnll-plugin[slurm]'"
        ) from error
    if shutil.which("sbatch") is None:
        raise InputError(
            "--launcher slurm: there is no sbatch here; call this on a machine that jobs are "
            "submitted from"
        )


def count_places(options: argparse.Namespace, runs: int) -> int:
    """Runs at a time."""
    default = runs if options.launcher == "slurm" else len(options.devices)
    return options.jobs or max(1, default)


def build_launcher(
    options: argparse.Namespace, places: int, out: Path, lock: int, say: Callable[[str], None]
) -> Launcher:
    """The launcher that the options describe.

    Args:
        options: those of the command, which `check_launcher` has seen.
        places: runs at a time.
        out: folder of the comparison.
        lock: file descriptor that processes of this machine keep open.
        say: tells the user a line.
    """
    if options.launcher == "local":
        devices = read_devices(options.devices, os.environ.get(VISIBLE))
        return LocalLauncher(out / LOGS, places, devices, lock)
    # submitit reads it when it is imported, here and in the jobs
    os.environ["SUBMITIT_PREEMPT_SIGNAL"] = SIGNAL
    import submitit

    name = name_jobs(out)
    executor = submitit.SlurmExecutor(out / "slurm")
    executor.update_parameters(
        job_name=name,
        time=UNLIMITED,
        signal_delay_s=SECONDS_TO_SAVE,
        array_parallelism=places,
        setup=[SETUP],
        additional_parameters=read_slurm_options(options.slurm),
    )
    cancels = options.on_interrupt == "cancel"
    return SlurmLauncher(executor, SlurmQueue(name), out / LOGS, say, cancels)


def read_slurm_options(words: Sequence[str]) -> Mapping[str, str | bool]:
    """Options of ``sbatch`` by their names; True for those without a value.

    Raises:
        InputError: One is no option, stands there twice, is the launcher's own, or none is the
            time.
    """
    found: dict[str, str | bool] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.removeprefix("--").replace("_", "-")
        if not re.fullmatch("[a-z][a-z0-9-]*", name):
            raise InputError(f"--slurm: {word!r} is no option; write key=value, as sbatch has it")
        if name in OWN:
            raise InputError(f"--slurm: {name} is chosen by dnll compare; leave it out")
        if name in found:
            raise InputError(f"--slurm: {name} stands there twice; write it once")
        found[name] = value if equals else True
    if "time" not in found:
        raise InputError(
            "--slurm: give time, such as time=04:00:00; a run that needs longer is queued again "
            "and goes on"
        )
    return {"requeue": True, **found}


def check_jobs(jobs: int | None) -> None:
    """Checks the number of runs at a time.

    Raises:
        InputError: If there is to be none.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs: must be at least 1, got {jobs}")

"""One comparison at a time in a folder, also after the process that started the runs was killed.

Runs hold the folder's lock beside the process that started them. When that one is killed they save
and end (the kernel tells them, see `running`), or go on to their end where the kernel cannot; the
next call waits for them, and so no run is ever worked on twice at a time.
"""

import os
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from dnll_plugin.errors import InputError
from dnll_plugin.runs.locks import FolderTakenError, lock_folder

LAUNCHER = ".launcher"
"""File that names the process that starts the runs: host and process number."""

SECONDS_BETWEEN_TRIES = 0.5

RUNS, LOGS = "runs", "logs"
"""Folders of the runs, and of what they printed. Over several tasks each task has its own runs."""


def place_runs(out: Path, tasks: Iterable[str]) -> dict[str, Path]:
    """The folder of each task's runs: ``runs`` in ``out``, over several tasks in ``out/TASK``.

    Raises:
        InputError: ``out`` holds runs of the other form, which would be run a second time.
    """
    names = list(tasks)
    if len(names) > 1:
        if (out / RUNS).is_dir():
            raise InputError(
                f"{out}: holds the runs of one task; move {out / RUNS} to {out}/TASK/{RUNS}, TASK "
                "being the name of its config file, or give another --out"
            )
        return {name: out / name / RUNS for name in names}
    others = sorted(folder.parent for folder in out.glob(f"*/{RUNS}"))
    if others and not (out / RUNS).is_dir():
        raise InputError(
            f"{out}: holds a comparison over several tasks; name them all after --c, or give "
            f"--out {out / names[0]} for this task alone"
        )
    return dict.fromkeys(names, out / RUNS)


def holds_comparison(out: Path) -> bool:
    """Whether there was a comparison in a folder."""
    return (out / LAUNCHER).exists()


def acquire_folder(out: Path, held: ExitStack, say: Callable[[str], None]) -> int:
    """Makes the folder of a comparison and keeps others out of it until ``held`` is closed.

    Waits for the runs of a call that was killed.

    Returns:
        The file descriptor that holds the lock, for the runs to keep open.

    Raises:
        InputError: the folder cannot be written, or a comparison is going on there.
    """
    told = False
    while True:
        try:
            lock = lock_folder(out, "a comparison", "--out", with_children=True)
            descriptor = held.enter_context(lock)
            break
        except FolderTakenError:
            if not is_orphaned(out):
                raise
            if not told:
                say("an earlier call was killed: waiting until its runs have saved and ended")
                told = True
            time.sleep(SECONDS_BETWEEN_TRIES)
    (out / LAUNCHER).write_text(f"{socket.gethostname()} {os.getpid()}\n", encoding="utf-8")
    return descriptor


def is_orphaned(out: Path) -> bool:
    """Whether the process that started the runs in a folder is gone; False if that is unknown."""
    try:
        host, number = (out / LAUNCHER).read_text(encoding="utf-8").split()
        if host != socket.gethostname():
            return False
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False

"""The lock on a folder: one holder, whose children count or not, and no trace when it is gone."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dnll_plugin.errors import InputError
from dnll_plugin.runs.locks import lock_folder

HOLD = """
import os, sys
from pathlib import Path
from dnll_plugin.runs.locks import lock_folder
with lock_folder(Path(sys.argv[1]), "a run", "--out"):
    if os.fork() == 0:
        print("held", flush=True)
    sys.stdin.read()
"""
"""Holds the lock in a process that has forked, as one with loader workers."""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_another_process_is_kept_out_until_the_holder_ends(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with holder(folder) as process:
        with pytest.raises(InputError) as refused, lock_folder(folder, "a run", "--out"):
            pass
        assert str(refused.value) == (
            f"{folder}: a run is still going on there; wait for it, or give another --out"
        )
        process.send_signal(signal.SIGKILL)
        process.wait()
        with lock_folder(folder, "a run", "--out"):  # the one it forked is still there
            pass


def test_a_child_that_is_given_the_lock_holds_it_too(tmp_path: Path) -> None:
    with lock_folder(tmp_path, "a comparison", "--out", with_children=True) as descriptor:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(descriptor,)
        )
    again = lock_folder(tmp_path, "a comparison", "--out", with_children=True)
    with pytest.raises(InputError, match="a comparison is still going on"), again:
        pass
    child.communicate(b"\n")
    with lock_folder(tmp_path, "a comparison", "--out", with_children=True):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = lock_folder(tmp_path / "file" / "out", "a run", "--out")
    with pytest.raises(InputError, match=r"file/out: cannot be written .*another --out"), folder:
        pass


def test_a_file_system_without_locks_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lockf(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with lock_folder(tmp_path, "a run", "--out"):
        pass

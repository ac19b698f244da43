"""A lock on a folder. The kernel takes it back when its holder ends, by ``kill -9`` too."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dnll_plugin.errors import InputError


class FolderTakenError(InputError):
    """Another process holds the lock of a folder."""


TAKEN = {errno.EACCES, errno.EAGAIN}
"""What the kernel answers where somebody else holds the lock; both are allowed (POSIX)."""


@contextmanager
def lock_folder(
    folder: Path, occupant: str, option: str, *, with_children: bool = False
) -> Iterator[int]:
    """Makes a folder and keeps other processes that ask for it out of it.

    Where the file system knows no locks, nobody is kept out.

    Args:
        folder: The folder; the lock is its file ``.lock``, which stays.
        occupant: What holds the lock, for the message: "a run".
        option: The option that gives another folder, for the message.
        with_children: Whether processes that are passed the file descriptor hold the lock too, also
            when this one is gone. Without, forked ones do not: loader workers outlive a killed run
            by seconds.

    Yields:
        The file descriptor that holds the lock.

    Raises:
        InputError: If the folder cannot be written.
        FolderTakenError: If another process holds the lock.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); give another {option}"
        ) from error
    try:
        if not _take(descriptor, with_children):
            raise FolderTakenError(
                f"{folder}: {occupant} is still going on there; wait for it, or give another "
                f"{option}"
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, with_children: bool) -> bool:
    lock = fcntl.flock if with_children else fcntl.lockf
    try:
        lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in TAKEN
    return True

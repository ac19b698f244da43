"""Checks of the files that commands write."""

import os
from collections.abc import Sequence
from pathlib import Path

from dnll_plugin.errors import InputError
from dnll_plugin.files import is_pipe_or_device


def output(option: str, name: str, endings: Sequence[str], overwrite: bool) -> Path:
    """The path of a file that may be written; where it is a link, of what it leads to.

    A pipe or a device, such as ``/dev/null``, loses nothing and may be there.

    Args:
        option: that names the file.
        name: what it names.
        endings: of which the file must have one; any where there are none.
        overwrite: whether the file may be there.

    Raises:
        InputError: If it has another ending, is there already, or its folder cannot be written.
    """
    file = Path(name)
    if endings and file.suffix not in endings:
        raise InputError(f"{option} {file}: must end in {' or '.join(endings)}")
    if file.is_dir():
        raise InputError(f"{option} {file}: is a folder; give the name of a file")
    if is_pipe_or_device(file):
        return file
    if file.exists() and not overwrite:
        raise InputError(f"{option} {file}: exists already; give --overwrite or another name")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        reason = "cannot be written" if file.parent.is_dir() else "does not exist"
        raise InputError(f"{option} {file}: the folder {file.parent} {reason}")
    return file.resolve() if file.is_symlink() else file


def make_output_folder(option: str, folder: Path) -> None:
    """Makes a folder for files.

    Args:
        option: that names the folder.
        folder: what it names.

    Raises:
        InputError: It cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{option} {folder}: cannot be made ({error.strerror}); give another folder"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{option} {folder}: cannot be written to; give another folder")

"""Checks of the files that commands write."""

import os
from collections.abc import Sequence
from pathlib import Path

from dnll_plugin.errors import InputError


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
    if file.exists() and not file.is_file():
        return file
    if file.exists() and not overwrite:
        raise InputError(f"{option} {file}: exists already; give --overwrite or another name")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        reason = "cannot be written" if file.parent.is_dir() else "does not exist"
        raise InputError(f"{option} {file}: the folder {file.parent} {reason}")
    return file.resolve() if file.is_symlink() else file

"""Checks of the files that commands read and write."""

import os
from collections.abc import Sequence
from pathlib import Path

from dnll_plugin.datasets.folders import image_paths
from dnll_plugin.errors import InputError


def output(option: str, name: str, endings: Sequence[str], overwrite: bool) -> Path:
    """The path of a file that may be written.

    Raises:
        InputError: If it has another ending, is there already, or its folder cannot be written.
    """
    file = Path(name)
    if file.suffix not in endings:
        raise InputError(f"{option} {file}: must end in {' or '.join(endings)}")
    if file.is_dir():
        raise InputError(f"{option} {file}: is a folder; give the name of a file")
    if file.exists() and not overwrite:
        raise InputError(f"{option} {file}: exists already; give --overwrite or another name")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        reason = "cannot be written" if file.parent.is_dir() else "does not exist"
        raise InputError(f"{option} {file}: the folder {file.parent} {reason}")
    return file


def find_images(root: Path) -> list[str]:
    """The images below a folder, relative to it.

    Raises:
        InputError: If there are none.
    """
    if not root.is_dir():
        raise InputError(f"--images {root}: there is no such folder")
    files = image_paths(root)
    if not files:
        raise InputError(f"--images {root}: holds no images")
    return files

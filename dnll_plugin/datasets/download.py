"""Files that must be there: fetched where a network allows, else an error that names them."""

from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path

from dnll_plugin.errors import InputError


def ensure_files(
    dataset: str, folder: Path, names: Sequence[str], download: Callable[[], object]
) -> None:
    """Make sure that a data set's files are in its folder.

    Args:
        dataset: name of the data set, for the error.
        folder: where the files belong.
        names: the files.
        download: puts them there; called only if one is missing.

    Raises:
        InputError: if files are missing and cannot be downloaded.
    """
    if not _missing(folder, names):
        return
    reason = ""
    try:
        download()
    except (OSError, RuntimeError, HTTPException) as error:
        reason = f" ({' '.join(str(error).split())})"
    missing = _missing(folder, names)
    if missing:
        raise InputError(
            f"dataset {dataset}: {folder} has no {', '.join(missing)} and the download failed"
            f"{reason}: put them there or write the right data_dir"
        )


def _missing(folder: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if not (folder / name).is_file()]

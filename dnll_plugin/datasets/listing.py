"""The image files below a folder, in order, however many there are.

A listing is made while it is read: at no time does it hold more than `BLOCK` names of a folder.
"""

import heapq
import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from dnll_plugin.errors import InputError

BLOCK = 50_000
"""Names of a folder that are sorted at a time; one that holds more is read again for the next."""

FileId = tuple[int, int]


def iterate_images(folder: str | Path) -> Iterator[str]:
    """Yield the image files below a folder, relative to it, with forward slashes, sorted.

    Files are known by their suffix; names that begin with a dot are passed over. Links are
    followed, but not into a folder that the link lies in. A folder that is not there has none.

    Raises:
        InputError: a folder cannot be read.
    """
    if os.path.isdir(folder):
        yield from _iterate(Path(folder), "", frozenset(), image_suffixes())


def image_suffixes() -> frozenset[str]:
    """Return the suffixes of the files that Pillow can open, in lower case, with their dot."""
    formats = Image.registered_extensions()
    return frozenset(suffix for suffix, name in formats.items() if name in Image.OPEN)


def _iterate(
    folder: Path, prefix: str, above: frozenset[FileId], suffixes: frozenset[str]
) -> Iterator[str]:
    status = os.stat(folder)
    own = (status.st_dev, status.st_ino)
    if own in above:
        return
    for name in _sorted_names(folder, suffixes):
        if name.endswith("/"):
            yield from _iterate(folder / name, f"{prefix}{name}", above | {own}, suffixes)
        else:
            yield f"{prefix}{name}"


def _sorted_names(folder: Path, suffixes: frozenset[str]) -> Iterator[str]:
    """Yield the images and, with a slash, folders in a folder, sorted as their paths are."""
    after = ""
    while True:
        later = (name for name in _names(folder, suffixes) if name > after)
        block = heapq.nsmallest(BLOCK, later)
        yield from block
        if len(block) < BLOCK:
            return
        after = block[-1]


def _names(folder: Path, suffixes: frozenset[str]) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    yield f"{entry.name}/"
                elif os.path.splitext(entry.name)[1].lower() in suffixes:
                    yield entry.name
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be read ({error.strerror}): make the folder readable or remove it"
        ) from error

"""What a run keeps and says of a data set of own images."""

import json
from pathlib import Path

from dnll_plugin.datasets.summary import About
from dnll_plugin.datasets.value_ranges import Range, parse_ranges
from dnll_plugin.files import write_or_remove
from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.runs.folder import RunFolder

NAMED = 20
"""How many files that cannot be read are named."""


def about_data(algorithm: ToolboxAlgorithm) -> About:
    """What the data set tells of itself; nothing where it is none of own images."""
    about: About = getattr(algorithm.dataset_dict["train_lb"], "about", About())
    return about


def store_own_images(algorithm: ToolboxAlgorithm, folder: Path) -> None:
    """Stores the values that become black and white, and which images were cut off for test and
    validation, where there are any."""
    about, files = about_data(algorithm), RunFolder(folder)
    ranges = json.dumps(about.ranges) + "\n" if about.ranges else None
    write_or_remove(files.ranges, ranges)
    cut = json.dumps(about.cut, indent=1, ensure_ascii=False) + "\n" if about.cut else None
    write_or_remove(files.parts, cut)


def read_value_ranges(folder: Path) -> dict[str, Range] | None:
    """The values that become black and white in a run, None where it has not stored any.

    What a run that did no step left behind may be of other images, and does not count.

    Raises:
        InputError: The file was damaged.
    """
    files = RunFolder(folder)
    return parse_ranges(files.ranges) if files.holds_run() and files.ranges.exists() else None


def describe_unreadable(algorithm: ToolboxAlgorithm) -> list[str]:
    """What is said at the end about the files that could not be read; nothing if all could."""
    reader = getattr(algorithm.dataset_dict["train_ulb"], "reader", None)
    broken: list[str] = [] if reader is None else reader.broken
    if not broken:
        return []
    more = len(broken) - NAMED
    named = [f"    {file}" for file in broken[:NAMED]]
    ending = [f"    and {more:,} more"] if more > 0 else []
    return [f"left out {len(broken):,} image files that cannot be read:", *named, *ending]

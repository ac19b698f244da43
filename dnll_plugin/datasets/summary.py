"""What is said about folders of own images before a run: how many there are, and how large."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from dnll_plugin.datasets.value_ranges import Ranges

SAMPLE = 1000
"""How many files are looked at for the sizes."""

NAMED = 20
"""Up to so many classes each is named; of more, the smallest and the largest."""

WIDTH = 115
"""Length of a line."""

IMBALANCE = 10
"""How many times larger than the smallest a class may be without a warning."""


@dataclass(frozen=True)
class About:
    """What a data set of own images tells of itself.

    Attributes:
        lines: to be said at the start of a run.
        ranges: the values that become black and white.
        cut: by part, the paths of the images that were cut off for it.
    """

    lines: Sequence[str] = ()
    ranges: Ranges = field(default_factory=dict)
    cut: Mapping[str, Sequence[str]] = field(default_factory=dict)


def describe_parts(
    data_dir: str,
    classes: Sequence[str],
    parts: Mapping[str, npt.NDArray[np.int64]],
    sizes: str,
) -> list[str]:
    """The lines of a summary.

    Args:
        data_dir: the folder.
        classes: K names.
        parts: labels of the images of each part, such as ``labeled``; -1 where not known.
        sizes: see :func:`describe_sizes`.
    """
    totals = ", ".join(f"{len(targets):,} {part}" for part, targets in parts.items())
    counts = {
        part: np.bincount(targets, minlength=len(classes))
        for part, targets in parts.items()
        if len(targets) and targets.min() >= 0
    }
    lines = [f"{data_dir}: {len(classes)} classes, {totals} images; {sizes}"]
    lines.append(f"{'/'.join(counts)}: {_describe_classes(classes, list(counts.values()))}")
    lines += [_warn_of_imbalance(part, count, classes) for part, count in counts.items()]
    return [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ")]


def _describe_classes(classes: Sequence[str], counts: Sequence[npt.NDArray[np.int64]]) -> str:
    each = [
        f"{name} {'/'.join(map(str, numbers))}"
        for name, *numbers in zip(classes, *counts, strict=True)
    ]
    if len(each) <= NAMED:
        return ", ".join(each)
    order = np.argsort(counts[0], kind="stable")
    few, many = order[: NAMED // 2], order[-NAMED // 2 :]
    return f"{', '.join(each[k] for k in few)}, …, {', '.join(each[k] for k in many)}"


def _warn_of_imbalance(part: str, counts: npt.NDArray[np.int64], classes: Sequence[str]) -> str:
    """A warning, or nothing."""
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[most] <= IMBALANCE * counts[least]:
        return ""
    return (
        f"warning: {part}: {classes[most]} has {counts[most]:,} images and {classes[least]} only "
        f"{counts[least]:,}: the net may neglect classes that are more than {IMBALANCE} times "
        "smaller than others"
    )


def describe_ranges(ranges: Ranges) -> list[str]:
    """What is said about images of more than 8 bits a pixel; nothing where there are none."""
    return [
        f"images of {kind}: {black:g} to {white:g} become black to white, in prediction too"
        for kind, (black, white) in ranges.items()
    ]


def describe_sizes(files: Sequence[str]) -> str:
    """The smallest and the largest image of a data set, of a sample where it is large."""
    step = -(-len(files) // SAMPLE)
    sizes = [size for size in map(_read_size, files[::step]) if size is not None]
    if not sizes:
        return "none of them can be read"
    small, large = _in_pixels(min(sizes, key=_area)), _in_pixels(max(sizes, key=_area))
    looked = "" if step == 1 else f" (of {len(sizes):,} looked at)"
    return f"{small} pixels{looked}" if small == large else f"{small} to {large} pixels{looked}"


def _read_size(file: str) -> tuple[int, int] | None:
    try:
        with Image.open(file) as image:
            return image.size
    except Exception:  # Pillow raises nearly anything for a broken file
        return None


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _in_pixels(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))

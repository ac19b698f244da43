"""Images with more than 8 bits a pixel: which of their values are black and white.

Floats from 0 to 1, integers of 32 bits, or 12 bits stored in 16, would all be black as 8 bits. So
one range of values is stretched over black to white: the same for every image of a data set, for a
range of each image's own would make a dark image equal a bright one. There is one for integers and
one for floats. 16-bit colour is not concerned: Pillow gives its upper 8 bits.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from dnll_plugin.errors import InputError

INTEGERS, FLOATS = "integers", "floats"

FULL_16_BITS = (0.0, 65535.0)

SHALLOW = frozenset(("JPEG", "GIF", "BMP", "WEBP", "AVIF"))
"""Formats of Pillow that have 8 bits at most, so that no file need be looked at."""


class Range(NamedTuple):
    """The values that become black and white."""

    black: float
    white: float


Ranges = Mapping[str, Range]
"""By :data:`INTEGERS` and :data:`FLOATS`; a kind that is not there is read as it always was."""


def kind_of(mode: str) -> str | None:
    """Return the kind of the values of one of Pillow's modes, None for 8 bits and fewer."""
    return FLOATS if mode == "F" else INTEGERS if mode.startswith("I") else None


def stretch(image: Image.Image, ranges: Ranges) -> Image.Image:
    """Return an image of more than 8 bits as one of 8.

    Without a range for its kind integers keep the upper 8 of 16 bits, and floats are cut off below
    0 and above 255. What is no number is black.
    """
    kind, values = kind_of(image.mode), np.asarray(image)
    if kind is not None and kind in ranges:
        black, white = ranges[kind]
        scaled = (values.astype(np.float32) - black) * (255 / (white - black))
        values = np.nan_to_num(np.rint(scaled)).clip(0, 255)
    elif kind == INTEGERS:  # Pillow itself would cut 16-bit values off at 255
        values = values.clip(0, 65535).astype(np.uint16) >> 8
    else:
        values = np.nan_to_num(values).clip(0, 255)
    return Image.fromarray(values.astype(np.uint8))


def find_ranges(files: Iterable[str]) -> dict[str, Range]:
    """Return the ranges of a data set: all its files that have more than 8 bits are read once.

    Files that cannot be read are passed over. Integers that use 16 bits need no range.
    """
    lowest: dict[str, float] = {}
    highest: dict[str, float] = {}
    for file in files:
        if _is_shallow(file):
            continue
        found = _measure(file)
        if found is not None:
            kind, low, high = found
            lowest[kind] = min(low, lowest.get(kind, low))
            highest[kind] = max(high, highest.get(kind, high))
    ranges = {kind: choose_range(kind, lowest[kind], highest[kind]) for kind in lowest}
    return {kind: found for kind, found in ranges.items() if found != FULL_16_BITS}


def choose_range(kind: str, lowest: float, highest: float) -> Range:
    """Return the values to be black and white, from the extreme ones of a data set.

    Floats within 0 to 1 keep these bounds, and integers those of their number of bits, such as 0 to
    4095, unless they leave the lower half of it empty; any others are stretched as they are.
    """
    if kind == FLOATS and lowest >= 0 and highest <= 1:
        return Range(0.0, 1.0)
    if kind == INTEGERS and 0 <= lowest <= highest / 2 and highest > 0:
        return Range(0.0, float(2 ** int(highest).bit_length() - 1))
    return Range(float(lowest), float(highest if highest > lowest else lowest + 1))


def parse_ranges(file: Path) -> dict[str, Range]:
    """Read the ranges that a run stored.

    Raises:
        InputError: if the file holds anything else.
    """
    try:
        found = json.loads(file.read_bytes())
        ranges = {kind: Range(*map(float, found[kind])) for kind in found}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{file}: holds no ranges; take the file that the run wrote") from error
    for kind, (black, white) in ranges.items():
        usable = math.isfinite(black) and math.isfinite(white) and black < white
        if kind not in (INTEGERS, FLOATS) or not usable:
            raise InputError(f"{file}: {kind!r}: is no range; take the file that the run wrote")
    return ranges


def _is_shallow(file: str) -> bool:
    suffix = os.path.splitext(file)[1].lower()
    return Image.registered_extensions().get(suffix) in SHALLOW


def _measure(file: str) -> tuple[str, float, float] | None:
    """Kind, lowest and highest value of a file; None where it has 8 bits, or cannot be read."""
    try:
        with Image.open(file) as image:
            kind = kind_of(image.mode)
            if kind is None:
                return None
            values: npt.NDArray[np.floating] = np.asarray(image)
    except Exception:  # Pillow's decoders raise nearly anything for a broken file
        return None
    values = values[np.isfinite(values)]
    return (kind, float(values.min()), float(values.max())) if values.size else None

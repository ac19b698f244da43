"""The picture that shows what a net is sure of, and what not."""

import heapq
from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from dnll_plugin.datasets.image_files import read_image
from dnll_plugin.datasets.value_ranges import Ranges
from dnll_plugin.prediction.rows import Row

COLUMNS, LINES = 8, 2
PIXELS = 160


class Extremes:
    """Keeps the most and the least confident of all rows, and no other."""

    def __init__(self, number: int = COLUMNS * LINES) -> None:
        self.number = number
        self.most: list[Row] = []
        self.least: list[Row] = []

    def add(self, rows: Iterable[Row]) -> None:
        """Takes more rows into account."""
        rows = list(rows)
        self.most = heapq.nlargest(self.number, [*self.most, *rows], key=_confidence)
        self.least = heapq.nsmallest(self.number, [*self.least, *rows], key=_confidence)


def draw(extremes: Extremes, root: Path, picture: Path, ranges: Ranges) -> None:
    """Draws the images with their labels into a PNG file.

    Args:
        extremes: the rows to show; at least one.
        root: folder that their files are relative to.
        picture: the file to write.
        ranges: the values that are black and white.
    """
    figure = Figure(figsize=(COLUMNS * 1.7, 4 * LINES * 1.15), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False).flat
    for part, title, rows in (
        (upper, "most confident", extremes.most),
        (lower, "least confident", extremes.least),
    ):
        part.suptitle(title, fontsize=13, fontweight="bold")
        for place, axes in enumerate(part.subplots(LINES, COLUMNS).flat):
            axes.axis("off")
            if place < len(rows):
                axes.imshow(read_image(root / rows[place].file, PIXELS, ranges))
                axes.set_title(_caption(rows[place]), fontsize=8)
    figure.savefig(picture, format="png", dpi=110)


def _caption(row: Row, width: int = 26) -> str:
    caption = f"{row.label} {100 * row.confidence:.1f}%"
    if row.ruled_out:
        negatives = f"not {', '.join(row.ruled_out)}"
        caption += f"\n{negatives if len(negatives) <= width else negatives[: width - 1] + '…'}"
    return caption


def _confidence(row: Row) -> float:
    return row.confidence

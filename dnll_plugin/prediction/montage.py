"""The picture that shows what a net is sure of, what not, and what it takes for each class."""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from PIL import Image

from dnll_plugin.datasets.image_files import read_image
from dnll_plugin.datasets.value_ranges import Ranges
from dnll_plugin.escaping import for_terminal
from dnll_plugin.files import replace_whole
from dnll_plugin.prediction.rows import Row

COLUMNS = 8
EXTREMES = 2 * COLUMNS
"""Most and least confident images that are shown."""

CELLS = 20 * COLUMNS
"""Places for images of the classes: of up to 20 classes each fills a line, of more a part of it."""

PIXELS = 160
"""Side of the square that an image fits into."""

CELL = (PIXELS + 40, PIXELS + 56)
"""Width and height of an image with its caption, in pixels."""

MARGIN, HEADING, LINE = 10, 36, 14
DPI = 100
FONT = FontProperties(size=8)

Place = Row | None
"""What a cell shows; None: nothing."""


class Examples:
    """Keeps few of all rows: the most and the least confident, and some of each class.

    Rows that are taken for images of no class stand apart, the surest ones. Those of a class are
    chosen by a hash of their names, as good as at random, so that they are the same whatever the
    order. What is kept is without the probabilities of all classes.
    """

    def __init__(self) -> None:
        self.most: list[Row] = []
        self.least: list[Row] = []
        self.of_class: dict[str, list[Row]] = {}
        self.unknown: list[Row] = []

    def add(self, rows: Iterable[Row]) -> None:
        """Takes more rows into account."""
        every = [row._replace(probabilities={}) for row in rows]
        unknown = [row for row in every if row.known is False]
        self.unknown = heapq.nlargest(EXTREMES, [*self.unknown, *unknown], key=_unknown_score)
        rows = [row for row in every if row.known is not False]
        self.most = heapq.nlargest(EXTREMES, [*self.most, *rows], key=_confidence)
        self.least = heapq.nsmallest(EXTREMES, [*self.least, *rows], key=_confidence)
        by_label: dict[str, list[Row]] = {}
        for row in rows:
            by_label.setdefault(row.label, []).append(row)
        for label, same in by_label.items():
            kept = self.of_class.get(label, [])
            self.of_class[label] = heapq.nsmallest(COLUMNS, [*kept, *same], key=_hash)

    def sections(self) -> list[tuple[str, list[Place]]]:
        """The parts of the picture, each with its heading, cell by cell."""
        number = len(self.of_class)
        each = next((size for size in (8, 4, 2) if size * number <= CELLS), 1)
        shown = sorted(self.of_class)[:CELLS]
        heading = "some of each class"
        if len(shown) < number:
            heading = f"one of each class, of the first {len(shown)} of {number}"
        cells: list[Place] = []
        for label in shown:
            some = self.of_class[label][:each]
            cells += [*some, *[None] * (each - len(some))]
        parts: list[tuple[str, list[Place]]] = [
            ("unknown, the surest of no class", [*self.unknown]),
            ("most confident", [*self.most]),
            ("least confident", [*self.least]),
            (heading, cells),
        ]
        return [(heading, rows) for heading, rows in parts if rows]


def draw(examples: Examples, root: Path, picture: Path, ranges: Ranges) -> None:
    """Draws the images with what is predicted of them and their names into a PNG file.

    Args:
        examples: the rows to show; at least one.
        root: folder that their files are relative to.
        picture: the file to write.
        ranges: the values that are black and white.

    Raises:
        FileNotWrittenError: It could not be written.
    """
    sections = examples.sections()
    width = 2 * MARGIN + COLUMNS * CELL[0]
    height = 2 * MARGIN + sum(HEADING + _lines(cells) * CELL[1] for _, cells in sections)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    measure = _measure_with(canvas)
    images: list[tuple[Row, tuple[int, int]]] = []

    def write(x: int, y: int, text: str, **style: Any) -> None:
        figure.text(x / width, 1 - y / height, text, va="top", parse_math=False, **style)

    top = MARGIN
    for heading, cells in sections:
        write(MARGIN, top + 8, heading, fontsize=12, fontweight="bold")
        top += HEADING
        for place, row in enumerate(cells):
            if row is None:
                continue
            x, y = MARGIN + place % COLUMNS * CELL[0], top + place // COLUMNS * CELL[1]
            images.append((row, (x, y)))
            for line, (text, color) in enumerate(_caption(row, measure)):
                write(x, y + PIXELS + 3 + line * LINE, text, color=color, fontproperties=FONT)
        top += _lines(cells) * CELL[1]
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    for row, (x, y) in images:
        image = fit_image(read_image(root / row.file, PIXELS, ranges))
        pixels.paste(image, (x, y + PIXELS - image.height))
    with replace_whole(picture) as temporary:
        pixels.save(temporary, format="png")


def _lines(cells: Sequence[Place]) -> int:
    return -(-len(cells) // COLUMNS)


def fit_image(image: Image.Image) -> Image.Image:
    """Scales an image of any shape so that its long side has `PIXELS`, and no side none."""
    scale = PIXELS / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR
    return image.resize((width, height), method)


def fit_text(text: str, width: float, measure: Callable[[str], float], end: bool = False) -> str:
    """The text, or as much of its beginning, or end, as a width holds."""
    if measure(text) <= width:
        return text

    def cut(letters: int) -> str:
        return f"…{text[len(text) - letters :]}" if end else f"{text[:letters]}…"

    sizes = range(1, len(text))
    return cut(bisect_right(sizes, width, key=lambda letters: measure(cut(letters))))


def _caption(row: Row, measure: Callable[[str], float]) -> Sequence[tuple[str, str]]:
    """Lines of text that no cell is too narrow for, each with its colour."""
    sure = f"{100 * row.confidence:.1f}%"
    if row.known is False:
        sure = f"unknown {row.unknown_score:.3g}, {sure}"
    elif row.ruled_out:
        sure += f", not {', '.join(row.ruled_out)}"
    width = CELL[0] - MARGIN
    return (
        (fit_text(for_terminal(row.label), width, measure), "black"),
        (fit_text(for_terminal(sure), width, measure), "black"),
        (fit_text(for_terminal(row.file), width, measure, end=True), "dimgray"),
    )


def _measure_with(canvas: FigureCanvasAgg) -> Callable[[str], float]:
    renderer = canvas.get_renderer()
    return lambda text: renderer.get_text_width_height_descent(text, FONT, ismath=False)[0]


def _confidence(row: Row) -> float:
    return row.confidence


def _unknown_score(row: Row) -> tuple[float, tuple[int, str]]:
    return row.unknown_score or 0.0, _hash(row)


def _hash(row: Row) -> tuple[int, str]:
    return crc32(row.file.encode(errors="backslashreplace")), row.file

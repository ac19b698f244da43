"""The picture of what is predicted: which images it shows, of what shape, with what words."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dnll_plugin.prediction import montage
from dnll_plugin.prediction.montage import CELLS, COLUMNS, PIXELS, Examples, fit_image, fit_text
from dnll_plugin.prediction.rows import Row


def rows_of(images: int, classes: int) -> list[Row]:
    return [
        Row(f"{k}.png", f"class {k % classes:03}", k / images, (), {"any": 0.5})
        for k in range(images)
    ]


def test_the_most_and_the_least_confident_are_kept_without_their_probabilities() -> None:
    examples = Examples()
    rows = rows_of(100, 3)
    examples.add(rows[:30])
    examples.add(rows[30:])
    assert [row.file for row in examples.most] == [f"{k}.png" for k in range(99, 83, -1)]
    assert [row.file for row in examples.least] == [f"{k}.png" for k in range(16)]
    assert all(not row.probabilities for row in examples.most)


def test_unknown_images_have_a_part_of_their_own_with_the_surest_of_all() -> None:
    examples = Examples()
    marked = [
        row._replace(known=k < 60, unknown_score=k / 100) for k, row in enumerate(rows_of(100, 3))
    ]
    examples.add(marked[:80])
    examples.add(marked[80:])
    (heading, cells), *others = examples.sections()
    assert heading == "unknown, the surest of no class"
    assert [cell and cell.file for cell in cells] == [f"{k}.png" for k in range(99, 83, -1)]
    assert [heading for heading, _ in others] == [
        *("most confident", "least confident", "some of each class")
    ]
    assert all(cell.known for _, cells in others for cell in cells if cell)


def test_where_all_images_are_unknown_there_is_no_other_part() -> None:
    examples = Examples()
    examples.add(row._replace(known=False, unknown_score=0.9) for row in rows_of(3, 3))
    ((_, cells),) = examples.sections()
    assert len(cells) == 3


@given(st.integers(1, 60), st.integers(0, 100))
def test_those_of_a_class_are_the_same_whatever_the_order(size: int, seed: int) -> None:
    rows = rows_of(60, 3)
    once = Examples()
    once.add(rows)
    random.Random(seed).shuffle(rows)
    in_parts = Examples()
    for start in range(0, len(rows), size):
        in_parts.add(rows[start : start + size])
    assert in_parts.of_class == once.of_class
    assert [len(some) for some in once.of_class.values()] == [COLUMNS] * 3
    assert all(row.label == label for label, some in once.of_class.items() for row in some)


@pytest.mark.parametrize(("classes", "each"), [(2, 8), (20, 8), (40, 4), (80, 2), (160, 1)])
def test_every_class_has_its_place(classes: int, each: int) -> None:
    examples = Examples()
    examples.add(rows_of(10 * classes, classes))
    *_, (heading, cells) = examples.sections()
    assert heading == "some of each class"
    assert len(cells) == classes * each <= CELLS
    assert len({row.label for row in cells if row}) == classes


def test_of_very_many_classes_the_first_are_shown() -> None:
    examples = Examples()
    examples.add(rows_of(1000, 1000))
    *_, (heading, cells) = examples.sections()
    assert heading == "one of each class, of the first 160 of 1000"
    assert len(cells) == CELLS


def test_a_class_with_few_images_leaves_places_free() -> None:
    examples = Examples()
    examples.add([Row("a.png", "ant", 0.5, (), {}), Row("b.png", "bee", 0.5, (), {})])
    *_, (_, cells) = examples.sections()
    assert [cell and cell.label for cell in cells] == ["ant", *[None] * 7, "bee", *[None] * 7]


@pytest.mark.parametrize("size", [(1, 6000), (6000, 1), (1, 1), (8, 8), (3000, 2000), (160, 160)])
def test_an_image_of_any_shape_fits(size: tuple[int, int]) -> None:
    fitted = fit_image(Image.new("RGB", size))
    assert max(fitted.size) == PIXELS
    assert min(fitted.size) >= 1
    assert (
        fitted.width / fitted.height == pytest.approx(size[0] / size[1], rel=0.01)
        or min(fitted.size) == 1
    )


@given(st.text(max_size=60), st.integers(1, 40), st.booleans())
def test_a_text_is_as_long_as_fits(text: str, width: int, end: bool) -> None:
    fitted = fit_text(text, width, len, end)
    assert len(fitted) == min(len(text), width)
    if len(text) > width:
        kept = fitted.replace("…", "", 1) if end else fitted[:-1]
        assert text.endswith(kept) if end else text.startswith(kept)


@pytest.mark.parametrize("classes", [2, pytest.param(40, marks=pytest.mark.slow)])
def test_no_two_texts_overlap(
    tmp_path: Path, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.zeros((4, 6000, 3), np.uint8)).save(tmp_path / f"{'long' * 20}$x_{{.png")
    name = "W" * 25
    rows = [
        Row(f"{'long' * 20}$x_{{.png", f"{k:02}{name}", 0.5, (name, name), {})
        for k in range(classes)
    ]
    examples = Examples()
    examples.add(rows)
    figures = []
    whole = montage.FigureCanvasAgg

    def canvas(figure: montage.Figure) -> object:
        figures.append(figure)
        return whole(figure)

    monkeypatch.setattr(montage, "FigureCanvasAgg", canvas)
    montage.draw(examples, tmp_path, tmp_path / "m.png", {})
    (figure,) = figures
    boxes = [text.get_window_extent() for text in figure.texts]
    assert len(boxes) == 3 + 3 * (2 * min(classes, 16) + classes)
    overlapping = [
        (one, other)
        for index, one in enumerate(boxes)
        for other in boxes[:index]
        if min(one.x1, other.x1) > max(one.x0, other.x0)
        and min(one.y1, other.y1) > max(one.y0, other.y0) + 1  # pixels that antialiasing shares
    ]
    assert overlapping == []
    with Image.open(tmp_path / "m.png") as picture:
        assert all(0 <= box.x0 <= box.x1 <= picture.width and box.y0 >= 0 for box in boxes)

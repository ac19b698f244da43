import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dnll_plugin.datasets import value_ranges
from dnll_plugin.datasets.value_ranges import (
    FLOATS,
    INTEGERS,
    Range,
    choose_range,
    find_ranges,
    parse_ranges,
    stretch,
)
from dnll_plugin.errors import InputError


def save(path, values):
    Image.fromarray(np.asarray(values)).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("kind", "lowest", "highest", "expected"),
    [
        (FLOATS, 0.0, 1.0, (0, 1)),
        (FLOATS, 0.2, 0.4, (0, 1)),
        (FLOATS, -1.0, 1.0, (-1, 1)),
        (FLOATS, 0.0, 254.5, (0, 254.5)),
        (FLOATS, 3.0, 3.0, (3, 4)),
        (INTEGERS, 12, 4012, (0, 4095)),
        (INTEGERS, 0, 4095, (0, 4095)),
        (INTEGERS, 0, 4096, (0, 8191)),
        (INTEGERS, 0, 1, (0, 1)),
        (INTEGERS, 0, 255, (0, 255)),
        (INTEGERS, 0, 60_000, (0, 65_535)),
        (INTEGERS, 0, 2**31 - 1, (0, 2**31 - 1)),
        (INTEGERS, -1024, 3071, (-1024, 3071)),
        (INTEGERS, 40_000, 41_000, (40_000, 41_000)),
        (INTEGERS, 0, 0, (0, 1)),
    ],
)
def test_range_follows_the_extreme_values(kind, lowest, highest, expected):
    assert choose_range(kind, lowest, highest) == expected


def test_one_range_for_all_files_of_a_kind(tmp_path):
    files = [
        save(tmp_path / "dark.png", np.full((4, 4), 100, np.uint16)),
        save(tmp_path / "bright.tiff", np.full((4, 4), 4000, np.uint16)),
        save(tmp_path / "float.tiff", np.full((4, 4), 0.5, np.float32)),
        save(tmp_path / "hole.tiff", np.full((4, 4), np.nan, np.float32)),
        save(tmp_path / "gray.png", np.full((4, 4), 7, np.uint8)),
        save(tmp_path / "photo.jpg", np.zeros((4, 4, 3), np.uint8)),
        str(tmp_path / "not there.png"),
    ]
    ranges = find_ranges(files)
    assert ranges == {INTEGERS: (0, 4095), FLOATS: (0, 1)}
    grays = [stretch(Image.open(file), ranges).getpixel((0, 0)) for file in files[:4]]
    assert grays == [6, 249, 128, 0]


def test_no_jpeg_is_opened(tmp_path, monkeypatch):
    file = save(tmp_path / "photo.JPG", np.zeros((4, 4), np.uint8))

    def refuse(path):
        raise AssertionError(path)

    monkeypatch.setattr(value_ranges, "_measure", refuse)
    assert find_ranges([file]) == {}


def test_16_bits_need_no_range_and_keep_their_upper_8(tmp_path):
    file = save(tmp_path / "full.png", np.asarray([[0, 0x1234, 0xFFFF]], np.uint16))
    assert find_ranges([file]) == {}
    gray = stretch(Image.open(file), {})
    assert np.asarray(gray).tolist() == [[0, 0x12, 0xFF]]


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=2, max_size=30))
def test_stretching_keeps_the_order_of_values(values):
    values = np.sort(np.asarray(values, np.int32))
    ranges = {INTEGERS: choose_range(INTEGERS, int(values.min()), int(values.max()))}
    grays = np.asarray(stretch(Image.fromarray(values[None]), ranges), int)[0]
    assert (np.diff(grays) >= 0).all()
    if values[0] < 0 <= values[-1]:
        assert (grays[0], grays[-1]) == (0, 255)


def test_ranges_are_read_as_they_were_written(tmp_path):
    file = tmp_path / "value_ranges.json"
    file.write_text('{"integers": [0, 4095], "floats": [-1.5, 1]}')
    assert parse_ranges(file) == {INTEGERS: Range(0, 4095), FLOATS: Range(-1.5, 1)}


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]x", "[[1, 2]]", '{"floats": [1]}', '{"floats": [1, 1]}', '{"floats": "ab"}'),
        *('{"floats": [NaN, 1]}', '{"floats": [0, Infinity]}', '{"colours": [0, 1]}', "3"),
        *('{"floats": [0, 1, 2]}', '{"floats": null}', "[" * 100_000),
    ],
)
def test_other_files_are_refused(tmp_path, text):
    file = tmp_path / "value_ranges.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"value_ranges.json: .*take the file that the run wrote"):
        parse_ranges(file)

import numpy as np
from PIL import Image

from dnll_plugin.datasets.summary import describe_parts, describe_ranges, describe_sizes
from dnll_plugin.datasets.value_ranges import FLOATS, Range


def lines_of(parts, classes=("cat", "dog")):
    return describe_parts("pictures", classes, parts, "8x8 pixels")


def test_images_of_each_part_and_class():
    parts = {
        "labeled": np.repeat([0, 1], [3, 2]),
        "unlabeled": np.full(1200, -1),
        "test": np.repeat([0, 1], [4, 5]),
    }
    assert lines_of(parts) == [
        "pictures: 2 classes, 5 labeled, 1,200 unlabeled, 9 test images; 8x8 pixels",
        "labeled/test: cat 3/4, dog 2/5",
    ]


def test_a_warning_where_classes_differ_more_than_tenfold():
    even = {"labeled": np.repeat([0, 1], [10, 1])}
    assert not any("warning" in line for line in lines_of(even))
    uneven = {"labeled": np.repeat([0, 1], [1, 1]), "unlabeled": np.repeat([0, 1], [2, 21])}
    found = " ".join(lines_of(uneven))
    assert "warning: unlabeled: dog has 21 images and cat only 2" in found
    assert found.count("warning") == 1


def test_a_hundred_classes_stay_readable():
    classes = [f"a class with a long name {number:02d}" for number in range(100)]
    lines = lines_of({"labeled": np.repeat(np.arange(100), np.arange(1, 101))}, classes)
    assert max(map(len, lines)) < 120
    assert len(lines) < 12
    text = " ".join(" ".join(lines).split())
    assert "name 00 1," in text
    assert "…" in text
    assert "name 99 100" in text


def test_sizes_are_those_of_the_smallest_and_the_largest(tmp_path):
    for name, size in (("a", (3, 5)), ("b", (70, 10)), ("c", (9, 9))):
        Image.new("L", size).save(tmp_path / f"{name}.png")
    (tmp_path / "d.png").write_text("no image")
    files = [str(tmp_path / f"{name}.png") for name in "abcd"]
    assert describe_sizes(files) == "3x5 to 70x10 pixels"
    assert describe_sizes(files[:1]) == "3x5 pixels"
    assert describe_sizes(files[:1] * 2500) == "3x5 pixels (of 834 looked at)"
    assert describe_sizes(files[3:]) == "none of them can be read"


def test_ranges_are_told_once_each():
    (line,) = describe_ranges({FLOATS: Range(0, 1)})
    assert line == "images of floats: 0 to 1 become black to white, in prediction too"

import logging

import numpy as np
import pytest
import torch
from PIL import Image

from dnll_plugin.datasets.image_files import ImageFileDataset, ImageReader, read_image
from dnll_plugin.errors import InputError


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 0x4000, (0x40, 0x40, 0x40)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("LA", (50, 0), (255, 255, 255)),
        ("P", 1, (1, 2, 3)),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, mode, color, expected):
    image = Image.new(mode, (5, 4), color)
    if mode == "P":
        image.putpalette([0, 0, 0, 1, 2, 3])
    path = tmp_path / ("image.tiff" if mode == "CMYK" else "image.png")
    image.save(path)
    read = read_image(path)
    assert (read.mode, read.size) == ("RGB", (5, 4))
    assert read.getpixel((2, 2)) == expected


def test_transparent_palette_colour_becomes_white(tmp_path):
    image = Image.new("P", (2, 2), 0)
    image.putpalette([9, 9, 9])
    image.save(tmp_path / "image.gif", transparency=0)
    assert read_image(tmp_path / "image.gif").getpixel((0, 0)) == (255, 255, 255)


def test_camera_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (40, 20)).save(tmp_path / "image.jpg", exif=exif)
    assert read_image(tmp_path / "image.jpg").size == (20, 40)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize(
    ("size", "expected"), [((300, 100), (96, 32)), ((100, 300), (32, 96)), ((40, 10), (40, 10))]
)
def test_large_images_are_shrunk_to_their_short_side(tmp_path, suffix, size, expected):
    Image.new("RGB", size).save(tmp_path / f"image{suffix}")
    assert read_image(tmp_path / f"image{suffix}", short_side=32).size == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1, 6000), (1, 32)),
        ((9000, 2), (64, 2)),
        ((1, 30), (1, 30)),
        ((20_000, 64), (1024, 32)),
    ],
)
def test_of_very_long_images_the_middle_is_kept(tmp_path, size, expected):
    image = Image.new("RGB", size)
    image.paste("white", (size[0] // 2, size[1] // 2, *size))
    image.save(tmp_path / "image.png")
    read = read_image(tmp_path / "image.png", short_side=32)
    assert read.size == expected
    assert read.getpixel((0, 0)) == (0, 0, 0)
    assert read.getpixel(tuple(length - 1 for length in read.size)) == (255, 255, 255)
    first_white = np.asarray(read)[..., 0].any(axis=0 if size[0] > size[1] else 1).argmax()
    assert first_white == pytest.approx(max(expected) // 2, abs=1)


@pytest.fixture
def files(tmp_path):
    """Four files: text, red, an image cut short, green."""
    noise = np.random.RandomState(0).randint(256, size=(40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    (tmp_path / "0.png").write_text("no image")
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "1.png")
    (tmp_path / "2.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:900])
    Image.new("RGB", (8, 8), (0, 255, 0)).save(tmp_path / "3.png")
    return [str(tmp_path / name) for name in ("0.png", "1.png", "2.jpg", "3.png")]


def corner(image):
    return np.asarray(image)[0, 0].tolist()


def dataset_of(files, **kwargs):
    reader = ImageReader(files, short_side=8, **kwargs)
    return ImageFileDataset(
        reader=reader,
        alg="fixmatch",
        data=files,
        targets=np.arange(len(files)),
        num_classes=4,
        transform=corner,
    )


def test_broken_files_are_named_once_counted_and_replaced(files, caplog):
    dataset = dataset_of(files)
    with caplog.at_level(logging.WARNING):
        items = [dataset[index] for index in (0, 0, 1, 2, 3)]
    assert [item["x_lb"] for item in items] == [
        [255, 0, 0],
        [255, 0, 0],
        [255, 0, 0],
        [0, 255, 0],
        [0, 255, 0],
    ]
    assert [item["y_lb"] for item in items] == [1, 1, 1, 3, 3]
    assert len(caplog.records) == 2
    assert "0.png" in caplog.records[0].getMessage()
    assert dataset.reader.broken == [files[0], files[2]]


def test_broken_files_found_by_a_worker_are_known_to_all(files):
    dataset = dataset_of(files)
    loader = torch.utils.data.DataLoader(dataset, batch_size=4, num_workers=1)
    assert next(iter(loader))["y_lb"].tolist() == [1, 1, 3, 3]
    assert dataset.reader.broken == [files[0], files[2]]


def test_strict_reader_refuses_a_broken_file(files):
    with pytest.raises(InputError, match=r"cannot read image .*0.png .*mend or remove"):
        dataset_of(files, strict=True)[0]


def test_no_readable_image_at_all(files):
    with pytest.raises(InputError, match="none of 1 images can be read"):
        dataset_of(files[:1])[0]

"""Tiny files in the formats of the real data sets, and the settings a builder reads."""

import bz2
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

MakeArgs = Callable[..., SimpleNamespace]
WriteImage = Callable[..., None]


@pytest.fixture
def make_args() -> MakeArgs:
    """Settings as the toolbox hands them to a builder; keywords replace the defaults."""

    def make(**changes: Any) -> SimpleNamespace:
        defaults = {
            "img_size": 16,
            "crop_ratio": 0.875,
            "seed": 0,
            "ulb_num_labels": None,
            "lb_imb_ratio": 1.0,
            "ulb_imb_ratio": 1.0,
        }
        return SimpleNamespace(**{**defaults, **changes})

    return make


def write_idx(path: Path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes()
    path.write_bytes(header + values.astype(np.uint8).tobytes())


@pytest.fixture
def digit_files(tmp_path: Path) -> Path:
    """A folder with MNIST and USPS files: 8 training and 2 test images a class.

    An MNIST image is filled with 10 times its label, a USPS image with -1 but for its first pixel.
    """
    raw, usps = tmp_path / "MNIST" / "raw", tmp_path / "usps"
    raw.mkdir(parents=True)
    usps.mkdir()
    for prefix, usps_name, count in (("train", "usps.bz2", 8), ("t10k", "usps.t.bz2", 2)):
        labels = np.tile(np.arange(10), count)
        pixels = np.broadcast_to(labels[:, None, None] * 10, (len(labels), 28, 28))
        write_idx(raw / f"{prefix}-images-idx3-ubyte", pixels)
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", labels)
        rest = " ".join(f"{place}:-1" for place in range(2, 257))
        lines = "".join(f"{label + 1} 1:1 {rest}\n" for label in labels)
        (usps / usps_name).write_bytes(bz2.compress(lines.encode()))
    return tmp_path


@pytest.fixture
def write_image() -> WriteImage:
    """Write a picture of one colour, making its folder."""

    def write(path: Path, color: Any = (255, 0, 0)) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 12), color).save(path)

    return write


@pytest.fixture
def train_folder(tmp_path: Path, write_image: WriteImage) -> Path:
    """``train/`` layout: classes ``cat`` (red) and ``dog`` (green), 4 images each, 1 to test."""
    for name, color in (("dog", (0, 255, 0)), ("cat", (255, 0, 0))):
        for number in range(4):
            write_image(tmp_path / "train" / name / f"{number}.png", color)
        write_image(tmp_path / "test" / name / "0.png", color)
    return tmp_path


@pytest.fixture
def labeled_folder(tmp_path: Path, write_image: WriteImage) -> Path:
    """``labeled/`` layout: 2 + 1 labeled, 3 unlabeled images."""
    for path in ("cat/a.png", "cat/deep/b.png", "dog/c.png"):
        write_image(tmp_path / "labeled" / path)
    for path in ("x.png", "more/y.JPG", "z.bmp"):
        write_image(tmp_path / "unlabeled" / path)
    for path in ("cat/t.png", "dog/t.png"):
        write_image(tmp_path / "test" / path)
    return tmp_path

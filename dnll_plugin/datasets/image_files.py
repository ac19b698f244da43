"""Own images, read from their files whenever they are needed.

A file is decoded at each use and not before: a check of every file at the start would take as long
as an epoch. One that cannot be read is named once, counted, and the next image of the set takes its
place, so that a night's run does not die of it; ``strict_images: true`` makes it an error.
"""

import logging
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset

from dnll_plugin.errors import InputError

logger = logging.getLogger(__name__)

LONGEST = 100
"""Sides of an image that is 1 pixel wide and 6,000 long become 224 and 1,344,000 in a view: such
images are cut, because memory would not hold them."""


def read_image(path: str | Path, short_side: int | None = None) -> Image.Image:
    """Read an image file in any format and mode that Pillow knows.

    The camera's orientation is applied; transparent parts become white; 16-bit gray keeps its
    upper 8 bits; of several frames the first is taken.

    Args:
        path: the file.
        short_side: larger images are shrunk so that their short side has this many pixels; JPEG
            is then decoded at a fraction of its size, which is several times faster.

    Returns:
        An RGB image.

    Raises:
        Exception: whatever Pillow raises for a file that it cannot read.
    """
    with Image.open(path) as file:
        if short_side is not None:
            file.draft("RGB", (short_side, short_side))
        image = to_rgb(ImageOps.exif_transpose(file))
    return image if short_side is None else shrink(image, short_side)


def shrink(image: Image.Image, short_side: int) -> Image.Image:
    """Shrink an image so that its short side has ``short_side`` pixels; smaller ones stay.

    Of one that is more than `LONGEST` times as long as wide the middle is kept.
    """
    if max(image.size) > LONGEST * min(image.size):
        width, height = (min(length, LONGEST * min(image.size)) for length in image.size)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    if min(image.size) <= short_side:
        return image
    scale = short_side / min(image.size)
    width, height = (max(short_side, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB; see :func:`read_image`."""
    if image.mode.startswith("I"):  # Pillow itself would cut 16-bit values off at 255
        values = np.asarray(image).clip(0, 65535).astype(np.uint16) >> 8
        image = Image.fromarray(values.astype(np.uint8))
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


class ImageReader:
    """Reads the files of a data set and remembers which of them are broken.

    What is remembered lies in shared memory: loader workers, which start anew at every epoch, and
    the process that started them see the same.

    Args:
        files: every file that will be asked for.
        short_side: see :func:`read_image`.
        strict: raise for a broken file.
    """

    def __init__(self, files: list[str], short_side: int, strict: bool = False) -> None:
        self.short_side = short_side
        self.strict = strict
        self._index = {file: index for index, file in enumerate(files)}
        self._broken = torch.zeros(len(files), dtype=torch.bool).share_memory_()

    @property
    def broken(self) -> list[str]:
        """The files found broken so far."""
        return [file for file, index in self._index.items() if self._broken[index]]

    def read(self, file: str) -> Image.Image | None:
        """Return the image in a file, None if it cannot be read.

        Raises:
            InputError: if it cannot be read and the reader is strict.
        """
        index = self._index[file]
        if self._broken[index]:
            return None
        try:
            return read_image(file, self.short_side)
        except Exception as error:  # Pillow's decoders raise nearly anything for a broken file
            message = f"cannot read image {file} ({' '.join(str(error).split())})"
            if self.strict:
                raise InputError(f"{message}: mend or remove the file") from error
            self._broken[index] = True
            logger.warning("%s: another image takes its place", message)
            return None


class ImageFileDataset(BasicDataset):
    """The toolbox's data set over files instead of pixels.

    Args:
        reader: opens the files.
        **kwargs: those of BasicDataset; ``data`` holds the files' paths.
    """

    def __init__(self, *, reader: ImageReader, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.reader = reader

    def __sample__(self, idx: int) -> tuple[Image.Image, int]:
        """Return image ``idx`` and its label, or those of the next that can be read."""
        for step in range(len(self)):
            at = (idx + step) % len(self)
            image = self.reader.read(self.data[at])
            if image is not None:
                return image, self.targets[at]
        raise InputError(f"data_dir: none of {len(self)} images can be read, as {self.data[idx]}")

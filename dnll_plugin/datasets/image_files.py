"""Own images, read from their files whenever they are needed.

A file is decoded at each use and not before: a check of every file at the start would take as long
as an epoch. One that cannot be read is named once, counted, and the next image of the set takes its
place, so that a night's run does not die of it; ``strict_images: true`` makes it an error.
"""

import logging
from pathlib import Path

import torch
from PIL import Image, ImageOps
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset

from dnll_plugin.datasets.value_ranges import Ranges, kind_of, stretch
from dnll_plugin.errors import InputError

logger = logging.getLogger(__name__)

LONGEST = 32
"""Of an image that is more times as long as wide only the middle is kept: brought to the size of a
crop, a line of 6,000 pixels would fill the memory."""

NO_RANGES: Ranges = {}


def read_image(
    path: str | Path, short_side: int | None = None, ranges: Ranges = NO_RANGES
) -> Image.Image:
    """Read an image file in any format and mode that Pillow knows.

    The camera's orientation is applied; transparent parts become white; of several frames the first
    is taken; for more than 8 bits a pixel see :mod:`dnll_plugin.datasets.value_ranges`.

    Args:
        path: the file.
        short_side: larger images are shrunk so that their short side has this many pixels; JPEG
            is then decoded at a fraction of its size, which is several times faster.
        ranges: those of the data set.

    Returns:
        An RGB image.

    Raises:
        Exception: whatever Pillow raises for a file that it cannot read.
    """
    with Image.open(path) as file:
        if short_side is not None:
            file.draft("RGB", (short_side, short_side))
        image = to_rgb(ImageOps.exif_transpose(file), ranges)
    return image if short_side is None else shrink(image, short_side)


def shrink(image: Image.Image, short_side: int) -> Image.Image:
    """Shrink an image so that its short side has ``short_side`` pixels; smaller ones stay.

    One that is more than :data:`LONGEST` times as long as wide loses its ends.
    """
    length = LONGEST * min(image.size)
    if max(image.size) > length:
        left, top = (max(0, (side - length) // 2) for side in image.size)
        image = image.crop((left, top, image.width - left, image.height - top))
    if min(image.size) <= short_side:
        return image
    scale = short_side / min(image.size)
    width, height = (max(short_side, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def to_rgb(image: Image.Image, ranges: Ranges = NO_RANGES) -> Image.Image:
    """Convert an image of any mode to RGB; see :func:`read_image`."""
    if kind_of(image.mode) is not None:
        image = stretch(image, ranges)
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
        ranges: see :func:`read_image`.
    """

    def __init__(
        self, files: list[str], short_side: int, strict: bool = False, ranges: Ranges = NO_RANGES
    ) -> None:
        self.short_side = short_side
        self.strict = strict
        self.ranges = ranges
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
            return read_image(file, self.short_side, self.ranges)
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

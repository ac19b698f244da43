"""MNIST, read from the original idx files (60,000 + 10,000 digits of 28x28 pixels).

``mnist`` shifts its training images and takes RandAugment for strong views; ``mnist_plain`` leaves
every view as it is, for comparison with results without augmentation. Both are built here: what
differs is the views, which go by the name.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from dnll_plugin.datasets.build import Images, array_builder, gray_images
from dnll_plugin.datasets.download import ensure_files
from dnll_plugin.datasets.table import DATASETS
from dnll_plugin.errors import InputError


def load(data_dir: str) -> tuple[Images, Images]:
    """Return (training set, test set) from ``data_dir/MNIST/raw``, downloaded if need be.

    Raises:
        InputError: if files are missing or damaged.
    """
    row = DATASETS["mnist"]
    folder = Path(data_dir) / row.folder
    ensure_files("mnist", folder, row.files, lambda: _download(data_dir))
    arrays = [read_idx(folder / name) for name in row.files]
    for pixels, targets, name in zip(arrays[::2], arrays[1::2], row.files[::2], strict=True):
        if pixels.ndim != 3 or targets.ndim != 1 or len(pixels) != len(targets):
            raise InputError(f"dataset mnist: {folder / name} does not match its labels")
    return gray_images(arrays[0], arrays[1]), gray_images(arrays[2], arrays[3])


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read an idx file of bytes.

    The format: two zero bytes, 8 (unsigned bytes), the number of dimensions, each dimension as
    big-endian 32 bits, the values.

    Raises:
        InputError: if the file is anything else.
    """
    content = np.fromfile(path, dtype=np.uint8)
    dimensions = int(content[3]) if len(content) > 3 else 0
    header = 4 + 4 * dimensions
    shape = content[4:header].view(">u4") if len(content) >= header else ()
    if tuple(content[:3]) != (0, 0, 8) or len(content) != header + np.prod(shape, dtype=np.int64):
        raise InputError(f"{path} is not a whole idx file of bytes: delete it to fetch it anew")
    return content[header:].reshape(tuple(int(size) for size in shape))


def _download(data_dir: str) -> None:
    from torchvision.datasets import MNIST

    MNIST(data_dir, download=True)


build = array_builder(load)

"""USPS: 7,291 + 2,007 handwritten digits of 16x16 pixels, in LIBSVM's text format."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_svmlight_file

from dnll_plugin.datasets.build import Images, array_builder, gray_images
from dnll_plugin.datasets.download import ensure_files
from dnll_plugin.datasets.table import DATASETS
from dnll_plugin.errors import InputError


def load(data_dir: str) -> tuple[Images, Images]:
    """Return (training set, test set) from ``data_dir/usps``, downloaded if need be.

    Raises:
        InputError: if files are missing or damaged.
    """
    row = DATASETS["usps"]
    folder = Path(data_dir) / row.folder
    ensure_files("usps", folder, row.files, lambda: _download(folder))
    train, test = (_read(folder / name) for name in row.files)
    return train, test


def _read(path: Path) -> Images:
    try:
        values, labels = load_svmlight_file(str(path), n_features=256)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): delete it to fetch it anew") from error
    pixels = np.rint((values.toarray() + 1) / 2 * 255)  # the file's range is -1..1
    targets = labels - 1  # and its labels start at 1
    return gray_images(pixels.astype(np.uint8).reshape(-1, 16, 16), targets)


def _download(folder: Path) -> None:
    from torchvision.datasets import USPS
    from torchvision.datasets.utils import download_url

    for url, name, md5 in USPS.split_list.values():
        download_url(url, folder, name, md5)


build = array_builder(load)

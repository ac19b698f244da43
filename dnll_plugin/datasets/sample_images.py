"""Writes scikit-learn's digits as folders of images: data to try ``dataset: imagefolder`` with.

``python -m dnll_plugin.datasets.sample_images DIR`` makes ``labeled/<class>/*.png``,
``unlabeled/*.png`` and ``test/<class>/*.png``. What the unlabeled images are stands beside them in
``unlabeled.csv``, to see afterwards how many were labeled right.
"""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from dnll_plugin.errors import InputError

LABELED_PER_CLASS, TEST_PER_CLASS = 20, 50
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def write(folder: Path) -> tuple[int, int, int]:
    """Writes the images.

    Args:
        folder: empty, or not there yet.

    Returns:
        The numbers of labeled, unlabeled and test images.

    Raises:
        InputError: the folder holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; give another folder")
    pixels, targets = load_digits(return_X_y=True)
    pictures = np.rint(pixels / 16 * 255).astype(np.uint8).reshape(-1, 8, 8)
    labeled, test = np.zeros(len(targets), dtype=bool), np.zeros(len(targets), dtype=bool)
    for label in range(len(NAMES)):
        of_class = np.flatnonzero(targets == label)
        labeled[of_class[:LABELED_PER_CLASS]] = True
        test[of_class[-TEST_PER_CLASS:]] = True
    for name, chosen in (("labeled", labeled), ("test", test)):
        for index in np.flatnonzero(chosen):
            _save(pictures[index], folder / name / NAMES[targets[index]] / f"{index:04d}.png")
    rest = np.flatnonzero(~(labeled | test))
    for index in rest:
        _save(pictures[index], folder / "unlabeled" / f"{index:04d}.png")
    with (folder / "unlabeled.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("file", "label"))
        table.writerows((f"{index:04d}.png", NAMES[targets[index]]) for index in rest)
    return int(labeled.sum()), len(rest), int(test.sum())


def main(arguments: Sequence[str]) -> int:
    """Writes the images into the folder that the command line names; returns the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m dnll_plugin.datasets.sample_images DIR", file=sys.stderr)
        return 2
    try:
        labeled, unlabeled, test = write(Path(arguments[0]))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{arguments[0]}: {labeled} labeled, {unlabeled} unlabeled, {test} test images")
    return 0


def _save(pixels: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Images of folders that training never sees: for the test and for the validation.

Each has a folder of its own, or is cut off the training images: the same share of every class,
drawn by the run's seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnll_plugin.datasets.folders import (
    FolderImages,
    Layout,
    check_same_classes,
    find_of_no_class,
    labeled_images,
)
from dnll_plugin.datasets.split import Indices
from dnll_plugin.errors import InputError

Mask = npt.NDArray[np.bool_]

TEST, VALIDATION, UNKNOWN_TEST = "test", "val", "unknown test"
KEYS = {TEST: "test_share", VALIDATION: "val_share"}
"""The key that says how much is cut off for a part, by the name of its folder."""


@dataclass(frozen=True)
class Parts:
    """The labeled images of folders, by what they are for.

    Attributes:
        rest: (N,) int64, positions of the training images among those of the training folder.
        held_out: by :data:`TEST`, :data:`VALIDATION` and :data:`UNKNOWN_TEST`, test images of none
            of the classes, those images, where there are any.
        cut: the names among these that were cut off the training folder.
    """

    rest: Indices
    held_out: Mapping[str, FolderImages]
    cut: tuple[str, ...]


def cut_parts(
    layout: Layout,
    whole: FolderImages,
    classes: Sequence[str],
    shares: Mapping[str, float],
    seed: int,
    kept: Indices | None = None,
) -> Parts:
    """Find the images for test and validation, or cut them off the training images.

    Args:
        layout: which folders there are.
        whole: the images of the training folder.
        classes: names of the classes.
        shares: of each class that is cut off, by key of the config.
        seed: of the draw.
        kept: positions of training images that must stay, as those of a label file.

    Raises:
        InputError: if folders differ in their classes, or a class is too small.
    """
    folders = {TEST: layout.test, VALIDATION: layout.validation}
    must_stay = np.zeros(len(whole.paths), dtype=bool)
    if kept is not None:
        must_stay[kept] = True
    rest = np.ones(len(whole.paths), dtype=bool)
    held_out, cut = {}, []
    for number, (part, folder) in enumerate(folders.items()):
        key = KEYS[part]
        if folder is not None:
            if part == VALIDATION and shares[key] > 0:
                raise InputError(f"{key}: the validation images are in {folder}: remove the key")
            check_same_classes(layout.training, folder)
            held_out[part] = labeled_images(folder, classes)
        elif shares[key] > 0:
            generator = np.random.RandomState((seed, number))
            drawn = _draw(whole, classes, part, shares[key], rest, must_stay, generator)
            rest[drawn] = False
            held_out[part] = whole.take(drawn)
            cut.append(part)
    of_no_class = find_of_no_class(layout.test)
    if of_no_class is not None:
        held_out[UNKNOWN_TEST] = of_no_class
    return Parts(np.flatnonzero(rest), held_out, tuple(cut))


def _draw(
    whole: FolderImages,
    classes: Sequence[str],
    part: str,
    share: float,
    rest: Mask,
    must_stay: Mask,
    generator: np.random.RandomState,
) -> Indices:
    """Draw a share of every class, one image at least; one at least stays.

    Args:
        whole: all images.
        classes: names of the classes.
        part: what for.
        share: of all images of the class.
        rest: (N,) those that are still there.
        must_stay: (N,) those that are not to be drawn.
        generator: draws.

    Raises:
        InputError: if a class is too small.
    """
    drawn = []
    for label, name in enumerate(classes):
        of_class = whole.targets == label
        number = max(1, round(share * int(of_class.sum())))
        pool = np.flatnonzero(of_class & rest & ~must_stay)
        spare = min(len(pool), int((of_class & rest).sum()) - 1)
        if number > spare:
            raise InputError(
                f"{KEYS[part]}: {number} of the images in {whole.root / name} would go to {part}/, "
                f"and {spare} can be spared: add images, write a smaller {KEYS[part]}, or make "
                f"{part}/<class>/ beside train/<class>/"
            )
        drawn.append(generator.permutation(pool)[:number])
    return np.sort(np.concatenate(drawn))

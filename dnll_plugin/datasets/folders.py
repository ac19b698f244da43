"""Folders of own images: which files, which classes, which labels.

Three layouts. Either what is labeled is laid out by the user::

    labeled/<class>/*      unlabeled/**      test/<class>/*

or every training image has its label, of which ``num_labels`` are kept and the others hidden::

    train/<class>/*        test/<class>/*

or there are only the folders of the classes::

    <class>/*

Without ``test/`` a part of the last two is cut off for the test. ``val/<class>/*`` beside
``labeled/`` or ``train/`` are validation images, and ``test/_unknown/**`` test images of none of
the classes. A class may have folders inside. Files are known by their suffix, any that Pillow
reads; names that begin with a dot are passed over. Nothing is opened here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dnll_plugin.datasets.listing import iterate_images
from dnll_plugin.errors import InputError

UNKNOWN = -1

OF_NO_CLASS = "_unknown"
"""Folder of test images that belong to none of the classes."""

RESERVED = frozenset(("labeled", "unlabeled", "train", "val", "test"))
"""Names of folders that are no class where there are only the folders of the classes."""


@dataclass(frozen=True)
class FolderImages:
    """Files with their labels.

    Attributes:
        root: folder that ``paths`` are relative to.
        paths: sorted, with forward slashes on every system.
        targets: (N,) int64, :data:`UNKNOWN` for images without a class folder.
    """

    root: Path
    paths: list[str]
    targets: npt.NDArray[np.int64]

    @property
    def files(self) -> list[str]:
        """The paths as they can be opened."""
        return [str(self.root / path) for path in self.paths]

    def take(self, indices: npt.NDArray[np.int64]) -> "FolderImages":
        """Return the files at these positions, in this order."""
        return FolderImages(self.root, [self.paths[i] for i in indices], self.targets[indices])


@dataclass(frozen=True)
class Layout:
    """Which folders hold what.

    Attributes:
        training: parent of the class folders that are trained on.
        unlabeled: None where it is the training images whose label is hidden.
        validation: None where there is none.
        test: None where it has to be cut off the training images.
    """

    training: Path
    unlabeled: Path | None
    validation: Path | None
    test: Path | None


def folder_facts(data_dir: str | Path) -> tuple[list[str], int | None]:
    """Return what the folders decide before a net can be built.

    Returns:
        The names of the classes, sorted, in the order of the labels; and the number of labeled
        images, or None in the ``train/`` layout, where the config says it.

    Raises:
        InputError: if there is no such folder, or it is not laid out as above.
    """
    layout = find_layout(data_dir)
    classes = class_names(layout.training)
    if layout.unlabeled is None:
        return classes, None
    return classes, len(labeled_images(layout.training, classes).paths)


def find_layout(data_dir: str | Path) -> Layout:
    """Return which of the layouts the folders have.

    Raises:
        InputError: if they have none or two of them, or images of no class where labels are.
    """
    layout = _find_layout(Path(data_dir))
    for folder in (layout.training, layout.validation):
        if folder is not None and (folder / OF_NO_CLASS).is_dir():
            raise InputError(
                f"data_dir: {folder / OF_NO_CLASS}: images of no class belong into "
                f"test/{OF_NO_CLASS}/, beside labeled/ or train/: move the folder"
            )
    return layout


def _find_layout(root: Path) -> Layout:
    if not root.is_dir():
        raise InputError(f"data_dir: no such folder: {root}")
    labeled, train = root / "labeled", root / "train"
    validation = root / "val" if (root / "val").is_dir() else None
    if labeled.is_dir() and train.is_dir():
        raise InputError(f"data_dir: {root} has both labeled/ and train/: keep one of them")
    if labeled.is_dir():
        return Layout(labeled, root / "unlabeled", validation, root / "test")
    test = root / "test" if (root / "test").is_dir() else None
    if train.is_dir():
        return Layout(train, None, validation, test)
    if not _holds_classes(root):
        raise InputError(
            f"data_dir: {root} has neither labeled/ nor train/: "
            "put images into labeled/<class>/, unlabeled/ and test/<class>/, "
            "or into train/<class>/ and test/<class>/, or into nothing but <class>/"
        )
    return Layout(root, None, None, None)


def _holds_classes(root: Path) -> bool:
    """Whether a folder holds class folders and none with another meaning.

    Raises:
        InputError: if one of them is itself laid out for training.
    """
    names = _folder_names(root)
    for name in names:
        if len(RESERVED.intersection(_folder_names(root / name))) > 1:
            raise InputError(
                f"data_dir: {root} has neither labeled/ nor train/, but {root / name} looks as if "
                f"it had: write data_dir: {root / name}"
            )
    holding = (name for name in names if next(iterate_images(root / name), None) is not None)
    return RESERVED.isdisjoint(names) and next(holding, None) is not None


def class_names(root: Path) -> list[str]:
    """Return the names of the class folders, sorted.

    Raises:
        InputError: if there are fewer than two.
    """
    if not root.is_dir():
        raise InputError(f"data_dir: no such folder: {root}: make it, with a folder for each class")
    classes = [name for name in _folder_names(root) if name != OF_NO_CLASS]
    if len(classes) < 2:
        raise InputError(
            f"data_dir: {root} has {len(classes)} class folders: make one for each class, "
            "two at least"
        )
    return classes


def _folder_names(root: Path) -> list[str]:
    return sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )


def labeled_images(root: Path, classes: Sequence[str]) -> FolderImages:
    """Return the images of every class folder, class by class.

    Raises:
        InputError: if a class has no image.
    """
    paths: list[str] = []
    targets: list[int] = []
    for label, name in enumerate(classes):
        found = [f"{name}/{path}" for path in image_paths(root / name)]
        if not found:
            raise InputError(
                f"data_dir: {root / name} holds no image: add images or remove the folder"
            )
        paths += found
        targets += [label] * len(found)
    return FolderImages(root, paths, np.asarray(targets, dtype=np.int64))


def check_same_classes(training: Path, test: Path) -> None:
    """Check that training and test images have the same class folders.

    Raises:
        InputError: if they do not, naming a class that one of them lacks.
    """
    trained, tested = class_names(training), class_names(test)
    for name in sorted(set(trained) ^ set(tested)):
        has, lacks = (training, test) if name in trained else (test, training)
        raise InputError(
            f"data_dir: class {name} is in {has} but not in {lacks}: give both the same folders"
        )


def unlabeled_images(root: Path) -> FolderImages:
    """Return the images below a folder, whatever folders they lie in.

    Raises:
        InputError: if there are none.
    """
    paths = image_paths(root)
    if not paths:
        raise InputError(f"data_dir: {root} holds no unlabeled images: add some")
    return FolderImages(root, paths, np.full(len(paths), UNKNOWN, dtype=np.int64))


def find_of_no_class(test: Path | None) -> FolderImages | None:
    """Return the test images of none of the classes, None where there is no folder of them.

    Raises:
        InputError: if the folder holds no image.
    """
    if test is None or not (test / OF_NO_CLASS).is_dir():
        return None
    root = test / OF_NO_CLASS
    paths = image_paths(root)
    if not paths:
        raise InputError(f"data_dir: {root} holds no image: add images of no class or remove it")
    return FolderImages(root, paths, np.full(len(paths), UNKNOWN, dtype=np.int64))


def image_paths(folder: str | Path) -> list[str]:
    """Return the image files below a folder, relative to it, sorted, with forward slashes."""
    return list(iterate_images(folder))

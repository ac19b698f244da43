"""Own images in folders as a data set; :mod:`dnll_plugin.datasets.folders` shows the layouts.

``indices`` refer to the training set: the files of ``train/``, or those of ``labeled/`` followed by
those of ``unlabeled/``, each sorted by path. With ``labeled/`` the folders decide alone, so that
``num_labels`` and the keys of the toolbox's split are without effect.
"""

from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dnll_plugin.datasets.build import (
    Images,
    check_classes,
    dataset_triple,
    find_label_file,
    split_settings,
)
from dnll_plugin.datasets.folders import (
    check_same_classes,
    class_names,
    labeled_images,
    training_folder,
    unlabeled_images,
)
from dnll_plugin.datasets.image_files import ImageFileDataset, ImageReader
from dnll_plugin.datasets.label_file import labeled_indices_from_paths
from dnll_plugin.datasets.split import Split, split_indices
from dnll_plugin.datasets.transforms import short_side, views
from dnll_plugin.errors import InputError


def build(
    args: Namespace,
    alg: str,
    name: str,
    num_labels: int,
    num_classes: int,
    data_dir: str = "./data",
    include_lb_to_ulb: bool = True,
) -> tuple[Any, Any, Any]:
    """Build the labeled, unlabeled and evaluation data set from the folders in ``data_dir``.

    Raises:
        InputError: if the folders or the settings are wrong.
    """
    root, test_root = training_folder(data_dir), Path(data_dir) / "test"
    classes = class_names(root)
    check_classes(str(root), num_classes, classes)
    check_same_classes(root, test_root)
    if root.name == "train":
        train, split = _train_layout(args, root, classes, num_labels, include_lb_to_ulb)
    else:
        train, split = _labeled_layout(args, alg, root, classes, include_lb_to_ulb)
    test_folder = labeled_images(test_root, classes)
    test = Images(test_folder.files, test_folder.targets)
    reader = ImageReader(
        [*train.data, *test.data],
        short_side(args.img_size, args.crop_ratio),
        strict=getattr(args, "strict_images", False),
    )
    return dataset_triple(
        alg,
        train,
        test,
        split,
        views(name, args.img_size, args.crop_ratio),
        classes,
        dataset_class=partial(ImageFileDataset, reader=reader),
    )


def _train_layout(
    args: Namespace, root: Path, classes: list[str], num_labels: int, include_lb_to_ulb: bool
) -> tuple[Images, Split]:
    folder = labeled_images(root, classes)
    label_file = find_label_file(args)
    labeled = (
        labeled_indices_from_paths(label_file, folder.paths, folder.targets, num_labels)
        if label_file
        else None
    )
    settings = split_settings(args, num_labels, include_lb_to_ulb)
    split = split_indices(folder.targets, len(classes), settings, labeled)
    return Images(folder.files, folder.targets), split


def _labeled_layout(
    args: Namespace, alg: str, root: Path, classes: list[str], include_lb_to_ulb: bool
) -> tuple[Images, Split]:
    if find_label_file(args):
        raise InputError(
            f"label_file: the images in {root} are labeled already: remove the key, or put all "
            "training images into train/<class>/"
        )
    if alg == "fullysupervised":
        raise InputError(
            f"algorithm: fullysupervised needs the label of every training image, which {root} "
            "does not have: write supervised, or put the images into train/<class>/"
        )
    labeled = labeled_images(root, classes)
    unlabeled = unlabeled_images(root.with_name("unlabeled"))
    train = Images(
        labeled.files + unlabeled.files, np.concatenate([labeled.targets, unlabeled.targets])
    )
    every = np.arange(len(train.data))
    count = len(labeled.files)
    return train, Split(every[:count], every if include_lb_to_ulb else every[count:])

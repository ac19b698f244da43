"""Own images in folders as a data set; :mod:`dnll_plugin.datasets.folders` shows the layouts.

``indices`` refer to the training set: the files of the class folders without those that were cut
off for test and validation, or those of ``labeled/`` followed by those of ``unlabeled/``, each
sorted by path. With ``labeled/`` the folders decide alone, so that ``num_labels`` and the keys of
the toolbox's split are without effect.
"""

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from dnll_plugin.datasets.build import (
    Images,
    build_one,
    check_classes,
    dataset_triple,
    find_label_file,
    split_settings,
)
from dnll_plugin.datasets.folders import (
    FolderImages,
    Layout,
    class_names,
    find_layout,
    labeled_images,
    unlabeled_images,
)
from dnll_plugin.datasets.image_files import ImageFileDataset, ImageReader
from dnll_plugin.datasets.label_file import labeled_indices_from_paths
from dnll_plugin.datasets.parts import KEYS, TEST, UNKNOWN_TEST, VALIDATION, Parts, cut_parts
from dnll_plugin.datasets.split import Indices, Split, SplitSettings, split_indices
from dnll_plugin.datasets.summary import About, describe_parts, describe_ranges, describe_sizes
from dnll_plugin.datasets.transforms import short_side, views
from dnll_plugin.datasets.value_ranges import find_ranges
from dnll_plugin.errors import InputError

DEFAULT_SHARES = {"test_share": 0.2, "val_share": 0.0}
"""For the toolbox's own ``train.py``, whose settings lack these keys."""


def build(
    args: Namespace,
    alg: str,
    name: str,
    num_labels: int,
    num_classes: int,
    data_dir: str = "./data",
    include_lb_to_ulb: bool = True,
) -> tuple[Any, ...]:
    """Build the labeled and unlabeled data set, then validation and test set, from the folders.

    Without validation images there are three. The labeled one has ``about``, an
    :class:`~dnll_plugin.datasets.summary.About`.

    Raises:
        InputError: if the folders or the settings are wrong.
    """
    layout = find_layout(data_dir)
    classes = class_names(layout.training)
    check_classes(str(layout.training), num_classes, classes)
    check_settings(args, alg, layout)
    whole = labeled_images(layout.training, classes)
    kept = _read_label_file(args, whole, num_labels)
    shares = {key: getattr(args, key, default) for key, default in DEFAULT_SHARES.items()}
    parts = cut_parts(layout, whole, classes, shares, args.seed, kept)
    check_parts(args, parts)
    if layout.unlabeled is None:
        settings = split_settings(args, num_labels, include_lb_to_ulb)
        training = _hide_labels(whole, classes, parts, settings, kept)
    else:
        unlabeled = unlabeled_images(layout.unlabeled)
        training = _add_unlabeled(whole.take(parts.rest), unlabeled, include_lb_to_ulb)
    about = describe(args, str(data_dir), classes, training, parts)
    return _make_datasets(args, alg, name, classes, training, parts, about)


def _make_datasets(
    args: Namespace,
    alg: str,
    name: str,
    classes: Sequence[str],
    training: tuple[Images, Split],
    parts: Parts,
    about: About,
) -> tuple[Any, ...]:
    train, split = training
    reader = ImageReader(
        list_files(train, parts),
        short_side(args.img_size, args.crop_ratio),
        strict=getattr(args, "strict_images", False),
        ranges=about.ranges,
    )
    kind = partial(ImageFileDataset, reader=reader)
    pipelines = views(name, args.img_size, args.crop_ratio)
    held_out = {part: Images(found.files, found.targets) for part, found in parts.held_out.items()}
    test = held_out[TEST]
    if UNKNOWN_TEST in held_out:
        test = test.join(held_out[UNKNOWN_TEST])
    labeled_set, unlabeled_set, test_set = dataset_triple(
        alg, train, test, split, pipelines, classes, dataset_class=kind
    )
    labeled_set.about = about
    if VALIDATION not in held_out:
        return labeled_set, unlabeled_set, test_set
    validation_set = build_one(
        kind, alg, classes, held_out[VALIDATION], transform=pipelines.evaluation, is_ulb=False
    )
    return labeled_set, unlabeled_set, validation_set, test_set


def check_settings(args: Namespace, alg: str, layout: Layout) -> None:
    """Check what has to fit to the layout of the folders.

    Raises:
        InputError: if something does not.
    """
    if layout.unlabeled is None:
        return
    if find_label_file(args):
        raise InputError(
            f"label_file: the images in {layout.training} are labeled already: remove the key, or "
            "put all training images into train/<class>/"
        )
    if alg == "fullysupervised":
        raise InputError(
            f"algorithm: fullysupervised needs the label of every training image, which "
            f"{layout.training} does not have: write supervised, or put the images into "
            "train/<class>/"
        )


def check_parts(args: Namespace, parts: Parts) -> None:
    """Check that there are images for what is asked.

    Raises:
        InputError: if there are none.
    """
    if getattr(args, "early_stopping", 0) and VALIDATION not in parts.held_out:
        raise InputError(
            f"early_stopping: needs validation images: write {KEYS[VALIDATION]}: 0.1, or put some "
            "of every class into val/<class>/ beside the folder of the training images"
        )


def _read_label_file(args: Namespace, whole: FolderImages, num_labels: int) -> Indices | None:
    """Positions of the images that a label file lists; None where there is no such file."""
    label_file = find_label_file(args)
    if label_file is None:
        return None
    return labeled_indices_from_paths(label_file, whole.paths, whole.targets, num_labels)


def _hide_labels(
    whole: FolderImages,
    classes: Sequence[str],
    parts: Parts,
    settings: SplitSettings,
    kept: Indices | None,
) -> tuple[Images, Split]:
    """The training images where each has a label, of which some are kept."""
    train = whole.take(parts.rest)
    labeled = None if kept is None else np.searchsorted(parts.rest, kept)
    names = [str(whole.root / name) for name in classes]
    split = split_indices(train.targets, len(classes), settings, labeled, names)
    return Images(train.files, train.targets), split


def _add_unlabeled(
    labeled: FolderImages, unlabeled: FolderImages, include_lb_to_ulb: bool
) -> tuple[Images, Split]:
    """The training images where some have a label and others none."""
    targets = np.concatenate([labeled.targets, unlabeled.targets])
    every, count = np.arange(len(targets)), len(labeled.paths)
    split = Split(every[:count], every if include_lb_to_ulb else every[count:])
    return Images(labeled.files + unlabeled.files, targets), split


def describe(
    args: Namespace,
    data_dir: str,
    classes: Sequence[str],
    training: tuple[Images, Split],
    parts: Parts,
) -> About:
    """What the data set tells of itself; for that its files are looked at.

    Ranges of values that the run has found already, ``args.value_ranges``, are kept.
    """
    train, split = training
    unlabeled = np.setdiff1d(split.unlabeled, split.labeled)
    labels = {"labeled": train.targets[split.labeled], "unlabeled": train.targets[unlabeled]}
    if VALIDATION in parts.held_out:
        labels["validation"] = parts.held_out[VALIDATION].targets
    for part in (TEST, UNKNOWN_TEST):
        if part in parts.held_out:
            labels[part] = parts.held_out[part].targets
    files = list_files(train, parts)
    ranges = getattr(args, "value_ranges", None)
    if ranges is None:
        ranges = find_ranges(files)
    lines = describe_parts(data_dir, classes, labels, describe_sizes(files))
    return About(
        [*lines, *describe_ranges(ranges)],
        ranges,
        {part: parts.held_out[part].paths for part in parts.cut},
    )


def list_files(train: Images, parts: Parts) -> list[str]:
    """Every file of the data set."""
    return [*train.data, *(file for part in parts.held_out.values() for file in part.files)]

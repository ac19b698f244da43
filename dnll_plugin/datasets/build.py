"""From images, labels and a config to the three data sets that the toolbox trains and tests on."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset

from dnll_plugin.datasets.known_classes import order_classes, renumber
from dnll_plugin.datasets.label_file import labeled_indices_from_file
from dnll_plugin.datasets.split import Indices, Split, SplitSettings, split_indices
from dnll_plugin.datasets.table import DATASETS, Builder
from dnll_plugin.datasets.transforms import Views, views
from dnll_plugin.errors import InputError


@dataclass(frozen=True)
class Images:
    """Images with their labels.

    Attributes:
        data: (N, H, W, 3) uint8, or a list of N paths.
        targets: (N,) int64, -1 where unknown.
    """

    data: Any
    targets: npt.NDArray[np.int64]

    def take(self, indices: Indices) -> "Images":
        """Return the images at these positions, in this order."""
        if isinstance(self.data, np.ndarray):
            return Images(self.data[indices], self.targets[indices])
        return Images([self.data[index] for index in indices], self.targets[indices])

    def join(self, others: "Images") -> "Images":
        """Return these images, in files, followed by others."""
        return Images([*self.data, *others.data], np.concatenate([self.targets, others.targets]))

    def split_off_unknown(self) -> tuple["Images", "Images"]:
        """Return the images whose label is known, and the others."""
        return (
            self.take(np.flatnonzero(self.targets >= 0)),
            self.take(np.flatnonzero(self.targets < 0)),
        )


Load = Callable[[str], tuple[Images, Images]]


def gray_images(pixels: npt.NDArray[np.uint8], targets: npt.ArrayLike) -> Images:
    """Return gray pictures (N, H, W) as images of three equal channels."""
    return Images(np.repeat(pixels[..., None], 3, axis=3), np.asarray(targets, dtype=np.int64))


def split_settings(args: Namespace, num_labels: int, include_lb_to_ulb: bool) -> SplitSettings:
    """Read what decides a split from the toolbox's config; the text ``None`` is no number there."""
    number = args.ulb_num_labels
    return SplitSettings(
        num_labels=num_labels,
        seed=args.seed,
        ulb_num_labels=None if number in (None, "None") else int(number),
        lb_imb_ratio=args.lb_imb_ratio,
        ulb_imb_ratio=args.ulb_imb_ratio,
        include_lb_to_ulb=include_lb_to_ulb,
        ulb_ood=getattr(args, "ulb_ood", 0.0),
    )


def find_label_file(args: Namespace) -> str | None:
    """Return the config's ``label_file``, or None where it has none."""
    name = getattr(args, "label_file", None)
    return None if name in (None, "", "None") else name


def check_classes(dataset: str, num_classes: int, classes: Sequence[str]) -> None:
    """Check the number of classes that the net is built for against the data set's.

    Raises:
        InputError: if they differ.
    """
    if num_classes != len(classes):
        raise InputError(
            f"num_classes is {num_classes}, but {dataset} has {len(classes)} classes: "
            f"write num_classes: {len(classes)}"
        )


def dataset_triple(
    alg: str,
    train: Images,
    test: Images,
    split: Split,
    views: Views,
    classes: Sequence[str],
    *,
    unlabeled: Images | None = None,
    dataset_class: Callable[..., Any] = BasicDataset,
) -> tuple[Any, Any, Any]:
    """Build the labeled, unlabeled and evaluation data set.

    Each has ``classes`` (names in the order of the labels), the first two ``indices``, the int64
    positions of their images in the training set. Algorithm ``fullysupervised`` gets every
    training image labeled, as in the toolbox. Where test images belong to none of the classes, the
    last has ``unknown``, a data set of them.

    Args:
        alg: name of the algorithm; decides which views an item has.
        train: training set.
        test: evaluation set; the label of an image of none of the classes is -1.
        split: positions in the training set.
        views: pipelines of the views.
        classes: names of the classes.
        unlabeled: training set that ``split.unlabeled`` refers to, if not ``train``.
        dataset_class: BasicDataset or a subclass.
    """
    build = partial(build_one, dataset_class, alg, classes)
    every = alg == "fullysupervised"
    labeled_at = np.flatnonzero(train.targets >= 0) if every else split.labeled
    training: dict[str, Any] = {
        "transform": views.weak,
        "medium_transform": views.medium,
        "strong_transform": views.strong,
    }
    labeled_set = build(train.take(labeled_at), is_ulb=False, **training)
    unlabeled_set = build((unlabeled or train).take(split.unlabeled), is_ulb=True, **training)
    labeled_set.indices, unlabeled_set.indices = labeled_at, split.unlabeled
    known, unknown = test.split_off_unknown()
    test_set = build(known, transform=views.evaluation, is_ulb=False)
    if len(unknown.targets):
        test_set.unknown = build(unknown, transform=views.evaluation, is_ulb=False)
    return labeled_set, unlabeled_set, test_set


def build_one(
    dataset_class: Callable[..., Any],
    alg: str,
    classes: Sequence[str],
    images: Images,
    **pipelines: object,
) -> Any:
    """Build one data set; ``pipelines`` are further arguments of ``dataset_class``."""
    # keywords only: the toolbox's versions differ in the order of the parameters, and the older
    # one ignores medium_transform
    dataset = dataset_class(
        alg=alg,
        data=images.data,
        targets=images.targets,
        num_classes=len(classes),
        onehot=False,
        **pipelines,
    )
    dataset.classes = list(classes)
    return dataset


def forget_ood_labels(images: Images, num_classes: int) -> Images:
    """Return the images, those of the classes from ``num_classes`` on with the label -1."""
    return Images(images.data, np.where(images.targets < num_classes, images.targets, -1))


def hold_out(train: Images, number: int) -> tuple[Images, Images]:
    """Take images out of a training set, to be tested on in the place of the test set.

    They are the same for every seed of a run, so that settings are tuned on the same images.

    Args:
        train: N images.
        number: how many are taken, below N.

    Returns:
        Those that are left, and those that are taken, both in their order.
    """
    order = np.random.RandomState(0).permutation(len(train.targets))
    return train.take(np.sort(order[number:])), train.take(np.sort(order[:number]))


def array_builder(load: Load) -> Builder:
    """Return the builder of a data set whose images fit in memory.

    Its row in the table says which classes and views it has.

    Args:
        load: reads (training set, test set) from ``data_dir``.
    """

    def build(
        args: Namespace,
        alg: str,
        name: str,
        num_labels: int,
        num_classes: int,
        data_dir: str = "./data",
        include_lb_to_ulb: bool = True,
    ) -> tuple[Any, Any, Any]:
        order = order_classes(args, name)
        classes = [DATASETS[name].classes[label] for label in order]
        known = classes[: len(classes) - getattr(args, "ood_classes", 0)]
        check_classes(name, num_classes, known)
        train, test = (
            Images(images.data, renumber(images.targets, order)) for images in load(data_dir)
        )
        if held_out := getattr(args, "held_out", 0):
            if held_out >= len(train.targets):
                raise InputError(
                    f"held_out is {held_out}, but {name} has {len(train.targets)} training images"
                )
            train, test = hold_out(train, held_out)
        label_file = find_label_file(args)
        labeled = (
            labeled_indices_from_file(label_file, name, data_dir, train.targets, num_labels)
            if label_file
            else None
        )
        settings = split_settings(args, num_labels, include_lb_to_ulb)
        split = split_indices(train.targets, num_classes, settings, labeled)
        pipelines = views(name, args.img_size, args.crop_ratio)
        train, test = (forget_ood_labels(images, num_classes) for images in (train, test))
        return dataset_triple(alg, train, test, split, pipelines, known)

    return build

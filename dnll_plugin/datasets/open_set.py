"""Out-of-distribution (OOD) images among the unlabeled images of the toolbox's own data sets."""

from argparse import Namespace
from copy import copy
from typing import Any

import numpy as np

from dnll_plugin.datasets.build import Images, forget_ood_labels, split_settings
from dnll_plugin.datasets.known_classes import order_classes, renumber
from dnll_plugin.datasets.split import split_indices
from dnll_plugin.datasets.table import DATASETS


def add_ood_images(
    whole: dict[str, Any], args: Namespace, alg: str, num_classes: int, include_lb_to_ulb: bool
) -> dict[str, Any]:
    """Splits a data set of the toolbox anew, so that some classes are out of distribution.

    Args:
        whole: What the toolbox's ``get_dataset`` gives to ``fullysupervised``: each training image
            is labeled. Its data sets are changed.
        args: The settings; ``num_labels``, ``seed`` and ``ulb_ood`` decide the split, which without
            OOD images is the toolbox's own, and ``known_classes`` which classes are known.
        alg: Name of the algorithm; decides which views an image has.
        num_classes: Classes that are in the distribution.
        include_lb_to_ulb: Show the labeled images without their label too.

    Returns:
        The same data sets with ``classes``, the names of the known ones; the first two with
        ``indices``, positions in the training set; that of the test images with ``unknown``, a data
        set of those that are out of distribution.
    """
    labeled, unlabeled, test = (whole[name] for name in ("train_lb", "train_ulb", "eval"))
    order = order_classes(args, args.dataset)
    targets, test_targets = (
        renumber(np.asarray(dataset.targets, dtype=np.int64), order) for dataset in (labeled, test)
    )
    split = split_indices(
        targets, num_classes, split_settings(args, args.num_labels, include_lb_to_ulb)
    )
    train = forget_ood_labels(Images(labeled.data, targets), num_classes)
    tested = forget_ood_labels(Images(test.data, test_targets), num_classes)
    labeled_at = np.flatnonzero(train.targets >= 0) if alg == "fullysupervised" else split.labeled
    for dataset, at in ((labeled, labeled_at), (unlabeled, split.unlabeled)):
        taken = train.take(at)
        dataset.alg, dataset.data, dataset.targets = alg, taken.data, taken.targets
        dataset.indices = at
    known, unknown = tested.split_off_unknown()
    test.unknown = copy(test)
    for dataset, images in ((test, known), (test.unknown, unknown)):
        dataset.data, dataset.targets = images.data, images.targets
    names = [DATASETS[args.dataset].classes[label] for label in order[:num_classes]]
    for dataset in (labeled, unlabeled, test, test.unknown):
        dataset.classes = names
    return whole

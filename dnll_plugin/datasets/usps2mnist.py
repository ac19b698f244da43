"""From one kind of digits to another: labeled USPS, unlabeled MNIST, tested on MNIST.

``num_labels`` of USPS's training images are labeled (write 7291 for all of them); they are never
among the unlabeled ones, whatever ``include_lb_to_ulb`` says. ``ulb_num_labels`` and
``ulb_imb_ratio`` are MNIST's. The labeled data set's ``indices`` refer to USPS's training set, the
unlabeled one's to MNIST's.
"""

from argparse import Namespace
from typing import Any

from dnll_plugin.datasets import mnist, usps
from dnll_plugin.datasets.build import (
    check_classes,
    dataset_triple,
    find_label_file,
    split_settings,
)
from dnll_plugin.datasets.label_file import labeled_indices_from_file
from dnll_plugin.datasets.split import Split, draw_labeled, draw_unlabeled, shuffled_by_class
from dnll_plugin.datasets.table import DATASETS
from dnll_plugin.datasets.transforms import views


def build(
    args: Namespace,
    alg: str,
    name: str,
    num_labels: int,
    num_classes: int,
    data_dir: str = "./data",
    include_lb_to_ulb: bool = True,
) -> tuple[Any, Any, Any]:
    """Build the labeled, unlabeled and evaluation data set; see the module's text."""
    classes = DATASETS[name].classes
    check_classes(name, num_classes, classes)
    source, _ = usps.load(data_dir)
    target, test = mnist.load(data_dir)
    settings = split_settings(args, num_labels, include_lb_to_ulb=False)
    label_file = find_label_file(args)
    if label_file:
        labeled = labeled_indices_from_file(label_file, name, data_dir, source.targets, num_labels)
    else:
        pools = shuffled_by_class(source.targets, num_classes, settings.seed)
        labeled, _ = draw_labeled(pools, num_labels, settings.lb_imb_ratio)
    pools = shuffled_by_class(target.targets, num_classes, settings.seed)
    split = Split(labeled, draw_unlabeled(pools, settings))
    pipelines = views(name, args.img_size, args.crop_ratio)
    return dataset_triple(alg, source, test, split, pipelines, classes, unlabeled=target)

"""What settings with images of no class must be."""

import pytest

from .configs import FIXMATCH


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            ("held_out=1000",),
            "held_out: is for digits, mnist, mnist_plain or usps, not for cifar10",
        ),
        (("ulb_ood=0.2",), "ulb_ood: needs ood_classes"),
        (("ulb_ood=1.0", "ood_classes=4"), "ulb_ood: must be a number of at least 0 and below 1"),
        (
            ("ood_classes=4",),
            "ood_classes: 4 of the 10 classes of cifar10 are out of distribution; write num",
        ),
        (("ood_classes=9", "num_classes=2"), "ood_classes: 9 of the 10 classes"),
        (
            ("ood_classes=4", "num_classes=6", "num_labels=6", "dataset=stl10"),
            "ood_classes: is for cifar10, cifar100, digits",
        ),
        (
            ("ood_classes=4", "num_classes=6", "num_labels=6", "label_file=x"),
            "label_file: goes without ood_classes",
        ),
        (("known_classes=cat,dog",), "known_classes: needs ood_classes"),
        (
            ("ood_classes=8", "num_classes=2", "num_labels=4", "known_classes=cat,dogg"),
            "known_classes: cifar10 has no class 'dogg'; did you mean 'dog'?",
        ),
        (
            ("ood_classes=8", "num_classes=2", "num_labels=4", "known_classes=cat,dog,cat"),
            "known_classes: lists 'cat' more than once",
        ),
        (
            ("ood_classes=8", "num_classes=2", "num_labels=4", "known_classes=cat,dog,frog"),
            "known_classes: lists 3 classes, but num_classes is 2; write num_classes=3",
        ),
        (("algorithm=iomatch",), "algorithm: iomatch is for unlabeled images of no class"),
        (
            ("algorithm=openmatch", "ood_classes=4", "num_classes=6", "num_labels=6"),
            "algorithm: openmatch is for unlabeled images of no class, and there are none; write",
        ),
    ],
)
def test_strangers_that_cannot_be(error, override, expected):
    assert error(FIXMATCH, *override).startswith(expected)


@pytest.mark.parametrize("algorithm", ["iomatch", "openmatch"])
@pytest.mark.parametrize(
    "dataset", ["usps2mnist", "eurosat", "tissuemnist", "food101", "semi_aves"]
)
def test_a_data_set_that_cannot_have_strangers_is_no_open_set_one(error, algorithm, dataset):
    assert error({**FIXMATCH, "dataset": dataset}, f"algorithm={algorithm}").startswith(
        f"algorithm: {algorithm} is for unlabeled images of no class, and there are none; take "
        "cifar10, cifar100, digits, mnist, mnist_plain, svhn or usps with ood_classes and ulb_ood"
    )


def test_own_images_may_hold_strangers_that_nobody_knows_of(resolve):
    own = {**FIXMATCH, "algorithm": "iomatch", "dataset": "stl10"}
    assert resolve(own).algorithm == "iomatch"

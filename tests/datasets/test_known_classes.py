"""Which classes are known, and how a run numbers them."""

from types import SimpleNamespace

import numpy as np
import pytest

from dnll_plugin.datasets import DATASETS
from dnll_plugin.datasets.known_classes import list_classes, order_classes, renumber
from dnll_plugin.datasets.names import CIFAR100_SUPERCLASSES

ANIMALS = "bird,cat,deer,dog,frog,horse"


def test_superclasses_are_the_hundred_classes() -> None:
    members = [name for text in CIFAR100_SUPERCLASSES.values() for name in text.split()]
    assert sorted(members) == sorted(DATASETS["cifar100"].classes)
    assert {len(text.split()) for text in CIFAR100_SUPERCLASSES.values()} == {5}


def test_a_super_class_stands_for_its_classes() -> None:
    listed = list_classes(DATASETS["cifar100"], "fish,apple")
    assert listed == ["aquarium_fish", "flatfish", "ray", "shark", "trout", "apple"]


def test_known_classes_come_first_in_the_order_of_the_data_set() -> None:
    args = SimpleNamespace(known_classes=ANIMALS)
    assert order_classes(args, "cifar10") == [2, 3, 4, 5, 6, 7, 0, 1, 8, 9]
    assert order_classes(SimpleNamespace(), "cifar10") == list(range(10))
    args = SimpleNamespace(known_classes="people,aquatic_mammals")
    assert order_classes(args, "cifar100")[:10] == [2, 4, 11, 30, 35, 46, 55, 72, 95, 98]


def test_labels_are_numbered_anew() -> None:
    order = [2, 3, 0, 1]
    np.testing.assert_array_equal(renumber(np.array([0, 1, 2, 3, 2]), order), [2, 3, 0, 1, 0])


@pytest.mark.parametrize("known", [None, "1,3,5,7,9,8"])
def test_digits_with_other_known_classes(make_args, known) -> None:
    args = make_args(img_size=8, ood_classes=4, ulb_ood=0.25, known_classes=known)
    labeled, unlabeled, test = DATASETS["digits"].build(args, "fixmatch", "digits", 12, 6, "", True)
    names = list("135789") if known else list("012345")
    assert labeled.classes == unlabeled.classes == test.classes == names
    every, _, tested = DATASETS["digits"].build(
        make_args(img_size=8), "fullysupervised", "digits", 20, 10, "", True
    )
    digits = {
        image.tobytes(): label for image, label in zip(every.data, every.targets, strict=True)
    }
    for dataset in (labeled, unlabeled):
        for image, label in zip(dataset.data, dataset.targets, strict=True):
            name = str(digits[image.tobytes()])
            assert name not in names if label == -1 else name == names[label]
    kept = [str(label) for label in tested.targets if str(label) in names]
    assert [names[label] for label in test.targets] == kept

"""Out-of-distribution (OOD) images among the unlabeled images."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.datasets import DATASETS
from dnll_plugin.datasets.open_set import add_ood_images
from dnll_plugin.datasets.split import SplitSettings, split_indices
from dnll_plugin.errors import InputError

TARGETS = np.random.RandomState(0).permutation(np.repeat(np.arange(5), 40))


@given(st.floats(0, 0.39), st.booleans(), st.integers(0, 99))
def test_the_share_is_of_all_unlabeled_images_and_the_rest_is_as_without(share, include, seed):
    closed = split_indices(TARGETS, 3, SplitSettings(6, seed, include_lb_to_ulb=include))
    split = split_indices(
        TARGETS, 3, SplitSettings(6, seed, include_lb_to_ulb=include, ulb_ood=share)
    )
    others = len(closed.unlabeled)
    np.testing.assert_array_equal(split.labeled, closed.labeled)
    np.testing.assert_array_equal(split.unlabeled[:others], closed.unlabeled)
    assert (TARGETS[split.unlabeled[others:]] >= 3).all()
    assert (TARGETS[closed.unlabeled] < 3).all()
    assert len(set(split.unlabeled)) == len(split.unlabeled)
    ood = len(split.unlabeled) - others
    assert abs(ood - share * len(split.unlabeled)) <= 1


def test_a_larger_share_adds_strangers():
    few, many = (split_indices(TARGETS, 3, SplitSettings(6, 0, ulb_ood=s)) for s in (0.1, 0.3))
    assert set(few.unlabeled) < set(many.unlabeled)


def test_too_few_strangers():
    with pytest.raises(InputError, match=r"^ulb_ood: 0.9 .* only 80: write at most 0.4$"):
        split_indices(TARGETS, 3, SplitSettings(6, 0, ulb_ood=0.9))


def test_strangers_of_digits(make_args):
    args = make_args(img_size=8, ood_classes=3, ulb_ood=0.25)
    labeled, unlabeled, test = DATASETS["digits"].build(args, "fixmatch", "digits", 14, 7, "", True)
    assert labeled.num_classes == unlabeled.num_classes == test.num_classes == 7
    assert labeled.classes == list("0123456")
    assert set(labeled.targets) == set(test.targets) == set(range(7))
    assert len(test.targets) == 350
    assert len(test.unknown) == 150
    assert set(test.unknown.targets) == {-1}
    assert test.unknown[0]["x_lb"].shape == test[0]["x_lb"].shape
    assert set(unlabeled.targets) == set(range(-1, 7))
    assert (unlabeled.targets == -1).mean() == pytest.approx(0.25, abs=1e-3)
    assert unlabeled[len(unlabeled) - 1].keys() == {"idx_ulb", "x_ulb_w", "x_ulb_s"}


def test_without_strangers_no_test_image_is_unknown(make_args):
    _, _, test = DATASETS["digits"].build(
        make_args(img_size=8), "fixmatch", "digits", 20, 10, "", True
    )
    assert len(test.targets) == 500
    assert not hasattr(test, "unknown")


def test_fullysupervised_gets_no_stranger(make_args):
    args = make_args(img_size=8, ood_classes=3, ulb_ood=0.25)
    labeled, _, _ = DATASETS["digits"].build(args, "fullysupervised", "digits", 14, 7, "", True)
    assert set(labeled.targets) == set(range(7))
    assert len(labeled.targets) > 800


def test_strangers_of_the_toolboxs_own_sets(make_args):
    """Its data sets come with every training image labeled, and go with a split of their own."""
    images = np.broadcast_to(TARGETS[:, None, None, None], (len(TARGETS), 4, 4, 3)).astype(np.uint8)

    def dataset(alg: str) -> SimpleNamespace:
        return SimpleNamespace(alg=alg, data=images, targets=TARGETS.tolist())

    whole = {"train_lb": dataset("fullysupervised"), "train_ulb": dataset("fullysupervised")}
    whole |= {"eval": dataset("fullysupervised"), "test": None}
    args = make_args(num_labels=6, ulb_ood=0.3, dataset="cifar10")
    made = add_ood_images(whole, args, "flexmatch", 3, include_lb_to_ulb=True)
    wanted = split_indices(TARGETS, 3, SplitSettings(6, 0, ulb_ood=0.3))
    for name, at in (("train_lb", wanted.labeled), ("train_ulb", wanted.unlabeled)):
        np.testing.assert_array_equal(made[name].indices, at)
        np.testing.assert_array_equal(made[name].data, images[at])
        assert made[name].alg == "flexmatch"
    assert set(made["train_lb"].targets) == {0, 1, 2}
    unlabeled = made["train_ulb"]
    np.testing.assert_array_equal(unlabeled.targets == -1, unlabeled.data[:, 0, 0, 0] >= 3)
    assert set(made["eval"].targets) == {0, 1, 2}
    assert len(made["eval"].data) == 120
    unknown = made["eval"].unknown
    assert (unknown.data[:, 0, 0, 0] >= 3).all()
    assert unknown.targets.tolist() == [-1] * 80
    assert made["train_lb"].classes == ["airplane", "automobile", "bird"]


def test_known_classes_of_the_toolboxs_own_sets(make_args):
    images = np.broadcast_to(TARGETS[:, None, None, None], (len(TARGETS), 4, 4, 3)).astype(np.uint8)
    names = ("train_lb", "train_ulb", "eval")
    whole = {name: SimpleNamespace(data=images, targets=TARGETS.tolist()) for name in names}
    args = make_args(num_labels=6, ulb_ood=0.4, dataset="cifar10", known_classes="cat,bird,deer")
    made = add_ood_images(whole, args, "fixmatch", 3, include_lb_to_ulb=True)
    for dataset in (made[name] for name in names):
        assert dataset.classes == ["bird", "cat", "deer"]
        original = dataset.data[:, 0, 0, 0].astype(int)
        expected = np.where(original >= 2, original - 2, -1)
        np.testing.assert_array_equal(dataset.targets, expected)
    assert (made["train_ulb"].targets == -1).sum() == 80  # all that there are


@pytest.mark.parametrize("layout", ["train", "labeled"])
def test_own_test_images_of_no_class(request, make_args, write_image, layout):
    folder = request.getfixturevalue(f"{layout}_folder")
    for name in ("0.png", "deep/1.png"):
        write_image(folder / "test" / "_unknown" / name, (0, 0, 255))
    args = make_args()
    made = DATASETS["imagefolder"].build(args, "fixmatch", "imagefolder", 2, 2, str(folder), True)
    labeled, _, test = made
    assert labeled.classes == ["cat", "dog"]
    assert test.targets.tolist() == [0, 1]
    assert test.unknown.targets.tolist() == [-1, -1]
    assert test.unknown[1]["x_lb"].shape == (3, 16, 16)
    assert "2 test, 2 unknown test images" in " ".join(" ".join(labeled.about.lines).split())


def test_a_folder_of_no_class_must_hold_images_and_be_in_the_test_folder(train_folder, make_args):
    def build():
        DATASETS["imagefolder"].build(make_args(), "fixmatch", "imagefolder", 2, 2, train_folder)

    folder = train_folder / "test" / "_unknown"
    folder.mkdir()
    with pytest.raises(InputError, match=r"^data_dir: .*test/_unknown holds no image: "):
        build()
    folder.rename(train_folder / "train" / "_unknown")
    with pytest.raises(InputError, match=r"^data_dir: .*train/_unknown: images of no class belong"):
        build()

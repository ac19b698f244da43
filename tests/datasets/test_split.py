from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.datasets.split import SplitSettings, split_indices
from dnll_plugin.errors import InputError


@st.composite
def cases(draw):
    """Targets in random order, of uneven classes, and settings that they can serve."""
    num_classes = draw(st.integers(2, 6))
    sizes = draw(st.lists(st.integers(3, 12), min_size=num_classes, max_size=num_classes))
    targets = np.repeat(np.arange(num_classes), sizes)
    np.random.RandomState(draw(st.integers(0, 99))).shuffle(targets)
    settings = SplitSettings(
        num_labels=num_classes * draw(st.integers(1, 2)),
        seed=draw(st.integers(0, 2**32 - 1)),
        include_lb_to_ulb=draw(st.booleans()),
    )
    return targets, num_classes, settings


@given(cases())
def test_split_is_balanced_and_complete(case):
    targets, num_classes, settings = case
    split = split_indices(targets, num_classes, settings)
    assert split.labeled.dtype == split.unlabeled.dtype == np.int64
    counts = np.bincount(targets[split.labeled], minlength=num_classes)
    assert set(counts) == {settings.num_labels // num_classes}
    rest = split.unlabeled
    if settings.include_lb_to_ulb:
        np.testing.assert_array_equal(rest[: settings.num_labels], split.labeled)
        rest = rest[settings.num_labels :]
    everything = np.concatenate([split.labeled, rest])
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(targets)))


@given(cases(), st.integers(0, 99))
def test_split_neither_follows_nor_disturbs_the_global_generator(case, state):
    targets, num_classes, settings = case
    first = split_indices(targets, num_classes, settings)
    np.random.seed(state)
    second = split_indices(targets, num_classes, settings)
    drawn = np.random.random_sample()
    np.testing.assert_array_equal(first.labeled, second.labeled)
    np.testing.assert_array_equal(first.unlabeled, second.unlabeled)
    assert drawn == np.random.RandomState(state).random_sample()


def test_other_seed_gives_another_split():
    targets = np.repeat(np.arange(3), 50)
    splits = [split_indices(targets, 3, SplitSettings(30, seed)).labeled for seed in (0, 1)]
    assert set(splits[0]) != set(splits[1])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"include_lb_to_ulb": False},
        {"ulb_num_labels": 50},
        {"lb_imb_ratio": 3, "ulb_num_labels": 10, "ulb_imb_ratio": -2},
    ],
)
def test_split_equals_the_toolbox_seeded_alike(changes, tmp_path, monkeypatch):
    toolbox = pytest.importorskip("semilearn.datasets.utils")
    monkeypatch.setattr(toolbox, "base_dir", str(tmp_path))  # where it writes its index files
    targets = np.random.RandomState(3).randint(5, size=120)
    settings = SplitSettings(num_labels=10, seed=7, **changes)
    args = SimpleNamespace(dataset="any", num_labels=10, seed=7, lb_imb_ratio=1, ulb_imb_ratio=1)
    np.random.seed(7)
    positions = np.arange(len(targets))
    labeled, _, unlabeled, _ = toolbox.split_ssl_data(
        args,
        positions,
        targets,
        5,
        lb_num_labels=10,
        ulb_num_labels=settings.ulb_num_labels,
        lb_imbalance_ratio=settings.lb_imb_ratio,
        ulb_imbalance_ratio=settings.ulb_imb_ratio,
        include_lb_to_ulb=settings.include_lb_to_ulb,
    )
    split = split_indices(targets, 5, settings)
    np.testing.assert_array_equal(split.labeled, labeled)
    np.testing.assert_array_equal(split.unlabeled, unlabeled)


def test_given_labels_are_kept_and_the_rest_is_unlabeled():
    targets = np.repeat(np.arange(2), 4)
    labeled = np.array([6, 1])
    settings = SplitSettings(2, seed=0, include_lb_to_ulb=False)
    split = split_indices(targets, 2, settings, labeled)
    np.testing.assert_array_equal(split.labeled, labeled)
    assert set(split.unlabeled) == {0, 2, 3, 4, 5, 7}


def test_every_image_can_be_labeled_though_classes_are_uneven():
    targets = np.array([0, 0, 0, 1, 2])
    split = split_indices(targets, 3, SplitSettings(5, seed=0))
    assert set(split.labeled) == set(split.unlabeled) == set(range(5))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (SplitSettings(7, 0), "num_labels: 7 cannot be shared evenly by 3"),
        (SplitSettings(2, 0), "num_labels: 2 is fewer than the 3 classes"),
        (SplitSettings(0, 0), "num_labels: 0 is fewer"),
        (SplitSettings(15, 0), "5 images of class 0, which has 4"),
        (SplitSettings(2, 0, lb_imb_ratio=100), "lb_imb_ratio: 100 leaves the smallest class"),
        (SplitSettings(3, 0, ulb_imb_ratio=2), "ulb_imb_ratio needs ulb_num_labels"),
        (SplitSettings(3, 0, ulb_num_labels=4), "ulb_num_labels: 4 cannot be shared"),
        (SplitSettings(12, 0, include_lb_to_ulb=False), "none is left"),
    ],
)
def test_what_the_training_set_does_not_have_is_an_input_error(settings, message):
    with pytest.raises(InputError, match=message) as caught:
        split_indices(np.repeat(np.arange(3), 4), 3, settings)
    assert "\n" not in str(caught.value)

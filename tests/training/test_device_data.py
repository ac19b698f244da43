"""Batches made on the device, against those of the toolbox's loaders."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from semilearn.core.utils import ALGORITHMS
from semilearn.datasets.augmentation import RandAugment
from semilearn.datasets.cv_datasets import cifar, stl10, svhn
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset
from semilearn.datasets.samplers import DistributedSampler
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from dnll_plugin.augment.geometry import quarter_turns
from dnll_plugin.augment.views import Shift
from dnll_plugin.datasets.labeled_views import TwoLabeledViews
from dnll_plugin.datasets.transforms import Views, views
from dnll_plugin.errors import InputError
from dnll_plugin.training.device_data import BatchesInOrder, DeviceLoader, keep_on_device
from dnll_plugin.training.device_views import NotInBatches, translate_pipeline
from dnll_plugin.training.loaders import SeededBatches, SeededDataset

CPU = torch.device("cpu")
SIDE = 8


def dataset_of(
    algorithm: str = "fixmatch", is_ulb: bool = True, made: Views | None = None, data: Any = None
) -> BasicDataset:
    random = np.random.default_rng(0)
    made = made or views("digits", SIDE, 0.75)
    return BasicDataset(
        alg=algorithm,
        data=random.integers(0, 256, (12, SIDE, SIDE, 3), dtype=np.uint8) if data is None else data,
        targets=random.integers(0, 10, 12),
        num_classes=10,
        transform=made.weak,
        is_ulb=is_ulb,
        medium_transform=made.medium,
        strong_transform=made.strong,
        onehot=False,
    )


def seeded_batches(dataset: Any, size: int = 4) -> SeededBatches:
    batches = SeededBatches(DistributedSampler(dataset, 1, 0, 2 * size), size, (0, 1, 0))
    batches.start(3, 0)
    return batches


def both(dataset: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The batches of an epoch on the device, and those of the resumable loader."""
    loader = DataLoader(SeededDataset(dataset), batch_sampler=seeded_batches(dataset))
    return list(DeviceLoader(dataset, seeded_batches(dataset), CPU)), list(loader)


@pytest.mark.parametrize("is_ulb", [False, True])
@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS.keys()))
def test_batches_hold_what_the_toolboxs_hold(algorithm: str, is_ulb: bool) -> None:
    ours, theirs = both(dataset_of(algorithm, is_ulb))
    assert len(ours) == len(theirs) == 2
    for batch, expected in zip(ours, theirs, strict=True):
        assert {key: (value.shape, value.dtype) for key, value in batch.items()} == {
            key: (value.shape, value.dtype) for key, value in expected.items()
        }
        for key in batch.keys() & {"idx_lb", "idx_ulb", "y_lb"}:
            assert torch.equal(batch[key], expected[key])


@pytest.mark.parametrize("side", [SIDE, SIDE + 5])
def test_without_augmentation_batches_are_the_toolboxs(side: int) -> None:
    made = views("mnist_plain", side, 1.0)
    for is_ulb in (False, True):
        for batch, expected in zip(*both(dataset_of("fixmatch", is_ulb, made)), strict=True):
            assert all(torch.equal(batch[key], expected[key]) for key in expected)


def test_evaluation_is_the_toolboxs_to_the_last_image() -> None:
    dataset = dataset_of(is_ulb=False)
    dataset.transform = views("digits", SIDE, 0.75).evaluation
    ours = DeviceLoader(dataset, BatchesInOrder(len(dataset), 5), CPU, host_targets=True)
    theirs = DataLoader(dataset, batch_size=5)
    assert len(ours) == len(theirs) == 3
    for batch, expected in zip(ours, theirs, strict=True):
        assert all(torch.equal(batch[key], expected[key]) for key in expected)


def test_views_of_an_image_differ_and_an_epoch_repeats() -> None:
    dataset = TwoLabeledViews(dataset_of("dnll_dual", is_ulb=False))
    loader = DeviceLoader(dataset, seeded_batches(dataset), CPU)
    first, again = list(loader), list(loader)
    assert not torch.equal(first[0]["x_lb"], first[0]["x_lb_2"])
    assert first[0].keys() == dataset[0].keys()
    for batch, other in zip(first, again, strict=True):
        assert all(torch.equal(batch[key], other[key]) for key in batch)


def test_an_epoch_may_begin_in_its_middle() -> None:
    dataset = dataset_of()
    loader = DeviceLoader(dataset, seeded_batches(dataset), CPU)
    whole = list(loader)
    loader.batch_sampler.start(3, 1)
    (rest,) = loader
    assert all(torch.equal(rest[key], whole[1][key]) for key in rest)


def test_unlabeled_images_need_no_labels() -> None:
    dataset = dataset_of()
    dataset.targets = None
    batches = list(DeviceLoader(dataset, seeded_batches(dataset), CPU))
    assert [batch.keys() for batch in batches] == [{"idx_ulb", "x_ulb_w", "x_ulb_s"}] * 2


def test_rotated_view_is_turned_as_its_label_says() -> None:
    for batch in both(dataset_of("remixmatch"))[0]:
        turned = quarter_turns(batch["x_ulb_s_0"], batch["rot_v"])
        assert torch.equal(batch["x_ulb_s_0_rot"], turned)


class FakeImages:
    """Stands in for torchvision's data sets that the toolbox reads."""

    def __init__(self, channels_last: bool, side: int) -> None:
        data = np.random.default_rng(0).integers(0, 256, (40, side, side, 3), dtype=np.uint8)
        self.data = data if channels_last else data.transpose(0, 3, 1, 2)
        self.labels = np.tile(np.arange(10), 4)
        self.targets = self.labels.tolist()


@pytest.mark.parametrize(
    ("name", "build", "side"),
    [
        ("cifar10", cifar.get_cifar, 32),
        ("cifar100", cifar.get_cifar, 32),
        ("svhn", svhn.get_svhn, 32),
        ("stl10", stl10.get_stl10, 96),
    ],
)
def test_toolboxs_data_sets(name: str, build: Any, side: int, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    fake = FakeImages(build is cifar.get_cifar, side)
    monkeypatch.setattr(datasets, name.upper(), lambda *args, **kwargs: fake)
    for module in (cifar, svhn):
        split = lambda args, data, targets, *_, **__: (data[:20], targets[:20], data, targets)  # noqa: E731
        monkeypatch.setattr(module, "split_ssl_data", split)
    indices = np.arange(20), np.arange(40)
    monkeypatch.setattr(stl10, "sample_labeled_unlabeled_data", lambda *_, **__: indices)
    args = SimpleNamespace(
        img_size=side, crop_ratio=0.875, ulb_num_labels=None, lb_imb_ratio=1, ulb_imb_ratio=1
    )
    labeled, unlabeled, evaluation = build(args, "fixmatch", name, 20, 10)
    for dataset in (labeled, unlabeled):
        ours, theirs = both(dataset)
        assert {k: (v.shape, v.dtype) for k, v in ours[0].items()} == {
            k: (v.shape, v.dtype) for k, v in theirs[0].items()
        }
    _, weak = translate_pipeline(unlabeled.transform)
    _, strong = translate_pipeline(unlabeled.strong_transform)
    assert weak.shift == strong.shift == Shift(side, side // 8, "reflect", 0.5)
    assert (weak.operations, strong.operations) == (0, 3)
    (batch,) = DeviceLoader(evaluation, BatchesInOrder(40, 40), CPU, host_targets=True)
    (expected,) = DataLoader(evaluation, batch_size=40)
    assert all(torch.equal(batch[key], expected[key]) for key in expected)


def test_digits_are_never_mirrored() -> None:
    made = views("mnist", 28, 0.875)
    assert translate_pipeline(made.medium)[1].operations == 1
    assert translate_pipeline(made.strong)[1].shift == Shift(28, 3, "constant", 0.0)


NORMALIZE = (transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3))


@pytest.mark.parametrize(
    "steps",
    [
        (transforms.ColorJitter(0.5), *NORMALIZE),
        (transforms.RandomHorizontalFlip(), *NORMALIZE),
        (transforms.RandomCrop(8, padding=1, padding_mode="edge"), *NORMALIZE),
        (transforms.RandomCrop(8, padding=1, fill=9), *NORMALIZE),
        (transforms.RandomCrop((8, 6)), *NORMALIZE),
        (RandAugment(3, 5, exclude_color_aug=True), *NORMALIZE),
        NORMALIZE[:1],
    ],
)
def test_unknown_pipelines_are_refused(steps: tuple[Any, ...]) -> None:
    with pytest.raises(NotInBatches):
        translate_pipeline(transforms.Compose(steps))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": ["a.png"] * 12}, "not held in memory"),
        ({"made": views("imagefolder", SIDE, 0.75)}, "RandomResizedCrop"),
    ],
)
def test_data_sets_that_cannot_be_kept_are_named(change: dict[str, Any], words: str) -> None:
    dataset = dataset_of(**change)
    loader = SimpleNamespace(
        dataset=SimpleNamespace(dataset=dataset), batch_sampler=seeded_batches(dataset)
    )
    algorithm = SimpleNamespace(
        args=SimpleNamespace(dataset="mine"),
        loader_dict={"train_lb": loader, "train_ulb": loader},
    )
    with pytest.raises(InputError, match=f"^data_on: device cannot take mine.*{words}") as error:
        keep_on_device(algorithm, CPU)
    assert "\n" not in str(error.value)

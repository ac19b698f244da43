"""What is done to an image before the net sees it: the weak, medium, strong and evaluation views.

The pipelines follow the toolbox's: small pictures are shifted, photos cropped and flipped;
``RandAugment`` makes the medium and strong views and mirrors nothing by itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from semilearn.datasets.augmentation import RandAugment, RandomResizedCropAndInterpolation
from torchvision import transforms

from dnll_plugin.datasets.table import DATASETS
from dnll_plugin.errors import InputError

#: RGB picture in, float tensor (3, img_size, img_size) out.
View = Callable[[Any], Any]
Channels = Sequence[float]

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Views:
    """One pipeline for each kind of view that the toolbox's BasicDataset makes."""

    weak: View
    medium: View
    strong: View
    evaluation: View


def views(dataset: str, img_size: int, crop_ratio: float) -> Views:
    """Return the views of a data set whose row makes them.

    Args:
        dataset: a name in ``DATASETS``.
        img_size: side of the view in pixels.
        crop_ratio: in (0, 1]; what of the picture a crop or shift keeps, as in the toolbox.

    Raises:
        InputError: if the row says nothing about views.
    """
    make = DATASETS[dataset].views
    if make is None:
        raise InputError(f"dataset: {dataset} has no views; give its row in DATASETS some")
    return make(img_size, crop_ratio)


def evaluation_view(dataset: str, img_size: int, crop_ratio: float) -> View:
    """Return the view that a net trained on ``dataset`` is evaluated with, for images of any size.

    Args:
        dataset: a name in ``DATASETS``.
        img_size: side of the view in pixels.
        crop_ratio: in (0, 1].

    Raises:
        InputError: if it is not known.
    """
    row = DATASETS.get(dataset)
    view = None if row is None else row.make_evaluation_view(img_size, crop_ratio)
    if view is None:
        known = [name for name, row in DATASETS.items() if row.views or row.evaluation_view]
        raise InputError(f"dataset: no evaluation view for {dataset}: known are {', '.join(known)}")
    return view


def digit_views(img_size: int, crop_ratio: float, mean: Channels, std: Channels) -> Views:
    """Views of pictures that must never be mirrored: shifts, and RandAugment on top of them.

    The frame opened by a shift is black as a digit's background is. The toolbox fills it by
    reflection, which would mirror strokes at the border.

    Args:
        img_size: side of the view in pixels.
        crop_ratio: in (0, 1]; the largest shift is ``int(img_size * (1 - crop_ratio))`` pixels.
        mean: of pixels scaled to 0..1, one a channel.
        std: of the same.
    """
    resize = transforms.Resize((img_size, img_size))
    shift = transforms.RandomCrop(img_size, padding=int(img_size * (1 - crop_ratio)))
    normalize = [transforms.ToTensor(), transforms.Normalize(mean, std)]
    return Views(
        weak=transforms.Compose([resize, shift, *normalize]),
        medium=transforms.Compose([resize, shift, RandAugment(1, 5), *normalize]),
        strong=transforms.Compose([resize, shift, RandAugment(3, 5), *normalize]),
        evaluation=transforms.Compose([resize, *normalize]),
    )


def plain_views(img_size: int, crop_ratio: float, mean: Channels, std: Channels) -> Views:
    """Views without any augmentation: all four are the evaluation view, nothing is cropped."""
    resize = transforms.Resize((img_size, img_size))
    view = transforms.Compose([resize, transforms.ToTensor(), transforms.Normalize(mean, std)])
    return Views(weak=view, medium=view, strong=view, evaluation=view)


def center_view(img_size: int, mean: Channels, std: Channels) -> View:
    """Return the view that the toolbox evaluates its small pictures with, for any size."""
    return transforms.Compose(
        [
            transforms.Resize(img_size),
            transforms.CenterCrop(img_size),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )


def short_side(img_size: int, crop_ratio: float) -> int:
    """Return the length to which a photo's short side is brought before it is cropped."""
    return math.floor(img_size / crop_ratio)


def photo_views(img_size: int, crop_ratio: float) -> Views:
    """Views of photos of any size, as the toolbox makes them for ImageNet, but never squashed.

    The short side is brought to ``img_size / crop_ratio``; weak views are random crops of it,
    medium and strong ones random crops of random size, all flipped half the time; evaluation
    takes the centre. Normalised as ImageNet, whose statistics pretrained nets expect.
    """
    resize = transforms.Resize(short_side(img_size, crop_ratio))
    flip = transforms.RandomHorizontalFlip()
    rescale = RandomResizedCropAndInterpolation((img_size, img_size))
    normalize = [transforms.ToTensor(), transforms.Normalize(*_IMAGENET)]
    return Views(
        weak=transforms.Compose([resize, transforms.RandomCrop(img_size), flip, *normalize]),
        medium=transforms.Compose([resize, rescale, flip, RandAugment(1, 10), *normalize]),
        strong=transforms.Compose([resize, rescale, flip, RandAugment(3, 10), *normalize]),
        evaluation=transforms.Compose([resize, transforms.CenterCrop(img_size), *normalize]),
    )

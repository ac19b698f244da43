"""What is done to an image before the net sees it: the weak, medium, strong and evaluation views.

The pipelines follow the toolbox's: small pictures are shifted, photos cropped and flipped;
``RandAugment`` makes the medium and strong views and mirrors nothing by itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from semilearn.datasets.augmentation import RandAugment, RandomResizedCropAndInterpolation
from torchvision import transforms

from dnll_plugin.errors import InputError

#: RGB picture in, float tensor (3, img_size, img_size) out.
View = Callable[[Any], Any]
Channels = Sequence[float]

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = (0.5,) * 3, (0.5,) * 3

#: Mean and standard deviation of pixels scaled to 0..1. For MNIST the customary figures; for digits
#: and USPS measured on their training images; for USPS to MNIST a fixed range, which favours
#: neither side.
_GRAY = {
    "digits": (0.3061, 0.3765),
    "mnist": (0.1307, 0.3081),
    "mnist_plain": (0.1307, 0.3081),
    "usps": (0.2545, 0.3847),
    "usps2mnist": (0.5, 0.5),
}
#: Data sets of the toolbox: those whose module holds their ``mean`` and ``std``, those at 0.5.
_TOOLBOX = {"cifar10": "cifar", "cifar100": "cifar", "svhn": "svhn", "stl10": "stl10"}
_TOOLBOX_AT_HALF = ("eurosat", "tissuemnist")
_PHOTOS = ("imagefolder", "imagenet", "imagenet127", "semi_aves", "semi_aves_out", "semi_inat")


@dataclass(frozen=True)
class Views:
    """One pipeline for each kind of view that the toolbox's BasicDataset makes."""

    weak: View
    medium: View
    strong: View
    evaluation: View


def views(dataset: str, img_size: int, crop_ratio: float) -> Views:
    """Return the views of a data set of this package.

    Args:
        dataset: a name in ``DATASETS``.
        img_size: side of the view in pixels.
        crop_ratio: in (0, 1]; what of the picture a crop or shift keeps, as in the toolbox.
    """
    if dataset in _PHOTOS:
        return photo_views(img_size, crop_ratio)
    mean, std = _GRAY[dataset]
    if dataset == "mnist_plain":
        return plain_views(img_size, (mean,) * 3, (std,) * 3)
    return digit_views(img_size, crop_ratio, (mean,) * 3, (std,) * 3)


def evaluation_view(dataset: str, img_size: int, crop_ratio: float) -> View:
    """Return the view that a net trained on ``dataset`` is evaluated with, for images of any size.

    Args:
        dataset: a name in ``DATASETS`` or one of the toolbox's image data sets.
        img_size: side of the view in pixels.
        crop_ratio: in (0, 1].

    Raises:
        InputError: if the normalisation of ``dataset`` is not known.
    """
    if dataset in _GRAY or dataset in _PHOTOS:
        return views(dataset, img_size, crop_ratio).evaluation
    if dataset in _TOOLBOX:
        module = import_module(f"semilearn.datasets.cv_datasets.{_TOOLBOX[dataset]}")
        mean, std = module.mean[dataset], module.std[dataset]
    elif dataset in _TOOLBOX_AT_HALF:
        mean, std = _HALF
    else:
        known = ", ".join([*_GRAY, *_PHOTOS, *_TOOLBOX, *_TOOLBOX_AT_HALF])
        raise InputError(f"dataset: no evaluation view for {dataset}: known are {known}")
    return transforms.Compose(
        [
            transforms.Resize(img_size),
            transforms.CenterCrop(img_size),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )


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


def plain_views(img_size: int, mean: Channels, std: Channels) -> Views:
    """Views without any augmentation: all four are the evaluation view."""
    resize = transforms.Resize((img_size, img_size))
    view = transforms.Compose([resize, transforms.ToTensor(), transforms.Normalize(mean, std)])
    return Views(weak=view, medium=view, strong=view, evaluation=view)


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

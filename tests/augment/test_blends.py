"""Operations that mix images, against the toolbox's on the same image and strength."""

import pytest
import torch
from torch import Tensor

from dnll_plugin.augment import blends


@pytest.mark.parametrize("name", ["Color", "Sharpness"])
def test_equals_the_toolboxs(name: str, images: Tensor, theirs) -> None:
    generator = torch.Generator().manual_seed(0)
    strengths = torch.empty(len(images)).uniform_(0, 1.9, generator=generator)
    found = getattr(blends, name.lower())(images, strengths)
    assert torch.equal(found, theirs(name, images, strengths))


@pytest.mark.parametrize("name", ["color", "sharpness"])
def test_all_of_the_image_is_the_identity(name: str, images: Tensor) -> None:
    assert torch.equal(getattr(blends, name)(images, torch.ones(len(images))), images)


def test_without_colour_all_channels_are_the_luma(images: Tensor) -> None:
    found = blends.color(images, torch.zeros(len(images)))
    luma = (images.double() * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=1)
    assert (found - luma[:, None]).abs().max() <= 0.51


@pytest.mark.parametrize("size", [1, 2, 3])
def test_tiny_images_keep_their_border(size: int) -> None:
    images = torch.arange(3 * size * size, dtype=torch.uint8).view(1, 3, size, size)
    found = blends.smooth(images)
    found[..., 1:-1, 1:-1] = images[..., 1:-1, 1:-1]
    assert torch.equal(found, images)

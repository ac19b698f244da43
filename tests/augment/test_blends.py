"""Operations that mix images, against the toolbox's on the same image and strength."""

import pytest
import torch
from torch import Tensor

from dnll_plugin.augment import blends
from dnll_plugin.augment.randaugment import OPERATIONS


def mix(name: str, images: Tensor, strengths: Tensor) -> Tensor:
    (make,) = [operation.make for operation in OPERATIONS if operation.name == name]
    poor = make(images).to(torch.int16)
    return blends.blend(poor, images, strengths).to(torch.uint8)


@pytest.mark.parametrize("name", ["Contrast", "Color", "Sharpness"])
def test_equals_the_toolboxs(name: str, images: Tensor, theirs) -> None:
    generator = torch.Generator().manual_seed(0)
    strengths = torch.empty(len(images)).uniform_(0, 1.9, generator=generator)
    assert torch.equal(mix(name, images, strengths), theirs(name, images, strengths))


@pytest.mark.parametrize("name", ["Contrast", "Color", "Sharpness"])
def test_all_of_the_image_is_the_identity(name: str, images: Tensor) -> None:
    assert torch.equal(mix(name, images, torch.ones(len(images))), images)


def test_without_colour_all_channels_are_the_luma(images: Tensor) -> None:
    found = mix("Color", images, torch.zeros(len(images)))
    luma = (images.double() * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=1)
    assert (found - luma[:, None]).abs().max() <= 0.51


@pytest.mark.parametrize("size", [1, 2, 3])
def test_tiny_images_keep_their_border(size: int) -> None:
    images = torch.arange(3 * size * size, dtype=torch.uint8).view(1, 3, size, size)
    found = blends.smooth(images)
    found[..., 1:-1, 1:-1] = images[..., 1:-1, 1:-1].to(found.dtype)
    assert torch.equal(found, images.to(found.dtype))

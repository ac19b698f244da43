"""Operations that move pixels, against the toolbox's and torchvision's."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import functional as vision

from dnll_plugin.augment import geometry
from dnll_plugin.augment.randaugment import OPERATIONS

SIZE = (32, 32)
MOVES = [operation for operation in OPERATIONS if operation.kind == "move"]


def move(images: Tensor, matrices: Tensor) -> Tensor:
    return geometry.affine(images, geometry.to_fixed_point(matrices))


@pytest.mark.parametrize("operation", MOVES, ids=lambda operation: operation.name)
def test_equals_the_toolboxs(operation, images: Tensor, theirs) -> None:
    generator = torch.Generator().manual_seed(0)
    strengths = torch.empty(len(images), dtype=torch.float64)
    strengths.uniform_(operation.low, operation.high, generator=generator)
    expected = theirs(operation.name, images, strengths)
    assert torch.equal(move(images, operation.make(strengths, SIZE)), expected)
    single = move(images, operation.make(strengths.float(), SIZE))
    assert (single != expected).float().mean() < 1e-3


@pytest.mark.parametrize("operation", MOVES, ids=lambda operation: operation.name)
def test_nothing_moves_at_zero(operation, images: Tensor) -> None:
    matrices = operation.make(torch.zeros(len(images)), SIZE)
    assert torch.equal(move(images, matrices), images)


@pytest.mark.parametrize("operation", MOVES, ids=lambda operation: operation.name)
def test_image_that_is_not_square(operation, theirs) -> None:
    images = torch.randint(0, 256, (4, 3, 11, 17), dtype=torch.uint8)
    strengths = torch.tensor([-0.3, -0.1, 0.2, 0.3], dtype=torch.float64)
    found = move(images, operation.make(strengths, (11, 17)))
    assert torch.equal(found, theirs(operation.name, images, strengths))


@given(
    st.integers(4, 12),
    st.integers(0, 3),
    st.sampled_from(["constant", "reflect"]),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_crop_is_torchvisions(size: int, padding: int, mode: str, flip: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (3, 3, 12, 12), dtype=torch.uint8, generator=generator)
    corners = torch.randint(0, 12 + 2 * padding - size + 1, (3, 2), generator=generator)
    found = geometry.crop(images, corners, torch.full((3,), flip), size, padding, mode)
    padded = vision.pad(images, [padding] * 4, padding_mode=mode)
    expected = [
        vision.crop(image, top, left, size, size)
        for image, (top, left) in zip(padded, corners.tolist(), strict=True)
    ]
    expected = torch.stack(expected)
    assert torch.equal(found, expected.flip(3) if flip else expected)


def test_boxes_include_their_ends(images: Tensor) -> None:
    boxes = torch.tensor([[2, 3, 4, 3], [30, 0, 32, 32]])
    fill = torch.tensor([1, 2, 3], dtype=torch.uint8).view(3, 1, 1)
    found = geometry.fill_boxes(images[:2], boxes, fill)
    expected = images[:2].clone()
    expected[0, :, 3, 2:5] = fill[:, 0]
    expected[1, :, :, 30:] = fill
    assert torch.equal(found, expected)


def test_quarter_turns_are_torchvisions(images: Tensor) -> None:
    turns = torch.arange(len(images)) % 4
    values = images.float()
    pairs = zip(values, turns.tolist(), strict=True)
    expected = torch.stack([vision.rotate(image, 90 * number) for image, number in pairs])
    assert torch.equal(geometry.quarter_turns(values, turns), expected)

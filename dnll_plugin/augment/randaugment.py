"""RandAugment as the toolbox has it: random operations at random strengths, then a grey box.

The published one (arXiv:1909.13719) has one strength for all; here, as in FixMatch, each operation
draws its own.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dnll_plugin.augment import blends, geometry, tables
from dnll_plugin.augment.host import constant, to_device_async


class Operation(NamedTuple):
    """An operation, and the range that its strength is drawn from."""

    name: str
    apply: Callable[..., Tensor]
    low: float
    high: float


#: Of strengths and the images' size they make matrices, all of which one gather applies.
MOVES = (
    Operation("Rotate", geometry.rotation, -30, 30),
    Operation("ShearX", geometry.shear_x, -0.3, 0.3),
    Operation("ShearY", geometry.shear_y, -0.3, 0.3),
    Operation("TranslateX", geometry.translate_x, -0.3, 0.3),
    Operation("TranslateY", geometry.translate_y, -0.3, 0.3),
)
#: Of images and strengths they make tables of grey levels, all of which one gather applies.
TABLES = (
    Operation("AutoContrast", tables.autocontrast, 0, 1),
    Operation("Brightness", tables.brightness, 0.05, 0.95),
    Operation("Contrast", tables.contrast, 0.05, 0.95),
    Operation("Equalize", tables.equalize, 0, 1),
    Operation("Posterize", tables.posterize, 4, 8),
    Operation("Solarize", tables.solarize, 0, 256),
)
#: Of images and strengths they make images.
BLENDS = (
    Operation("Color", blends.color, 0.05, 0.95),
    Operation("Sharpness", blends.sharpness, 0.05, 0.95),
)
IDENTITY = Operation("Identity", lambda images, strengths: images, 0, 1)
OPERATIONS = (*MOVES, *TABLES, *BLENDS, IDENTITY)

BOX_COLOR = (125, 123, 114)
LARGEST_BOX = 0.5


class Draws(NamedTuple):
    """What RandAugment does to a batch of N images, on the host.

    Attributes:
        operations: (rounds, N) int64, places in :data:`OPERATIONS`.
        strengths: (rounds, N) float.
        boxes: (N, 4) int64, see :func:`geometry.fill_boxes`.
    """

    operations: Tensor
    strengths: Tensor
    boxes: Tensor


def draw(count: int, rounds: int, size: tuple[int, int], generator: torch.Generator) -> Draws:
    """Draws operations, strengths and boxes.

    Args:
        count: images in the batch.
        rounds: operations an image.
        size: height and width of the images.
        generator: of the host.
    """
    operations = torch.randint(len(OPERATIONS), (rounds, count), generator=generator)
    low, high = torch.tensor([(operation.low, operation.high) for operation in OPERATIONS]).T
    low, high = low[operations], high[operations]
    strengths = low + (high - low) * torch.rand(rounds, count, generator=generator)
    return Draws(operations, strengths, draw_boxes(count, size, generator))


def draw_boxes(count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Draws boxes (N, 4) with sides up to half the width, cut at the image's border.

    A box's centre is drawn from 1, not 0, to the border, and its far sides lie a whole side from
    where its near ones began, not half a side: both as the toolbox does.
    """
    height, width = size
    side, x, y = torch.rand(3, count, generator=generator)
    side = side * LARGEST_BOX * width
    x, y = width - x * (width - 1), height - y * (height - 1)
    left, top = (x - side / 2).clamp(min=0).floor(), (y - side / 2).clamp(min=0).floor()
    right, bottom = (left + side).clamp(max=width), (top + side).clamp(max=height)
    return torch.stack([left, top, right.floor(), bottom.floor()], dim=1).long()


def apply(images: Tensor, draws: Draws) -> Tensor:
    """Does to images (N, 3, H, W) uint8 of any device what was drawn."""
    images = apply_operations(images, draws.operations, draws.strengths)
    boxes = to_device_async(draws.boxes, images.device)
    return geometry.fill_boxes(images, boxes, constant(BOX_COLOR, torch.uint8, images.device))


def apply_operations(images: Tensor, operations: Tensor, strengths: Tensor) -> Tensor:
    """Applies to each image its own operations, one after the other.

    For each round the images are sorted by operation, so that each works on a slice.

    Args:
        images: (N, 3, H, W) uint8.
        operations: (rounds, N) int64 on the host.
        strengths: (rounds, N) on the host.
    """
    orders = operations.argsort(dim=1, stable=True)
    places = orders.argsort(dim=1)
    moves = torch.cat([orders[:1], places[:-1].gather(1, orders[1:]), places[-1:]])
    moves = to_device_async(moves, images.device)
    strengths = to_device_async(strengths.gather(1, orders), images.device)
    for number, of_round in enumerate(operations):
        images = images.index_select(0, moves[number])
        counts = of_round.bincount(minlength=len(OPERATIONS)).tolist()
        _apply_sorted(images, strengths[number], counts)
    return images.index_select(0, moves[-1])


def _apply_sorted(images: Tensor, strengths: Tensor, counts: Sequence[int]) -> None:
    """Applies to the first images the first operation, and so on, in place."""
    ends = torch.tensor(counts).cumsum(0).tolist()
    slices = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    moved, mapped = len(MOVES), len(MOVES) + len(TABLES)
    size = (images.shape[2], images.shape[3])
    matrices = [
        operation.apply(strengths[rows], size)
        for operation, rows in zip(MOVES, slices[:moved], strict=True)
    ]
    rows = slice(0, ends[moved - 1])
    images[rows] = geometry.affine(images[rows], torch.cat(matrices))

    channels = images.shape[1]
    maps = [
        operation.apply(images[rows], strengths[rows]).expand(-1, channels, -1)
        for operation, rows in zip(TABLES, slices[moved:mapped], strict=True)
        if rows.start < rows.stop
    ]
    if maps:
        rows = slice(ends[moved - 1], ends[mapped - 1])
        images[rows] = tables.look_up(images[rows], torch.cat(maps))

    for operation, rows in zip(BLENDS, slices[mapped:-1], strict=True):
        images[rows] = operation.apply(images[rows], strengths[rows])

"""RandAugment as the toolbox has it: random operations at random strengths, then a grey box.

The published one (arXiv:1909.13719) has one strength for all; here, as in FixMatch, each operation
draws its own.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dnll_plugin.augment import blends, geometry, tables
from dnll_plugin.augment.host import constant, to_device_async


class Operation(NamedTuple):
    """An operation, the range that its strength is drawn from, and what it makes of what.

    Attributes:
        name: As the toolbox calls it.
        kind: One of :data:`KINDS`.
        make: What the kind needs, see there.
        low: Lowest strength.
        high: Highest strength.
    """

    name: str
    kind: str
    make: Callable[..., Tensor]
    low: float
    high: float


KINDS = ("move", "curve", "table", "blend", "nothing")
"""How operations are applied, in this order, each kind to all of its images at once:

- ``move``: strengths and the images' size make matrices for :func:`geometry.affine`
- ``curve``: strengths make tables of grey levels
- ``table``: images make tables of grey levels
- ``blend``: images make poorer ones, with which they are mixed

What strengths alone make is made on the host.
"""

OPERATIONS = (
    Operation("Rotate", "move", geometry.rotation, -30, 30),
    Operation("ShearX", "move", geometry.shear_x, -0.3, 0.3),
    Operation("ShearY", "move", geometry.shear_y, -0.3, 0.3),
    Operation("TranslateX", "move", geometry.translate_x, -0.3, 0.3),
    Operation("TranslateY", "move", geometry.translate_y, -0.3, 0.3),
    Operation("AutoContrast", "table", tables.autocontrast, 0, 1),
    Operation("Brightness", "curve", tables.brightness, 0.05, 0.95),
    Operation("Contrast", "blend", blends.mean_gray, 0.05, 0.95),
    Operation("Equalize", "table", tables.equalize, 0, 1),
    Operation("Posterize", "curve", tables.posterize, 4, 8),
    Operation("Solarize", "curve", tables.solarize, 0, 256),
    Operation("Color", "blend", blends.gray, 0.05, 0.95),
    Operation("Sharpness", "blend", blends.smooth, 0.05, 0.95),
    Operation("Identity", "nothing", torch.clone, 0, 1),
)
"""Their order is that of the draws: a seed gives the same views as long as it stays."""

BY_KIND = sorted(range(len(OPERATIONS)), key=lambda place: KINDS.index(OPERATIONS[place].kind))
"""Places in :data:`OPERATIONS`, in the order in which they are applied."""

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
    fill = constant(BOX_COLOR, torch.uint8, images.device)
    return geometry.fill_boxes(images, draws.boxes, fill)


def apply_operations(images: Tensor, operations: Tensor, strengths: Tensor) -> Tensor:
    """Applies to each image its own operations, one after the other.

    For each round the images are sorted by operation, so that each works on a slice.

    Args:
        images: (N, 3, H, W) uint8.
        operations: (rounds, N) int64 on the host.
        strengths: (rounds, N) on the host.
    """
    device, size = images.device, (images.shape[2], images.shape[3])
    ranks = torch.tensor(BY_KIND).argsort()[operations]
    orders = ranks.argsort(dim=1, stable=True)
    places = orders.argsort(dim=1)
    moves = torch.cat([orders[:1], places[:-1].gather(1, orders[1:]), places[-1:]])
    moves = to_device_async(moves, device)
    operations, strengths = operations.gather(1, orders), strengths.gather(1, orders)
    matrices = geometry.to_fixed_point(make_on_host("move", operations, strengths, size))
    curves = make_on_host("curve", operations, strengths)
    prepared = zip(
        to_device_async(matrices, device).split(count_rows("move", operations)),
        to_device_async(curves, device).split(count_rows("curve", operations)),
        to_device_async(strengths, device),
        operations,
        strict=True,
    )
    for number, (of_moves, of_curves, of_round, drawn) in enumerate(prepared):
        images = images.index_select(0, moves[number])
        counts = dict(enumerate(drawn.bincount(minlength=len(OPERATIONS)).tolist()))
        start = move(images, of_moves)
        start = map_levels(images, of_curves, start, counts)
        mix(images, of_round, start, counts)
    return images.index_select(0, moves[-1])


def list_places(kind: str) -> list[int]:
    """Places in :data:`OPERATIONS` of a kind, in the order in which they are applied."""
    return [place for place in BY_KIND if OPERATIONS[place].kind == kind]


def count_rows(kind: str, operations: Tensor) -> list[int]:
    """How many images of each round have an operation of a kind."""
    return torch.isin(operations, torch.tensor(list_places(kind))).sum(dim=1).tolist()


def make_on_host(kind: str, operations: Tensor, strengths: Tensor, *options: object) -> Tensor:
    """What the operations of a kind make of strengths, the rounds (R, N) one after the other."""
    made = [
        OPERATIONS[place].make(strengths[operations == place], *options)
        for place in list_places(kind)
    ]
    rows = [(operations == place).flatten().nonzero().flatten() for place in list_places(kind)]
    return torch.cat(made)[torch.cat(rows).argsort()]


def move(images: Tensor, coefficients: Tensor) -> int:
    """Moves the first images, in place; returns how many."""
    rows = slice(0, len(coefficients))
    images[rows] = geometry.affine(images[rows], coefficients)
    return len(coefficients)


def map_levels(images: Tensor, curves: Tensor, start: int, counts: dict[int, int]) -> int:
    """Maps the grey levels of the next images, in place; returns where the others begin."""
    channels, end = images.shape[1], start + len(curves)
    maps = [curves.expand(-1, channels, -1)]
    for place in list_places("table"):
        if counts[place]:
            rows = slice(end, end + counts[place])
            maps.append(OPERATIONS[place].make(images[rows]))
            end = rows.stop
    if end > start:
        images[start:end] = tables.look_up(images[start:end], torch.cat(maps))
    return end


def mix(images: Tensor, strengths: Tensor, start: int, counts: dict[int, int]) -> None:
    """Mixes the next images with poorer ones, in place."""
    places = list_places("blend")
    rows = slice(start, start + sum(counts[place] for place in places))
    full, end = images[rows], 0
    poor = full.to(torch.int16)
    for place in places:
        one = slice(end, end + counts[place])
        poor[one] = OPERATIONS[place].make(full[one])
        end = one.stop
    images[rows] = blends.blend(poor, full, strengths[rows]).to(torch.uint8)

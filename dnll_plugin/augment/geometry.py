"""Operations that move pixels, each by gathering the nearest one.

Where a pixel comes from is worked out on the host as far as that takes no tensor of the size of the
images: a GPU is asked for a few large operations.
"""

from functools import cache
from typing import Literal

import torch
from torch import Tensor

from dnll_plugin.augment.host import constant, to_device_async

PaddingMode = Literal["constant", "reflect"]

_ONE = 1 << 16
"""1 in Pillow's fixed-point coordinates."""


def gather_pixels(images: Tensor, index: Tensor) -> Tensor:
    """Takes pixels by their position in the image, the same in all its channels.

    Args:
        images: (N, C, H, W).
        index: (N, h, w) int64, row * W + column.

    Returns:
        (N, C, h, w).
    """
    count, channels = images.shape[:2]
    places = index.flatten(1)[:, None].expand(-1, channels, -1)
    return images.flatten(2).gather(2, places).view(count, channels, *index.shape[1:])


def affine(images: Tensor, coefficients: Tensor) -> Tensor:
    """Transforms each image in its own way; pixels from outside are black.

    Args:
        images: (N, C, H, W) uint8.
        coefficients: (N, 2, 3) on the same device, see :func:`to_fixed_point`.
    """
    height, width = images.shape[2:]
    across, down = _places(width, images.device), _places(height, images.device)[:, None]
    of_x, of_y, start = coefficients[..., None, None].unbind(2)
    places = (of_x * across + (of_y * down + start)) >> 16
    lowest = constant((0, 0), torch.int32, images.device)
    highest = constant((width - 1, height - 1), torch.int32, images.device)
    nearest = places.clamp(lowest, highest)
    inside = (nearest == places).all(dim=1, keepdim=True)
    x, y = nearest.unbind(1)
    return gather_pixels(images, torch.add(x, y, alpha=width).long()).mul_(inside)


def to_fixed_point(matrices: Tensor) -> Tensor:
    """What :func:`affine` computes with, in Pillow's fixed-point numbers.

    Args:
        matrices: (N, 6) a, b, c, d, e, f: the pixel at (x, y) comes from
            (a x + b y + c, d x + e y + f), the centre of a pixel being half a pixel off its place.

    Returns:
        (N, 2, 3) int32.
    """
    of_x, of_y, start = matrices.view(-1, 2, 3).unbind(2)
    start = start + of_x / 2 + of_y / 2
    return torch.stack([of_x, of_y, start], dim=2).mul_(_ONE).add_(0.5).floor_().int()


@cache
def _places(length: int, device: torch.device) -> Tensor:
    return torch.arange(length, dtype=torch.int32, device=device)


def rotation(degrees: Tensor, size: tuple[int, int]) -> Tensor:
    """Matrices (N, 6) for :func:`affine` that turn about the centre, counter-clockwise.

    Args:
        degrees: (N,).
        size: height and width of the images.
    """
    angles = -torch.deg2rad(degrees)
    cosine, sine = angles.cos(), angles.sin()
    y, x = size[0] / 2, size[1] / 2
    return torch.stack(
        [
            *(cosine, sine, x - cosine * x - sine * y),
            *(-sine, cosine, y + sine * x - cosine * y),
        ],
        dim=1,
    )


def shear_x(strengths: Tensor, size: tuple[int, int]) -> Tensor:
    """Matrices (N, 6) that shift each row by the strength times its place."""
    return _matrices(strengths, b=strengths)


def shear_y(strengths: Tensor, size: tuple[int, int]) -> Tensor:
    """Matrices (N, 6) that shift each column by the strength times its place."""
    return _matrices(strengths, d=strengths)


def translate_x(strengths: Tensor, size: tuple[int, int]) -> Tensor:
    """Matrices (N, 6) that shift to the left; strength: part of the width."""
    return _matrices(strengths, c=strengths * size[1])


def translate_y(strengths: Tensor, size: tuple[int, int]) -> Tensor:
    """Matrices (N, 6) that shift upwards; strength: part of the height."""
    return _matrices(strengths, f=strengths * size[0])


def _matrices(like: Tensor, **entries: Tensor) -> Tensor:
    """Identity but for the entries named."""
    one, zero = torch.ones_like(like), torch.zeros_like(like)
    identity = {"a": one, "b": zero, "c": zero, "d": zero, "e": one, "f": zero}
    return torch.stack(list({**identity, **entries}.values()), dim=1)


def crop(
    images: Tensor, corners: Tensor, flips: Tensor, size: int, padding: int, mode: PaddingMode
) -> Tensor:
    """Cuts a square out of each padded image, and mirrors it where told.

    Args:
        images: (N, C, H, W).
        corners: (N, 2) int64 on the host, row and column of the square's corner in the padded
            image.
        flips: (N,) bool on the host.
        size: side of the square.
        padding: pixels added on each side, fewer than the image has.
        mode: ``constant`` (black) or ``reflect`` (the edge itself is not repeated).
    """
    height, width = images.shape[2:]
    places = torch.arange(size)
    y = corners[:, :1] + places - padding
    x = corners[:, 1:] + torch.where(flips[:, None], size - 1 - places, places) - padding
    if mode == "reflect":
        return gather_grid(images, _reflected(y, height), _reflected(x, width))
    nearest_y, nearest_x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    cut = gather_grid(images, nearest_y, nearest_x)
    if padding == 0:
        return cut
    inside = torch.stack([nearest_y == y, nearest_x == x])
    inside_y, inside_x = to_device_async(inside, images.device)
    return cut.mul_(inside_y[:, None, :, None] & inside_x[:, None, None, :])


def gather_grid(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Takes pixels by their rows and columns (N, S) int64 of the host: (N, C, S, S)."""
    y, x = to_device_async(torch.stack([rows, columns]), images.device)
    return gather_pixels(images, torch.add(x[:, None, :], y[:, :, None], alpha=images.shape[3]))


def _reflected(places: Tensor, length: int) -> Tensor:
    return (length - 1) - ((length - 1) - places.abs()).abs()


def fill_boxes(images: Tensor, boxes: Tensor, fill: Tensor) -> Tensor:
    """Paints a rectangle over each image.

    Args:
        images: (N, C, H, W) uint8.
        boxes: (N, 4) integers on the host: left, top, right, bottom, the last two included.
        fill: (C, 1, 1) uint8.
    """
    left, top, right, bottom = boxes[..., None].unbind(1)
    across, down = torch.arange(images.shape[3]), torch.arange(images.shape[2])
    columns = (across >= left) & (across <= right)
    rows = (down >= top) & (down <= bottom)
    sides = to_device_async(torch.cat([rows, columns], dim=1).to(images.dtype), images.device)
    rows, columns = sides.split([len(down), len(across)], dim=1)
    box = rows[:, None, :, None] * columns[:, None, None, :]
    return (images * (1 - box)).add_(fill * box)  # on a CPU several times faster than torch.where


def quarter_turns(images: Tensor, turns: Tensor) -> Tensor:
    """Turns each square image counter-clockwise by its number of quarter turns.

    Args:
        images: (N, C, S, S).
        turns: (N,) int64 in 0..3.
    """
    return gather_pixels(images, _turned_places(images.shape[3], images.device)[turns])


@cache
def _turned_places(size: int, device: torch.device) -> Tensor:
    """Where the pixels of a square come from after 0 to 3 quarter turns, (4, size, size) int64."""
    places = torch.arange(size * size, device=device).view(size, size)
    return torch.stack([places.rot90(number) for number in range(4)])

"""Operations that move pixels, each by gathering the nearest one."""

from typing import Literal

import torch
from torch import Tensor

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


def affine(images: Tensor, matrices: Tensor) -> Tensor:
    """Transforms each image by its own matrix; pixels from outside are black.

    Args:
        images: (N, C, H, W) uint8.
        matrices: (N, 6) a, b, c, d, e, f: the pixel at (x, y) comes from
            (a x + b y + c, d x + e y + f), the centre of a pixel being half a pixel off its place.
    """
    height, width = images.shape[2:]
    a, b, c, d, e, f = matrices.unbind(1)
    start = torch.stack([c + a / 2 + b / 2, f + d / 2 + e / 2])
    a, b, d, e, c, f = (
        torch.cat([torch.stack([a, b, d, e]), start]).mul(_ONE).add(0.5).floor().int()[..., None]
    )
    across = torch.arange(width, dtype=torch.int32, device=images.device)
    down = torch.arange(height, dtype=torch.int32, device=images.device)
    x = ((a * across)[:, None, :] + (b * down + c)[:, :, None]) >> 16
    y = ((d * across)[:, None, :] + (e * down + f)[:, :, None]) >> 16
    nearest_x, nearest_y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    inside = (nearest_x == x) & (nearest_y == y)
    index = (nearest_y * width + nearest_x).long()
    return gather_pixels(images, index).mul_(inside[:, None])


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
        corners: (N, 2) int64, row and column of the square's corner in the padded image.
        flips: (N,) bool.
        size: side of the square.
        padding: pixels added on each side, fewer than the image has.
        mode: ``constant`` (black) or ``reflect`` (the edge itself is not repeated).
    """
    height, width = images.shape[2:]
    places = torch.arange(size, device=images.device)
    y = corners[:, :1] + places - padding
    x = corners[:, 1:] + torch.where(flips[:, None], size - 1 - places, places) - padding
    if mode == "reflect":
        y, x = _reflected(y, height), _reflected(x, width)
        return gather_pixels(images, y[:, :, None] * width + x[:, None, :])
    nearest_y, nearest_x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    inside = (nearest_y == y)[:, :, None] & (nearest_x == x)[:, None, :]
    index = nearest_y[:, :, None] * width + nearest_x[:, None, :]
    return gather_pixels(images, index).mul_(inside[:, None])


def _reflected(places: Tensor, length: int) -> Tensor:
    return (length - 1) - ((length - 1) - places.abs()).abs()


def fill_boxes(images: Tensor, boxes: Tensor, fill: Tensor) -> Tensor:
    """Paints a rectangle over each image.

    Args:
        images: (N, C, H, W) uint8.
        boxes: (N, 4) integers: left, top, right, bottom, the last two included.
        fill: (C, 1, 1) uint8.
    """
    left, top, right, bottom = boxes[..., None].unbind(1)
    across = torch.arange(images.shape[3], device=images.device)
    down = torch.arange(images.shape[2], device=images.device)
    columns = (across >= left) & (across <= right)
    rows = (down >= top) & (down <= bottom)
    box = (rows[:, :, None] & columns[:, None, :])[:, None].to(images.dtype)
    return (images * (1 - box)).add_(fill * box)  # on a CPU several times faster than torch.where


def quarter_turns(images: Tensor, turns: Tensor) -> Tensor:
    """Turns each square image counter-clockwise by its number of quarter turns.

    Args:
        images: (N, C, S, S).
        turns: (N,) int64 in 0..3.
    """
    size = images.shape[3]
    places = torch.arange(size * size, device=images.device).view(size, size)
    maps = torch.stack([places.rot90(number) for number in range(4)])
    return gather_pixels(images, maps[turns])

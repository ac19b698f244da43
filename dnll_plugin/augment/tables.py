"""Operations that map grey levels to grey levels: one table of 256 levels an image (and channel).

Each takes images (N, C, H, W) uint8 and strengths (N,), of which some make no use, and returns
tables (N, C or 1, 256) uint8 for :func:`look_up`.
"""

import torch
from torch import Tensor

from dnll_plugin.augment.blends import blend, gray

LEVELS = 256


def look_up(images: Tensor, tables: Tensor) -> Tensor:
    """Replaces each grey level by its entry in the table of its image and channel.

    Args:
        images: (N, C, H, W) uint8.
        tables: (N, C, 256) uint8.
    """
    return tables.gather(2, images.flatten(2).long()).view_as(images)


def autocontrast(images: Tensor, strengths: Tensor) -> Tensor:
    """Stretches each channel to the range 0..255."""
    # MPS has no float64; in float32 a level in a few thousand is off by one
    dtype = torch.float32 if images.device.type == "mps" else torch.float64
    low, high = images.flatten(2).aminmax(dim=2, keepdim=True)
    low, high = low.to(dtype), high.to(dtype)
    scale = torch.full_like(low, LEVELS - 1) / (high - low).clamp(min=1)
    levels = _levels(images)
    stretched = (levels * scale - low * scale).clamp(0, LEVELS - 1)
    return torch.where(high > low, stretched, levels.to(dtype)).to(torch.uint8)


def equalize(images: Tensor, strengths: Tensor) -> Tensor:
    """Makes the levels of each channel about equally frequent."""
    pixels = images.flatten(2).long()
    one = torch.ones(1, dtype=torch.int64, device=images.device)
    histogram = torch.zeros(*pixels.shape[:2], LEVELS, dtype=torch.int64, device=images.device)
    histogram.scatter_add_(2, pixels, one.expand_as(pixels))
    of_highest = histogram.gather(2, pixels.amax(dim=2, keepdim=True))
    step = (pixels.shape[2] - of_highest) // (LEVELS - 1)
    below = histogram.cumsum(dim=2) - histogram
    equal = ((step // 2 + below) // step.clamp(min=1)).clamp(max=LEVELS - 1)
    return torch.where(step > 0, equal, _levels(images)).to(torch.uint8)


def posterize(images: Tensor, strengths: Tensor) -> Tensor:
    """Keeps the upper bits of each level; strength: how many, 1 to 8, its fraction ignored."""
    dropped = 8 - strengths.int().clamp(min=1)
    mask = LEVELS - torch.bitwise_left_shift(torch.ones_like(dropped), dropped)
    return (_levels(images) & mask[:, None, None]).to(torch.uint8)


def solarize(images: Tensor, strengths: Tensor) -> Tensor:
    """Inverts the levels from a threshold on; strength: the threshold, 0 to 256."""
    levels = _levels(images)
    inverted = LEVELS - 1 - levels
    return torch.where(levels < strengths[:, None, None], levels, inverted).to(torch.uint8)


def brightness(images: Tensor, strengths: Tensor) -> Tensor:
    """Mixes with black; strength: the share of the image."""
    levels = _levels(images)
    return blend(torch.zeros_like(levels), levels, strengths)


def contrast(images: Tensor, strengths: Tensor) -> Tensor:
    """Mixes with the mean grey of the image; strength: the share of the image."""
    pixels = gray(images).flatten(1)
    count = pixels.shape[1]
    mean = (2 * pixels.sum(dim=1) + count) // (2 * count)
    return blend(mean[:, None, None], _levels(images), strengths)


def _levels(images: Tensor) -> Tensor:
    return torch.arange(LEVELS, dtype=torch.int32, device=images.device).expand(len(images), 1, -1)

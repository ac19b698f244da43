"""Operations that map grey levels to grey levels: one table of 256 levels an image (and channel).

Each takes either images (N, C, H, W) uint8 or strengths (N,), and returns tables (N, C or 1, 256)
uint8 for :func:`look_up`.
"""

from functools import cache

import torch
from torch import Tensor

from dnll_plugin.augment.blends import blend
from dnll_plugin.augment.host import constant

LEVELS = 256


def look_up(images: Tensor, tables: Tensor) -> Tensor:
    """Replaces each grey level by its entry in the table of its image and channel.

    Args:
        images: (N, C, H, W) uint8.
        tables: (N, C, 256) uint8.
    """
    return tables.gather(2, images.flatten(2).long()).view_as(images)


def autocontrast(images: Tensor) -> Tensor:
    """Stretches each channel to the range 0..255."""
    # MPS has no float64; in float32 a level in a few thousand is off by one
    dtype = torch.float32 if images.device.type == "mps" else torch.float64
    low, high = images.flatten(2).aminmax(dim=2, keepdim=True)
    low, high = low.to(dtype), high.to(dtype)
    highest = constant((LEVELS - 1,), dtype, images.device)
    scale = highest / (high - low).clamp_(min=1)
    levels = _levels(images.device)
    stretched = (levels * scale).sub_(low * scale).clamp_(0, LEVELS - 1)
    return torch.where(high > low, stretched, levels).to(torch.uint8)


def equalize(images: Tensor) -> Tensor:
    """Makes the levels of each channel about equally frequent."""
    pixels = images.flatten(2).long()
    one = constant((1,), torch.int64, images.device)[0]
    histogram = torch.zeros(*pixels.shape[:2], LEVELS, dtype=torch.int64, device=images.device)
    histogram.scatter_add_(2, pixels, one.expand_as(pixels))
    of_highest = histogram.gather(2, pixels.amax(dim=2, keepdim=True))
    step = (pixels.shape[2] - of_highest) // (LEVELS - 1)
    below = histogram.cumsum(dim=2).sub_(histogram)
    equal = ((step // 2 + below) // step.clamp(min=1)).clamp_(max=LEVELS - 1)
    return torch.where(step > 0, equal, _levels(images.device)).to(torch.uint8)


def posterize(strengths: Tensor) -> Tensor:
    """Keeps the upper bits of each level; strength: how many, 1 to 8, its fraction ignored."""
    dropped = 8 - strengths.int().clamp(min=1)
    mask = LEVELS - torch.bitwise_left_shift(torch.ones_like(dropped), dropped)
    return (_levels(strengths.device) & mask[:, None, None]).to(torch.uint8)


def solarize(strengths: Tensor) -> Tensor:
    """Inverts the levels from a threshold on; strength: the threshold, 0 to 256."""
    levels = _levels(strengths.device)
    inverted = LEVELS - 1 - levels
    return torch.where(levels < strengths[:, None, None], levels, inverted).to(torch.uint8)


def brightness(strengths: Tensor) -> Tensor:
    """Mixes with black; strength: the share of the image."""
    levels = _levels(strengths.device)
    return blend(torch.zeros_like(levels), levels, strengths).to(torch.uint8)


@cache
def _levels(device: torch.device) -> Tensor:
    """All levels, (1, 1, 256)."""
    return torch.arange(LEVELS, dtype=torch.int32, device=device).view(1, 1, -1)

"""Operations that mix an image with a poorer one: without contrast, without colour, or smoothed.

Each gives the poorer version of images (N, 3, H, W) uint8, to be mixed by :func:`blend`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dnll_plugin.augment.host import constant


def blend(poor: Tensor, full: Tensor, shares: Tensor) -> Tensor:
    """Mixes two batches row by row, and cuts fractions off.

    Args:
        poor: (N, ...) integers in 0..255, of any dtype but uint8.
        full: (N, ...) integers in 0..255, of a shape that broadcasts with it.
        shares: (N,) of ``full``; above 1 it extrapolates.

    Returns:
        float32 whole numbers or more in 0..255, of the common shape; to be cut to uint8.
    """
    shares = shares.float().view(-1, *[1] * (full.dim() - 1))
    return ((full - poor) * shares).add_(poor).clamp_(0, 255)


def mean_gray(images: Tensor) -> Tensor:
    """The mean grey level of each image, as an image: (N, 1, 1, 1) int64."""
    pixels = gray(images).flatten(1)
    count = pixels.shape[1]
    mean = pixels.sum(dim=1, keepdim=True).mul_(2).add_(count)
    return mean.div_(2 * count, rounding_mode="floor")[..., None, None]


def gray(images: Tensor) -> Tensor:
    """Luma of each image: (N, 1, H, W) int32 in 0..255 (ITU-R 601-2)."""
    weights = constant((19595, 38470, 7471), torch.int32, images.device)
    return (images * weights).sum(dim=1, keepdim=True, dtype=torch.int32).add_(0x8000) >> 16


def smooth(images: Tensor) -> Tensor:
    """Weights each pixel 5/13 and its neighbours 1/13 each; the border stays as it is.

    Returns:
        (N, 3, H, W) int16.
    """
    smoothed = images.to(torch.int16)
    if min(images.shape[2:]) < 3:
        return smoothed
    centre = smoothed[..., 1:-1, 1:-1]
    # exact: whole numbers far below 2^24, and no thirteenth plus a half is a whole number
    sums = F.avg_pool2d(images.float(), 3, stride=1, divisor_override=1).add_(centre, alpha=4)
    centre.copy_(sums.div_(13).add_(0.5))
    return smoothed

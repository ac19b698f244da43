"""Operations that mix an image with a poorer one: without colour, or smoothed."""

import torch
from torch import Tensor


def blend(poor: Tensor, full: Tensor, shares: Tensor) -> Tensor:
    """Mixes two batches row by row, and cuts fractions off.

    Args:
        poor: (N, ...) integers in 0..255.
        full: (N, ...) integers in 0..255, of a shape that broadcasts with it.
        shares: (N,) of ``full``; above 1 it extrapolates.

    Returns:
        uint8, of the common shape.
    """
    shares = shares.float().view(-1, *[1] * (full.dim() - 1))
    return (poor + shares * (full.int() - poor.int())).clamp_(0, 255).to(torch.uint8)


def gray(images: Tensor) -> Tensor:
    """Luma of RGB images (N, 3, H, W) uint8: (N, H, W) int32 in 0..255 (ITU-R 601-2)."""
    red, green, blue = images.int().unbind(1)
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16


def color(images: Tensor, strengths: Tensor) -> Tensor:
    """Mixes RGB images with their grey version; strength: the share of the image."""
    return blend(gray(images)[:, None], images, strengths)


def sharpness(images: Tensor, strengths: Tensor) -> Tensor:
    """Mixes images with their smoothed version; strength: the share of the image."""
    return blend(smooth(images), images, strengths)


def smooth(images: Tensor) -> Tensor:
    """Weights each pixel 5/13 and its neighbours 1/13 each; the border stays as it is."""
    pixels = images.to(torch.int16)
    sums = pixels[..., :-2, :] + pixels[..., 1:-1, :] + pixels[..., 2:, :]
    sums = sums[..., :-2] + sums[..., 1:-1] + sums[..., 2:] + 4 * pixels[..., 1:-1, 1:-1]
    smoothed = images.clone()
    smoothed[..., 1:-1, 1:-1] = (2 * sums + 13).div_(26, rounding_mode="floor").to(torch.uint8)
    return smoothed

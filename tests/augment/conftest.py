"""Images on which operations are compared, and the toolbox's operations on Pillow images."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor


def some_images(count: int = 24, size: int = 32, seed: int = 0) -> Tensor:
    """Noise, smooth pictures, flat ones and ones of few levels: (count, 3, size, size) uint8."""
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (count, 3, size, size))
    coarse = random.integers(0, 256, (count, 3, size // 8 + 1, size // 8 + 1))
    smooth = coarse.repeat(8, axis=2).repeat(8, axis=3)[..., :size, :size]
    ramp = np.linspace(40, 200, size).astype(int) + 0 * noise
    flat = np.broadcast_to(random.integers(0, 256, (count, 3, 1, 1)), noise.shape)
    few = random.choice([3, 60, 61, 250], noise.shape)
    dark = noise // 4 + 10
    kinds = np.stack([noise, smooth, ramp, flat, few, dark])
    chosen = kinds[np.arange(count) % len(kinds), np.arange(count)]
    return torch.from_numpy(chosen.astype(np.uint8))


def to_pil(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def from_pil(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@pytest.fixture(scope="session")
def images() -> Tensor:
    return some_images()


@pytest.fixture(scope="session")
def theirs() -> Callable[[str, Tensor, Tensor], Tensor]:
    """Applies one of the toolbox's operations, by name, to each image at its strength."""
    from semilearn.datasets.augmentation import randaugment

    def apply(name: str, images: Tensor, strengths: Tensor) -> Tensor:
        function: Any = getattr(randaugment, name)
        pairs = zip(images, strengths.tolist(), strict=True)
        return torch.stack([from_pil(function(to_pil(image), value)) for image, value in pairs])

    return apply

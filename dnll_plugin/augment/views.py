"""From stored images to what the net sees: crop, flip, RandAugment, normalisation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dnll_plugin.augment import randaugment
from dnll_plugin.augment.geometry import PaddingMode, crop
from dnll_plugin.augment.host import constant


@dataclass(frozen=True)
class Shift:
    """A square cut at random out of the padded image, and mirrored at random.

    Attributes:
        size: side of the square.
        padding: pixels added on each side before.
        mode: with black, or with the image's reflection.
        flip: probability that an image is mirrored.
    """

    size: int
    padding: int
    mode: PaddingMode
    flip: float

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Shifts images (N, C, H, W); what is random comes from a generator of the host."""
        count = len(images)
        spare = [side + 2 * self.padding - self.size + 1 for side in images.shape[2:]]
        corners = torch.stack(
            [torch.randint(number, (count,), generator=generator) for number in spare], dim=1
        )
        flips = torch.rand(count, generator=generator) < self.flip
        return crop(images, corners, flips, self.size, self.padding, self.mode)


@dataclass(frozen=True)
class View:
    """One kind of view of a batch, with nothing random by default.

    Attributes:
        mean: of pixels scaled to 0..1, one a channel.
        std: of the same.
        shift: the random crop, if any.
        operations: of RandAugment, for each image.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    shift: Shift | None = None
    operations: int = 0

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Returns the views of images.

        Args:
            images: (N, 3, H, W) uint8 on any device.
            generator: of the host; what is random comes from it.

        Returns:
            (N, 3, size, size) float32 on the same device, normalised.
        """
        if self.shift is not None:
            images = self.shift(images, generator)
        if self.operations:
            size = (images.shape[2], images.shape[3])
            draws = randaugment.draw(len(images), self.operations, size, generator)
            images = randaugment.apply(images, draws)
        mean = constant(self.mean, torch.float32, images.device)
        std = constant(self.std, torch.float32, images.device)
        return images.float().div_(255).sub_(mean).div_(std)

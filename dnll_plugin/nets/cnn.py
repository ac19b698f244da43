"""The convolutional networks of the DNLL paper: CNN-13 (CIFAR-10, SVHN) and CNN-3 (MNIST)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from dnll_plugin.errors import InputError
from dnll_plugin.nets.pair import set_input_noise


class ConvBlock(nn.Sequential):
    """Weight-normalised convolution, batch norm, LeakyReLU; keeps the resolution by default.

    With ``halve`` the maximum of each 2x2 positions follows. It is taken before the activation,
    which is increasing, so that a quarter of the positions is left to activate: the same numbers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        padding: int = 1,
        halve: bool = False,
    ) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding)
        super().__init__(
            OrderedDict(
                conv=weight_norm(conv),
                norm=nn.BatchNorm2d(out_channels),
                pool=Halving() if halve else nn.Identity(),
                act=nn.LeakyReLU(0.1),
            )
        )


class Halving(nn.MaxPool2d):
    """The maximum of each 2x2 positions: ``nn.MaxPool2d(2)``, to the same numbers.

    Where the maxima lie matters to backward only, but torch's kernel for the CPU writes it down
    always. Without gradient two maxima of every other row and column take a tenth of its time.
    """

    def __init__(self) -> None:
        super().__init__(kernel_size=2)

    def forward(self, input: Tensor) -> Tensor:
        if torch.is_grad_enabled() or input.device.type != "cpu":
            return super().forward(input)
        height, width = (size // 2 * 2 for size in input.shape[-2:])
        rows = torch.maximum(input[..., 0:height:2, :], input[..., 1:height:2, :])
        return torch.maximum(rows[..., 0:width:2], rows[..., 1:width:2])


class HalfDropout(nn.Dropout):
    """Drops each value with probability one half: ``nn.Dropout(0.5)``.

    On a CPU other than Intel's torch compares a random number of double precision with 0.5 for each
    value. With random bits the layer takes less than half the time.
    """

    def __init__(self) -> None:
        super().__init__(p=0.5)

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or input.device.type != "cpu":
            return super().forward(input)
        bits = torch.randint_like(input, 2, memory_format=torch.contiguous_format)
        return input * bits.mul_(2)


class HeadedCNN(nn.Module):
    """Stages of convolutions, an average over positions, and two linear heads, or one.

    With two, the class head learns from labels, the consistency head from everything else, so that
    the pull of wrong targets does not reach the classifier directly.

    Args:
        stages: The convolutional trunk, each stage a sequence of layers.
        num_features: Channels that the trunk ends with.
        num_classes: Outputs of each head.
        input_noise: Standard deviation of the Gaussian noise on the images, in training only.
        heads: 2 or 1.
    """

    min_size = 1

    def __init__(
        self,
        stages: list[nn.Sequential],
        num_features: int,
        num_classes: int,
        input_noise: float,
        heads: int,
    ) -> None:
        super().__init__()
        self.stages = nn.Sequential(*stages)
        self.classifier = weight_norm(nn.Linear(num_features, num_classes))
        self.consistency = weight_norm(nn.Linear(num_features, num_classes)) if heads == 2 else None
        self.num_features = num_features
        set_input_noise(self, input_noise)

    def forward(self, x: Tensor, only_fc: bool = False, only_feat: bool = False) -> Any:
        """The toolbox's net interface.

        Args:
            x: Images (N, 3, H, W), or with ``only_fc`` features (N, F).
            only_fc: Apply the class head to features.
            only_feat: Return the features.

        Returns:
            ``{"logits": (N, K), "logits_cons": (N, K), "feat": (N, F)}``, with one head without
            ``logits_cons``, or the class logits, or the features.

        Raises:
            InputError: The images are too small for the network's poolings.
        """
        if only_fc:
            return self.classifier(x)
        feat = self.extract(x)
        if only_feat:
            return feat
        output = {"logits": self.classifier(feat), "feat": feat}
        if self.consistency is not None:
            output["logits_cons"] = self.consistency(feat)
        return output

    def extract(self, x: Tensor) -> Tensor:
        """Features (N, F) of images (N, 3, H, W)."""
        if min(x.shape[-2:]) < self.min_size:
            raise InputError(
                f"img_size: {type(self).__name__} needs images of at least {self.min_size} pixels "
                f"a side, got {x.shape[-2]}x{x.shape[-1]}; raise img_size or choose another net"
            )
        return self.pool(self.stages(x), image_size=x.shape[-1])

    def pool(self, maps: Tensor, image_size: int) -> Tensor:
        """Average the final maps (N, F, h, w) over all positions."""
        return maps.mean(dim=(2, 3))

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> dict[str, str]:
        """Layer groups for layer-wise learning rate decay; the heads are the last group."""
        return {"stages": rf"^{prefix}stages\.(\d+)" + ("" if coarse else r"\.(\d+)")}

    def no_weight_decay(self) -> set[str]:
        """Names of the batch norm parameters and the biases."""
        return {n for n, _ in self.named_parameters() if ".norm." in n or n.endswith(".bias")}


class CNN13(HeadedCNN):
    """The 13-layer network of Mean Teacher, Temporal Ensembling and DNLL, with two heads.

    Args:
        num_classes: Number of classes.
        input_noise: Standard deviation of the noise on the images in training.
        heads: 2 as published, or 1 for algorithms that know one head only.
    """

    min_size = 12

    def __init__(self, num_classes: int, input_noise: float = 0.0, heads: int = 2) -> None:
        stages = [
            nn.Sequential(
                ConvBlock(3, 128),
                ConvBlock(128, 128),
                ConvBlock(128, 128, halve=True),
                HalfDropout(),
            ),
            nn.Sequential(
                ConvBlock(128, 256),
                ConvBlock(256, 256),
                ConvBlock(256, 256, halve=True),
                HalfDropout(),
            ),
            nn.Sequential(
                ConvBlock(256, 512, padding=0),
                ConvBlock(512, 256, kernel_size=1, padding=0),
                ConvBlock(256, 128, kernel_size=1, padding=0),
            ),
        ]
        super().__init__(stages, 128, num_classes, input_noise, heads)


class CNN3(HeadedCNN):
    """The 3-layer network that DNLL uses on MNIST, with two heads.

    Args:
        num_classes: Number of classes.
        input_noise: Standard deviation of the noise on the images in training.
        heads: 2 as published, or 1 for algorithms that know one head only.
    """

    min_size = 4

    def __init__(self, num_classes: int, input_noise: float = 0.15, heads: int = 2) -> None:
        stages = [
            nn.Sequential(ConvBlock(3, 16, halve=True)),
            nn.Sequential(ConvBlock(16, 32, halve=True), HalfDropout()),
            nn.Sequential(ConvBlock(32, 32)),
        ]
        super().__init__(stages, 32, num_classes, input_noise, heads)

    def pool(self, maps: Tensor, image_size: int) -> Tensor:
        """Average the final maps; of 28-pixel images only the upper left 6x6 of 7x7 positions.

        The published network slides a 6x6 average with stride 2, which fits into 7x7 just once.
        """
        return super().pool(maps[..., :6, :6] if image_size == 28 else maps, image_size)


def cnn13(
    num_classes: int,
    pretrained: bool = False,
    pretrained_path: str | None = None,
    input_noise: float = 0.0,
    heads: int = 2,
) -> CNN13:
    """Build :class:`CNN13`. There are no pretrained weights."""
    _refuse_pretrained("cnn13", pretrained)
    return CNN13(num_classes, input_noise, heads)


def cnn3(
    num_classes: int,
    pretrained: bool = False,
    pretrained_path: str | None = None,
    input_noise: float = 0.15,
    heads: int = 2,
) -> CNN3:
    """Build :class:`CNN3`. There are no pretrained weights."""
    _refuse_pretrained("cnn3", pretrained)
    return CNN3(num_classes, input_noise, heads)


def _refuse_pretrained(name: str, pretrained: bool) -> None:
    if pretrained:
        raise InputError(f"use_pretrain: {name} has no pretrained weights; set it to False")

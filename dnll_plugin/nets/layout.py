"""The layout of images and weights in memory."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dnll_plugin.nets.pair import SubmodelPair


def use_channels_last(model: nn.Module) -> None:
    """Lets a net, or both nets of a pair, compute with the channels of a pixel side by side.

    Convolutions of small images are faster so, on CPUs and in half precision on GPUs. Names and
    shapes of weights stay; results differ by rounding, and dropout draws other elements.
    """
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for net in (model.left, model.right) if isinstance(model, SubmodelPair) else (model,):
        net.register_forward_pre_hook(_channels_last_images)


def _channels_last_images(net: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    x, *rest = args
    return (channels_last(x), *rest)


def channels_last(x: Any) -> Any:
    """A batch of images (N, C, H, W), or a mapping of such, in this layout; others as they are."""
    if isinstance(x, Mapping):
        return {name: channels_last(value) for name, value in x.items()}
    if isinstance(x, Tensor) and x.ndim == 4:
        return x.contiguous(memory_format=torch.channels_last)
    return x
